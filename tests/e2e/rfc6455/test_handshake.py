"""RFC 6455 section 4: the upgrade with all its checks."""
import pytest

from support.http_client import RawConnection, encode_request
from support.websocket_client import (CLOSE, TEXT, RawWebSocket, WebSocketRefused, encode_frame,
                                      handshake_headers)

BOTH_ENGINES = True
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def try_upgrade(daemon, target="/debug/echo", method="GET", **headers):
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request(method, target, handshake_headers(daemon.host, **headers)))
        return connection.read_response()


def test_the_example_of_the_rfc(daemon):
    response = try_upgrade(daemon, Sec_WebSocket_Key=KEY)
    assert response.status == 101
    assert response.header("upgrade") == "websocket"
    assert response.header("connection") == "Upgrade"
    assert response.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert response.header("sec-websocket-extensions") is None
    assert response.header("sec-websocket-protocol") is None


@pytest.mark.parametrize("headers", [
    {"Upgrade": "WebSocket"},
    {"Upgrade": "h2c, websocket"},
    {"Connection": "upgrade"},
    {"Connection": "keep-alive, Upgrade"},
    {"Connection": "Keep-Alive,upgrade,x"},
    {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"},
    {"Sec_WebSocket_Extensions": "nonsense;;;"},
    {"Sec_WebSocket_Protocol": "somebody.else"},
    {"Sec_WebSocket_Protocol": "s\xc3\xb6me\xff"},
    {"Sec_WebSocket_Protocol": ",,,"},
])
def test_is_accepted(daemon, headers):
    response = try_upgrade(daemon, **headers)
    assert response.status == 101
    assert response.header("sec-websocket-extensions") is None, "none was agreed on"
    assert response.header("sec-websocket-protocol") is None


@pytest.mark.parametrize("headers, status", [
    ({"Upgrade": None}, 400),
    ({"Upgrade": "web socket"}, 400),
    ({"Upgrade": "websockets"}, 400),
    ({"Connection": None}, 400),
    ({"Connection": "keep-alive"}, 400),
    ({"Connection": "close"}, 400),
    ({"Sec_WebSocket_Key": None}, 400),
    ({"Sec_WebSocket_Key": ""}, 400),
    ({"Sec_WebSocket_Key": "short=="}, 400),
    ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ="}, 400),
    ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==x"}, 400),
    ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZ!=="}, 400),
    ({"Sec_WebSocket_Version": None}, 426),
    ({"Sec_WebSocket_Version": "8"}, 426),
    ({"Sec_WebSocket_Version": "14"}, 426),
    ({"Sec_WebSocket_Version": "13, 8"}, 426),
    ({"Sec_WebSocket_Version": ""}, 426),
])
def test_is_refused(daemon, headers, status):
    before = daemon.metric("ringcast_upgrades_refused_total")
    for target in ("/debug/echo", "/ws"):
        response = try_upgrade(daemon, target, **headers)
        assert response.status == status
        assert response.json()["error"] == "VALIDATION_ERROR"
        if status == 426:
            assert response.header("sec-websocket-version") == "13"
    assert daemon.metric("ringcast_upgrades_refused_total") - before == 2


def test_two_keys_are_refused(daemon):
    with RawConnection(daemon.address) as connection:
        request = encode_request("GET", "/ws", handshake_headers(daemon.host))
        connection.send(request.replace(b"\r\n\r\n", f"\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode()))
        assert connection.read_response().status == 400


def test_http_1_0_does_not_upgrade(daemon):
    with RawConnection(daemon.address) as connection:
        request = encode_request("GET", "/ws", handshake_headers(daemon.host))
        connection.send(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert connection.read_response().status == 400


def test_an_upgrade_with_a_body_is_refused(daemon):
    with RawConnection(daemon.address) as connection:
        headers = handshake_headers(daemon.host, Content_Length="5")
        connection.send(encode_request("GET", "/ws", headers, b"hello"))
        assert connection.read_response().status == 400


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_only_get_upgrades(daemon, method):
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request(method, "/ws", handshake_headers(daemon.host)))
        assert connection.read_response(head=method == "HEAD").status in (400, 405)


def test_the_connection_survives_a_refused_upgrade(daemon):
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request("GET", "/ws", handshake_headers(daemon.host, Upgrade=None)))
        assert connection.read_response().status == 400
        connection.send(encode_request("GET", "/debug/echo", handshake_headers(daemon.host)))
        assert connection.read_response().status == 101


def test_frames_may_come_with_the_handshake(daemon):
    """In one packet: what is behind the request is of the new protocol."""
    with RawConnection(daemon.address) as connection:
        request = encode_request("GET", "/debug/echo", handshake_headers(daemon.host))
        connection.send(request + encode_frame(TEXT, b"early") + encode_frame(CLOSE))
        assert connection.read_response().status == 101
        assert connection.read_exactly(7) == b"\x81\x05early"
        assert connection.read_exactly(2) == b"\x88\x00"


def test_the_handshake_may_come_octet_by_octet(daemon):
    with RawConnection(daemon.address) as connection:
        connection.send_split(encode_request("GET", "/debug/echo", handshake_headers(daemon.host)) +
                              encode_frame(TEXT, b"slow"))
        assert connection.read_response().status == 101
        assert connection.read_exactly(6) == b"\x81\x04slow"


def test_of_the_subprotocols_only_ours_is_chosen(daemon):
    for offered, chosen in [("ringcast.v1", "ringcast.v1"), ("a, ringcast.v1, b", "ringcast.v1"),
                            ("ringcast.v2", None), ("RINGCAST.V1", None)]:
        with RawWebSocket(daemon.address, "/ws", Sec_WebSocket_Protocol=offered) as client:
            assert client.response.header("sec-websocket-protocol") == chosen


# ---- Origin (RFC 6455 section 10.2) ----
@pytest.mark.parametrize("origin, accepted", [
    (None, True),
    ("http://{host}", True),
    ("https://{host}", True),
    ("HTTP://{host}", False),
    ("http://127.0.0.1", False),
    ("http://{host}.evil.example", False),
    ("http://evil.example", False),
    ("http://evil.example/{host}", False),
    ("null", False),
    ("", False),
])
def test_without_a_list_only_the_same_origin_is_taken(daemon, origin, accepted):
    headers = {} if origin is None else {"Origin": origin.format(host=daemon.host)}
    for target in ("/ws", "/debug/echo"):
        response = try_upgrade(daemon, target, **headers)
        assert response.status == (101 if accepted else 403)


def test_with_a_list_only_what_is_on_it(make_daemon):
    daemon = make_daemon({"listen": {"allowed_origins": ["https://app.example"]}})
    for origin, status in [("https://app.example", 101), ("http://app.example", 403),
                           ("https://app.example:444", 403), ("https://app.example.evil", 403),
                           (f"http://{daemon.host}", 403), ("null", 403)]:
        assert try_upgrade(daemon, "/ws", Origin=origin).status == status, origin
    assert try_upgrade(daemon, "/ws").status == 101


def test_the_echo_is_not_there_unless_enabled(make_daemon):
    daemon = make_daemon({"debug": {"echo": False}})
    with pytest.raises(WebSocketRefused) as refused:
        RawWebSocket(daemon.address, "/debug/echo")
    assert refused.value.response.status == 404
