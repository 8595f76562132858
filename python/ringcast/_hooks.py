"""What an application decides about connections: who may connect, and subscribe to what."""

import inspect
import logging
import re
import string
import typing
from collections.abc import Callable, Coroutine
from typing import Any, cast

from ._context import Context, Identity
from ._errors import Reject, ServerError, ValidationError

__all__ = ["Hook", "Verdict", "pattern_of"]

log = logging.getLogger("ringcast")

# (identity or None for "as it is", code, message); a code means no.
Verdict = tuple[Identity | None, str, str]


class Hook:
    """One function and how it is asked. Thread: the loop's; immutable.

    For rooms: `pattern` with names in braces, each of which stands for one part of the room's name
    and is a parameter of the function, as is a Context if it wants one.
    """

    __slots__ = ("_context", "_function", "_match", "_subject", "is_async", "pattern")

    def __init__(self, function: Callable[..., object], pattern: str = "", subject: str = ""):
        self._function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.pattern = pattern
        self._match = _match_of(pattern)
        self._subject = ""
        self._context = ""
        names = set(self._match.groupindex)
        hints = typing.get_type_hints(function)
        for each in inspect.signature(function).parameters.values():
            if hints.get(each.name) is Context or each.name in ("ctx", "context"):
                self._context = each.name
            elif each.name == subject:
                self._subject = each.name
            elif each.name not in names and each.default is each.empty:
                raise ValidationError.of(
                    {
                        each.name: "is no name in braces of the pattern"
                        + (f" {pattern!r}" if pattern else "")
                        + f"; a hook may take a ringcast.Context{f' and {subject}' * bool(subject)}"
                    }
                )
            names.discard(each.name)
        if names:
            raise ValidationError.of(
                dict.fromkeys(
                    sorted(names), "stands in the pattern, so the function has to take it"
                )
            )

    def ask(self, context: Context, subject: str) -> object:
        """What the function says, or a coroutine that will; None where the room is none of the
        pattern's."""
        match = self._match.fullmatch(subject) if self.pattern else None
        if self.pattern and match is None:
            return False
        arguments: dict[str, object] = dict(match.groupdict()) if match is not None else {}
        if self._context:
            arguments[self._context] = context
        if self._subject:
            arguments[self._subject] = subject
        return self._function(**arguments)


def verdict_of(said: object, *, needs_identity: bool) -> Verdict:
    """True or None: yes; False: no; an Identity: yes, as this one."""
    if isinstance(said, Identity):
        return said, "", ""
    if needs_identity:
        if said is None or said is False:
            return None, "UNAUTHORIZED", "the token is refused"
        raise TypeError(f"a session_token hook returns an Identity or None, not {said!r}")
    if said is False:
        return None, "FORBIDDEN", "the application refuses"
    if said is None or said is True:
        return None, "", ""
    raise TypeError(f"a hook returns True or None for yes, False for no, not {said!r}")


def refusal_of(error: BaseException, context: Context) -> Verdict:
    if isinstance(error, Reject | ServerError) and not isinstance(error, ValidationError):
        return None, error.code, error.message
    log.error(
        "hook %s failed, correlation id %s",
        context.event,
        context.correlation_id,
        exc_info=(type(error), error, error.__traceback__),
    )
    return None, "INTERNAL_ERROR", "the application failed"


async def awaited(
    said: Coroutine[Any, Any, object], context: Context, needs_identity: bool
) -> Verdict:
    try:
        return verdict_of(await said, needs_identity=needs_identity)
    except Exception as error:
        return refusal_of(error, context)


def asked(hook: Hook, context: Context, subject: str, needs_identity: bool) -> object:
    """A Verdict, or a coroutine of one."""
    try:
        said = hook.ask(context, subject)
        if hook.is_async and said is not False:
            return awaited(cast(Coroutine[Any, Any, object], said), context, needs_identity)
        return verdict_of(said, needs_identity=needs_identity)
    except Exception as error:
        return refusal_of(error, context)


def _match_of(pattern: str) -> re.Pattern[str]:
    made = []
    for text, name, _, _ in string.Formatter().parse(pattern):
        made.append(re.escape(text))
        if name is not None:
            if not name.isidentifier():
                raise ValidationError.of({"pattern": f"{pattern!r}: expected a name in each {{}}"})
            made.append(f"(?P<{name}>[^:]+)")
    text = "".join(made)
    # As the engine's own patterns: `chat:*` is everything below `chat:`.
    if text.endswith(r":\*"):
        text = text[:-2] + ".+"
    elif text == r"\*":
        text = ".+"
    return re.compile(text)


def pattern_of(template: str) -> str:
    """`chat:{chat_id}` as the engine knows patterns: `chat:*`."""
    prefix, brace, _ = template.partition("{")
    if not brace:
        return template
    if prefix and not prefix.endswith(":"):
        raise ValidationError.of({"pattern": f"{template!r}: a brace stands after a colon"})
    return prefix + "*"
