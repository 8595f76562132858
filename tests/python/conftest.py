"""One daemon for each kind of store, shared by all tests; each test has a tenant of its own."""
import importlib.util
import itertools
import pathlib
import sys

import pytest

# scripts/python puts the package of a build on the path, the engine included. Without it, what is
# written in Python can be tested in place.
if importlib.util.find_spec("ringcast") is None:
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python"))

from outbox.stores import admin_url, make_store
from support.daemon import Daemon
from support.native_client import NativeClient

TENANTS = itertools.count(1)


class Deployment:
    """A store and a daemon that reads it."""

    def __init__(self, kind, folder):
        self.store = make_store(kind, folder)
        self.daemon = Daemon(folder, {"store": {"url": self.store.url}})
        self.daemon.start().wait_ready()

    def close(self):
        self.daemon.stop()
        self.store.remove()

    def rows(self, tenant):
        """(id, tenant, aggregate, event type, payload)"""
        return [row for row in self.store.contents() if row[1] == tenant]


def deployment(kind, tmp_path_factory):
    if kind == "postgres" and not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    one = Deployment(kind, tmp_path_factory.mktemp(kind))
    yield one
    one.close()


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory):
    yield from deployment("sqlite", tmp_path_factory)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    yield from deployment("postgres", tmp_path_factory)


@pytest.fixture
def tenant():
    return f"t{next(TENANTS)}"


@pytest.fixture
def subscribe():
    """subscribe(deployment, room, token=None) -> client that is subscribed."""
    clients = []

    def make(deployment, *rooms):
        client = NativeClient(deployment.daemon)
        clients.append(client)
        for room in rooms:
            client.subscribed(room)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def fields(tenant):
    """What create_outbox_event() needs at least."""
    return {"tenant_id": tenant, "aggregate_type": "KitchenTask", "aggregate_id": "7",
            "event_type": "kitchen.task.claimed", "payload": {"taskId": 7}}
