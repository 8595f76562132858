"""Signals: what clients are told, what is still answered, and that it ends in time."""
import json
import signal
import socket
import threading
import time

import pytest

from support.http_client import RawConnection, encode_request, request
from support.native_client import NativeClient
from support.waiting import DEADLINE_S, wait_until

BOTH_ENGINES = True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_websockets_are_told_1001_and_it_ends_with_0(make_daemon, number):
    daemon = make_daemon()
    clients = [NativeClient(daemon) for _ in range(5)]
    clients[0].subscribed("a:1")
    daemon.signal(number)
    for client in clients:
        assert client.read_end() == (1001, "server stops")
        client.close()
    daemon.join()


def test_idle_and_half_sent_requests_do_not_hold_it(make_daemon):
    daemon = make_daemon()
    connections = [RawConnection(daemon.address) for _ in range(3)]
    idle, half, _ = connections
    idle.send(encode_request("GET", "/healthz", {"Host": "x"}))
    assert idle.read_response().status == 200
    half.send(b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Le")
    daemon.signal(signal.SIGTERM)
    for connection in connections:
        connection.closed_by_peer()
        connection.close()
    daemon.join()


def stuck_client(daemon):
    """Subscribes and reads nothing, until its socket takes nothing more."""
    client = NativeClient(daemon, receive_buffer_bytes=4096)
    client.subscribed("flood:1")
    while daemon.metric("ringcast_short_sends_total") == 0:
        daemon.publish("flood:1", data="x" * 60_000)
    return client


def test_stuck_client_does_not_hold_it_beyond_the_deadline(make_daemon):
    """Nothing else would end it: the client is waited for longer than any test runs."""
    daemon = make_daemon({"engine": {"stop_deadline_ms": 2_000},
                          "limits": {"write_stall_s": 3600, "linger_s": 3600}})
    client = stuck_client(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.join()
    client.close()


def test_second_signal_ends_it_at_once(make_daemon):
    daemon = make_daemon({"engine": {"stop_deadline_ms": 600_000},
                          "limits": {"write_stall_s": 3600, "linger_s": 3600}})
    client = stuck_client(daemon)
    daemon.signal(signal.SIGTERM)
    # One that comes at once is the same wish: terminals and `timeout` signal twice.
    daemon.signal(signal.SIGTERM)
    assert daemon.process.poll() is None
    while daemon.process.poll() is None:
        daemon.signal(signal.SIGTERM)
        time.sleep(0.05)
    daemon.join(expected=128 + signal.SIGTERM)
    client.close()


def test_hangup_is_answered_in_the_log_and_changes_nothing(make_daemon):
    daemon = make_daemon()
    client = NativeClient(daemon)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP: configuration reload is not supported" in daemon.log(), "the answer")
    client.subscribed("a:1")
    client.close()


def test_closed_pipe_of_standard_output_does_not_end_it(spawn):
    daemon = spawn("serve", "--listen", "127.0.0.1:0")
    port = daemon.port()
    daemon.signal(signal.SIGPIPE)
    assert request(("127.0.0.1", port), "GET", "/healthz", {}).status == 200


def test_new_connections_are_refused_while_it_stops(make_daemon):
    daemon = make_daemon({"engine": {"stop_deadline_ms": 3_000}})
    client = stuck_client(daemon)
    daemon.signal(signal.SIGTERM)

    def refused():
        try:
            connection = socket.create_connection(daemon.address, timeout=5)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = connection.recv(100)
            connection.close()
            return answer == b""
        except OSError:
            return True

    while not refused():
        assert daemon.process.poll() is None, "it answered until it ended"
    daemon.join()
    client.close()


def test_every_publish_that_was_answered_is_there_after_a_restart(make_daemon, tmp_path):
    daemon = make_daemon({"store": {"url": f"sqlite:{tmp_path / 's.db'}"},
                          "namespace": [{"name": "tenant", "history": "store"}]})
    daemon.wait_ready()
    start = NativeClient(daemon).subscribed("tenant:1")
    answered, enough = [], threading.Event()

    def publish():
        try:
            while True:
                answered.append(daemon.publish("tenant:1", data=1)["id"])
                if len(answered) > 40:
                    enough.set()
        except Exception:  # the daemon is gone, or says so by 503
            enough.set()

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(DEADLINE_S)
    daemon.signal(signal.SIGTERM)
    daemon.join()
    for thread in threads:
        thread.join()
    assert len(answered) > 40
    daemon.start()
    daemon.wait_ready()
    client = NativeClient(daemon)
    joined = client.subscribed("tenant:1", recover=(start["epoch"], start["offset"]))
    assert joined["recovered"] is True, json.dumps(joined)
    missing = set(answered)
    while missing:
        missing.discard(client.receive("note")["id"])
    client.close()
