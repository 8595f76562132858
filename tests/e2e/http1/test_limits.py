"""Limits on connections."""
import itertools
import json
import signal
import sqlite3

import pytest

from support.daemon import API_KEY
from support.http_client import Closed, RawConnection, encode_request
from support.native_client import NativeClient
from support.waiting import DEADLINE_S, wait_until
from support.websocket_client import CLOSE

BOTH_ENGINES = True


def test_connections_max_on_both_sides_and_old_ones_stay(make_daemon):
    daemon = make_daemon({"engine": {"shards": 1}, "listen": {"connections_max": 3}})
    clients = [NativeClient(daemon) for _ in range(3)]
    for client in clients:
        client.subscribed("limit:1")
    with RawConnection(daemon.address) as refused:
        assert refused.closed_by_peer()
    clients[0].publish("limit:1")  # is refused for its grants, but answered
    clients[0].close()

    def served():
        try:
            with RawConnection(daemon.address) as connection:
                connection.send_until_refused(encode_request("GET", "/metrics", {"Host": daemon.host}))
                return connection.read_response().text
        except Closed:
            return None

    metrics = wait_until(served, "a place for a new connection")
    lines = [line for line in metrics.splitlines() if line.startswith("ringcast_connections_refused_total{")]
    assert float(next(line for line in lines if '"connections_max"' in line).split()[1]) >= 1
    for client in clients[1:]:
        assert client.drain() == []
        client.close()


def test_churn_leaves_no_descriptor(daemon):
    before = daemon.descriptors()
    for round_ in range(10):
        clients = [NativeClient(daemon) for _ in range(20)]
        for n, client in enumerate(clients):
            client.send_json({"type": "subscribe", "room": f"churn:{n % 3}"})
            client.reset() if n % 2 else client.close()
    wait_until(lambda: daemon.descriptors() <= before, "the descriptors of the connections")
    daemon.wait_for_subscriptions(0)


def open_connections(daemon, count):
    """That many connections that were asked for; returns those that are served."""
    served, refused = [], 0
    for _ in range(count):
        connection = RawConnection(daemon.address)
        try:
            connection.send_until_refused(encode_request("GET", "/healthz", {"Host": daemon.host}))
            connection.read_response()
            served.append(connection)
        except Closed:
            refused += 1
            connection.close()
    return served, refused


def test_connections_max_is_of_the_daemon_not_of_a_shard(make_daemon):
    daemon = make_daemon({"engine": {"shards": 2}, "listen": {"connections_max": 3}})
    served, refused = open_connections(daemon, 40)
    for connection in served:
        connection.close()
    assert (len(served), refused) == (3, 37)


def refusals(daemon, reason):
    return daemon.metric(f'ringcast_connections_refused_total{{reason="{reason}"}}')


@pytest.mark.parametrize("shards", [1, 2])
def test_connections_per_address_max_on_both_sides(make_daemon, shards):
    daemon = make_daemon({"engine": {"shards": shards}, "listen": {"connections_per_address_max": 3}})
    served, refused = open_connections(daemon, 9)
    other = RawConnection(daemon.address, source="127.0.0.2")
    other.send(encode_request("GET", "/healthz", {"Host": daemon.host}))
    assert other.read_response().status == 200, "another address has places of its own"
    for connection in [*served, other]:
        connection.close()
    assert (len(served), refused) == (3, 6)
    wait_until(lambda: (answered_metrics(daemon) or 0) >= 6, "the count of the refused")
    lines = wait_until(lambda: [line for line in daemon.log().splitlines()
                                if "connections_per_address_max is 3" in line], "the line of the log")
    assert "connection of 127.0.0.1:" in lines[0]


def answered_metrics(daemon):
    try:
        return refusals(daemon, "connections_per_address_max")
    except Closed:
        return None


def silent_until_closed(client):
    while client.read_frame().opcode != CLOSE:
        pass


ENDS = {
    "closed by the client": lambda client, daemon: client.close(),
    "reset by the client": lambda client, daemon: client.reset(),
    "a WebSocket that says goodbye": lambda client, daemon: (client.send_close(1000), client.read_close()),
    "a protocol error": lambda client, daemon: (client.send(b"\xff\xff"), client.read_close()),
    "kept silent": lambda client, daemon: silent_until_closed(client),
}


@pytest.mark.parametrize("end", ENDS)
def test_each_end_of_a_connection_gives_its_places_back(make_daemon, end):
    daemon = make_daemon({"engine": {"shards": 1},
                          "listen": {"connections_per_address_max": 2, "connections_max": 2},
                          "limits": {"linger_s": 1, **({"ping_interval_s": 1, "pong_timeout_s": 1}
                                                       if end == "kept silent" else {})}})

    def connected():
        try:
            return NativeClient(daemon)
        except (Closed, OSError):
            return None

    for _ in range(3):
        clients = [wait_until(connected, "a place") for _ in range(2)]
        for client in clients:
            ENDS[end](client, daemon)
            client.close()
    wait_until(connected, "a place").close()


def test_a_client_that_pipelines_and_reads_nothing_is_closed_and_others_are_served(make_daemon):
    daemon = make_daemon({"limits": {"reply_bytes_max": 65_536, "write_stall_s": 600, "linger_s": 1}})
    greedy = RawConnection(daemon.address, receive_buffer_bytes=4096)
    greedy.socket.settimeout(1)
    requests = encode_request("GET", "/metrics", {"Host": daemon.host}) * 100
    # While it stands still, so that it finds all of them at once: 100 times their size in answers.
    daemon.signal(signal.SIGSTOP)
    for _ in range(50):
        if not greedy.send_until_refused(requests):
            break
    daemon.signal(signal.SIGCONT)
    wait_until(lambda: daemon.metric("ringcast_slow_consumers_total") == 1, "the end of the greedy client")
    assert daemon.metric("ringcast_sent_bytes_total") < 10 << 20
    wait_until(lambda: daemon.metric("ringcast_connections") == 1, "its socket's end")
    greedy.close()


def test_a_publish_that_waits_for_the_store_is_answered_before_the_daemon_ends(make_daemon, tmp_path):
    path = tmp_path / "store.db"
    daemon = make_daemon({"store": {"url": f"sqlite:{path}"}, "limits": {"linger_s": 1},
                          "namespace": [{"name": "tenant", "history": "store"}]})
    daemon.wait_ready()
    other = sqlite3.connect(path, isolation_level=None, timeout=DEADLINE_S)
    other.execute("begin immediate")
    body = json.dumps({"room": "tenant:1", "type": "note", "data": 1}).encode()
    with RawConnection(daemon.address) as connection, NativeClient(daemon) as witness:
        # Each look at the metrics is a request as well.
        before, looks = daemon.metric("ringcast_http_requests_total"), itertools.count(1)
        connection.send(encode_request("POST", "/api/publish", {
            "Host": daemon.host, "Authorization": f"Bearer {API_KEY}", "Content-Length": len(body)}, body))
        wait_until(lambda: daemon.metric("ringcast_http_requests_total") - before > next(looks), "the request")
        daemon.signal(signal.SIGTERM)
        assert witness.read_close().close_code == 1001
        other.execute("rollback")
        response = connection.read_response()
        assert (response.status, response.header("connection")) == (200, "close")
        offset = response.json()["offset"]
    assert other.execute("select id from ringcast_outbox").fetchall() == [(offset,)]
    other.close()
    daemon.join()
