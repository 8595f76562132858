"""What an application registers: functions by event, hooks, and how exceptions are answered."""

import inspect
import string
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ._context import Context
from ._errors import RingcastError, ValidationError
from ._hooks import Hook
from ._payload import Decoder, decoder_of

__all__ = ["Handler", "Handlers", "Mode", "Overflow", "Rate"]

Mode = Literal["inline", "thread", "async"]
Overflow = Literal["reject", "drop_oldest"]
HookKind = Literal["session_token", "connect", "disconnect"]
OVERFLOWS = ("reject", "drop_oldest")
QUEUE_MAX = 1_000
RUNNING_MAX = 1_000


class Rate(NamedTuple):
    """At most `calls` in any `seconds`; kind="bucket": after a rest as many at once, then one each
    seconds / calls."""

    calls: int
    seconds: float = 1.0
    kind: Literal["window", "bucket"] = "window"


class Handler:
    """A function that answers one event. Thread: immutable after registration, but for the counts,
    which are the loop's."""

    __slots__ = (
        "call",
        "calls",
        "decode",
        "event",
        "failed",
        "function",
        "mode",
        "order",
        "overflow",
        "queue_max",
        "rate",
        "rejected",
        "running_max",
        "user_rate",
    )

    def __init__(
        self,
        event: str,
        function: Callable[..., object],
        *,
        order: str | Callable[[Context, Any], str] | None,
        thread: bool,
        queue_max: int,
        running_max: int,
        overflow: Overflow,
        rate: Rate | None,
        user_rate: Rate | None,
    ) -> None:
        if overflow not in OVERFLOWS:
            raise ValidationError.of(
                {"overflow": f"is {overflow!r}, expected one of {', '.join(OVERFLOWS)}"}
            )
        for name, value in (("queue_max", queue_max), ("running_max", running_max)):
            if value < 1:
                raise ValidationError.of({name: f"is {value}, expected 1 or more"})
        is_async = inspect.iscoroutinefunction(function)
        if thread and is_async:
            raise ValidationError.of({"thread": "is for `def`; an `async def` runs on the loop"})
        self.event = event
        self.function = function
        self.mode: Mode = "async" if is_async else "thread" if thread else "inline"
        self.queue_max = queue_max
        self.running_max = running_max
        self.overflow = overflow
        self.rate = rate
        self.user_rate = user_rate
        self.call, self.decode = _calling(function)
        self.order = order if order is None or callable(order) else _key_of(order)
        self.calls = self.failed = self.rejected = 0


class Handlers:
    """Everything that is registered; closed when the engine has started, since the engine's table
    is filled then."""

    def __init__(self) -> None:
        self.calls: dict[str, Handler] = {}
        self.rooms: list[Hook] = []
        self.hooks: dict[HookKind, Hook] = {}
        self.exceptions: dict[
            type[BaseException], Callable[[Context, BaseException], BaseException]
        ] = {}
        self.closed = False

    def check_open(self) -> None:
        if self.closed:
            raise RingcastError(
                "the engine runs: handlers are registered before it starts, at import"
            )

    def for_exception(
        self, error: BaseException
    ) -> Callable[[Context, BaseException], BaseException] | None:
        for kind in type(error).__mro__:
            found = self.exceptions.get(kind)
            if found is not None:
                return found
        return None


def _calling(
    function: Callable[..., object],
) -> tuple[Callable[[Context, Any], object], Decoder | None]:
    """How it is called with (context, payload), and what makes the payload."""
    name = getattr(function, "__qualname__", repr(function))
    parameters = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
    ]
    hints = _hints(function)
    kinds = [hints.get(each.name) for each in parameters]
    contexts = [
        i
        for i, each in enumerate(parameters)
        if kinds[i] is Context or (kinds[i] is None and each.name in ("ctx", "context"))
    ]
    others = [i for i in range(len(parameters)) if i not in contexts]
    if len(contexts) > 1 or len(others) > 1:
        raise ValidationError.of(
            {
                name: "takes "
                + ", ".join(each.name for each in parameters)
                + "; expected a payload and, if wanted, a ringcast.Context"
            }
        )
    decode = None
    if others:
        kind = kinds[others[0]]
        decode = decoder_of(object if kind is None else kind)
    if contexts and others:
        if contexts[0] == 0:
            return function, decode
        return lambda context, payload: function(payload, context), decode
    if contexts:
        return lambda context, payload: function(context), decode
    if others:
        return lambda context, payload: function(payload), decode
    return lambda context, payload: function(), decode


def _hints(function: Callable[..., object]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as unknown:
        raise ValidationError.of(
            {
                getattr(function, "__qualname__", "handler"): f"its annotations can not be read:"
                f" {unknown}; define the payload's class at module level"
            }
        ) from None


def _key_of(template: str) -> Callable[[Context, Any], str]:
    """`chat:{chat_id}`: names are those of the payload, `{ctx.user}` is the context's."""
    parts: list[tuple[str, str | None]] = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append((text, name))
        if name == "":
            raise ValidationError.of({"order": f"{template!r} has {{}} without a name"})

    def key(context: Context, payload: Any) -> str:
        made = []
        for text, name in parts:
            made.append(text)
            if name is None:
                continue
            if name.startswith("ctx."):
                made.append(str(getattr(context, name[4:])))
            elif isinstance(payload, Mapping):
                if name not in payload:
                    raise ValidationError.of({name: "is missing"})
                made.append(str(payload[name]))
            else:
                made.append(str(getattr(payload, name)))
        return "".join(made)

    return key
