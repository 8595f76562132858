"""What may be a payload, how it looks to a subscriber, and what is refused."""
import dataclasses
import datetime
import decimal
import enum
import uuid

import msgspec
import pydantic
import pytest

from doors import psycopg_connection, sqlite_connection
from ringcast.outbox import OutboxEvent, OutboxFieldError, create_outbox_event, create_outbox_events

ID = uuid.UUID("7a1f0f4e-4ab0-4b5e-8a55-1f1f6f3e8c11")
AT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Part:
    colour: Colour
    at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class AsDataclass:
    id: uuid.UUID
    parts: list[Part]


class AsModel(pydantic.BaseModel):
    id: uuid.UUID
    task_id: int = pydantic.Field(alias="taskId")
    price: decimal.Decimal


class AsStruct(msgspec.Struct, rename="camel"):
    id: uuid.UUID
    task_id: int
    parts: list[Part]


PART = {"colour": "red", "at": "2026-01-02T03:04:05+00:00"}
ACCEPTED = [
    ({}, {}),
    ({"a": (1, 2.5, -0.0, None, True, "é😀")}, {"a": [1, 2.5, 0.0, None, True, "é😀"]}),
    ({"least": -2**63, "most": 2**63 - 1}, {"least": -2**63, "most": 2**63 - 1}),
    ({"big": 2**64 - 1, "small": 5e-324, "float": 1e18},
     {"big": 2**64 - 1, "small": 5e-324, "float": 1e18}),
    ({Colour.RED: Level.HIGH}, {"red": 3}),
    ({"day": datetime.date(2026, 1, 2), "at": AT}, {"day": "2026-01-02", "at": PART["at"]}),
    (AsDataclass(ID, [Part(Colour.RED, AT)]), {"id": str(ID), "parts": [PART]}),
    ({"nested": AsDataclass(ID, [])}, {"nested": {"id": str(ID), "parts": []}}),
    (AsModel(id=ID, taskId=7, price="1.50"), {"id": str(ID), "taskId": 7, "price": "1.50"}),
    (AsStruct(ID, 7, []), {"id": str(ID), "taskId": 7, "parts": []}),
]


def nested(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_payloads_arrive(request, subscribe, fields, tenant, database):
    deployment = request.getfixturevalue(database)
    opener = sqlite_connection if database == "sqlite" else psycopg_connection
    client = subscribe(deployment, f"tenant:{tenant}")
    cases = [*ACCEPTED, (nested(32), nested(32))]
    with opener(deployment.store.url) as door:
        create_outbox_events(door.target, [OutboxEvent(**{**fields, "payload": payload})
                                           for payload, _ in cases])
        door.commit()
    assert [event["data"]["payload"] for event in client.events(len(cases))] == [
        arrived for _, arrived in cases]


CYCLE: dict = {}
CYCLE["self"] = CYCLE


@pytest.mark.parametrize("payload, what", [
    (None, "is None, expected what becomes a JSON object"),
    ("text", "is a str, expected what becomes a JSON object"),
    ([], "is a list, expected what becomes a JSON object"),
    (AsDataclass, "is a type, which JSON does not have"),
    ({"a": {"b": [1, b""]}}, "a.b[1]: is a bytes, which JSON does not have"),
    ({"a": float("nan")}, "a: is nan, which JSON does not have"),
    ({"a": float("-inf")}, "a: is -inf, which JSON does not have"),
    ({"a": 2**64}, "a: is a number outside -2^63 .. 2^64-1"),
    ({"a": -2**63 - 1}, "a: is a number outside -2^63 .. 2^64-1"),
    ({"a": 1e22}, "a: is a number outside -2^63 .. 2^64-1"),
    ({"a": decimal.Decimal(1)}, "a: is a Decimal, which JSON does not have"),
    ({"a": datetime.datetime(2026, 1, 1)}, "a: is a datetime without time zone"),
    ({"a": "x\0"}, "a: contains U+0000, which PostgreSQL can not hold"),
    ({"a": "\ud800"}, "a: is not valid UTF-8: it contains a lone surrogate"),
    ({"\0": 1}, "has a key that contains U+0000, which PostgreSQL can not hold"),
    ({"a": {1: 2}}, "a: has the key 1, expected strings"),
    (CYCLE, f"{'.'.join(['self'] * 32)}: is nested deeper than 32 levels"),
    (nested(33), f"{'.'.join(['a'] * 32)}: is nested deeper than 32 levels"),
])
def test_other_payloads_are_refused(sqlite, fields, payload, what):
    with sqlite_connection(sqlite.store.url) as door:
        with pytest.raises(OutboxFieldError) as raised:
            create_outbox_event(door.target, **{**fields, "payload": payload})
    assert raised.value.errors == {"payload": what}
