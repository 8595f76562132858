"""/ws with an API key: a connection of the application itself."""
import json

import pytest

from support.daemon import API_KEY
from support.http_client import request
from support.native_client import NativeClient
from support.tokens import SECRET, make_token

CONFIG = {"auth": {"hs256_secret": SECRET, "allow_anonymous": False},
          "limits": {"errors_max": 3},
          "namespace": [{"name": "closed", "client_publish": False}, {"name": "*"}]}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.fixture
def server(daemon):
    client = NativeClient(daemon, token=API_KEY)
    yield client
    client.close()


def test_a_server_subscribes_and_publishes_anywhere(server):
    server.subscribed("closed:1")
    answer = server.publish("closed:1", "note", 7)
    assert answer["type"] == "published" and answer["offset"] == 1 and answer["epoch"]
    (event,) = server.events(1)
    assert event["data"] == 7 and event["id"] == answer["eventId"]
    assert "user" not in server.hello


def test_a_server_names_the_id_and_who_is_excluded(daemon, server, connect):
    client = connect(make_token("ann", subscribe=["*"], publish=["*"]))
    client.subscribed("ids:1")
    id = "0d9f6f5e-2a51-4c6b-9d5e-111111111111"
    first = server.publish("ids:1", data=1, eventId=id)
    assert first["eventId"] == id
    assert server.publish("ids:1", data=1, eventId=id) == {**first, "id": first["id"] + 1}
    assert server.publish("ids:1", data=2, eventId=id)["code"] == "CONFLICT"
    server.publish("ids:1", data="not for ann", excludeUser="ann")
    server.publish("ids:1", data="for all")
    assert [event["data"] for event in client.events(2)] == [1, "for all"]
    wrong = server.publish("ids:1", data=1, eventId="x", excludeUser="a b")
    assert "eventId: " in wrong["message"] and "excludeUser: " in wrong["message"]


@pytest.mark.parametrize("fields", [{"eventId": "0d9f6f5e-2a51-4c6b-9d5e-111111111112"},
                                    {"excludeUser": "bob"}])
def test_a_client_may_not(connect, fields):
    client = connect(make_token("ann", subscribe=["*"], publish=["*"]))
    assert client.publish("ids:2", data=1, **fields)["code"] == "FORBIDDEN"
    assert client.publish("ids:2", data=1)["type"] == "published"


def test_errors_do_not_end_a_servers_connection(server):
    for _ in range(10):
        assert server.subscribe("bad:")["code"] == "VALIDATION_ERROR"
    server.subscribed("good:1")


def test_a_wrong_key_is_401(daemon):
    response = request(daemon.address, "GET", "/ws", {**UPGRADE, "Authorization": "Bearer wrong"})
    assert response.status == 401 and response.json()["error"] == "UNAUTHORIZED"
    assert request(daemon.address, "GET", "/ws", UPGRADE).status == 401


def test_a_key_in_the_url_or_a_sub_protocol_is_refused_and_says_where_it_belongs(daemon):
    for target, extra in ((f"/ws?token={API_KEY}", {}),
                          ("/ws", {"Sec-WebSocket-Protocol":
                                   f"ringcast.v1, ringcast.token.{API_KEY}"})):
        response = request(daemon.address, "GET", target, {**UPGRADE, **extra})
        assert response.status == 401
        assert "Authorization: Bearer" in response.json()["message"]
    response = request(daemon.address, "GET", f"/sse?room=r&token={API_KEY}", {})
    assert response.status == 401 and "Authorization: Bearer" in response.json()["message"]
    assert API_KEY not in daemon.log()


def test_a_token_still_works(connect):
    client = connect(make_token("ann", subscribe=["ids:3"]))
    assert client.hello["user"] == "ann"
    client.subscribed("ids:3")
    assert client.subscribe("ids:4")["code"] == "FORBIDDEN"
