"""Messages, errors and payloads: plain values that say what they are."""
import dataclasses
import datetime
import inspect
import json
import pickle
import typing

import msgspec
import pydantic
import pytest

import ringcast
from ringcast import _errors, _payload
from ringcast._errors import error_of

PAYLOAD = b'{"id":7,"name":"ann"}'


def message(data=PAYLOAD, time="2026-01-02T03:04:05.678Z"):
    return ringcast.Message("r", "e", 7, "ep", "id", time, data)


class Struct(msgspec.Struct):
    id: int
    name: str


class Model(pydantic.BaseModel):
    id: int
    name: str


@dataclasses.dataclass
class Data:
    id: int
    name: str


class Dict(typing.TypedDict):
    id: int
    name: str


def test_a_payload_is_bytes_a_view_or_json():
    one = message()
    assert one.data == PAYLOAD and one.json() == {"id": 7, "name": "ann"}
    assert isinstance(one.view, memoryview) and one.view == PAYLOAD
    assert one.size == len(PAYLOAD)
    assert one.position == ("ep", 7)
    assert "Message('r', 'e', offset=7" in repr(one)


def test_octets_of_the_engine_are_copied_when_bytes_are_asked_for():
    block = bytearray(PAYLOAD)
    one = message(memoryview(block))
    assert one.size == len(PAYLOAD) and one.json()["id"] == 7
    block[:] = b" " * len(block)
    assert one.data == PAYLOAD


@pytest.mark.parametrize("time, expected", [
    ("2026-01-02T03:04:05Z", 0), ("2026-01-02T03:04:05.5Z", 500_000),
    ("2026-01-02T03:04:05.123456Z", 123_456), (1767323045_123456, 123_456)])
def test_time_is_an_aware_datetime(time, expected):
    assert message(time=time).time == datetime.datetime(
        2026, 1, 2, 3, 4, 5, expected, datetime.timezone.utc)


@pytest.mark.parametrize("kind", [Struct, Model, Data, Dict])
def test_a_payload_becomes_what_the_application_declares(kind):
    one = message().as_(kind)
    value = one if isinstance(one, dict) else {"id": one.id, "name": one.name}
    assert value == {"id": 7, "name": "ann"}


@pytest.mark.parametrize("kind", [Struct, Model, Data, Dict])
def test_a_payload_that_does_not_fit_names_the_field(kind):
    for text, field in ((b'{"id":"x","name":"ann"}', "id"), (b'{"id":7}', "name")):
        with pytest.raises(ringcast.ValidationError) as raised:
            message(text).as_(kind)
        assert list(raised.value.fields) == [field]
    with pytest.raises(ringcast.ValidationError):
        message(b"{").as_(kind)


def test_pydantic_names_every_field():
    with pytest.raises(ringcast.ValidationError) as raised:
        message(b"{}").as_(Model)
    assert set(raised.value.fields) == {"id", "name"}


@pytest.mark.parametrize("kind, text, value", [
    (bytes, b"1", b"1"), (memoryview, b"1", b"1"), (dict, b"{}", {}), (list, b"[]", []),
    (str, b'"a"', "a"), (int, b"1", 1), (float, b"1", 1.0), (bool, b"true", True),
    (object, b"null", None), (list[int], b"[1]", [1])])
def test_plain_kinds(kind, text, value):
    assert message(text).as_(kind) == value


@pytest.mark.parametrize("kind, text", [(dict, b"[]"), (int, b"true"), (int, b"1.5"), (str, b"1"),
                                        (bool, b"1"), (list[int], b'["x"]'), (dict, b"{")])
def test_plain_kinds_that_do_not_fit(kind, text):
    with pytest.raises(ringcast.ValidationError):
        message(text).as_(kind)


def test_dataclasses_are_filled_without_any_package(monkeypatch):
    monkeypatch.setattr(_payload, "_installed", lambda name: False)
    _payload.decoder_of.cache_clear()
    try:
        assert message().as_(Data) == Data(7, "ann")
        with pytest.raises(ringcast.ValidationError) as raised:
            message(b"{}").as_(Data)
        assert set(raised.value.fields) == {"id", "name"}
        with pytest.raises(ringcast.MissingPackage, match="pip install msgspec"):
            message().as_(list[Data])
    finally:
        _payload.decoder_of.cache_clear()


@pytest.mark.parametrize("value", [{"id": 7, "name": "ann"}, Struct(7, "ann"),
                                   Model(id=7, name="ann"), Data(7, "ann"), PAYLOAD,
                                   bytearray(PAYLOAD), memoryview(PAYLOAD)])
def test_whatever_an_application_has_becomes_json(value):
    encoded = _payload.encode(value)
    assert isinstance(encoded, bytes) and json.loads(encoded) == {"id": 7, "name": "ann"}


@pytest.mark.parametrize("value", [float("nan"), {"a": {1: 2}}, {"a": object()}, "\ud800"])
def test_what_json_can_not_say_is_named(value):
    with pytest.raises(ringcast.ValidationError) as raised:
        _payload.encode(value)
    assert list(raised.value.fields) == ["data"]


def instances():
    made = {ringcast.PortInUse: lambda kind: kind("127.0.0.1:1"),
            ringcast.Reject: lambda kind: kind("FORBIDDEN", "no", {"a": "b"})}
    for name in _errors.__all__:
        kind = getattr(_errors, name)
        yield made.get(kind, lambda kind: kind())(kind)


@pytest.mark.parametrize("error", instances(), ids=lambda error: type(error).__name__)
def test_every_error_is_public_documented_and_can_be_pickled(error):
    kind = type(error)
    assert getattr(ringcast, kind.__name__) is kind
    assert issubclass(kind, ringcast.RingcastError)
    assert inspect.getdoc(kind) or kind.TEXT
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error)


@pytest.mark.parametrize("kind, words", [
    (ringcast.EngineClosed, "async with"), (ringcast.NotStarted, "lifespan"),
    (ringcast.WrongLoop, "Publisher"), (ringcast.Full, "await publish"),
    (ringcast.Overflow, "drop_oldest"), (ringcast.ForkedEngineError, "in the worker"),
    (ringcast.WrongKey, "api_key=")])
def test_errors_say_what_to_do(kind, words):
    assert words in str(kind())


def test_a_port_in_use_names_both_ways_out():
    text = str(ringcast.PortInUse("127.0.0.1:8800"))
    assert all(words in text for words in ("127.0.0.1:8800", "Engine.attach", "listen="))


def test_an_answered_error_is_the_exception_of_its_code():
    error = error_of("VALIDATION_ERROR", "room: is missing; data: is null", "c-1")
    assert isinstance(error, ringcast.ValidationError) and isinstance(error, ValueError)
    assert error.fields == {"room": "is missing", "data": "is null"}
    assert (error.code, error.correlation_id) == ("VALIDATION_ERROR", "c-1")
    assert type(error_of("CONFLICT", "x")) is ringcast.Conflict
    own = error_of("SEAT_TAKEN", "by bob", "c-2", {"seat": "is taken"})
    assert type(own) is ringcast.Rejected and own.code == "SEAT_TAKEN"
    assert pickle.loads(pickle.dumps(own)).code == "SEAT_TAKEN"
