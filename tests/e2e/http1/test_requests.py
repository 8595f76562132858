"""HTTP/1.1 as RFC 9110 and 9112 have it: what is answered, and when the connection stays."""
import json

import pytest

from support.daemon import API_KEY
from support.http_client import RawConnection, encode_request

BOTH_ENGINES = True


@pytest.fixture
def raw(daemon):
    with RawConnection(daemon.address) as connection:
        yield connection


def api_request(daemon, room, data=None, headers=None, **fields):
    body = json.dumps({"room": room, "type": "note", "data": data, **fields}).encode()
    every = {"Host": daemon.host, "Authorization": f"Bearer {API_KEY}",
             "Content-Length": len(body), **(headers or {})}
    return encode_request("POST", "/api/publish", every, body)


def get(daemon, path="/healthz", version="1.1", headers=""):
    return f"GET {path} HTTP/{version}\r\nHost: {daemon.host}\r\n{headers}\r\n".encode()


def test_a_connection_serves_one_request_after_the_other(daemon, raw):
    for _ in range(5):
        raw.send(get(daemon))
        response = raw.read_response()
        assert response.status == 200
        assert response.header("connection") == "keep-alive"


def test_connection_close_is_obeyed(daemon, raw):
    raw.send(get(daemon, headers="Connection: close\r\n"))
    assert raw.read_response().header("connection") == "close"
    assert raw.closed_by_peer()


def test_http_1_0_closes_unless_asked_to_stay(daemon):
    with RawConnection(daemon.address) as connection:
        connection.send(get(daemon, version="1.0"))
        assert connection.read_response().status == 200
        assert connection.closed_by_peer()
    with RawConnection(daemon.address) as connection:
        for _ in range(2):
            connection.send(get(daemon, version="1.0", headers="Connection: keep-alive\r\n"))
            assert connection.read_response().status == 200


def test_http_1_0_needs_no_host(daemon, raw):
    raw.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert raw.read_response().status == 200


def test_pipelined_requests_are_answered_in_order_also_where_an_answer_takes_a_while(daemon, raw):
    raw.send(api_request(daemon, "pipe:a", 1) + get(daemon) + api_request(daemon, "pipe:b", 2) +
             get(daemon, "/nothing") + api_request(daemon, "pipe:a", 3))
    first, health, second, missing, third = [raw.read_response() for _ in range(5)]
    assert first.json()["offset"] == 1
    assert health.json() == {"status": "ok"}
    assert second.json()["offset"] == 1
    assert missing.status == 404
    assert third.json()["offset"] == 2


def test_many_pipelined_publishes_keep_their_order(daemon, raw):
    count = 200
    raw.send(b"".join(api_request(daemon, "pipe:many", n) for n in range(count)))
    offsets = [raw.read_response().json()["offset"] for _ in range(count)]
    assert offsets == list(range(1, count + 1))


def test_requests_may_come_octet_by_octet(daemon, raw):
    raw.send_split(get(daemon) + api_request(daemon, "split:1"))
    assert raw.read_response().status == 200
    assert raw.read_response().json()["offset"] == 1


def test_head_has_the_headers_of_get_and_no_body(daemon, raw):
    raw.send(get(daemon).replace(b"GET", b"HEAD", 1) + get(daemon))
    head = raw.read_response(head=True)
    body = raw.read_response()
    assert head.status == 200
    assert head.header("content-length") == str(len(body.body))


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/healthz", "GET, HEAD"),
    ("DELETE", "/metrics", "GET, HEAD"),
    ("POST", "/ws", "GET, HEAD"),
    ("GET", "/api/publish", "POST"),
    ("HEAD", "/api/publish", "POST"),
    ("OPTIONS", "/outbox/publish", "POST"),
    ("PUT", "/sse", "GET, HEAD"),
])
def test_a_wrong_method_is_405_with_allow(daemon, raw, method, path, allow):
    raw.send(encode_request(method, path, {"Host": daemon.host}))
    response = raw.read_response(head=method == "HEAD")
    assert (response.status, response.header("allow")) == (405, allow)
    raw.send(get(daemon))
    assert raw.read_response().status == 200


@pytest.mark.parametrize("path", ["/nothing", "/healthz/", "/HEALTHZ", "//healthz", "/%2e%2e/etc/passwd",
                                  "/api", "/dev/outbox", "/"])
def test_what_is_not_served_is_404_as_json(daemon, raw, path):
    raw.send(get(daemon, path))
    response = raw.read_response()
    assert response.status == 404
    error = response.json()
    assert error["error"] == "NOT_FOUND" and error["message"] and error["correlationId"]


def test_absolute_form_is_taken(daemon, raw):
    raw.send(get(daemon, f"http://{daemon.host}/healthz"))
    assert raw.read_response().status == 200


def test_percent_encoding_in_the_path_is_decoded(daemon, raw):
    raw.send(get(daemon, "/%68ealthz?x=%20"))
    assert raw.read_response().status == 200


def test_one_empty_line_before_a_request_is_passed_over(daemon, raw):
    raw.send(b"\r\n" + get(daemon))
    assert raw.read_response().status == 200


def chunked(*chunks, trailer=b""):
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def chunked_publish(daemon, body):
    return encode_request("POST", "/api/publish", {
        "Host": daemon.host, "Authorization": f"Bearer {API_KEY}",
        "Transfer-Encoding": "chunked"}) + body


def test_a_chunked_body_is_put_together(daemon, raw):
    body = json.dumps({"room": "chunked:1", "type": "note", "data": "x" * 300}).encode()
    pieces = [body[at:at + 7] for at in range(0, len(body), 7)]
    raw.send(chunked_publish(daemon, chunked(*pieces)) + get(daemon))
    assert raw.read_response().json()["offset"] == 1
    assert raw.read_response().status == 200


def test_chunk_extensions_and_trailers_are_dropped(daemon, raw):
    body = json.dumps({"room": "chunked:2", "type": "note", "data": 1}).encode()
    raw.send(chunked_publish(daemon, b"%X;name=value\r\n%s\r\n0;last\r\nAuthorization: Bearer no\r\n\r\n"
                             % (len(body), body)))
    assert raw.read_response().json()["offset"] == 1


def test_a_chunked_body_may_come_octet_by_octet(daemon, raw):
    body = json.dumps({"room": "chunked:3", "type": "note", "data": 1}).encode()
    raw.send_split(chunked_publish(daemon, chunked(body[:5], body[5:], trailer=b"X-Last: 1\r\n")))
    assert raw.read_response().json()["offset"] == 1


def test_expect_100_continue_is_answered_before_the_body(daemon, raw):
    request = api_request(daemon, "continue:1", headers={"Expect": "100-continue"})
    head, body = request.split(b"\r\n\r\n", 1)
    raw.send(head + b"\r\n\r\n")
    assert raw.read_response(informational=True).status == 100
    raw.send(body)
    assert raw.read_response(informational=True).json()["offset"] == 1


def test_no_continue_for_a_body_that_is_refused(daemon, raw):
    raw.send(encode_request("POST", "/api/publish", {
        "Host": daemon.host, "Expect": "100-continue", "Content-Length": 1 << 30}))
    assert raw.read_response(informational=True).status == 413
    assert raw.closed_by_peer()


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_client_that_has_sent_everything_may_close_its_side(daemon, raw, count):
    """RFC 9112 section 9.6: it still reads."""
    raw.send(b"".join(api_request(daemon, f"half:{count}") + get(daemon) for _ in range(count)))
    raw.socket.shutdown(1)
    for n in range(count):
        assert raw.read_response().json()["offset"] == n + 1
        assert raw.read_response().status == 200
    assert raw.closed_by_peer()


def test_a_client_that_closes_its_side_within_a_request_is_closed(daemon, raw):
    raw.send(api_request(daemon, "half:cut")[:-1])
    raw.socket.shutdown(1)
    assert raw.closed_by_peer()
    assert daemon.publish("half:cut")["offset"] == 1


# ---- the server API ----
@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {API_KEY}", API_KEY, f"Bearer {API_KEY}x",
    f"Bearer {API_KEY[:-1]}", f"Bearer {API_KEY} {API_KEY}",
])
def test_the_server_api_needs_its_key(daemon, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/api/publish", "/outbox/publish"):
        response = daemon.post(path, {"room": "r", "type": "t", "data": 1}, key=None, headers=headers)
        assert (response.status, response.json()["error"]) == (401, "UNAUTHORIZED")


def test_the_scheme_of_authorization_has_no_case(daemon):
    response = daemon.post("/api/publish", {"room": "scheme:1", "type": "t", "data": 1}, key=None,
                           headers={"Authorization": f"bearer {API_KEY}"})
    assert response.status == 200


@pytest.mark.parametrize("body, named", [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"[]", "object"),
    (b'"text"', "object"),
    (b'{"room":"r","type":"t","data":1}}', "JSON"),
    (b'{"room":"r","type":"t","data":tru}', "JSON"),
    (b'{"room":"r","type":"t","data":{"a":tru,"b":[1 2]}}', "JSON"),
    (b'{"room":"r","type":"t","data":NaN}', "JSON"),
    (b'{"room":"r","type":"t","data":"\xff"}', "JSON"),
    (b'{"room":"r","type":"t","data":"\\ud800"}', "JSON"),
    (b'{"room":"r","type":"t","data":' + b"[" * 40 + b"]" * 40 + b"}", "JSON"),
    (b'{"type":"t","data":1}', "room"),
    (b'{"room":"r","data":1}', "type"),
    (b'{"room":"r","type":"t"}', "data"),
    (b'{"room":7,"type":"t","data":1}', "room"),
    (b'{"room":"","type":"t","data":1}', "room"),
    (b'{"room":"' + b"r" * 256 + b'","type":"t","data":1}', "room"),
    (b'{"room":"a:*","type":"t","data":1}', "room"),
    (b'{"room":":a","type":"t","data":1}', "room"),
    (b'{"room":"a:","type":"t","data":1}', "room"),
    (b'{"room":"a\\nb","type":"t","data":1}', "room"),
    (b'{"room":"r","type":"subscribed","data":1}', "type"),
    (b'{"room":"r","type":"presence:update","data":1}', "type"),
    (b'{"room":"r","type":"ringcast:x","data":1}', "type"),
    (b'{"room":"r","type":"' + b"t" * 129 + b'","data":1}', "type"),
    (b'{"room":"r","type":"t","data":1,"id":"no-uuid"}', "id"),
    (b'{"room":"r","type":"t","data":1,"excludeUser":"a b"}', "excludeUser"),
    (b'{"room":"r","type":"t","data":1,"idempotencyKey":7}', "idempotencyKey"),
    (b'{"room":"r","type":"t","data":1,"key":"' + b"k" * 256 + b'"}', "key"),
    (b'{"room":"r","type":"t","data":1,"data":2}', "data"),
])
def test_a_wrong_body_is_400_and_names_what_is_wrong(daemon, body, named):
    response = daemon.post("/api/publish", body)
    assert (response.status, response.json()["error"]) == (400, "VALIDATION_ERROR")
    assert named in response.json()["message"]


def test_limits_of_names_on_the_side_that_is_allowed(daemon):
    assert daemon.publish("r" * 255, "t" * 128, key="k" * 255, excludeUser="u" * 120,
                          idempotencyKey="i" * 255)["offset"] == 1


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1x", "1001", "99999999999999999999", ""])
def test_the_limit_of_outbox_publish_is_checked(daemon, limit):
    response = daemon.post(f"/outbox/publish?limit={limit}", b"")
    assert response.status == 400 and "limit" in response.json()["message"]


def test_outbox_publish_without_a_store_says_so(daemon):
    response = daemon.post("/outbox/publish", b"")
    assert (response.status, response.json()["error"]) == (503, "UNAVAILABLE")
    assert response.header("retry-after")
