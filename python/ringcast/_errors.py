"""Every error of this package. Each says what happened and what to do about it.

RingcastError
    EngineClosed, NotStarted, WrongLoop, Full, Overflow, ForkedEngineError, PortInUse,
    MissingPackage, TimedOut
    Reject                  raised by handlers
    ServerError             the engine refused: `code`, `correlation_id`
        ValidationError     also a ValueError; `fields`
        Unauthorized (WrongKey), Forbidden, NotFound (WrongAddress), Conflict, RateLimited, TooLarge
        Unavailable (ConnectionLost), InternalError
        Rejected            by a code of an application's own
"""

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "Conflict",
    "ConnectionLost",
    "EngineClosed",
    "Forbidden",
    "ForkedEngineError",
    "Full",
    "InternalError",
    "MissingPackage",
    "NotFound",
    "NotStarted",
    "Overflow",
    "PortInUse",
    "RateLimited",
    "Reject",
    "Rejected",
    "RingcastError",
    "ServerError",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "ValidationError",
    "WrongAddress",
    "WrongKey",
    "WrongLoop",
]


class RingcastError(Exception):
    """Anything that this package raises, other than TypeError for a wrong argument."""

    TEXT: ClassVar[str] = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.TEXT)


class EngineClosed(RingcastError):  # noqa: N818
    TEXT = (
        "the engine is closed: use it inside its `async with` block or lifespan, or make a new one"
    )


class NotStarted(RingcastError):  # noqa: N818
    TEXT = (
        "the engine is not started: use `async with engine:`, or give `lifespan=engine.lifespan` to"
        " your application"
    )


class WrongLoop(RingcastError):  # noqa: N818
    TEXT = (
        "this engine belongs to another event loop: use it in the loop that started it; from other"
        " threads use ringcast.Publisher"
    )


class Full(RingcastError):  # noqa: N818
    TEXT = (
        "the queue to the engine is full: `await publish(...)` waits for room, publish_nowait()"
        " does not; try again later or publish less"
    )


class Overflow(RingcastError):  # noqa: N818
    TEXT = (
        "the subscription ended because its buffer was full: read faster, raise max_bytes or"
        ' max_messages, or choose overflow="drop_oldest", "conflate" or "block"'
    )


class ForkedEngineError(RingcastError):
    TEXT = (
        "this engine was started before fork(); its threads are not in this process. Start the"
        " engine in the worker (in the lifespan, not at import), or use ringcast.Publisher, which"
        " opens its connection again"
    )


class PortInUse(RingcastError):  # noqa: N818
    """Another engine, or something else, listens there."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"{address} is in use. With several worker processes run one ringcastd and"
            " `Engine.attach(url)` in each worker; else give this engine another port with"
            " `Engine(listen=...)`"
        )

    def __reduce__(self) -> tuple[type["PortInUse"], tuple[str]]:
        return type(self), (self.address,)


class MissingPackage(RingcastError, ImportError):  # noqa: N818
    """A package that only some uses of ringcast need is not installed."""


class TimedOut(RingcastError, TimeoutError):  # noqa: N818
    """No answer in time. Whether the engine has done what was asked is not known: try again with
    the same idempotency_key."""


class ServerError(RingcastError):
    """The engine refused. `correlation_id` stands in its log too."""

    CODE: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str = "",
        correlation_id: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.TEXT
        self.correlation_id = correlation_id
        self.fields = dict(fields or {})
        super().__init__(self.message)

    @property
    def code(self) -> str:
        return self.CODE

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.correlation_id, self.fields)


class ValidationError(ServerError, ValueError):
    """Something that was given does not fit. `fields`: name -> what is wrong, all of them."""

    CODE = "VALIDATION_ERROR"

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "ValidationError":
        return cls("; ".join(f"{name}: {what}" for name, what in fields.items()), None, fields)


class Unauthorized(ServerError):  # noqa: N818
    CODE = "UNAUTHORIZED"


class WrongKey(Unauthorized):
    TEXT = "the server refused the API key: give one of its auth.api_keys as api_key="


class Forbidden(ServerError):  # noqa: N818
    CODE = "FORBIDDEN"


class NotFound(ServerError):  # noqa: N818
    CODE = "NOT_FOUND"


class WrongAddress(NotFound):
    """Somebody answers there, but it is no ringcastd."""


class Conflict(ServerError):  # noqa: N818
    CODE = "CONFLICT"


class RateLimited(ServerError):  # noqa: N818
    CODE = "RATE_LIMITED"


class TooLarge(ServerError):  # noqa: N818
    CODE = "PAYLOAD_TOO_LARGE"


class Unavailable(ServerError):  # noqa: N818
    """For the moment; may be tried again."""

    CODE = "UNAVAILABLE"


class ConnectionLost(Unavailable):
    """There is no connection to the server, or it broke before the answer came. What was asked may
    have been done: try again with the same idempotency_key."""


class InternalError(ServerError):
    CODE = "INTERNAL_ERROR"


class Rejected(ServerError):  # noqa: N818
    """A call was refused by a code of the application's own, `code`: see Reject."""

    def __init__(
        self,
        message: str = "",
        correlation_id: str | None = None,
        fields: Mapping[str, str] | None = None,
        code: str = "INTERNAL_ERROR",
    ) -> None:
        self._code = code
        super().__init__(message, correlation_id, fields)

    @property
    def code(self) -> str:
        return self._code

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.correlation_id, self.fields, self._code)


class Reject(RingcastError):  # noqa: N818
    """Raised in a handler: the caller gets this code and message. Not logged as an error.

    `code` is one of the engine's ("FORBIDDEN", ...) or one of your own: A-Z, then A-Z 0-9 _, at
    most 64. In a hook one of your own is FORBIDDEN to the client.
    """

    def __init__(
        self, code: str, message: str = "", fields: Mapping[str, str] | None = None
    ) -> None:
        self.code = code
        self.message = message or code
        self.fields = dict(fields or {})
        super().__init__(f"{code}: {self.message}" if message else code)

    def __reduce__(self) -> tuple[type["Reject"], tuple[str, str, dict[str, str]]]:
        return type(self), (self.code, self.message, self.fields)


_BY_CODE: dict[str, type[ServerError]] = {
    kind.CODE: kind
    for kind in (
        ValidationError,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        RateLimited,
        TooLarge,
        Unavailable,
        InternalError,
    )
}


def error_of(
    code: str,
    message: str,
    correlation_id: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> ServerError:
    """The exception for an error that the engine answered."""
    kind = _BY_CODE.get(code)
    if kind is None:
        return Rejected(message, correlation_id, fields, code)
    if kind is ValidationError and fields is None:
        fields = _fields_in(message)
    return kind(message, correlation_id, fields)


def _fields_in(message: str) -> dict[str, str]:
    """The engine lists fields as `name: what is wrong; name: what is wrong`."""
    fields: dict[str, str] = {}
    for part in message.split("; "):
        name, colon, what = part.partition(": ")
        if colon and name and " " not in name:
            fields[name] = what
    return fields
