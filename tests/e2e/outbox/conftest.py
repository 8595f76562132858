"""Every test that asks for `world` runs once on each store, or on the module's STORES."""
import pytest

from outbox.stores import admin_url, make_store
from outbox.world import World

KINDS = ("sqlite", "postgres", "status")


def pytest_generate_tests(metafunc):
    if "store" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "STORES", KINDS)
        metafunc.parametrize("store", kinds, indirect=True)


@pytest.fixture
def store(request, tmp_path):
    if request.param != "sqlite" and not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    return make_store(request.param, tmp_path)


@pytest.fixture
def make_world(store, tmp_path):
    """make_world(config) -> World over the store; closed and checked after the test."""
    made = []

    def make(config=None):
        made.append(World(store, tmp_path, config))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def world(make_world, request):
    """A World with the module's CONFIG."""
    return make_world(getattr(request.module, "CONFIG", None))
