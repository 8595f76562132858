"""Calls and hooks: real clients against a C++ program that embeds the engine (chat_app.cpp)."""
import asyncio
import json
import pathlib
import re
import shutil
import subprocess

import pytest
import websockets

from support.daemon import BINARY, Daemon
from support.http_client import request
from support.native_client import ConnectionEnded
from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S, wait_until
from support.websocket_client import WebSocketRefused

BOTH_ENGINES = True
HERE = pathlib.Path(__file__).resolve().parent
WS_IS_THERE = (HERE.parent / "node_modules/ws").exists() and shutil.which("node")
UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
CONFIG = {"auth": {"hs256_secret": SECRET, "allow_anonymous": False},
          "app": {"threads": 2, "calls_per_connection_max": 8}}


class Program(Daemon):
    def command(self):
        command = super().command()
        return [str(pathlib.Path(BINARY).with_name("chat_app")), *command[2:]]


@pytest.fixture(scope="module")
def daemon(engine, tmp_path_factory):
    one = Program(tmp_path_factory.mktemp("app"), CONFIG, engine)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def ann(connect):
    return connect(make_token("ann", presence=["*"]))


def call(client, event, data=None, **fields):
    return client.ask({"type": "call", "event": event, "data": data, **fields})


def message(body):
    return {"clientId": "c", "body": body}


def failed(answer, code):
    assert answer["type"] == "ack" and answer["ok"] is False, answer
    assert answer["error"] == code, answer
    assert UUID.match(answer["correlationId"]), answer
    return answer


def test_a_call_is_acked_with_what_its_handler_returns(ann):
    data = {"a": [1, {"b": "é"}], "c": None}
    answer = call(ann, "echo", data)
    assert {key: answer[key] for key in ("type", "ok", "data")} == {
        "type": "ack", "ok": True, "data": data}


def test_a_handler_sees_what_its_caller_has_joined_and_publishes_in_order(ann, connect):
    bob = connect(make_token("bob"))
    failed(call(ann, "message:send", message("hi")), "FORBIDDEN")
    for client in (ann, bob):
        client.subscribed("chat:1")
    bodies = [f"{number}" for number in range(5)]
    for body in bodies:
        answer = call(ann, "message:send", message(body))["data"]
        assert UUID.match(answer["serverId"]) and answer["clientId"] == "c"
    assert [event["data"]["body"] for event in bob.events(5, "chat:1")] == bodies
    assert call(bob, "newest")["data"] == [message(body) for body in bodies[-2:]]


@pytest.mark.parametrize("data, fields", [
    ({}, {"body": "is missing", "clientId": "is missing"}),
    ({"body": None, "clientId": 1}, {"body": "is missing", "clientId": "is a number, expected a text"}),
    (message("x" * 10_001), {"body": "has 10001 octets, expected 1 to 10000"}),
    ([], {"data": "is not an object", "body": "is missing", "clientId": "is missing"}),
])
def test_a_validation_error_names_every_field(connect, data, fields):
    client = connect(make_token("vera"))  # whose rate is her own
    client.subscribed("chat:1")
    assert failed(call(client, "message:send", data), "VALIDATION_ERROR")["fields"] == fields


def test_an_unknown_event_is_not_found_by_name(ann):
    assert "'nonsense'" in failed(call(ann, "nonsense"), "NOT_FOUND")["message"]


def test_what_a_handler_throws_is_for_the_log_alone(daemon, ann):
    for event in ("throw", "no json", "no code"):
        answer = failed(call(ann, event), "INTERNAL_ERROR")
        assert "SELECT" not in json.dumps(answer)
        wait_until(lambda: f"{answer['correlationId']})" in daemon.log(), "its line")
    wait_until(lambda: "SELECT secret" in daemon.log(), "the line of what was thrown")


def test_a_transient_failure_has_its_own_code(ann):
    failed(call(ann, "later"), "UNAVAILABLE")


def test_a_code_of_the_application_is_acked_as_it_is(daemon, ann):
    ann.subscribed("chat:1")
    answer = failed(call(ann, "message:send", {"clientId": "c", "body": "spam"}), "SPAM_SUSPECTED")
    assert answer["message"] == "the words are on the list"
    assert re.search(r'app_errors_total\{handler="message:send",code="own"\} [1-9]',
                     daemon.get("/metrics").body.decode())


def test_failed_acks_do_not_end_the_connection(ann):
    for _ in range(30):  # errors_max is 20
        failed(call(ann, "nonsense"), "NOT_FOUND")
    assert call(ann, "echo", 1)["ok"]


def test_a_call_without_an_id_is_run_and_not_answered(ann):
    ann.subscribed("chat:1")
    ann.drain()
    ann.send_json({"type": "call", "event": "message:send", "data": message("silent")})
    ann.send_json({"type": "call", "event": "nonsense"})
    assert ann.events(1)[0]["data"] == message("silent")
    assert [message for message in ann.drain() if message["type"] in ("ack", "error")] == []


def test_calls_of_a_connection_are_answered_in_their_order(ann):
    for number in range(8):
        ann.send_json({"type": "call", "event": "echo", "data": number, "id": f"order-{number}"})
    assert [ann.receive("ack")["id"] for _ in range(8)] == [f"order-{n}" for n in range(8)]


def test_a_repeated_idempotency_key_gets_the_first_answer(connect):
    one, two = connect(make_token("carl")), connect(make_token("carl"))
    first = call(one, "count", 1, idempotencyKey="k")["data"]
    assert call(two, "count", 1, idempotencyKey="k")["data"] == first, "on another connection"
    assert call(one, "count", 1)["data"] == first + 1, "without a key it runs"
    failed(call(one, "count", 2, idempotencyKey="k"), "CONFLICT")


def test_a_rate_holds_for_a_connection_and_one_for_a_user(connect):
    one, two = connect(make_token("dora")), connect(make_token("dora"))
    assert [call(one, "rare")["ok"] for _ in range(3)] == [True, True, False]
    assert call(two, "rare")["ok"]
    for client in (one, two):
        client.subscribed("chat:1")
    # All at once, so that the ten seconds of the rule are not over before the last is judged.
    for n in range(6):
        for client in (one, two):
            client.send_json({"type": "call", "event": "message:send", "data": message(f"{n}"), "id": f"rate-{n}"})
    outcomes = [client.receive("ack", id=f"rate-{n}") for n in range(6) for client in (one, two)]
    refused = [answer for answer in outcomes if not answer["ok"]]
    assert len(refused) == 2
    for answer in refused:
        failed(answer, "RATE_LIMITED")


def test_a_handler_asks_for_presence(ann):
    ann.subscribed("lobby")
    ann.presence("join", "lobby")
    answer = wait_until(lambda: call(ann, "who")["data"]["present"] and call(ann, "who"),
                        "presence")
    assert answer["data"] == {"user": "ann", "present": 1}


def test_the_application_judges_its_rooms(ann):
    answer = ann.subscribe("chat:2")
    assert (answer["type"], answer["code"]) == ("error", "FORBIDDEN"), answer
    assert ann.subscribed("chat:1")


def test_a_session_token_is_asked_of_the_application(daemon, connect):
    eve = connect("session-eve")
    assert eve.hello["user"] == "eve"
    assert call(eve, "who")["data"]["user"] == "eve"
    assert eve.ask({"type": "auth", "token": "session-eve"})["type"] == "auth"
    assert eve.ask({"type": "auth", "token": "session-ann"})["code"] == "FORBIDDEN"
    assert eve.ask({"type": "auth", "token": "nonsense"})["code"] == "UNAUTHORIZED"
    with pytest.raises(WebSocketRefused, match="401"):
        connect("nonsense")
    assert request(daemon.address, "GET", "/sse?room=lobby&token=nonsense").status == 401


def test_a_refused_connection_is_told_why(connect):
    with pytest.raises(ConnectionEnded) as ended:
        connect(make_token("mallory"))
    assert (ended.value.code, ended.value.text) == (4008, "refused by the application")


def test_the_application_is_told_who_left_and_why(daemon, connect):
    connect("session-frank").close()
    wait_until(lambda: "told: frank left, " in daemon.log(), "the disconnect hook")


def test_the_metrics_name_handlers_and_never_what_clients_say(daemon, ann):
    call(ann, "echo")
    call(ann, "made up by a client")
    text = daemon.get("/metrics").body.decode()
    assert re.search(r'ringcast_app_calls_total\{handler="echo"\} [1-9]', text)
    assert 'handler="ringcast:connect"' in text
    assert "made up" not in text
    assert re.search(r"ringcast_calls_unknown_total [1-9]", text)


def test_messages_behind_the_upgrade_wait_for_the_application(daemon):
    """A client that does not wait for `connected` loses nothing."""
    async def talk():
        async with websockets.connect(
                f"ws://{daemon.host}/ws",
                additional_headers={"Authorization": f"Bearer {make_token('gina')}"}) as socket:
            await socket.send('{"type":"call","event":"echo","data":7,"id":1}')
            return [json.loads(await socket.recv()) for _ in range(2)]

    hello, answer = asyncio.run(talk())
    assert hello["type"] == "connected"
    assert (answer["id"], answer["data"]) == (1, 7)


@pytest.mark.skipif(not WS_IS_THERE, reason="run `npm ci` in tests/e2e")
def test_a_client_of_npm_calls(daemon):
    done = subprocess.run(
        ["node", HERE / "call.mjs", f"ws://{daemon.host}/ws?token={make_token('hugo')}"],
        capture_output=True, text=True, timeout=DEADLINE_S, check=True, cwd=HERE.parent)
    assert json.loads(done.stdout) == {"type": "ack", "id": "n1", "ok": True,
                                       "data": {"text": "from node"}}


def test_the_page_shows_the_program_that_is_tested():
    shown = re.search(r"^```cpp\n(.*?)^```$", (HERE.parents[2] / "docs/handlers.md").read_text(),
                      re.M | re.S)[1]
    program = (HERE / "chat_app.cpp").read_text()
    assert shown == re.search(r"^// docs: handlers\n(.*?)^// docs: end$", program, re.M | re.S)[1]
