"""The fixtures of ringcast.testing. pytest loads this with every run, so it loads nothing itself.

An `async def` test that takes one of the fixtures is run by whatever runs async tests for you
(pytest-asyncio, anyio); where nothing does, it gets an event loop of its own here.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ._engine import Engine
    from .testing import Clock, Isolated, Seen

FIXTURES = frozenset(("rc_engine", "rc_isolated", "rc_client", "published", "rc_clock"))
OTHER_RUNNERS = ("asyncio", "anyio", "trio")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    if (
        not inspect.iscoroutinefunction(test)
        or FIXTURES.isdisjoint(pyfuncitem.fixturenames)
        or any(pyfuncitem.get_closest_marker(name) for name in OTHER_RUNNERS)
    ):
        return None
    names = inspect.signature(test).parameters
    asyncio.run(test(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def rc_settings() -> dict[str, object]:
    """Keys of the configuration for the engine of this test; yours override this fixture."""
    return {}


@pytest.fixture
def rc_isolated(rc_settings: dict[str, object]) -> "Callable[[Engine], Isolated]":
    """rc_isolated(your engine): the same engine on a port, a store and a secret for this test."""
    from .testing import Isolated

    return lambda engine: Isolated(engine, rc_settings)


@pytest.fixture
def rc_engine(rc_isolated: "Callable[[Engine], Isolated]") -> "Isolated":
    """A fresh engine that everybody may connect to: `async with rc_engine as rc`. To test your own,
    override it: `return rc_isolated(app.rc)`."""
    from ._engine import Engine

    return rc_isolated(Engine(allow_anonymous=True, deadline=2.0))


@pytest.fixture
def rc_client(rc_engine: "Isolated") -> Callable[..., Awaitable[Any]]:
    """await rc_client(user="ann"), or rc_client("sse", rooms=["chat:1"]): a connected client."""
    return rc_engine.client


@pytest.fixture
def published(rc_engine: "Isolated") -> "Callable[..., Awaitable[Seen]]":
    """seen = await published("chat:*"): what is published from here on."""
    return rc_engine.published


@pytest.fixture
def rc_clock() -> "Iterator[Clock]":
    """await rc_clock.advance(2): what asyncio times falls due, not what the engine's threads do."""
    from .testing import Clock

    clock = Clock()
    yield clock
    clock.end()
