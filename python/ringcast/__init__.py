"""Ringcast from Python.

`Engine` is the engine in this process, or attached to a running `ringcastd`; `Publisher` publishes
from code without an event loop; `ringcast.outbox` writes events in your own transaction,
`ringcast.events` has their types, `ringcast.testing` is for tests. Importing this package starts
nothing and loads no database driver; its parts are loaded at their first use.
"""

# As typing.TYPE_CHECKING for type checkers; importing typing takes longer than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from . import events, outbox
    from ._asgi import asgi
    from ._auth import JWT
    from ._context import Context, Identity
    from ._core import __version__
    from ._engine import Engine
    from ._errors import (
        Conflict,
        ConnectionLost,
        EngineClosed,
        Forbidden,
        ForkedEngineError,
        Full,
        InternalError,
        MissingPackage,
        NotFound,
        NotStarted,
        Overflow,
        PortInUse,
        RateLimited,
        Reject,
        Rejected,
        RingcastError,
        ServerError,
        TimedOut,
        TooLarge,
        Unauthorized,
        Unavailable,
        ValidationError,
        WrongAddress,
        WrongKey,
        WrongLoop,
    )
    from ._handlers import Rate
    from ._messages import (
        Gap,
        History,
        Message,
        Position,
        PresencePage,
        Publication,
        Published,
        RoomInfo,
    )
    from ._subscription import Subscription
    from .publisher import Publisher

__all__ = [
    "JWT",
    "Conflict",
    "ConnectionLost",
    "Context",
    "Engine",
    "EngineClosed",
    "Forbidden",
    "ForkedEngineError",
    "Full",
    "Gap",
    "History",
    "Identity",
    "InternalError",
    "Message",
    "MissingPackage",
    "NotFound",
    "NotStarted",
    "Overflow",
    "PortInUse",
    "Position",
    "PresencePage",
    "Publication",
    "Published",
    "Publisher",
    "Rate",
    "RateLimited",
    "Reject",
    "Rejected",
    "RingcastError",
    "RoomInfo",
    "ServerError",
    "Subscription",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "ValidationError",
    "WrongAddress",
    "WrongKey",
    "WrongLoop",
    "__version__",
    "asgi",
    "events",
    "outbox",
]

_MODULES = ("events", "outbox")
_VALUES = (
    "Gap",
    "History",
    "Message",
    "Position",
    "PresencePage",
    "Publication",
    "Published",
    "RoomInfo",
)
_PLACES = {
    "Publisher": "publisher",
    "Context": "_context",
    "Engine": "_engine",
    "Identity": "_context",
    "JWT": "_auth",
    "Rate": "_handlers",
    "Subscription": "_subscription",
    "__version__": "_core",
    "asgi": "_asgi",
    **dict.fromkeys(_VALUES, "_messages"),
}


def __getattr__(name: str) -> object:
    import importlib

    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # What is in no other place is an error.
    return getattr(importlib.import_module(f".{_PLACES.get(name, '_errors')}", __name__), name)
