"""ringcast.events: the classes against the schemas in docs, and every field that may be wrong."""
import datetime
import json
import pathlib
import pickle
import uuid

import pydantic
import pytest

from ringcast import events
from ringcast._plain import plain
from ringcast.events import (
    EventError,
    KitchenTaskClaimed,
    KitchenTaskProgress,
    KitchenTaskReleased,
    parse_realtime_event,
)

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas"
CLASSES = {kind.event_type: kind
           for kind in (KitchenTaskClaimed, KitchenTaskReleased, KitchenTaskProgress)}
NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
CLAIM = {"taskId": "7", "employeeId": "ann", "claimedAt": "2026-03-01T12:00:00Z"}


def envelope(event_type="kitchen.task.claimed", payload=CLAIM, **fields):
    return {"id": "0f4b5b6e-5d6c-4b6e-9a53-6f1c7f3f6b10", "version": 1, "tenantId": "42",
            "aggregateType": "KitchenTask", "aggregateId": "7",
            "occurredAt": "2026-03-01T12:00:00.250000Z", "eventType": event_type,
            "payload": payload, **fields}


def errors_of(make):
    with pytest.raises(EventError) as raised:
        make()
    assert all(f"{field}: {what}" in str(raised.value)
               for field, what in raised.value.errors.items())
    return raised.value.errors


def test_every_schema_has_its_class_with_the_same_names():
    schemas = {path.stem: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    assert set(schemas) == set(CLASSES)
    for event_type, schema in schemas.items():
        fields = {field.metadata["json"]: field.metadata["optional"]
                  for field in CLASSES[event_type].__dataclass_fields__.values()
                  if "json" in field.metadata}
        assert set(fields) == set(schema["properties"])
        assert {name for name, optional in fields.items() if not optional} == set(schema["required"])


@pytest.mark.parametrize("event_type", CLASSES)
def test_the_examples_of_a_schema_go_there_and_back(event_type):
    schema = json.loads((SCHEMAS / f"{event_type}.json").read_text())
    for example in schema["examples"]:
        event = parse_realtime_event(json.dumps(envelope(event_type, example)))
        assert type(event.payload) is CLASSES[event_type]
        back = plain(event.payload)
        assert set(back) == set(example)
        assert CLASSES[event_type].from_json(back) == event.payload


def test_an_envelope_becomes_an_event():
    event = parse_realtime_event(envelope())
    assert event.id == uuid.UUID("0f4b5b6e-5d6c-4b6e-9a53-6f1c7f3f6b10")
    assert (event.version, event.tenant_id, event.event_type) == (1, "42", "kitchen.task.claimed")
    assert (event.aggregate_type, event.aggregate_id) == ("KitchenTask", "7")
    assert event.occurred_at == NOON.replace(microsecond=250_000)
    assert event.payload == KitchenTaskClaimed(task_id="7", employee_id="ann", claimed_at=NOON)


@pytest.mark.parametrize("field, value", [
    ("id", "7"), ("id", None), ("version", 2), ("version", True), ("tenantId", ""),
    ("tenantId", "42:kitchen"), ("tenantId", 42), ("aggregateType", ""), ("aggregateId", "x" * 256),
    ("occurredAt", "noon"), ("occurredAt", "2026-03-01T12:00:00"), ("occurredAt", 7),
    ("eventType", ""), ("payload", [1]), ("payload", None)])
def test_each_field_of_the_envelope_is_judged(field, value):
    assert set(errors_of(lambda: parse_realtime_event(envelope(**{field: value})))) == {field}


def test_one_error_names_every_offending_field():
    wrong = envelope(payload={"taskId": "", "claimedAt": "noon", "by": 1}, tenantId="", version=3)
    del wrong["id"]
    assert errors_of(lambda: parse_realtime_event(wrong)).keys() == {
        "id", "version", "tenantId", "payload.taskId", "payload.employeeId", "payload.claimedAt",
        "payload.by"}


@pytest.mark.parametrize("data, says", [("{", "not JSON"), ("[]", "a list"), (b"\xff", "not JSON"),
                                        (7, "a int")])
def test_what_is_no_event_at_all(data, says):
    assert says in errors_of(lambda: parse_realtime_event(data))["event"]


def test_an_unregistered_type_passes_with_a_dict_or_not():
    event = parse_realtime_event(envelope("kitchen.task.burnt", {"a": [1]}))
    assert event.payload == {"a": [1]}
    errors = errors_of(lambda: parse_realtime_event(envelope("kitchen.task.burnt", {}),
                                                    unknown="reject"))
    assert errors == {"eventType": "kitchen.task.burnt is not registered"}


@pytest.mark.parametrize("fields, wrong", [
    ({"progress": 0}, None), ({"progress": 100}, None), ({"progress": 0.5}, None),
    ({"progress": -1}, "progress"), ({"progress": 100.1}, "progress"),
    ({"progress": "1"}, "progress"), ({"progress": True}, "progress"),
    ({"note": "x" * 1_000}, None), ({"note": "x" * 1_001}, "note"),
    ({"task_id": "x" * 255}, None), ({"task_id": "x" * 256}, "taskId"),
    ({"task_id": "a\0b"}, "taskId"), ({"employee_id": None}, "employeeId")])
def test_payloads_are_judged_when_they_are_made(fields, wrong):
    def make():
        return KitchenTaskProgress(
            **{"task_id": "7", "employee_id": "ann", "progress": 1, **fields})
    if wrong is None:
        make()
    else:
        assert set(errors_of(make)) == {wrong}


def test_null_is_not_left_out():
    errors = errors_of(lambda: KitchenTaskProgress.from_json(
        {"taskId": "7", "employeeId": "ann", "progress": 1, "note": None}))
    assert set(errors) == {"note"}


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.0Z",
                                  "2026-03-01T13:00:00.000000000+01:00", "2026-03-01t12:00:00z"])
def test_times_are_read_in_each_form_of_rfc_3339(text):
    assert KitchenTaskClaimed.from_json({**CLAIM, "claimedAt": text}).claimed_at == NOON


def test_own_types_are_registered(monkeypatch):
    monkeypatch.setattr(events, "_parsers", dict(events._parsers))

    class Order(pydantic.BaseModel):
        number: int

    events.register("shop.order.placed", Order.model_validate)
    event = parse_realtime_event(envelope("shop.order.placed", {"number": 7}))
    assert event.payload == Order(number=7)
    wrong = envelope("shop.order.placed", {"number": "x"})
    assert errors_of(lambda: parse_realtime_event(wrong)).keys() == {"payload.number"}

    def refuse(payload):
        raise ValueError("never")

    events.register("shop.order.refused", refuse)
    assert errors_of(lambda: parse_realtime_event(envelope("shop.order.refused", {}))) == {
        "payload": "never"}
    assert set(errors_of(lambda: events.register("", refuse))) == {"eventType"}


def test_events_and_errors_can_be_pickled():
    event = parse_realtime_event(envelope())
    assert pickle.loads(pickle.dumps(event)) == event
    error = EventError({"id": "is wrong"})
    assert pickle.loads(pickle.dumps(error)).errors == error.errors

