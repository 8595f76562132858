"""Time limits of HTTP, all lowered to a second; the tests assert what happens, never when."""
import json
import sqlite3

import pytest

from support.daemon import API_KEY
from support.http_client import Closed, RawConnection, encode_request
from support.waiting import DEADLINE_S, wait_until

BOTH_ENGINES = True
STORE = True
CONFIG = {"limits": {"header_timeout_s": 1, "body_timeout_s": 1, "idle_timeout_s": 1, "linger_s": 1}}


def publish_request(daemon, room="timeouts:1"):
    body = json.dumps({"room": room, "type": "note", "data": 1}).encode()
    return encode_request("POST", "/api/publish", {
        "Host": daemon.host, "Authorization": f"Bearer {API_KEY}", "Content-Length": len(body)}, body)


def drip(connection, octets):
    """One octet after the other until the server has something to say; False if it never had."""
    connection.socket.settimeout(0.1)
    for at in range(len(octets)):
        try:
            connection.send(octets[at:at + 1])
            connection.receive_some()
            return True
        except TimeoutError:
            continue
        except (OSError, Closed):
            return True
    return False


def test_a_client_that_says_nothing_is_closed(daemon):
    with RawConnection(daemon.address) as connection:
        assert connection.closed_by_peer()


def test_a_kept_connection_that_says_nothing_more_is_closed_without_a_word(daemon):
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request("GET", "/healthz", {"Host": daemon.host}))
        assert connection.read_response().status == 200
        assert connection.closed_by_peer()


@pytest.mark.parametrize("begun", [b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
def test_a_head_that_does_not_end_is_408(daemon, begun):
    with RawConnection(daemon.address) as connection:
        connection.send(begun)
        assert connection.read_response().status == 408
        assert connection.closed_by_peer()


def test_an_octet_now_and_then_gains_no_time_for_a_head(daemon):
    with RawConnection(daemon.address) as connection:
        assert drip(connection, b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 20)


def test_the_second_request_of_a_connection_has_the_same_limit(daemon):
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request("GET", "/healthz", {"Host": daemon.host}))
        assert connection.read_response().status == 200
        connection.send(b"GET /healthz HT")
        assert connection.read_response().status == 408


@pytest.mark.parametrize("framing, begun", [("Content-Length: 100", b'{"room"'),
                                            ("Content-Length: 100", b""),
                                            ("Transfer-Encoding: chunked", b"5\r\nhel"),
                                            ("Transfer-Encoding: chunked", b"5\r\nhello\r\n")])
def test_a_body_that_does_not_end_is_408(daemon, framing, begun):
    with RawConnection(daemon.address) as connection:
        connection.send(f"POST /api/publish HTTP/1.1\r\nHost: {daemon.host}\r\n{framing}\r\n\r\n".encode() +
                        begun)
        assert connection.read_response().status == 408
        assert connection.closed_by_peer()


def test_an_octet_now_and_then_gains_no_time_for_a_body(daemon):
    with RawConnection(daemon.address) as connection:
        connection.send(f"POST /api/publish HTTP/1.1\r\nHost: {daemon.host}\r\n"
                        "Content-Length: 100\r\n\r\n".encode())
        assert drip(connection, b"x" * 99)


def test_two_hundred_slow_heads_leave_no_descriptor_and_others_are_served(daemon):
    before = daemon.descriptors()
    slow = []
    for _ in range(200):  # each begins at once: one that says nothing for a second is closed without an answer
        slow.append(RawConnection(daemon.address))
        slow[-1].send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    assert daemon.get("/healthz").status == 200
    for connection in slow:
        assert connection.read_response().status == 408
        connection.close()
    wait_until(lambda: daemon.descriptors() <= before + 1, "the descriptors of slow clients")


def test_a_request_that_waits_for_the_store_is_answered_however_long_that_takes(daemon):
    """The client has done its part: neither idle nor head time may cut off an answer."""
    other = sqlite3.connect(daemon.folder / "store.db", isolation_level=None, timeout=DEADLINE_S)
    other.execute("begin immediate")
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request("GET", "/healthz", {"Host": daemon.host}) +
                        publish_request(daemon, "tenant:slow"))
        assert connection.read_response().status == 200
        with RawConnection(daemon.address) as witness:
            # A connection that was opened later is closed for its silence: the time has passed.
            assert witness.closed_by_peer()
        assert connection.silent(0.5)
        other.execute("rollback")
        assert connection.read_response().json()["offset"] > 0
    other.close()
