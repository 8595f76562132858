"""What is refused before the database is asked: the same as the engine refuses, and why."""
import datetime
import json
import pickle
import sqlite3
import uuid

import pytest

from doors import psycopg_connection, sqlite_connection
from ringcast.outbox import (ENVELOPE_BYTES_MAX, OutboxEvent, OutboxFieldError,
                             create_outbox_event, create_outbox_events)
from support.waiting import wait_until

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)


@pytest.fixture
def connection():
    """Without the outbox's table: whoever gets as far as the database fails."""
    with sqlite3.connect(":memory:") as one:
        yield one


def errors_of(connection, fields):
    with pytest.raises(OutboxFieldError) as raised:
        create_outbox_event(connection, **fields)
    return raised.value.errors


# At each limit and one beyond it, and each rule kept and broken: (field, value).
NAMES = [
    *[("tenant_id", value) for value in ("a", "a" * 120, "a" * 121, "", "A-z_0.9~", "a:b", "a b",
                                         "ä", "a\n")],
    *[(name, value) for name in ("aggregate_type", "aggregate_id")
      for value in ("a" * 255, "a" * 256, "ü" * 127, "ü" * 128, "", "a:b *\n")],
    *[("event_type", value) for value in ("a", "m" * 120, "m" * 121, "m." + "x" * 126,
                                          "m." + "x" * 127, "", ".x", "ä.x", "m.ä", "a b.c",
                                          "m.\x7f", "m.\x85", "m.\n", "gap", "gap.x", "call",
                                          "connected", "subscribed", "unsubscribed", "published",
                                          "error", "ping", "pong", "position", "ack", "auth",
                                          "presence", "ringcast")],
    *[("room", value) for value in ("tenant:x", "tenant:" + "r" * 248, "tenant:" + "r" * 249, "",
                                    ":tenant", "tenant:", "tenant:*", "tenant:x\x1f",
                                    "tenant:x\x9f", "tenant:ü x")],
    *[("exclude_user", value) for value in ("u" * 120, "u" * 121, "a:b", "a.b")],
    *[("conflation_key", value) for value in ("k" * 255, "k" * 256, "any thing:*\n")],
]


def goes_to_the_database(connection, fields, name):
    try:
        create_outbox_event(connection, **fields)
    except OutboxFieldError as error:
        assert list(error.errors) == [name]
        return False
    except sqlite3.OperationalError:
        return True


def insert_by_hand(db, fields):
    """The row's id; None if the database refuses it."""
    row = {**fields, "event_id": str(uuid.uuid4()), "payload": "{}"}
    try:
        db.execute(f"insert into ringcast_outbox({','.join(row)})"
                   f" values({','.join('?' * len(row))})", tuple(row.values()))
    except sqlite3.IntegrityError:
        return None
    return row["event_id"]


def test_the_rules_of_names_are_those_of_the_engine(connection, sqlite, fields):
    """Each value is inserted by hand, too, and the engine's verdict compared."""
    ours = {(name, value): goes_to_the_database(connection, {**fields, name: value}, name)
            for name, value in NAMES}
    with sqlite_connection(sqlite.store.url) as door:
        ids = {(name, value): insert_by_hand(door.target, {**fields, name: value})
               for name, value in NAMES}
        door.commit()
    written = [id for id in ids.values() if id is not None]
    # What was handed over is noted once a second.
    wait_until(lambda: all(sqlite.store.status(id)[0] != "pending" for id in written),
               "every row's verdict")
    engines = {case: id is not None and sqlite.store.status(id)[0] == "published"
               for case, id in ids.items()}
    assert engines == ours
    assert set(ours.values()) == {True, False}


def test_a_type_that_begins_like_the_engine_s_own_is_refused(connection, fields):
    for prefix in ("presence:", "ringcast:"):
        found = errors_of(connection, {**fields, "room": "tenant:1", "event_type": prefix + "x"})
        assert "reserved" in found["event_type"]


def test_an_event_with_a_room_needs_no_module(sqlite, subscribe, fields, tenant):
    room = f"tenant:{tenant}:any thing"
    client = subscribe(sqlite, room)
    with sqlite3.connect(sqlite.store.path, timeout=30) as db:
        create_outbox_event(db, **{**fields, "event_type": "order paid: ä"}, room=room)
    assert client.events(1)[0]["type"] == "order paid: ä"


def test_all_wrong_fields_are_named_at_once(connection, fields):
    found = errors_of(connection, {
        "tenant_id": "", "aggregate_type": 7, "aggregate_id": "\0", "event_type": "\ud800",
        "payload": [1], "room": "a*", "occurred_at": NOON.replace(tzinfo=None),
        "event_id": "nonsense", "exclude_user": "", "conflation_key": "", "headers": {"a": 1}})
    assert found == {
        "tenant_id": "has 0 characters, expected 1 to 120",
        "aggregate_type": "is a int, expected str",
        "aggregate_id": "contains U+0000, which PostgreSQL can not hold",
        "event_type": "is not valid UTF-8: it contains a lone surrogate",
        "room": "contains '*', which stands only in grants",
        "exclude_user": "has 0 characters, expected 1 to 120",
        "conflation_key": "has 0 octets, expected 1 to 255",
        "event_id": "is 'nonsense', expected a UUID",
        "occurred_at": "has no time zone: which moment it means is unknown",
        "payload": "is a list, expected what becomes a JSON object",
        "headers": "'a' is not a str",
    }


def test_the_error_is_a_value_error_whose_text_names_the_fields(connection, fields):
    with pytest.raises(ValueError, match="^tenant_id: .*; room: ") as raised:
        create_outbox_event(connection, **{**fields, "tenant_id": "", "room": ":"})
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.errors) == (str(raised.value), raised.value.errors)


def test_of_many_events_the_number_is_named_and_none_is_written(sqlite, fields, tenant):
    events = [OutboxEvent(**fields), OutboxEvent(**{**fields, "tenant_id": ""}),
              OutboxEvent(**{**fields, "payload": None})]
    with sqlite3.connect(sqlite.store.path) as db:
        with pytest.raises(OutboxFieldError) as raised:
            create_outbox_events(db, events)
    assert set(raised.value.errors) == {"events[1].tenant_id", "events[2].payload"}
    assert sqlite.rows(tenant) == []


@pytest.mark.parametrize("moment", [
    datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-1))),
    datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1)))])
def test_a_time_outside_the_years_of_rfc_3339_is_refused(connection, fields, moment):
    assert "1 to 9999" in errors_of(connection, {**fields, "occurred_at": moment})["occurred_at"]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_largest_envelope_arrives_and_one_octet_more_is_refused(request, subscribe, fields,
                                                                     tenant, database):
    deployment = request.getfixturevalue(database)
    opener = sqlite_connection if database == "sqlite" else psycopg_connection
    client = subscribe(deployment, f"tenant:{tenant}")
    fields["payload"] = {"taskId": 7, "text": "ü"}
    fields["occurred_at"] = NOON
    with opener(deployment.store.url) as door:
        create_outbox_event(door.target, **fields)
        door.commit()
        client.events(1)
        spaces = 3 if database == "postgres" else 0  # that jsonb writes
        envelope = {"id": str(uuid.uuid4()), "version": 1, "tenantId": tenant,
                    "aggregateType": "KitchenTask", "aggregateId": "7",
                    "occurredAt": "2026-01-01T12:00:00.000000Z",
                    "eventType": "kitchen.task.claimed", "payload": fields["payload"]}
        used = len(json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode())
        room_left = ENVELOPE_BYTES_MAX - used - spaces
        fields["payload"]["text"] += "x" * (room_left + 1)
        with pytest.raises(OutboxFieldError, match=f"{ENVELOPE_BYTES_MAX + 1} octets"):
            create_outbox_event(door.target, **fields)
        fields["payload"]["text"] = fields["payload"]["text"][:-1]
        create_outbox_event(door.target, **fields)
        door.commit()
    assert client.events(1)[0]["data"]["payload"] == fields["payload"]


def test_the_limit_of_the_envelope_is_the_caller_s_to_set(connection, fields):
    with pytest.raises(OutboxFieldError, match="at most 100"):
        create_outbox_event(connection, **fields, envelope_bytes_max=100)
    fields["payload"] = {"text": "x" * ENVELOPE_BYTES_MAX}
    with pytest.raises(sqlite3.OperationalError):  # as far as the database
        create_outbox_event(connection, **fields, envelope_bytes_max=1 << 20)


def test_other_connections_are_refused_by_name(fields):
    with pytest.raises(TypeError, match="object, expected a connection of sqlite3, psycopg 3"):
        create_outbox_event(object(), **fields)


def test_an_id_of_the_caller_s_is_kept(sqlite, subscribe, fields, tenant):
    client = subscribe(sqlite, f"tenant:{tenant}")
    given = uuid.uuid4()
    with sqlite3.connect(sqlite.store.path, timeout=30) as db:
        assert create_outbox_event(db, **fields, event_id=str(given).upper()) == given
    assert client.events(1)[0]["id"] == str(given)
