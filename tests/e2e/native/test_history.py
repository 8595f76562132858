"""Recovery: what was missed comes, or the client is told that it does not."""
import sqlite3
import uuid

import pytest

from support.native_client import NativeClient
from support.tokens import SECRET, make_token
from support.waiting import wait_until

STORE = True
CONFIG = {"auth": {"hs256_secret": SECRET}, "limits": {"ping_interval_s": 1},
          "namespace": [{"name": "tenant", "history": "store", "recover_max": 5},
                        {"name": "short", "history": "memory", "history_size": 3},
                        {"name": "few", "history": "memory", "recover_max": 2},
                        {"name": "brief", "history": "memory", "history_ttl_s": 1, "room_idle_s": 60},
                        {"name": "gone", "history": "memory", "history_ttl_s": 1, "room_idle_s": 0,
                         "dedupe_window_s": 1},
                        {"name": "*", "history": "memory"}]}
EVERYTHING = {"subscribe": ["*"], "publish": ["*"], "presence": ["*"]}


def data_of(events):
    return [event["data"] for event in events]


def leave_and_return(connect, room, token=None):
    """A position in the room, and a client that will come back from it."""
    client = connect(token)
    answer = client.subscribed(room)
    client.close()
    return (answer["epoch"], answer["offset"])


def test_what_was_missed_comes_between_the_answer_and_what_is_live(daemon, connect):
    position = leave_and_return(connect, "recover:1")
    for n in range(3):
        daemon.publish("recover:1", data=n)
    client = connect()
    client.send_json({"type": "subscribe", "room": "recover:1", "id": 1,
                      "recover": {"epoch": position[0], "offset": position[1]}})
    assert client.receive_next() == {"type": "subscribed", "room": "recover:1", "offset": 0, "epoch": position[0],
                                     "recovered": True, "id": 1}
    daemon.publish("recover:1", data=3)
    messages = [client.receive_next() for _ in range(4)]
    assert [message["offset"] for message in messages] == [1, 2, 3, 4]
    assert data_of(messages) == [0, 1, 2, 3]


def test_from_the_top_nothing_was_missed(daemon, connect):
    daemon.publish("recover:2")
    position = leave_and_return(connect, "recover:2")
    client = connect()
    answer = client.subscribed("recover:2", recover=position)
    assert (answer["recovered"], answer["offset"]) == (True, 1)
    assert client.drain() == []


@pytest.mark.parametrize("offset, missed", [(0, [0, 1, 2, 3]), (1, [1, 2, 3]), (3, [3]), (4, [])])
def test_recovery_begins_behind_any_position(daemon, connect, offset, missed):
    room = f"recover:3:{offset}"
    epoch = leave_and_return(connect, room)[0]
    for n in range(4):
        daemon.publish(room, data=n)
    client = connect()
    assert client.subscribed(room, recover=(epoch, offset))["recovered"] is True
    assert data_of(client.events(len(missed))) == missed
    assert client.drain() == []


@pytest.mark.parametrize("room, missed, recovered", [("short:1", 3, True), ("short:2", 4, False),
                                                      ("few:1", 2, True), ("few:2", 3, False)])
def test_history_size_and_recover_max_on_both_sides(daemon, connect, room, missed, recovered):
    position = leave_and_return(connect, room)
    for n in range(missed):
        daemon.publish(room, data=n)
    client = connect()
    answer = client.subscribed(room, recover=position)
    assert answer["recovered"] is recovered
    assert answer["offset"] == (0 if recovered else missed), "the room's top where nothing can be recovered"
    if recovered:
        assert data_of(client.events(missed)) == list(range(missed))
    assert client.drain() == []
    daemon.publish(room, data="live")
    assert client.events(1)[0]["offset"] == missed + 1


@pytest.mark.parametrize("epoch, offset", [("other", 0), ("other", 1), (None, 2), (None, (1 << 53) - 1)])
def test_another_epoch_or_a_position_ahead_is_not_recovered(daemon, connect, epoch, offset):
    published = daemon.publish("recover:4")
    client = connect()
    if epoch is None:
        epoch, offset = published["epoch"], offset + published["offset"]
        offset = min(offset, (1 << 53) - 1)
    answer = client.subscribed("recover:4", recover=(epoch, offset))
    assert answer["recovered"] is False
    assert (answer["offset"], answer["epoch"]) == (published["offset"], published["epoch"])


def test_after_history_ttl_recovery_is_refused(daemon, connect):
    position = leave_and_return(connect, "brief:1")
    daemon.publish("brief:1", data=1)

    def refused():
        with NativeClient(daemon) as client:
            return client.subscribed("brief:1", recover=position)["recovered"] is False

    wait_until(refused, "the end of history_ttl_s")


def test_a_room_that_was_left_for_long_comes_back_with_a_new_epoch(daemon, connect):
    epoch = daemon.publish("gone:1")["epoch"]

    def other():
        with NativeClient(daemon) as client:
            answer = client.subscribed("gone:1", recover=(epoch, 1))
            return answer if answer["epoch"] != epoch else None

    answer = wait_until(other, "the end of the room")
    assert (answer["recovered"], answer["offset"]) == (False, 0)


def test_a_memory_room_is_not_recovered_after_a_restart(make_daemon):
    daemon = make_daemon()
    epoch = daemon.publish("restart:1")["epoch"]
    daemon.stop()
    daemon.start()
    with NativeClient(daemon) as client:
        answer = client.subscribed("restart:1", recover=(epoch, 1))
        assert (answer["recovered"], answer["offset"]) == (False, 0)
        assert answer["epoch"] != epoch


def test_a_reconnect_storm_recovers_everybody(daemon, connect):
    position = leave_and_return(connect, "storm:1")
    for n in range(20):
        daemon.publish("storm:1", data=n)
    clients = [connect() for _ in range(60)]
    for client in clients:
        client.send_json({"type": "subscribe", "room": "storm:1",
                          "recover": {"epoch": position[0], "offset": position[1]}})
    for client in clients:
        assert client.receive("subscribed")["recovered"] is True
        assert data_of(client.events(20)) == list(range(20))


# ---- excludeUser: users, not sockets ----
def test_an_excluded_user_gets_it_on_no_connection_and_everybody_else_does(daemon, connect):
    alice = [connect(make_token("alice")) for _ in range(3)]
    others = [connect(make_token("bob")), connect()]
    for client in alice + others:
        client.subscribed("exclude:1")
    daemon.publish("exclude:1", data=1)
    daemon.publish("exclude:1", data=2, excludeUser="alice")
    daemon.publish("exclude:1", data=3, excludeUser="nobody")
    for client in alice:
        events = client.events(2)
        assert data_of(events) == [1, 3]
        assert [event["offset"] for event in events] == [1, 3]
        assert client.drain() == [], "what a subscriber may not see is no gap"
    for client in others:
        assert data_of(client.events(3)) == [1, 2, 3]


def test_exclusion_holds_in_recovery(daemon, connect):
    position = leave_and_return(connect, "exclude:2")
    for n in range(6):
        daemon.publish("exclude:2", data=n, excludeUser="alice" if n % 2 else "bob")
    for user, expected in [("alice", [0, 2, 4]), ("bob", [1, 3, 5]), ("carol", [0, 1, 2, 3, 4, 5])]:
        client = connect(make_token(user))
        assert client.subscribed("exclude:2", recover=position)["recovered"] is True
        assert data_of(client.events(len(expected))) == expected
        assert client.drain() == []


def test_an_anonymous_client_is_nobody_who_can_be_excluded(daemon, connect):
    client = connect()
    client.subscribed("exclude:3")
    daemon.publish("exclude:3", data=1, excludeUser="anonymous")
    assert data_of(client.events(1)) == [1]


# ---- store rooms ----
def insert(daemon, tenant, event_type="orders.created", payload='{"n":1}', **columns):
    values = {"tenant_id": tenant, "aggregate_type": "order", "aggregate_id": "1", "event_type": event_type,
              "payload": payload, **columns}
    with sqlite3.connect(daemon.folder / "store.db", timeout=60) as database:
        database.execute(f"insert into ringcast_outbox({', '.join(values)}) values "
                         f"({', '.join('?' * len(values))})", list(values.values()))
    database.close()


def test_a_row_reaches_the_tenants_room_and_its_modules_room(daemon, connect):
    client = connect()
    client.subscribed("tenant:both")
    client.subscribed("tenant:both:orders")
    insert(daemon, "both", event_id=str(uuid.uuid4()))
    one, two = client.events(2)
    assert {one["room"], two["room"]} == {"tenant:both", "tenant:both:orders"}
    assert (one["offset"], one["id"], one["type"]) == (two["offset"], two["id"], "orders.created")
    assert one["data"]["payload"] == {"n": 1}


def without_positions(messages):
    """What a connection with rooms of the store gets besides, once in a ping interval."""
    return [message for message in messages if message["type"] != "position"]


def test_no_other_tenant_sees_a_row(daemon, connect):
    client = connect()
    for room in ("tenant:4", "tenant:421", "tenant:42:kitchen", "tenant"):
        client.subscribed(room)
    witness = connect()
    witness.subscribed("tenant:42")
    insert(daemon, "42")
    witness.events(1)
    insert(daemon, "4", payload='{"n":2}')
    (event,) = client.events(1)
    assert (event["room"], event["data"]["payload"]) == ("tenant:4", {"n": 2})
    assert without_positions(client.drain()) == []


@pytest.mark.parametrize("column, value", [("tenant_id", "42:kitchen"), ("tenant_id", ""), ("event_type", "gap"),
                                           ("event_type", "presence:update"), ("event_type", ""),
                                           ("payload", "{broken"), ("payload", "[1]")])
def test_a_bad_row_is_refused_at_insert_or_fails_and_later_rows_flow(daemon, connect, column, value):
    client = connect()
    client.subscribed("tenant:flow")
    client.subscribed("tenant:42:kitchen")
    columns = {"tenant_id": "flow", column: value}
    tenant = columns.pop("tenant_id")
    try:
        insert(daemon, tenant, **columns)
    except sqlite3.IntegrityError:
        pass
    insert(daemon, "flow", payload='{"n":2}')
    events = client.events(1)
    assert events[0]["data"]["payload"] == {"n": 2}
    assert without_positions(client.drain()) == []


def test_publishing_into_a_store_room_is_committed_when_it_is_answered(daemon, connect):
    client = connect(make_token("alice", **EVERYTHING))
    client.subscribed("tenant:plain")
    number = str(uuid.uuid4())
    first = daemon.publish("tenant:plain", "note", {"a": 1}, id=number)
    assert first["id"] == number and first["offset"] > 0
    with sqlite3.connect(daemon.folder / "store.db") as database:
        rows = database.execute("select id from ringcast_outbox where event_id = ?", [number]).fetchall()
    database.close()
    assert rows == [(first["offset"],)]
    event = client.events(1)[0]
    assert (event["type"], event["data"], event["offset"]) == ("note", {"a": 1}, first["offset"])
    assert daemon.publish("tenant:plain", "note", {"a": 1}, id=number) == first
    response = daemon.post("/api/publish", {"room": "tenant:plain", "type": "note", "data": {"a": 2}, "id": number})
    assert response.status == 409
    answer = client.publish("tenant:plain", "note", {"a": 3}, idempotencyKey="k")
    again = client.publish("tenant:plain", "note", {"a": 3}, idempotencyKey="k")
    assert answer["eventId"] == again["eventId"]
    assert data_of(client.events(1)) == [{"a": 3}]
    assert [message for message in client.drain() if message["type"] == "note"] == []


def test_a_position_frame_comes_with_the_ping_interval_and_is_enough_to_recover(daemon, connect):
    quiet = connect()
    start = quiet.subscribed("tenant:silent")
    moved = daemon.publish("tenant:loud")
    position = quiet.receive_matching(lambda m: m["type"] == "position" and m["offset"] >= moved["offset"])
    assert position["epoch"] == start["epoch"]
    daemon.publish("tenant:silent", data="missed")
    quiet.close()
    again = connect()
    answer = again.subscribed("tenant:silent", recover=(position["epoch"], position["offset"]))
    assert answer["recovered"] is True
    assert data_of(again.events(1)) == ["missed"]


def test_connections_without_store_rooms_get_no_position(daemon, connect):
    client, store = connect(), connect()
    client.subscribed("other:1")
    store.subscribed("tenant:any")
    for _ in range(2):
        store.receive("position")
    assert [message for message in client.drain() if message["type"] == "position"] == []


def test_recover_max_of_a_store_room_on_both_sides(daemon, connect):
    for room, missed, recovered in (("tenant:max5", 5, True), ("tenant:max6", 6, False)):
        position = leave_and_return(connect, room)
        witness = connect()
        witness.subscribed(room)
        for n in range(missed):
            last = daemon.publish(room, data=n)
        witness.events(missed)  # committed is not delivered yet: what comes later is not missed
        witness.close()
        client = connect()
        answer = client.subscribed(room, recover=position)
        assert answer["recovered"] is recovered
        if recovered:
            assert data_of(client.events(missed)) == list(range(missed))
        else:
            assert answer["offset"] >= last["offset"]
        client.close()


def test_a_store_room_recovers_over_a_restart_and_numbers_go_on(make_daemon):
    daemon = make_daemon({"store": {"url": "sqlite:store.db"}})
    daemon.wait_ready()
    with NativeClient(daemon) as client:
        answer = client.subscribed("tenant:1")
        first = daemon.publish("tenant:1", data=1)
        client.events(1)
    second = daemon.publish("tenant:1", data=2)
    daemon.stop()
    daemon.start()
    daemon.wait_ready()
    with NativeClient(daemon) as client:
        again = client.subscribed("tenant:1", recover=(answer["epoch"], first["offset"]))
        assert (again["recovered"], again["epoch"]) == (True, answer["epoch"])
        event = client.events(1)[0]
        assert (event["offset"], event["id"], event["data"]) == (second["offset"], second["id"], 2)
        assert daemon.publish("tenant:1", data=3)["offset"] > second["offset"]
