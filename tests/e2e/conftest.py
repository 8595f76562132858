"""Fixtures of the end-to-end tests. A module says what its daemon is like:

CONFIG        dict over support.daemon.DEFAULTS
MODE          "serve" (default) or "dev"
BOTH_ENGINES  True: the module runs once over io_uring and once over epoll
STORE         True: an SQLite file in the daemon's folder
"""
import re

import pytest

from support.daemon import Daemon, merged
from support.native_client import NativeClient

ENGINES = ("io_uring", "epoll")


def pytest_addoption(parser):
    parser.addoption("--engine", choices=ENGINES, help="run everything over this backend alone")


def pytest_generate_tests(metafunc):
    if "engine" not in metafunc.fixturenames:
        return
    wished = metafunc.config.getoption("--engine")
    both = getattr(metafunc.module, "BOTH_ENGINES", False)
    engines = [wished] if wished else list(ENGINES) if both else [None]
    metafunc.parametrize("engine", engines, scope="module", indirect=True,
                         ids=[engine or "default" for engine in engines])


@pytest.fixture(scope="module")
def engine(request):
    return getattr(request, "param", None)


def start(daemon):
    """Skips where the kernel or its policy refuses the backend that was asked for."""
    try:
        return daemon.start()
    except AssertionError:
        if daemon.engine == "io_uring" and re.search(r"io_uring.*(refuse|not|denied)", daemon.log()):
            pytest.skip("io_uring is refused on this machine")
        raise


@pytest.fixture(scope="module")
def daemon(request, engine, tmp_path_factory):
    """The module's daemon, shared by its tests, stopped and checked behind the last."""
    folder = tmp_path_factory.mktemp("daemon")
    config = getattr(request.module, "CONFIG", {})
    if getattr(request.module, "STORE", False):
        config = merged(config, {"store": {"url": f"sqlite:{folder / 'store.db'}"}})
    one = Daemon(folder, config, engine, mode=getattr(request.module, "MODE", "serve"))
    start(one)
    if getattr(request.module, "STORE", False):
        one.wait_ready()
    yield one
    one.stop()


@pytest.fixture
def make_daemon(request, engine, tmp_path_factory):
    """make_daemon(config, **options of Daemon) -> started; stopped and checked after the test."""
    made = []

    def make(config=None, **options):
        options.setdefault("engine", engine)
        folder = options.pop("folder", None) or tmp_path_factory.mktemp("daemon")
        one = Daemon(folder, config, **options)
        made.append(one)
        return start(one)

    yield make
    problems = []
    for one in made:
        try:
            one.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def connect(daemon):
    """connect(token=…, …) -> NativeClient of the module's daemon, closed after the test."""
    clients = []

    def make(token=None, **options):
        client = NativeClient(options.pop("daemon", daemon), token, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
