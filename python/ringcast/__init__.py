"""Ringcast from Python.

So far: writing events into the outbox, in your own transaction (`ringcast.outbox`), and typed
events on both sides (`ringcast.events`). Importing this package starts nothing and loads no
database driver; its parts are loaded at their first use.
"""

# As typing.TYPE_CHECKING for type checkers; importing typing takes longer than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from types import ModuleType

    from . import events, outbox

__all__ = ["__version__", "events", "outbox"]
__version__ = "0.1.0"


def __getattr__(name: str) -> "ModuleType":
    if name in ("events", "outbox"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
