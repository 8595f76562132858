"""What a payload may be, as the plain dicts, lists and scalars that JSON knows.

The engine judges a payload again when it reads the row; by then the transaction is committed and
the row can only fail. So its rules (nesting, range of numbers, UTF-8) are applied here, to both
databases alike.
"""

import dataclasses
import datetime
import enum
import math
import sys
import uuid
from typing import Any

DEPTH_MAX = 32
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1


class NotPlainError(Exception):
    """What is wrong with the value, behind its path below the payload."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}" if path else what)


def is_of(value: object, module: str, name: str) -> bool:
    """Whether value is an instance of module.name. A module that nobody has imported has none."""
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def check_text(text: str) -> str | None:
    """Why the databases can not hold this text; None if they can."""
    if "\0" in text:
        return "contains U+0000, which PostgreSQL can not hold"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "is not valid UTF-8: it contains a lone surrogate"
    return None


def plain(value: object, path: str = "", depth: int = 0) -> Any:
    """value for json.dumps(); raises NotPlainError."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if (wrong := check_text(value)) is not None:
            raise NotPlainError(path, wrong)
        return value
    if isinstance(value, int | float):
        return _number(value, path)
    if isinstance(value, dict | list | tuple):
        if depth == DEPTH_MAX:
            raise NotPlainError(path, f"is nested deeper than {DEPTH_MAX} levels")
        if isinstance(value, dict):
            return _members(value, path, depth + 1)
        return [plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    return plain(_opened(value, path), path, depth)


def _members(value: dict[Any, object], path: str, depth: int) -> dict[str, Any]:
    members = {}
    for name, item in value.items():
        key = name.value if isinstance(name, enum.Enum) else name
        if not isinstance(key, str):
            raise NotPlainError(path, f"has the key {key!r}, expected strings")
        if (wrong := check_text(key)) is not None:
            raise NotPlainError(path, f"has a key that {wrong}")
        members[key] = plain(item, f"{path}.{key}" if path else key, depth)
    return members


def _number(value: int | float, path: str) -> int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotPlainError(path, f"is {value}, which JSON does not have")
    # A float too: PostgreSQL's jsonb writes 1e22 as an integer of 23 digits.
    if not _INTEGER_MIN <= value <= _INTEGER_MAX:
        raise NotPlainError(path, "is a number outside -2^63 .. 2^64-1")
    return value


def _opened(value: object, path: str) -> object:
    """One level of a typed value."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        if value.utcoffset() is None:
            raise NotPlainError(path, "is a datetime without time zone")
        return value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if not isinstance(value, type):
        if is_of(value, "pydantic", "BaseModel"):
            return value.model_dump(mode="json", by_alias=True)  # type: ignore[attr-defined]
        if is_of(value, "msgspec", "Struct"):
            return sys.modules["msgspec"].to_builtins(value, str_keys=True)
        if dataclasses.is_dataclass(value):
            # ringcast.events names its fields as the schema does, and leaves out what is not set.
            return {
                field.metadata.get("json", field.name): getattr(value, field.name)
                for field in dataclasses.fields(value)
                if not (field.metadata.get("optional") and getattr(value, field.name) is None)
            }
    raise NotPlainError(path, f"is a {type(value).__name__}, which JSON does not have")
