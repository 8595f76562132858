"""Tests of the engine inside this process."""
import asyncio
import importlib.util
import types

import pytest

from ringcast import Engine
from support.native_client import NativeClient
from support.waiting import DEADLINE_S


@pytest.fixture(scope="session", autouse=True)
def module():
    assert importlib.util.find_spec("ringcast._core"), "run me by scripts/python (docs/building.md)"


def make_engine(**options):
    """An engine that everybody may connect to, on a free port."""
    settings = {"engine.stop_deadline_ms": 2000, **options.pop("settings", {})}
    return Engine(**{"listen": "127.0.0.1:0", "allow_anonymous": True, "deadline": 2.0,
                     "settings": settings, **options})


async def connect(engine, *rooms, token=None):
    """A client with a socket of its own, in a thread while it connects."""
    daemon = types.SimpleNamespace(address=address_of(engine))

    def made():
        client = NativeClient(daemon, token)
        for room in rooms:
            client.subscribed(room)
        return client

    return await asyncio.to_thread(made)


def address_of(engine):
    host, _, port = engine.address.rpartition(":")
    return host, int(port)


async def until(condition, pause=0.001):
    """Waits for it, and for DEADLINE_S at most."""
    end = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it does not come"
        await asyncio.sleep(pause)


def run(test):
    """An async test, as a test, within a deadline."""
    def runs(*arguments, **fixtures):
        async def bounded():
            await asyncio.wait_for(test(*arguments, **fixtures), DEADLINE_S)
        asyncio.run(bounded())
    runs.__name__, runs.__doc__ = test.__name__, test.__doc__
    runs.__wrapped__ = test
    runs.pytestmark = getattr(test, "pytestmark", [])
    return runs
