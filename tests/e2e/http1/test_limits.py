"""Limits on connections."""
import json
import signal
import sqlite3

import pytest

from support.daemon import API_KEY
from support.http_client import Closed, RawConnection, encode_request
from support.native_client import NativeClient
from support.waiting import wait_until

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
    refusals = [line for line in metrics.splitlines() if line.startswith("ringcast_connections_refused_total ")]
    assert float(refusals[0].split()[1]) >= 1
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


@pytest.mark.xfail(strict=True, reason="connections_per_address_max is read from the configuration, never applied")
def test_connections_per_address_max_on_both_sides(make_daemon):
    daemon = make_daemon({"engine": {"shards": 1}, "listen": {"connections_per_address_max": 3}})
    served, refused = open_connections(daemon, 5)
    for connection in served:
        connection.close()
    assert (len(served), refused) == (3, 2)


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
    other = sqlite3.connect(path, isolation_level=None, timeout=10)
    other.execute("begin immediate")
    body = json.dumps({"room": "tenant:1", "type": "note", "data": 1}).encode()
    with RawConnection(daemon.address) as connection, NativeClient(daemon) as witness:
        connection.send(encode_request("POST", "/api/publish", {
            "Host": daemon.host, "Authorization": f"Bearer {API_KEY}", "Content-Length": len(body)}, body))
        wait_until(lambda: daemon.metric("ringcast_http_requests_total") >= 2)
        daemon.signal(signal.SIGTERM)
        assert witness.read_close().close_code == 1001
        other.execute("rollback")
        response = connection.read_response()
        assert (response.status, response.header("connection")) == (200, "close")
        offset = response.json()["offset"]
    assert other.execute("select id from ringcast_outbox").fetchall() == [(offset,)]
    other.close()
    daemon.join()
