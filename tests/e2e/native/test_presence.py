"""Who is in a room: distinct users over all their connections, told at most once an interval."""
import json
import time

import pytest

from support.native_client import NativeClient
from support.tokens import SECRET, make_token
from support.waiting import wait_until
from support.websocket_client import TEXT, encode_frame

SLOW_S = 1.5
CONFIG = {"auth": {"hs256_secret": SECRET}, "limits": {"rooms_per_connection_max": 4},
          "namespace": [{"name": "few", "presence_users_max": 3, "presence_interval_ms": 1},
                        {"name": "slow", "presence_interval_ms": int(SLOW_S * 1000)},
                        {"name": "rare", "presence_interval_ms": 60_000},
                        {"name": "off", "presence": False},
                        {"name": "*", "presence_interval_ms": 1}]}
EVERYTHING = {"subscribe": ["*"], "publish": ["*"], "presence": ["*"]}


@pytest.fixture
def join(connect):
    """join(user, room) -> a subscribed client that is present there."""

    def make(user, room):
        client = connect(make_token(user, **EVERYTHING))
        client.subscribed(room)
        client.presence("join", room)
        client.receive_matching(lambda m: m["type"] == "presence:update" and user in m.get("users", [user]))
        return client

    return make


def viewers(client, room, **fields):
    answer = client.ask({"type": "presence", "action": "list", "room": room, **fields})
    assert answer["type"] == "presence:list", answer
    return answer


def wait_for_viewers(client, room, users):
    wait_until(lambda: viewers(client, room)["users"] == users, f"viewers {users}")


def test_join_and_leave_are_told_to_the_room(connect, join):
    watcher = connect(make_token("watcher", **EVERYTHING))
    watcher.subscribed("p:1")
    alice = join("alice", "p:1")
    assert watcher.receive_next() == {"type": "presence:update", "room": "p:1", "users": ["alice"],
                                      "joined": ["alice"], "left": []}
    alice.presence("leave", "p:1")
    assert watcher.receive_next() == {"type": "presence:update", "room": "p:1", "users": [], "joined": [],
                                      "left": ["alice"]}


def test_an_update_is_volatile(daemon, join, connect):
    """No offset, not in the history, and it does not move positions."""
    alice = join("alice", "p:2")
    position = alice.subscribed("p:2b")
    assert daemon.publish("p:2")["offset"] == 1
    epoch = alice.receive("note") and daemon.publish("p:2")["epoch"]
    client = connect()
    assert client.subscribed("p:2", recover=(epoch, 0))["recovered"] is True
    assert [event["type"] for event in client.drain()] == ["note", "note"]
    assert position["offset"] == 0


def test_a_user_counts_once_over_all_connections(connect, join):
    watcher = connect(make_token("watcher", **EVERYTHING))
    watcher.subscribed("p:3")
    one, two = join("alice", "p:3"), connect(make_token("alice", **EVERYTHING))
    watcher.receive("presence:update")
    two.subscribed("p:3")
    two.presence("join", "p:3")
    two.drain()
    assert viewers(watcher, "p:3")["users"] == ["alice"]
    one.close()
    two.drain()
    assert viewers(watcher, "p:3")["users"] == ["alice"]
    assert [m for m in watcher.drain() if m["type"] == "presence:update"] == []
    two.close()
    assert watcher.receive("presence:update")["left"] == ["alice"]


def test_joining_twice_is_once_and_leaving_twice_is_an_error(connect, join):
    alice = join("alice", "p:4")
    alice.presence("join", "p:4")
    alice.presence("leave", "p:4")
    alice.send_json({"type": "presence", "action": "leave", "room": "p:4", "id": "again"})
    assert alice.receive("error", id="again")["code"] == "NOT_FOUND"
    wait_for_viewers(alice, "p:4", [])


@pytest.mark.parametrize("how", ["close", "reset", "unclean"])
def test_the_end_of_a_connection_takes_its_user_out_once(connect, join, how):
    watcher = connect(make_token("watcher", **EVERYTHING))
    room = f"p:5:{how}"
    watcher.subscribed(room)
    alice = join("alice", room)
    watcher.receive("presence:update", users=["alice"])
    if how == "close":
        alice.send_close(1000)
        alice.read_end()
    elif how == "reset":
        alice.reset()
    else:
        alice.close()
    assert watcher.receive("presence:update")["left"] == ["alice"]
    # Whatever else would be said of alice is said before this.
    bob = join("bob", room)
    assert watcher.receive("presence:update") == {"type": "presence:update", "room": room, "users": ["bob"],
                                                  "joined": ["bob"], "left": []}
    bob.close()


def test_a_connection_that_unsubscribes_stays_present_until_it_leaves(connect, join):
    alice = join("alice", "p:6")
    alice.unsubscribe("p:6")
    assert viewers(alice, "p:6")["users"] == ["alice"]


def test_many_changes_within_an_interval_are_few_updates_and_the_last_state_wins(connect):
    watcher = connect(make_token("watcher", **EVERYTHING))
    watcher.subscribed("slow:1")
    client = connect(make_token("alice", **EVERYTHING))
    others = [connect(make_token(f"user{n}", **EVERYTHING)) for n in range(10)]
    begin = time.monotonic()
    for _ in range(50):
        client.presence("join", "slow:1")
        client.presence("leave", "slow:1")
    client.presence("join", "slow:1")
    for other in others:
        other.presence("join", "slow:1")
    everybody = sorted(["alice"] + [f"user{n}" for n in range(10)])
    updates = []
    while not updates or updates[-1]["users"] != everybody:
        updates.append(watcher.receive("presence:update"))
    assert len(updates) <= 2 + (time.monotonic() - begin) / SLOW_S, "one at once, and then one an interval"
    present = set()
    for update in updates:
        present = (present | set(update["joined"])) - set(update["left"])
        assert present == set(update["users"])


def test_the_first_change_is_told_at_once(connect):
    """Long before the next could be: a second room that changes at the same moment is not behind."""
    watcher = connect(make_token("watcher", **EVERYTHING))
    watcher.subscribed("slow:2")
    watcher.subscribed("slow:3")
    for room in ("slow:2", "slow:3"):
        watcher.presence("join", room)
    assert {watcher.receive("presence:update")["room"] for _ in range(2)} == {"slow:2", "slow:3"}


def test_who_left_and_came_back_within_an_interval_was_never_away(connect):
    watcher, alice = (connect(make_token(user, **EVERYTHING)) for user in ("watcher", "alice"))
    watcher.subscribed("slow:4")
    alice.presence("join", "slow:4")
    watcher.receive("presence:update", joined=["alice"])
    # In one packet, so that no interval ends between them.
    alice.send(b"".join(encode_frame(TEXT, json.dumps({"type": "presence", "action": action, "room": "slow:4"}).encode())
                        for action in ("leave", "join")))
    alice.drain()
    bob = connect(make_token("bob", **EVERYTHING))
    bob.presence("join", "slow:4")
    assert watcher.receive("presence:update") == {"type": "presence:update", "room": "slow:4",
                                                  "users": ["alice", "bob"], "joined": ["bob"], "left": []}


def test_presence_users_max_on_both_sides(connect, join):
    watcher = connect(make_token("watcher", **EVERYTHING))
    watcher.subscribed("few:1")
    clients = []
    for n, user in enumerate(["a", "b", "c", "d"], 1):
        clients.append(connect(make_token(user, **EVERYTHING)))
        clients[-1].presence("join", "few:1")
        update = watcher.receive("presence:update")
        assert update["joined"] == [user] and update["left"] == []
        if n <= 3:
            assert update["users"] == ["a", "b", "c", "d"][:n] and "count" not in update
        else:
            assert update["count"] == 4 and "users" not in update
    clients[0].presence("leave", "few:1")
    assert watcher.receive("presence:update")["users"] == ["b", "c", "d"]


def test_a_list_pages_through_all(connect):
    users = [f"user{n:02}" for n in range(25)]
    clients = [connect(make_token(user, **EVERYTHING)) for user in users]
    for client in clients:
        client.presence("join", "few:2")
        client.drain()
    wait_until(lambda: viewers(clients[0], "few:2")["count"] == 25, "25 viewers")
    seen, after = [], None
    while True:
        page = viewers(clients[0], "few:2", limit=10, **({"after": after} if after else {}))
        assert page["count"] == 25 and len(page["users"]) <= 10
        seen += page["users"]
        after = page.get("after")
        if after is None:
            break
    assert seen == users


def test_the_list_of_a_room_that_nobody_is_in_is_empty(connect):
    client = connect(make_token("alice", **EVERYTHING))
    page = viewers(client, "p:nobody")
    assert (page["users"], page["count"], "after" in page) == ([], 0, False)


def test_presence_needs_a_user_a_grant_and_a_namespace_that_has_it(connect):
    cases = [(make_token("alice", presence=["other:*"]), "p:7", "FORBIDDEN"),
             (make_token("alice", **EVERYTHING), "off:1", "FORBIDDEN"), (None, "p:7", "FORBIDDEN")]
    for token, room, code in cases:
        client = connect(token)
        assert client.ask({"type": "presence", "action": "join", "room": room})["code"] == code


def test_rooms_per_connection_max_holds_for_presence_on_both_sides(connect):
    client = connect(make_token("alice", **EVERYTHING))
    for n in range(4):
        client.presence("join", f"limit:{n}")
    assert [m for m in client.drain() if m["type"] == "error"] == []
    assert client.ask({"type": "presence", "action": "join", "room": "limit:4"})["code"] == "RATE_LIMITED"
    client.presence("leave", "limit:0")
    client.presence("join", "limit:4")
    assert [m for m in client.drain() if m["type"] == "error"] == []


def test_presence_does_not_delay_events(daemon, connect):
    """The interval is long and has just begun: events pass all the same."""
    watcher, alice = (connect(make_token(user, **EVERYTHING)) for user in ("watcher", "alice"))
    watcher.subscribed("rare:5")
    alice.presence("join", "rare:5")
    watcher.receive("presence:update")
    alice.presence("leave", "rare:5")
    alice.drain()
    for n in range(10):
        daemon.publish("rare:5", data=n)
    messages = [watcher.receive_next() for _ in range(10)]
    assert [message.get("data") for message in messages] == list(range(10))


def test_updates_go_to_subscribers_only(connect, join):
    stranger = connect(make_token("stranger", **EVERYTHING))
    stranger.subscribed("p:8b")
    alice = join("alice", "p:8")
    assert stranger.drain() == []
    alice.close()


def test_a_crowd_that_comes_and_goes_leaves_nobody(daemon, connect):
    watcher = connect(make_token("watcher", **EVERYTHING))
    for round_ in range(3):
        clients = []
        for n in range(20):
            client = NativeClient(daemon, make_token(f"user{n}", **EVERYTHING))
            client.presence("join", "crowd:1")
            clients.append(client)
        for n, client in enumerate(clients):
            client.reset() if n % 2 else client.close()
    wait_for_viewers(watcher, "crowd:1", [])
