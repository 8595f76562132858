"""One event for the outbox, and the rules that its row must satisfy.

The names and limits are those of the engine (engine/message/names.cpp, envelope.cpp).
"""

import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._plain import NotPlainError, check_text, plain

Dialect = Literal["sqlite", "postgresql"]
Row = dict[str, Any]

PART_CHARACTERS_MAX = 120
AGGREGATE_BYTES_MAX = 255
EVENT_TYPE_BYTES_MAX = 128
ROOM_BYTES_MAX = 255
CONFLATION_KEY_BYTES_MAX = 255
ENVELOPE_BYTES_MAX = 64 << 10  # the default of the daemon's outbox.envelope_bytes_max

_PART = re.compile(r"[A-Za-z0-9_.~-]+")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_RESERVED = frozenset(
    {"connected", "subscribed", "unsubscribed", "published", "error", "ping", "pong", "gap"}
    | {"position", "ack", "call", "auth"}
)
# jsonb puts a space behind each colon and comma; the size is that of the text that goes out.
_SEPARATORS: dict[Dialect, tuple[str, str]] = {"sqlite": (",", ":"), "postgresql": (", ", ": ")}


class OutboxFieldError(ValueError):
    """Fields that the engine would refuse. `errors`: field -> what is wrong, all of them."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {what}" for field, what in errors.items()))

    def __reduce__(self) -> tuple[type["OutboxFieldError"], tuple[dict[str, str]]]:
        return type(self), (self.errors,)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxEvent:
    """One event for create_outbox_events(), with the fields of create_outbox_event()."""

    tenant_id: str
    aggregate_type: str
    aggregate_id: str
    event_type: str
    payload: object
    room: str | None = None
    occurred_at: datetime.datetime | None = None
    event_id: uuid.UUID | str | None = None
    exclude_user: str | None = None
    conflation_key: str | None = None
    headers: Mapping[str, str] | None = None
    lock_aggregate: bool = False


def rows_of(
    events: Iterable[OutboxEvent], dialect: Dialect, envelope_bytes_max: int, one: bool
) -> list[Row]:
    """The rows, each with an `event_id`; OutboxFieldError names every wrong field of every event.
    one: there is a single event, whose number nobody needs to be told."""
    rows = []
    errors: dict[str, str] = {}
    for number, event in enumerate(events):
        if not isinstance(event, OutboxEvent):
            raise TypeError(f"events[{number}] is a {type(event).__name__}, expected OutboxEvent")
        check = _Check("" if one else f"events[{number}].", errors)
        rows.append(check.row(event, dialect, envelope_bytes_max))
    if errors:
        raise OutboxFieldError(errors)
    return rows


class _Check:
    """Judges one event; what is wrong goes into `errors`, the first thing of each field."""

    def __init__(self, prefix: str, errors: dict[str, str]) -> None:
        self.prefix = prefix
        self.errors = errors

    def row(self, event: OutboxEvent, dialect: Dialect, envelope_bytes_max: int) -> Row:
        before = len(self.errors)
        self.field("tenant_id", event.tenant_id, _part)
        self.field("aggregate_type", event.aggregate_type, _bounded(AGGREGATE_BYTES_MAX))
        self.field("aggregate_id", event.aggregate_id, _bounded(AGGREGATE_BYTES_MAX))
        self.field("event_type", event.event_type, _event_type if event.room else _routed_type)
        self.optional("room", event.room, _room)
        self.optional("exclude_user", event.exclude_user, _part)
        self.optional("conflation_key", event.conflation_key, _bounded(CONFLATION_KEY_BYTES_MAX))
        row: Row = {
            "tenant_id": event.tenant_id,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "event_type": event.event_type,
            "room": event.room,
            "exclude_user": event.exclude_user,
            "conflation_key": event.conflation_key,
            "event_id": self.event_id(event.event_id),
            "occurred_at": self.occurred_at(event.occurred_at),
            "payload": self.json_object("payload", event.payload, dialect),
            "headers": self.headers(event.headers, dialect),
            "lock_aggregate": bool(event.lock_aggregate),
        }
        if len(self.errors) == before:
            self.size(row, envelope_bytes_max)
        return row

    def wrong(self, field: str, what: str) -> None:
        self.errors.setdefault(self.prefix + field, what)

    def field(self, name: str, value: object, rule: Callable[[str], str | None]) -> None:
        if not isinstance(value, str):
            self.wrong(name, f"is {_kind(value)}, expected str")
        elif (what := check_text(value) or rule(value)) is not None:
            self.wrong(name, what)

    def optional(self, name: str, value: object, rule: Callable[[str], str | None]) -> None:
        if value is not None:
            self.field(name, value, rule)

    def event_id(self, value: object) -> uuid.UUID:
        if value is None:
            return uuid.uuid4()
        if isinstance(value, uuid.UUID):
            return value
        try:
            if isinstance(value, str):
                return uuid.UUID(value)
        except ValueError:
            pass
        self.wrong("event_id", f"is {value!r:.60}, expected a UUID")
        return uuid.UUID(int=0)

    def occurred_at(self, value: object) -> str | None:
        if value is None:
            return None
        if not isinstance(value, datetime.datetime):
            self.wrong("occurred_at", f"is {_kind(value)}, expected datetime")
        elif value.utcoffset() is None:
            self.wrong("occurred_at", "has no time zone: which moment it means is unknown")
        else:
            try:
                utc = value.astimezone(datetime.timezone.utc)
                return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
            except OverflowError:
                self.wrong("occurred_at", "is outside the years 1 to 9999 in UTC")
        return None

    def json_object(self, name: str, value: object, dialect: Dialect) -> str:
        try:
            as_plain = plain(value)
            if isinstance(as_plain, dict):
                return json.dumps(as_plain, ensure_ascii=False, separators=_SEPARATORS[dialect])
            self.wrong(name, f"is {_kind(value)}, expected what becomes a JSON object")
        except NotPlainError as problem:
            self.wrong(name, str(problem))
        return "{}"

    def headers(self, value: object, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.wrong("headers", f"is {_kind(value)}, expected a mapping of str to str")
            return None
        strange = [name for name, text in value.items() if not isinstance(text, str)]
        if strange:
            self.wrong("headers", f"{strange[0]!r:.60} is not a str")
        return self.json_object("headers", dict(value), dialect)

    def size(self, row: Row, bytes_max: int) -> None:
        envelope = {
            "id": str(row["event_id"]),
            "version": 1,
            "tenantId": row["tenant_id"],
            "aggregateType": row["aggregate_type"],
            "aggregateId": row["aggregate_id"],
            "occurredAt": "0000-00-00T00:00:00.000000Z",
            "eventType": row["event_type"],
            "payload": 0,
        }
        frame = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
        count = len(frame.encode()) - 1 + len(row["payload"].encode())
        if count > bytes_max:
            self.wrong("payload", f"makes an envelope of {count} octets, at most {bytes_max}")


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _bounded(bytes_max: int) -> Callable[[str], str | None]:
    def rule(text: str) -> str | None:
        count = len(text.encode())
        return None if 1 <= count <= bytes_max else f"has {count} octets, expected 1 to {bytes_max}"

    return rule


def _part(text: str) -> str | None:
    if not 1 <= len(text) <= PART_CHARACTERS_MAX:
        return f"has {len(text)} characters, expected 1 to {PART_CHARACTERS_MAX}"
    return None if _PART.fullmatch(text) else "has a character outside A-Z a-z 0-9 _ . ~ -"


def _event_type(text: str) -> str | None:
    if (what := _bounded(EVENT_TYPE_BYTES_MAX)(text)) is not None:
        return what
    if _CONTROL.search(text):
        return "contains a control character"
    if text in _RESERVED or text.startswith(("presence:", "ringcast:")):
        return f"{text!r} is reserved for the engine's own messages"
    return None


def _routed_type(text: str) -> str | None:
    """Without a room of its own the event goes to the room of its module, too."""
    if (what := _event_type(text)) is not None:
        return what
    what = _part(text.split(".", 1)[0])
    return None if what is None else f"its module, before the first dot, {what}"


def _room(text: str) -> str | None:
    if (what := _bounded(ROOM_BYTES_MAX)(text)) is not None:
        return what
    if text.startswith(":") or text.endswith(":"):
        return "begins or ends with a colon"
    if "*" in text:
        return "contains '*', which stands only in grants"
    return "contains a control character" if _CONTROL.search(text) else None
