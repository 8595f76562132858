"""Ringcast from Python.

So far: writing events into the outbox, in your own transaction (`ringcast.outbox`). Importing this
package starts nothing and loads no database driver; its parts are loaded at their first use.
"""

# As typing.TYPE_CHECKING for type checkers; importing typing takes longer than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from types import ModuleType

    from . import outbox

__all__ = ["__version__", "outbox"]
__version__ = "0.1.0"


def __getattr__(name: str) -> "ModuleType":
    if name == "outbox":
        import importlib

        return importlib.import_module(".outbox", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
