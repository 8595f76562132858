"""Payloads: what an application has, as JSON text, and JSON text as what it wants.

The annotation picks the decoder: bytes and memoryview get the text as it is, msgspec Structs go to
msgspec, pydantic models to pydantic, dict and list to json; dataclasses, TypedDicts and all other
annotations to msgspec or else pydantic, whichever is installed. Thread: any.
"""

import dataclasses
import functools
import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from ._errors import MissingPackage, ValidationError
from ._plain import NotPlainError, is_of, plain

__all__ = ["Decoder", "decoder_of", "encode", "encode_whole"]

Decoder = Callable[[bytes | memoryview], object]

# json.dumps() with arguments makes an encoder for each call.
_TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_JSON_ITSELF = (object, Any, dict, list, str, int, float, bool)


def encode(value: object) -> bytes:
    """JSON text in UTF-8. Octets are taken for JSON text already; ValidationError names what JSON
    can not say."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if is_of(value, "msgspec", "Struct"):
        return cast(bytes, importlib.import_module("msgspec").json.encode(value))
    if is_of(value, "pydantic", "BaseModel"):
        return cast(str, cast(Any, value).model_dump_json()).encode()
    try:
        text = _TO_JSON(plain(value))
    except NotPlainError as wrong:
        raise ValidationError.of({"data": str(wrong)}) from None
    return text.encode()


def encode_whole(value: object) -> bytes:
    """The same where the text is put into another one: octets have to be one JSON value, so that
    they can not bring fields of their own."""
    text = encode(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            json.loads(str(text, "utf-8"))
        except ValueError as wrong:
            raise ValidationError.of({"data": f"is no JSON: {wrong}"}) from None
    return text


@functools.lru_cache(maxsize=1024)
def decoder_of(kind: Any) -> Decoder:
    """The function that makes a `kind` of JSON text; raises ValidationError. Made once a kind."""
    if kind is bytes:
        return bytes
    if kind is memoryview:
        return memoryview
    if kind in _JSON_ITSELF:
        return functools.partial(_by_json, kind)
    name = getattr(kind, "__module__", "")
    if _inherits(kind, "pydantic", "BaseModel"):
        return _by_pydantic(kind)
    if _inherits(kind, "msgspec", "Struct") or _installed("msgspec"):
        return _by_msgspec(kind)
    if _installed("pydantic"):
        return _by_pydantic(kind)
    if dataclasses.is_dataclass(kind):
        return functools.partial(_by_dataclass, cast(Callable[..., object], kind))
    raise MissingPackage(
        f"decoding into {name}.{getattr(kind, '__qualname__', kind)} needs a package:"
        " pip install msgspec (or pydantic)"
    )


def _inherits(kind: object, module: str, name: str) -> bool:
    import sys

    base = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(base, type) and issubclass(kind, base)


@functools.lru_cache(maxsize=8)
def _installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _loaded(text: bytes | memoryview) -> object:
    try:
        return json.loads(text if isinstance(text, bytes) else bytes(text))
    except ValueError as wrong:
        raise ValidationError.of({"data": f"is no JSON: {wrong}"}) from None


def _by_json(kind: Any, text: bytes | memoryview) -> object:
    value = _loaded(text)
    if kind is object or kind is Any:
        return value
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ValidationError.of({"data": f"is {type(value).__name__}, expected {kind.__name__}"})
    return float(cast(int, value)) if kind is float else value


def _by_dataclass(kind: Callable[..., object], text: bytes | memoryview) -> object:
    """Without msgspec and pydantic: names are checked, types are taken as they come."""
    value = _loaded(text)
    if not isinstance(value, Mapping):
        raise ValidationError.of({"data": f"is {type(value).__name__}, expected an object"})
    wrong: dict[str, str] = {}
    known = {field.name: field for field in dataclasses.fields(cast(Any, kind)) if field.init}
    for name, field in known.items():
        needed = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if needed and name not in value:
            wrong[name] = "is missing"
    if wrong:
        raise ValidationError.of(wrong)
    return kind(**{name: item for name, item in value.items() if name in known})


def _by_msgspec(kind: Any) -> Decoder:
    msgspec: Any = importlib.import_module("msgspec")
    decode = msgspec.json.Decoder(kind).decode
    failure: type[Exception] = msgspec.MsgspecError

    def decoded(text: bytes | memoryview) -> object:
        try:
            return decode(text)
        except failure as wrong:
            raise ValidationError.of(_of_msgspec(str(wrong))) from None

    return decoded


def _of_msgspec(text: str) -> dict[str, str]:
    """msgspec names the first field alone: "Expected `int`, got `str` - at `$.a.b`", and a missing
    one in its sentence."""
    what, at, path = text.partition(" - at `$")
    field = path.rstrip("`").lstrip(".") if at else ""
    if "missing required field `" in what:
        name = what.split("missing required field `", 1)[1].rstrip("`")
        return {".".join(part for part in (field, name) if part): "is missing"}
    return {field or "data": what[:1].lower() + what[1:]}


def _by_pydantic(kind: Any) -> Decoder:
    pydantic: Any = importlib.import_module("pydantic")
    validate = pydantic.TypeAdapter(kind).validate_json
    failure: type[Exception] = pydantic.ValidationError

    def decoded(text: bytes | memoryview) -> object:
        try:
            return validate(text if isinstance(text, bytes) else bytes(text))
        except failure as wrong:
            raise ValidationError.of(
                {
                    ".".join(str(step) for step in each["loc"]) or "data": str(each["msg"])
                    for each in cast(Any, wrong).errors()
                }
            ) from None

    return decoded
