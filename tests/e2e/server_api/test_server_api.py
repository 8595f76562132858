"""The server API beyond /api/publish: several rooms and publications, who and what is there, and
ending what clients have. Over two shards, so that every answer is gathered."""
import pytest

from support.native_client import ConnectionEnded
from support.tokens import SECRET, make_token
from support.waiting import wait_until

BOTH_ENGINES = True
STORE = True
CONFIG = {"auth": {"hs256_secret": SECRET}, "engine": {"shards": 2},
          "limits": {"publications_per_request_max": 8, "page_max": 5, "page_bytes_max": 1024},
          "namespace": [{"name": "plain", "history": "none"},
                        {"name": "log", "history": "store"},
                        {"name": "short", "history": "memory", "history_size": 3},
                        {"name": "*", "history": "memory", "history_size": 100}]}
EVERYTHING = {"subscribe": ["*"], "publish": ["*"], "presence": ["*"]}
PATHS = ["broadcast", "batch", "presence", "history", "rooms", "disconnect", "unsubscribe"]


def ask(daemon, path, expected=200, **fields):
    response = daemon.post(f"/api/{path}", fields)
    assert response.status == expected, response
    return response.json()


@pytest.fixture
def connect_user(connect):
    return lambda user: connect(make_token(user, **EVERYTHING))


# ---- who may ask, and how it is refused ----

@pytest.mark.parametrize("path", [*PATHS, "info"])
def test_without_a_key_nothing_is_answered(daemon, path):
    for key in (None, "wrong-key"):
        response = daemon.post(f"/api/{path}", {}, key=key)
        assert response.status == 401
        assert response.json()["error"] == "UNAUTHORIZED"
    assert daemon.get(f"/api/{path}").status == 405


@pytest.mark.parametrize("path", PATHS[:4] + PATHS[5:])
def test_a_body_that_is_wrong_names_what_is_missing(daemon, path):
    answer = ask(daemon, path, 400)
    assert answer["error"] == "VALIDATION_ERROR" and "is missing" in answer["message"]
    assert daemon.post(f"/api/{path}", b"[").status == 400


@pytest.mark.parametrize("path, fields, named", [
    ("presence", {"room": "a:", "limit": 0}, ["room", "limit"]),
    ("history", {"room": "r", "limit": 6, "after": {"offset": -1}},
     ["limit", "after.epoch", "after.offset"]),
    ("history", {"room": "r", "after": 7}, ["after"]),
    ("rooms", {"limit": "x", "after": 7}, ["after", "limit"]),
    ("disconnect", {"user": "a b"}, ["user"]),
    ("unsubscribe", {"user": "ann"}, ["room"]),
    ("broadcast", {"rooms": ["ok", 7, "bad:"], "type": "ping", "data": 1, "id": "x"},
     ["rooms[1]", "rooms[2]", "type", "id"]),
    ("broadcast", {"rooms": [], "type": "t", "data": 1}, ["rooms"]),
    ("batch", {"publications": {}}, ["publications"])])
def test_every_field_that_is_wrong_is_named(daemon, path, fields, named):
    message = ask(daemon, path, 400, **fields)["message"]
    for name in named:
        assert f"{name}: " in message, message


# ---- several at once ----

def test_broadcast_publishes_into_each_room(daemon, connect):
    rooms = [f"many:{number}" for number in range(8)]
    client = connect()
    for room in rooms:
        client.subscribed(room)
    answers = ask(daemon, "broadcast", rooms=rooms, type="note", data={"a": 1})["answers"]
    assert [answer["room"] for answer in answers] == rooms
    events = {event["room"]: event for event in client.events(8)}
    for answer in answers:
        event = events[answer["room"]]
        assert (event["id"], event["offset"]) == (answer["id"], answer["offset"])
        assert event["data"] == {"a": 1}
    assert len({answer["id"] for answer in answers}) == 8


def test_a_repeated_broadcast_is_known_by_its_key(daemon):
    fields = {"rooms": ["again:1", "plain:1", "log:1"], "type": "t", "data": 1,
              "idempotencyKey": "k"}
    first, second = (ask(daemon, "broadcast", **fields)["answers"] for _ in range(2))
    assert first == second


def test_the_number_of_rooms_is_limited(daemon):
    rooms = [f"limit:{number}" for number in range(9)]
    assert "rooms: has 9 entries" in ask(daemon, "broadcast", 400, rooms=rooms, type="t",
                                         data=1)["message"]


def test_a_batch_answers_each_publication_in_order(daemon, connect):
    client = connect()
    client.subscribed("batch:1")
    publications = [{"room": "batch:1", "type": "t", "data": [1, {"b": "],}\"\\"}]},
                    {"room": "batch:", "type": "t", "data": 2},
                    {"room": "batch:1", "type": "t"},
                    7,
                    {"room": "batch:1", "type": "t", "data": 3.0, "key": "x"},
                    {"room": "log:batch", "type": "t", "data": 4},
                    {"room": "plain:batch", "type": "t", "data": 5}]
    answers = ask(daemon, "batch", publications=publications)["answers"]
    assert [answer.get("error", "") for answer in answers] == [
        "", "VALIDATION_ERROR", "VALIDATION_ERROR", "VALIDATION_ERROR", "", "", ""]
    events = client.events(2)
    assert [event["id"] for event in events] == [answers[0]["id"], answers[4]["id"]]
    assert events[0]["data"] == [1, {"b": "],}\"\\"}]
    assert "data: is missing" in answers[2]["message"]
    assert "offset" in answers[5] and "offset" not in answers[6]


def test_the_number_of_publications_is_limited(daemon):
    one = {"room": "r", "type": "t", "data": 1}
    assert len(ask(daemon, "batch", publications=[one] * 8)["answers"]) == 8
    assert "has 9 entries" in ask(daemon, "batch", 400, publications=[one] * 9)["message"]


def test_a_batch_where_everything_is_refused_is_answered_and_the_connection_stays(daemon):
    for _ in range(3):
        assert len(ask(daemon, "batch", publications=[{}, {}])["answers"]) == 2


# ---- what is there ----

def test_presence_comes_in_pages(daemon, connect_user):
    clients = [connect_user(f"user{number}") for number in range(7)]
    for client in clients:
        client.presence("join", "who:1")
    wait_until(lambda: ask(daemon, "presence", room="who:1", limit=1)["count"] == 7, "7 viewers")
    first = ask(daemon, "presence", room="who:1")
    assert first["users"] == [f"user{number}" for number in range(5)], "page_max"
    second = ask(daemon, "presence", room="who:1", after=first["after"])
    assert second["users"] == ["user5", "user6"] and "after" not in second
    assert ask(daemon, "presence", room="who:nobody") == {
        "room": "who:nobody", "users": [], "count": 0}


def test_history_goes_on_where_it_was_left(daemon):
    sent = [daemon.publish("past:1", data=number) for number in range(7)]
    newest = ask(daemon, "history", room="past:1", limit=2)
    assert [event["data"] for event in newest["events"]] == [5, 6]
    assert (newest["offset"], newest["epoch"]) == (sent[-1]["offset"], sent[-1]["epoch"])
    assert newest["complete"] and "after" not in newest
    seen, after = [], 0
    while after is not None:
        page = ask(daemon, "history", room="past:1", limit=3,
                   after={"epoch": sent[0]["epoch"], "offset": after})
        assert page["complete"]
        seen += page["events"]
        after = page.get("after")
    assert [event["id"] for event in seen] == [one["id"] for one in sent]
    assert seen[0]["type"] == "note" and seen[0]["room"] == "past:1"


def test_history_says_what_is_gone(daemon):
    sent = [daemon.publish("short:1", data=number) for number in range(5)]
    for after in ({"epoch": sent[0]["epoch"], "offset": 1}, {"epoch": "another", "offset": 4}):
        page = ask(daemon, "history", room="short:1", after=after)
        assert not page["complete"]
        assert [event["data"] for event in page["events"]] == [2, 3, 4]
    page = ask(daemon, "history", room="short:1",
               after={"epoch": sent[0]["epoch"], "offset": sent[1]["offset"]})
    assert page["complete"] and len(page["events"]) == 3


def test_a_page_of_history_is_bounded_in_octets_too(daemon):
    big = ["x" * 600, "y" * 600, "z" * 2000]
    sent = [daemon.publish("big:1", data=text) for text in big]
    after, pages = 0, []
    while after is not None:
        page = ask(daemon, "history", room="big:1", after={"epoch": sent[0]["epoch"], "offset": after})
        pages.append([event["data"][0] for event in page["events"]])
        after = page.get("after")
    assert pages == [["x"], ["y"], ["z"]], "one event comes whatever its size"


def test_history_of_other_namespaces(daemon):
    assert ask(daemon, "history", 404, room="plain:1")["error"] == "NOT_FOUND"
    assert ask(daemon, "history", room="past:nobody") == {
        "room": "past:nobody", "events": [], "complete": True}
    daemon.publish("log:history", data=1)
    wait_until(lambda: ask(daemon, "history", room="log:history")["events"], "the row")
    (event,) = ask(daemon, "history", room="log:history")["events"]
    # Another room may be at home on the other shard, which hears of the position by itself.
    wait_until(lambda: (quiet := ask(daemon, "history", room="log:quiet"))["events"] == []
               and quiet["offset"] >= event["offset"], "the position of the other room")


def test_rooms_are_listed_by_name_with_all_shards_together(daemon, connect):
    names = [f"list:{number:02}" for number in range(12)]
    clients = [connect() for _ in range(3)]
    for name in names:
        daemon.publish(name)
    for client in clients:
        client.subscribed("list:03")
    seen, after = [], None
    while True:
        fields = {} if after is None else {"after": after}
        page = ask(daemon, "rooms", prefix="list:", **fields)
        seen += page["rooms"]
        if (after := page.get("after")) is None:
            break
        assert len(page["rooms"]) == 5
    assert [row["room"] for row in seen] == names
    wait_until(lambda: ask(daemon, "rooms", prefix="list:03")["rooms"][0]["subscribers"] == 3,
               "three subscribers")
    assert seen[5]["history"] == 1 and seen[5]["offset"] == 1 and seen[5]["epoch"]
    assert ask(daemon, "rooms", prefix="list:none") == {"rooms": []}
    connect().subscribed("plain:list")
    assert ask(daemon, "rooms", prefix="plain:list") == {
        "rooms": [{"room": "plain:list", "subscribers": 1, "history": 0}]}


def test_info_counts_all_shards(make_daemon, connect):
    daemon = make_daemon()
    clients = [connect(daemon=daemon) for _ in range(4)]
    for number, client in enumerate(clients):
        client.subscribed(f"info:{number}")
        client.subscribed("info:all")
    info = ask(daemon, "info")
    assert info["shards"] == 2 and info["subscriptions"] == 8 and info["rooms"] == 5
    assert info["connections"] == 5, "one asks"
    assert info["ready"] and info["reasons"] == []


# ---- ending ----

def test_disconnect_ends_all_connections_of_a_user_and_no_others(daemon, connect_user):
    mine = [connect_user("kicked") for _ in range(5)]
    other = connect_user("stays")
    assert ask(daemon, "disconnect", user="kicked") == {"count": 5}
    for client in mine:
        assert client.read_end() == (4007, "disconnected by the server")
    other.subscribed("kick:1")
    assert ask(daemon, "disconnect", user="kicked") == {"count": 0}


def test_unsubscribe_ends_a_users_subscriptions_to_one_room(daemon, connect_user):
    mine = [connect_user("left") for _ in range(4)]
    other = connect_user("here")
    for client in (*mine, other):
        client.subscribed("leave:1")
        client.subscribed("leave:2")
    for client in mine:
        client.presence("join", "leave:1")
    wait_until(lambda: ask(daemon, "presence", room="leave:1")["count"] == 1, "presence")
    assert ask(daemon, "unsubscribe", user="left", room="leave:1") == {"count": 4}
    for client in mine:
        assert client.receive("unsubscribed", room="leave:1")["reason"] == "the server ended it"
    wait_until(lambda: ask(daemon, "presence", room="leave:1")["count"] == 0, "no presence")
    daemon.publish("leave:1", data=1)
    daemon.publish("leave:2", data=2)
    assert sorted(event["data"] for event in other.events(2)) == [1, 2]
    for client in mine:
        assert client.events(1)[0]["room"] == "leave:2"
    assert ask(daemon, "unsubscribe", user="left", room="leave:1") == {"count": 0}
    client = mine[0]
    client.subscribed("leave:1")


def test_a_stream_ends_with_its_subscription(daemon, connect_user):
    client = connect_user("gone")
    client.subscribed("kick:2")
    ask(daemon, "disconnect", user="gone")
    with pytest.raises(ConnectionEnded):
        while True:
            client.read_json()
    wait_until(lambda: all(row["subscribers"] == 0 for row in ask(daemon, "rooms", prefix="kick:2")["rooms"]), "left")
