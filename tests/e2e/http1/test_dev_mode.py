"""`ringcastd dev`: open to this machine, closed to pages of others."""
import json

import pytest

from support.http_client import RawConnection, encode_request, request
from support.native_client import NativeClient
from support.websocket_client import handshake_headers

MODE = "dev"


def get(daemon, path="/", **headers):
    every = {"Host": daemon.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request("GET", path, every))
        return connection.read_response()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:{port}", "localhost", "localhost:{port}", "LOCALHOST:1",
                                  "[::1]", "[::1]:{port}"])
def test_this_machine_is_answered(daemon, host):
    assert get(daemon, Host=host.format(port=daemon.port)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
                                  "127.0.0.2", "0.0.0.0", "[::]", "[::1].evil.example", "evil-localhost", ""])
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/sse?room=a", "/ws", "/api/publish"])
def test_other_names_for_it_are_403(daemon, host, path):
    """DNS rebinding: a page elsewhere lets its own name point here."""
    response = get(daemon, path, Host=host.format(port=daemon.port))
    assert (response.status, response.json()["error"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("origin, allowed", [("http://{host}", True), ("https://{host}", True), (None, True),
                                             ("http://evil.example", False), ("null", False), ("", False),
                                             ("http://127.0.0.1", False), ("http://localhost:1", False)])
@pytest.mark.parametrize("path", ["/ws", "/healthz", "/dev/outbox"])
def test_only_pages_that_it_served_itself(daemon, origin, allowed, path):
    headers = handshake_headers(daemon.host)
    if origin is not None:
        headers["Origin"] = origin.format(host=daemon.host)
    method, body = ("POST", b"{}") if path == "/dev/outbox" else ("GET", b"")
    if body:
        headers = {"Host": daemon.host, "Content-Length": len(body), **({"Origin": headers["Origin"]} if origin is not None else {})}
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request(method, path, headers, body))
        status = connection.read_response().status
    assert (status != 403) is allowed


def test_the_demo_page_is_served_and_loads_nothing_from_elsewhere(daemon):
    page = get(daemon)
    assert page.status == 200 and page.header("content-type").startswith("text/html")
    assert "default-src 'none'" in page.header("content-security-policy")
    assert page.header("x-content-type-options") == "nosniff"
    assert "http://" not in page.text.replace("http://www.w3.org/", "") and "https://" not in page.text


def test_the_api_key_is_dev_and_still_needed(daemon):
    body = {"room": "dev:1", "type": "note", "data": 1}
    assert daemon.post("/api/publish", body, key="dev").status == 200
    assert daemon.post("/api/publish", body, key=None).status == 401


def test_a_client_may_name_itself(daemon):
    with NativeClient(daemon, query="?user=alice") as alice, NativeClient(daemon) as other:
        assert alice.hello["user"] == "alice"
        assert "user" not in other.hello
        for client in (alice, other):
            client.subscribed("dev:2")
        daemon.post("/api/publish", {"room": "dev:2", "type": "note", "data": 1, "excludeUser": "alice"}, key="dev")
        daemon.post("/api/publish", {"room": "dev:2", "type": "note", "data": 2}, key="dev")
        assert [event["data"] for event in other.events(2)] == [1, 2]
        assert [event["data"] for event in alice.events(1)] == [2]
        assert other.publish("dev:2", "note", 3)["type"] == "published"


@pytest.mark.parametrize("user", ["a%20b", "a:b", "", "u" * 121])
def test_a_bad_user_name_is_refused(daemon, user):
    headers = handshake_headers(daemon.host)
    response = request(daemon.address, "GET", f"/ws?user={user}", {**headers, "Connection": "Upgrade"})
    assert response.status == 400 and "user" in response.json()["message"]


def test_a_row_written_by_the_page_reaches_its_subscribers(daemon):
    daemon.wait_ready()
    row = {"tenantId": "demo", "aggregateType": "order", "aggregateId": "1", "eventType": "orders.created",
           "payload": {"total": 1}}
    with NativeClient(daemon) as client:
        client.subscribed("tenant:demo")
        response = daemon.post("/dev/outbox", row, key=None)
        assert response.status == 200 and response.json()["id"]
        event = client.events(1)[0]
        assert (event["type"], event["data"]["payload"]) == ("orders.created", {"total": 1})


@pytest.mark.parametrize("change", [{"tenantId": "a:b"}, {"eventType": "gap"}, {"payload": []}, {"payload": None},
                                    {"tenantId": None}, {"eventType": ""}])
def test_a_bad_row_of_the_page_is_an_error(daemon, change):
    daemon.wait_ready()
    row = {"tenantId": "demo", "aggregateType": "order", "aggregateId": "1", "eventType": "orders.created",
           "payload": {"total": 1}, **change}
    response = daemon.post("/dev/outbox", json.dumps(row).encode(), key=None)
    assert (response.status, response.json()["error"]) == (400, "VALIDATION_ERROR")
