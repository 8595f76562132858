"""Typed events: from the envelope that a subscriber receives to a validated object, and back.

    event = parse_realtime_event(frame["data"])
    if isinstance(event.payload, KitchenTaskClaimed): ...

The shapes are those of docs/schemas; a payload object is what create_outbox_event() takes as
`payload`. Thread: any; registering belongs to start-up.
"""

import dataclasses
import datetime
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

from ._event import AGGREGATE_BYTES_MAX, EVENT_TYPE_BYTES_MAX, _bounded, _kind, _part
from ._plain import check_text

__all__ = [
    "EventError",
    "EventPayload",
    "KitchenTaskClaimed",
    "KitchenTaskProgress",
    "KitchenTaskReleased",
    "RealtimeEvent",
    "parse_realtime_event",
    "register",
]

EVENT_VERSION = 1
TEXT_CHARACTERS_MAX = 255
NOTE_CHARACTERS_MAX = 1000

P = TypeVar("P")
Payload = TypeVar("Payload", bound="EventPayload")
Rule = Callable[[object], object]


class EventError(ValueError):
    """An event that is not what it should be. `errors`: field -> what is wrong, all of them."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {what}" for field, what in errors.items()))

    def __reduce__(self) -> tuple[type["EventError"], tuple[dict[str, str]]]:
        return type(self), (self.errors,)


class _WrongError(Exception):
    pass


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RealtimeEvent(Generic[P]):
    """The envelope. `payload` is what was registered for its `event_type`, else a dict."""

    id: uuid.UUID
    tenant_id: str
    aggregate_type: str
    aggregate_id: str
    occurred_at: datetime.datetime
    event_type: str
    payload: P
    version: int = EVENT_VERSION


def _text(value: object, characters_max: int = TEXT_CHARACTERS_MAX, least: int = 1) -> object:
    if not isinstance(value, str):
        raise _WrongError(f"is {_kind(value)}, expected text")
    if (wrong := check_text(value)) is not None:
        raise _WrongError(wrong)
    if not least <= len(value) <= characters_max:
        raise _WrongError(f"has {len(value)} characters, expected {least} to {characters_max}")
    return value


def _remark(value: object) -> object:
    return None if value is None else _text(value, TEXT_CHARACTERS_MAX, 0)


def _note(value: object) -> object:
    return None if value is None else _text(value, NOTE_CHARACTERS_MAX, 0)


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            # Python 3.10 reads neither Z nor fractions of other lengths than 3 and 6.
            text = value[:-1] + "+00:00" if value[-1:] in "zZ" else value
            head, dot, rest = text.partition(".")
            digits = len(rest) - len(rest.lstrip("0123456789"))
            fraction = (rest[:digits] + "000000")[:6] + rest[digits:] if dot else ""
            value = datetime.datetime.fromisoformat(head + dot + fraction)
        except ValueError:
            raise _WrongError("is not a time of RFC 3339") from None
    if not isinstance(value, datetime.datetime):
        raise _WrongError(f"is {_kind(value)}, expected a time of RFC 3339")
    if value.utcoffset() is None:
        raise _WrongError("has no time zone: which moment it means is unknown")
    return value


def _percent(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongError(f"is {_kind(value)}, expected a number")
    if not 0 <= value <= 100:
        raise _WrongError(f"is {value}, expected 0 to 100")
    return value


def _field(json_name: str, rule: Rule, *, optional: bool = False) -> Any:
    metadata = {"json": json_name, "rule": rule, "optional": optional}
    if optional:
        return dataclasses.field(default=None, metadata=metadata)
    return dataclasses.field(metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EventPayload:
    """Base of payload classes: checks its fields when made, EventError names all wrong ones."""

    event_type: ClassVar[str]

    def __post_init__(self) -> None:
        errors = {}
        for field in dataclasses.fields(self):
            try:
                value = field.metadata["rule"](getattr(self, field.name))
                object.__setattr__(self, field.name, value)
            except _WrongError as wrong:
                errors[field.metadata["json"]] = str(wrong)
        if errors:
            raise EventError(errors)

    @classmethod
    def from_json(cls: type[Payload], payload: Mapping[str, object]) -> Payload:
        """From a JSON object with the schema's names."""
        fields = {field.metadata["json"]: field for field in dataclasses.fields(cls)}
        errors = {name: "is unknown" for name in payload if name not in fields}
        values = {}
        for name, field in fields.items():
            if name in payload:
                # `null` is not the same as left out: the schema has no null.
                if payload[name] is None:
                    errors[name] = "is None, expected a value"
                values[field.name] = payload[name]
            elif not field.metadata["optional"]:
                errors[name] = "is missing"
                values[field.name] = None
        try:
            made = cls(**values)
        except EventError as wrong:
            errors = {**wrong.errors, **errors}
        if errors:
            raise EventError(errors)
        return made


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KitchenTaskClaimed(EventPayload):
    event_type: ClassVar[str] = "kitchen.task.claimed"
    task_id: str = _field("taskId", _text)
    employee_id: str = _field("employeeId", _text)
    claimed_at: datetime.datetime = _field("claimedAt", _moment)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KitchenTaskReleased(EventPayload):
    event_type: ClassVar[str] = "kitchen.task.released"
    task_id: str = _field("taskId", _text)
    employee_id: str = _field("employeeId", _text)
    released_at: datetime.datetime = _field("releasedAt", _moment)
    reason: str | None = _field("reason", _remark, optional=True)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class KitchenTaskProgress(EventPayload):
    event_type: ClassVar[str] = "kitchen.task.progress"
    task_id: str = _field("taskId", _text)
    employee_id: str = _field("employeeId", _text)
    progress: float = _field("progress", _percent)
    note: str | None = _field("note", _note, optional=True)


_parsers: dict[str, Callable[[Mapping[str, object]], object]] = {
    kind.event_type: kind.from_json
    for kind in (KitchenTaskClaimed, KitchenTaskReleased, KitchenTaskProgress)
}


def register(event_type: str, parse: Callable[[Mapping[str, object]], object]) -> None:
    """From now on payloads of this type are what parse(dict) makes of them: a classmethod of an
    EventPayload, pydantic's model_validate, ... It raises ValueError for what it does not like."""
    if (wrong := _bounded(EVENT_TYPE_BYTES_MAX)(event_type)) is not None:
        raise EventError({"eventType": wrong})
    _parsers[event_type] = parse


def parse_realtime_event(
    data: str | bytes | Mapping[str, object], *, unknown: Literal["allow", "reject"] = "allow"
) -> RealtimeEvent[Any]:
    """From an envelope, as JSON or decoded. Raises EventError that names every offending field;
    `unknown`: whether an event type that nobody registered passes, with a dict as payload."""
    if isinstance(data, str | bytes):
        try:
            data = json.loads(data)
        except ValueError as wrong:
            raise EventError({"event": f"is not JSON: {wrong}"}) from None
    if not isinstance(data, Mapping):
        raise EventError({"event": f"is {_kind(data)}, expected a JSON object"})
    errors: dict[str, str] = {}
    values = {name: _judged(name, data, rule, errors) for name, rule in _ENVELOPE.items()}
    payload = _payload(data, values["eventType"], unknown, errors)
    if errors:
        raise EventError(errors)
    return RealtimeEvent(
        id=values["id"],
        version=values["version"],
        tenant_id=values["tenantId"],
        aggregate_type=values["aggregateType"],
        aggregate_id=values["aggregateId"],
        occurred_at=values["occurredAt"],
        event_type=values["eventType"],
        payload=payload,
    )


def _id(value: object) -> object:
    try:
        if isinstance(value, str) and len(value) == 36:
            return uuid.UUID(value)
    except ValueError:
        pass
    raise _WrongError("is not a UUID in its 8-4-4-4-12 form")


def _version(value: object) -> object:
    if value != EVENT_VERSION or isinstance(value, bool):
        raise _WrongError(f"is {value!r:.60}, expected {EVENT_VERSION}")
    return value


def _named(rule: Callable[[str], str | None]) -> Rule:
    def judge(value: object) -> object:
        if not isinstance(value, str):
            raise _WrongError(f"is {_kind(value)}, expected text")
        if (wrong := rule(value)) is not None:
            raise _WrongError(wrong)
        return value

    return judge


_ENVELOPE: dict[str, Rule] = {
    "id": _id,
    "version": _version,
    "tenantId": _named(_part),
    "aggregateType": _named(_bounded(AGGREGATE_BYTES_MAX)),
    "aggregateId": _named(_bounded(AGGREGATE_BYTES_MAX)),
    "occurredAt": _moment,
    "eventType": _named(_bounded(EVENT_TYPE_BYTES_MAX)),
}


def _judged(name: str, data: Mapping[str, object], rule: Rule, errors: dict[str, str]) -> Any:
    if name not in data:
        errors[name] = "is missing"
        return None
    try:
        return rule(data[name])
    except _WrongError as wrong:
        errors[name] = str(wrong)
        return None


def _payload(
    data: Mapping[str, object], event_type: str | None, unknown: str, errors: dict[str, str]
) -> object:
    payload = data.get("payload")
    if not isinstance(payload, Mapping):
        errors["payload"] = f"is {_kind(payload)}, expected a JSON object"
        return None
    if event_type is None:
        return None
    parse = _parsers.get(event_type)
    if parse is None:
        if unknown == "reject":
            errors["eventType"] = f"{event_type} is not registered"
        return dict(payload)
    try:
        return parse(payload)
    except EventError as wrong:
        errors.update({f"payload.{name}": what for name, what in wrong.errors.items()})
    except ValueError as wrong:
        errors.update(_foreign(wrong))
    return None


def _foreign(wrong: ValueError) -> dict[str, str]:
    """pydantic lists its errors; of others there is the text."""
    listed = getattr(wrong, "errors", None)
    if not callable(listed):
        return {"payload": str(wrong)}
    return {
        ".".join(["payload", *(str(step) for step in each["loc"])]): str(each["msg"])
        for each in listed()
    }
