"""The native protocol's messages: what each is answered with, and what is an error."""
import json
import re

import pytest

from support.native_client import ConnectionEnded, NativeClient
from support.tokens import SECRET, make_token
from support.websocket_client import BINARY, TEXT

ERRORS_MAX = 30
CONFIG = {"auth": {"hs256_secret": SECRET},
          "limits": {"rooms_per_connection_max": 5, "errors_max": ERRORS_MAX, "message_bytes_max": 4096},
          "namespace": [{"name": "none", "history": "none"},
                        {"name": "quiet", "client_publish": False, "presence": False},
                        {"name": "few", "rooms_max": 2},
                        {"name": "*", "history": "memory"}]}

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
EVERYTHING = {"subscribe": ["*"], "publish": ["*"], "presence": ["*"]}


@pytest.fixture
def client(connect):
    return connect(make_token("alice", **EVERYTHING))


def is_error(answer, code, named=""):
    assert (answer["type"], answer["code"]) == ("error", code), answer
    assert named in answer["message"], answer
    return True


# ---- the begin ----
def test_hello_says_who_and_how_often_it_pings(client):
    assert client.hello["type"] == "connected"
    assert client.hello["protocol"] == "ringcast.v1"
    assert client.hello["user"] == "alice"
    assert client.hello["pingIntervalMs"] == 25_000
    assert client.hello["session"]
    assert TIME.match(client.hello["expiresAt"])


def test_hello_of_an_anonymous_client_names_no_user(connect):
    assert "user" not in connect().hello


# ---- subscribe, events ----
def test_an_event_has_exactly_these_fields(daemon, client):
    answer = client.subscribed("fields:1")
    assert answer == {"type": "subscribed", "room": "fields:1", "id": 1, "offset": 0, "epoch": answer["epoch"]}
    assert answer["epoch"] and "." not in answer["epoch"]
    data = {"text": "Größe €", "list": [1, 2.50, None, True], "deep": {"a": {"b": []}}}
    published = daemon.publish("fields:1", "task:moved", data)
    event = client.receive("task:moved")
    assert set(event) == {"type", "room", "offset", "id", "time", "data"}
    assert (event["room"], event["offset"], event["data"]) == ("fields:1", 1, data)
    assert event["id"] == published["id"] and UUID.match(event["id"])
    assert TIME.match(event["time"])
    assert published == {"id": event["id"], "offset": 1, "epoch": answer["epoch"]}


def test_without_history_nothing_has_an_offset(daemon, client):
    assert client.subscribed("none:1") == {"type": "subscribed", "room": "none:1", "id": 1}
    assert set(daemon.publish("none:1", "note", 1)) == {"id"}
    assert set(client.receive("note")) == {"type", "room", "id", "time", "data"}
    answer = client.publish("none:1", "note", 2)
    assert (answer["type"], answer["room"], "offset" in answer) == ("published", "none:1", False)


def test_without_history_recovery_is_refused_and_says_so(client):
    answer = client.subscribed("none:2", recover=("abc", 0))
    assert answer["recovered"] is False and "offset" not in answer


@pytest.mark.parametrize("data", [
    "0", "-0.0", "18446744073709551615", "-9223372036854775808", "null", "true", '""', '"\\u0000\\u001f"', '"\\/"', '"\\ud83d\\ude00"',
    "[]", "{}", '{"":1}', '{"a":1,"b":{"c":[[[]]]}}', '"</script>"', '"\u2028"',
    "[" * 31 + "]" * 31,
])
def test_data_passes_as_the_very_bytes(daemon, client, data):
    client.subscribed("bytes:1")
    response = daemon.post("/api/publish", b'{"room":"bytes:1","type":"note","data":' + data.encode() + b"}")
    assert response.status == 200, response
    frame = client.read_data()
    assert frame.payload.endswith(b'"data":' + data.encode() + b"}"), frame


@pytest.mark.parametrize("data", [b"1e400", b"18446744073709551616", b"12345678901234567890123"])
def test_a_number_beyond_64_bits_is_refused_and_not_changed(daemon, data):
    response = daemon.post("/api/publish", b'{"room":"bytes:3","type":"note","data":' + data + b"}")
    assert (response.status, response.json()["error"]) == (400, "VALIDATION_ERROR")


def test_a_raw_line_end_in_data_is_minified_away(daemon, client):
    client.subscribed("bytes:2")
    daemon.post("/api/publish", b'{"room":"bytes:2","type":"note","data":{\r\n "a" : [1,\n2]}}')
    assert client.read_data().payload.endswith(b'"data":{"a":[1,2]}}')


def test_events_of_one_room_come_in_their_order_to_everybody(daemon, connect):
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.subscribed("order:1")
    for n in range(100):
        daemon.publish("order:1", data=n)
    for client in clients:
        events = client.events(100)
        assert [event["offset"] for event in events] == list(range(1, 101))
        assert [event["data"] for event in events] == list(range(100))


def test_only_subscribers_of_the_room_get_an_event(daemon, connect):
    one, other = connect(), connect()
    one.subscribed("rooms:1")
    other.subscribed("rooms:2")
    other.subscribed("rooms")
    daemon.publish("rooms:1")
    one.events(1)
    assert other.drain() == []


def test_subscribing_twice_is_a_conflict_and_one_delivery(daemon, client):
    client.subscribed("twice:1")
    is_error(client.subscribe("twice:1"), "CONFLICT", "twice:1")
    daemon.publish("twice:1")
    client.events(1)
    assert client.drain() == []


def test_unsubscribe_ends_events_and_only_works_once(daemon, client):
    client.subscribed("leave:1")
    assert client.unsubscribe("leave:1") == {"type": "unsubscribed", "room": "leave:1", "id": 2}
    daemon.publish("leave:1")
    assert client.drain() == []
    is_error(client.unsubscribe("leave:1"), "NOT_FOUND", "leave:1")
    assert client.subscribed("leave:1")["offset"] == 1


def test_subscribe_and_unsubscribe_in_one_packet_leave_nothing(daemon, client):
    from support.websocket_client import encode_frame

    frames = [{"type": "subscribe", "room": "flip:1", "id": "s"}, {"type": "unsubscribe", "room": "flip:1", "id": "u"},
              {"type": "subscribe", "room": "flip:1", "id": "t"}]
    client.send(b"".join(encode_frame(TEXT, json.dumps(frame).encode()) for frame in frames))
    answers = [client.receive_next() for _ in frames]
    assert [(answer["type"], answer["id"]) for answer in answers] == [
        ("subscribed", "s"), ("unsubscribed", "u"), ("subscribed", "t")]
    daemon.publish("flip:1")
    client.events(1)
    assert [message for message in client.drain() if message["type"] == "note"] == []


def test_what_waits_behind_a_subscribe_is_bounded(daemon, client):
    from support.websocket_client import encode_frame

    frames = [{"type": kind, "room": "flip:2"} for kind in ["subscribe", "unsubscribe"] * 33]
    client.send(b"".join(encode_frame(TEXT, json.dumps(frame).encode()) for frame in frames))
    answers = [client.receive_next() for _ in frames]
    assert sum(answer["type"] == "subscribed" for answer in answers) >= 32
    assert all(answer.get("code", "RATE_LIMITED") == "RATE_LIMITED" for answer in answers)
    assert client.drain() == []


def test_rooms_per_connection_max_on_both_sides(client):
    for n in range(5):
        client.subscribed(f"many:{n}")
    is_error(client.subscribe("many:5"), "RATE_LIMITED", "5 rooms")
    client.unsubscribe("many:0")
    client.subscribed("many:5")


def test_rooms_max_of_a_namespace_makes_publishing_and_subscribing_errors(make_daemon):
    daemon = make_daemon({"engine": {"shards": 1}, "namespace": [{"name": "few", "rooms_max": 2}]})
    with NativeClient(daemon) as client:
        client.subscribed("few:1")
        client.subscribed("few:2")
        is_error(client.subscribe("few:3"), "UNAVAILABLE", "rooms_max")
        response = daemon.post("/api/publish", {"room": "few:3", "type": "t", "data": 1})
        assert (response.status, response.json()["error"]) == (503, "UNAVAILABLE")
        client.subscribed("other:1")
        daemon.publish("few:1")
        client.events(1)


# ---- publish ----
def test_publish_is_answered_and_delivered(connect, client):
    other = connect()
    other.subscribed("pub:1")
    answer = client.publish("pub:1", "note", {"a": 1})
    assert (answer["type"], answer["room"], answer["offset"]) == ("published", "pub:1", 1)
    event = other.receive("note")
    assert (event["data"], event["offset"]) == ({"a": 1}, 1)
    assert event["id"] == answer["eventId"]


def test_a_publisher_that_is_subscribed_gets_its_own_event(client):
    client.subscribed("pub:2")
    client.publish("pub:2", "note", 1)
    assert client.receive("note")["offset"] == 1


def test_the_same_idempotency_key_gives_the_first_answer_back(connect, client):
    other = connect()
    other.subscribed("idem:1")
    first = client.publish("idem:1", "note", {"a": 1}, idempotencyKey="k")
    again = client.publish("idem:1", "note", {"a": 1}, idempotencyKey="k")
    assert (again["eventId"], again["offset"]) == (first["eventId"], first["offset"])
    is_error(client.publish("idem:1", "note", {"a": 2}, idempotencyKey="k"), "CONFLICT")
    is_error(client.publish("idem:1", "other", {"a": 1}, idempotencyKey="k"), "CONFLICT")
    assert client.publish("idem:2", "note", {"a": 2}, idempotencyKey="k")["type"] == "published"
    assert client.publish("idem:1", "note", {"a": 2}, idempotencyKey="l")["offset"] == 2
    assert [event["offset"] for event in other.events(2)] == [1, 2]
    assert other.drain() == []


def test_an_idempotency_key_is_the_users_own(connect):
    alice, bob = (connect(make_token(user, **EVERYTHING)) for user in ("alice", "bob"))
    first = alice.publish("idem:3", "note", 1, idempotencyKey="k")
    second = bob.publish("idem:3", "note", 2, idempotencyKey="k")
    assert (first["offset"], second["offset"]) == (1, 2)


def test_an_id_deduplicates_and_with_other_bytes_is_a_conflict(daemon, client):
    client.subscribed("idem:4")
    number = "0190b5a0-0000-7000-8000-000000000001"
    first = daemon.publish("idem:4", data=1, id=number)
    assert first["id"] == number
    assert daemon.publish("idem:4", data=1, id=number) == first
    response = daemon.post("/api/publish", {"room": "idem:4", "type": "note", "data": 2, "id": number})
    assert (response.status, response.json()["error"]) == (409, "CONFLICT")
    assert client.receive("note")["id"] == number
    assert client.drain() == []


def test_dedupe_max_on_both_sides(make_daemon):
    daemon = make_daemon({"namespace": [{"name": "*", "dedupe_max": 3}]})
    for n in range(3):
        daemon.publish("dedupe:1", data=n, idempotencyKey=f"k{n}")
    assert daemon.publish("dedupe:1", data=0, idempotencyKey="k0")["offset"] == 1, "still known"
    daemon.publish("dedupe:1", data=3, idempotencyKey="k3")
    assert daemon.publish("dedupe:1", data=1, idempotencyKey="k1")["offset"] == 2, "still known"
    assert daemon.publish("dedupe:1", data=0, idempotencyKey="k0")["offset"] == 5, "forgotten first"


def test_a_namespace_may_forbid_publishing_by_clients(daemon, client):
    is_error(client.publish("quiet:1"), "FORBIDDEN", "publish")
    daemon.publish("quiet:1")


# ---- ids, ping, auth ----
@pytest.mark.parametrize("number", [0, 1, -5, 9007199254740993, 18446744073709551615, "", "a", "ä€", "x" * 128, '"\\'])
def test_an_id_comes_back_as_it_was(client, number):
    client.send_json({"type": "ping", "id": number})
    assert client.receive("pong") == {"type": "pong", "id": number}


@pytest.mark.parametrize("number", [1.5, True, None, [], {}, "x" * 129, 1e30])
def test_an_id_that_is_none_is_an_error_without_one(client, number):
    client.send_json({"type": "ping", "id": number})
    answer = client.receive_next()
    is_error(answer, "VALIDATION_ERROR", "id")
    assert "id" not in answer


def test_without_an_id_the_answer_has_none(client):
    client.send_json({"type": "ping"})
    assert client.receive_next() == {"type": "pong"}
    client.send_json({"type": "subscribe", "room": "ids:1"})
    assert "id" not in client.receive("subscribed")
    client.send_json({"type": "nonsense"})
    assert "id" not in client.receive("error")


def test_errors_carry_the_id_of_their_message(client):
    client.send_json({"type": "subscribe", "room": "", "id": "mine"})
    assert client.receive("error")["id"] == "mine"


# ---- what is wrong ----
@pytest.mark.parametrize("text, named", [
    ("", "JSON"), ("{", "JSON"), ("nonsense", "JSON"), ("[]", "object"), ('"ping"', "object"), ("1", "object"),
    ('{"type":"ping"}{', "JSON"), ('{"type":"ping",}', "JSON"), ('{"type":"ping","x":tru}', "JSON"),
    ('{"type":"ping","x":{"a":tru,"b":[1 2]}}', "JSON"), ("{'type':'ping'}", "JSON"),
    ('{"type":"ping","x":"\x01"}', "JSON"), ('{"type":"ping","x":' + "[" * 40 + "]" * 40 + "}", "JSON"),
    ("{}", "type"), ('{"type":7}', "type"), ('{"type":null}', "type"), ('{"type":"nonsense"}', "type"),
    ('{"type":"connected"}', "type"), ('{"type":"subscribed","room":"a"}', "type"), ('{"type":"PING"}', "type"),
    ('{"type":"ping","type":"ping"}', "type"),
    ('{"type":"subscribe"}', "room"), ('{"type":"subscribe","room":7}', "room"),
    ('{"type":"subscribe","room":"a","recover":7}', "recover"),
    ('{"type":"subscribe","room":"a","recover":{"offset":-1,"epoch":"e"}}', "offset"),
    ('{"type":"subscribe","room":"a","recover":{"offset":9007199254740992,"epoch":"e"}}', "offset"),
    ('{"type":"subscribe","room":"a","recover":{"offset":1.5,"epoch":"e"}}', "offset"),
    ('{"type":"subscribe","room":"a","recover":{"offset":1}}', "epoch"),
    ('{"type":"subscribe","room":"a","recover":{"offset":1,"epoch":"a.b"}}', "epoch"),
    ('{"type":"subscribe","room":"a","recover":{"offset":1,"epoch":""}}', "epoch"),
    ('{"type":"subscribe","room":"a","recover":{"epoch":"e"}}', "offset"),
    ('{"type":"publish","room":"a","event":"t"}', "data"), ('{"type":"publish","room":"a","data":1}', "event"),
    ('{"type":"publish","event":"t","data":1}', "room"),
    ('{"type":"presence","room":"a"}', "action"), ('{"type":"presence","room":"a","action":"dance"}', "action"),
    ('{"type":"presence","room":"a","action":"list","limit":0}', "limit"),
    ('{"type":"presence","room":"a","action":"list","limit":1001}', "limit"),
    ('{"type":"auth"}', "token"), ('{"type":"auth","token":7}', "token"), ('{"type":"auth","token":""}', "token"),
    ('{"type":"unsubscribe"}', "room"),
])
def test_a_wrong_message_is_told_what_is_wrong_and_the_connection_stays(client, text, named):
    client.send_text(text)
    is_error(client.receive_next(), "VALIDATION_ERROR", named)
    client.send_json({"type": "ping"})
    assert client.receive_next() == {"type": "pong"}


def test_an_error_does_not_repeat_long_input(client):
    client.send_json({"type": "x" * 1000, "y" * 1000: 1})
    assert len(json.dumps(client.receive("error"))) < 500


BAD_ROOMS = ["", "r" * 256, ":a", "a:", ":", "*", "a:*", "a*b", "a\nb", "a\0b", "a\u007fb", "a\u0085b", "ä" * 128]
GOOD_ROOMS = ["r", "r" * 255, "a:b:c", "a::b", "a b", "ä€😀", "tenant", "Größe:1", "ä" * 127]


@pytest.mark.parametrize("room", BAD_ROOMS)
def test_a_bad_name_is_an_error_for_every_verb(client, room):
    for message in [{"type": "subscribe"}, {"type": "unsubscribe"}, {"type": "publish", "event": "t", "data": 1},
                    {"type": "presence", "action": "join"}]:
        is_error(client.ask({**message, "room": room}), "VALIDATION_ERROR", "room")


@pytest.mark.parametrize("room", GOOD_ROOMS)
def test_a_good_name_comes_back_as_it_was(daemon, client, room):
    assert client.subscribed(room)["room"] == room
    daemon.publish(room)
    assert client.receive("note")["room"] == room


RESERVED = ["connected", "subscribed", "unsubscribed", "published", "error", "ping", "pong", "gap", "position", "ack",
            "call", "auth", "presence:", "presence:update", "presence:x", "ringcast:", "ringcast:gap"]


@pytest.mark.parametrize("event", RESERVED)
def test_nobody_publishes_what_only_the_engine_says(daemon, client, event):
    client.subscribed("forge:1")
    is_error(client.publish("forge:1", event, {}), "VALIDATION_ERROR", "event")
    response = daemon.post("/api/publish", {"room": "forge:1", "type": event, "data": {}})
    assert (response.status, response.json()["error"]) == (400, "VALIDATION_ERROR")
    assert client.drain() == []


@pytest.mark.parametrize("event", ["Connected", "subscribed2", "presence", "ringcast", "pres:ence", "gap ", "t" * 128,
                                   'a"b', "a\\b", "</script>", "ä€"])
def test_what_only_looks_like_it_is_delivered_as_itself(daemon, client, event):
    client.subscribed("forge:2")
    daemon.publish("forge:2", event, {"x": 1})
    message = client.receive_next()
    assert (message["type"], message["data"], message["room"]) == (event, {"x": 1}, "forge:2")


@pytest.mark.parametrize("event", ["", "t" * 129, "a\nb", "a\0b", "a\u0085b", 7, None])
def test_a_bad_event_type_is_an_error(client, event):
    is_error(client.publish("forge:3", event, 1), "VALIDATION_ERROR", "event")


def test_broken_json_never_reaches_a_subscriber(connect, client):
    other = connect()
    other.subscribed("broken:1")
    for data in (b'{"a":tru}', b"[1 2]", b'"\xc3"', b"01", b"+1", b"1.", b"NaN", b"{'a':1}", b'"a', b"[1,]", b"\x00"):
        octets = b'{"type":"publish","room":"broken:1","event":"note","data":' + data + b"}"
        if data == b'"\xc3"':
            continue  # ends the connection with 1007, see test_binary_and_invalid_utf8…
        client.send_frame(TEXT, octets)
        is_error(client.receive_next(), "VALIDATION_ERROR")
    client.publish("broken:1", "note", "good")
    assert other.receive_next()["data"] == "good"


@pytest.mark.parametrize("opcode, payload, code", [(BINARY, b"{}", 1003), (TEXT, b'{"type":"\xff"}', 1007),
                                                   (TEXT, b" " * 4097, 1009)])
def test_binary_and_invalid_utf8_and_too_much_end_the_connection(client, opcode, payload, code):
    client.send_frame(opcode, payload)
    assert client.read_end()[0] == code


def test_a_message_of_the_limit_is_read(client):
    text = json.dumps({"type": "ping", "x": ""})
    client.send_text(text[:-2] + "x" * (4096 - len(text)) + text[-2:])
    assert client.receive_next() == {"type": "pong"}


def test_errors_max_on_both_sides(client):
    for _ in range(ERRORS_MAX):
        client.send_text("nonsense")
        is_error(client.receive_next(), "VALIDATION_ERROR")
    client.send_json({"type": "ping"})
    assert client.receive_next() == {"type": "pong"}
    client.send_text("nonsense")
    is_error(client.receive_next(), "VALIDATION_ERROR")
    with pytest.raises(ConnectionEnded) as ended:
        client.read_json()
    assert ended.value.code == 4003


def test_errors_are_counted_by_code_and_logged_once_a_second_at_most(daemon, connect):
    name = 'ringcast_errors_total{code="VALIDATION_ERROR"}'
    before, log = daemon.metric(name), len(daemon.log())
    client = connect()
    for _ in range(ERRORS_MAX):
        client.send_text("nonsense")
    for _ in range(ERRORS_MAX):
        client.receive("error")
    assert daemon.metric(name) - before == ERRORS_MAX
    lines = [line for line in daemon.log()[log:].splitlines() if "VALIDATION_ERROR" in line]
    assert len(lines) < ERRORS_MAX / 2
