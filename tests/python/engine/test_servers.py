"""Under the servers and the task queue that people run: each starts a program, and ends it."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import types
import urllib.request

import pytest

from support.daemon import API_KEY, SANITIZER_MARKS, free_port
from support.native_client import NativeClient

DEADLINE_S = 120
pytestmark = pytest.mark.timeout(400)
APP = """
import os
from fastapi import FastAPI
import ringcast

rc = ringcast.Engine(listen=os.environ.get("RT_LISTEN", "127.0.0.1:0"), allow_anonymous=True,
                     deadline=1.0)
app = FastAPI(lifespan=rc.lifespan)

@app.post("/publish/{n}")
async def publish(n: int):
    return (await rc.publish("chat:1", n))._asdict()

@app.get("/where")
async def where():
    return {"address": rc.address, "pid": os.getpid()}
"""





class Server:
    """A program in a folder with app.py; what it says is in `log`."""

    def __init__(self, folder, *arguments, **environment):
        self.folder = pathlib.Path(folder)
        (self.folder / "app.py").write_text(environment.pop("APP", APP))
        self.port = free_port()
        self.out = open(self.folder / "log", "w+b")
        command = [each.format(port=self.port) for each in arguments]
        self.process = subprocess.Popen([sys.executable, "-m", *command], cwd=folder,
                                        stdout=self.out, stderr=subprocess.STDOUT,
                                        start_new_session=True,
                                        env={**os.environ, **environment})

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def until(self, so):
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                if result := so():
                    return result
            except (OSError, AssertionError):
                pass
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    def ask(self, path, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data,
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return json.load(answer)

    def where(self):
        return self.until(lambda: self.ask("/where"))

    def client(self, address):
        host, _, port = address.rpartition(":")
        client = NativeClient(types.SimpleNamespace(address=(host, int(port))))
        client.subscribed("chat:1")
        return client

    def ends(self, code=0):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE_S) == code, self.log

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.out.close()
        assert not any(mark in self.log for mark in SANITIZER_MARKS), self.log


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(*arguments, **environment):
        servers.append(Server(tmp_path, *arguments, **environment))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


UVICORN = ("uvicorn", "app:app", "--port", "{port}")
GUNICORN = ("gunicorn", "app:app", "--bind", "127.0.0.1:{port}", "-k", "asgi")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_uvicorn(serve, loop):
    server = serve(*UVICORN, "--loop", loop)
    client = server.client(server.where()["address"])
    for n in range(3):
        assert server.ask(f"/publish/{n}", "POST")["offset"] == n + 1
    assert [event["data"] for event in client.events(3)] == [0, 1, 2]
    # An open socket does not hold up the end, and is told to come back.
    server.process.send_signal(signal.SIGTERM)
    assert client.read_close().close_code == 1012
    assert server.process.wait(DEADLINE_S) in (0, -signal.SIGTERM), server.log


def test_uvicorn_reload(serve):
    server = serve(*UVICORN, "--reload", RT_LISTEN=f"127.0.0.1:{free_port()}")
    first = server.where()
    client = server.client(first["address"])
    (server.folder / "app.py").write_text(APP + "\n# changed\n")
    server.until(lambda: server.ask("/where")["pid"] != first["pid"])
    assert client.read_close().close_code == 1012
    assert server.where()["address"] == first["address"]
    again = server.client(first["address"])
    server.ask("/publish/7", "POST")
    assert again.events(1)[0]["data"] == 7


def test_uvicorn_workers_that_want_one_port_are_told_of_both_ways_on(serve):
    server = serve(*UVICORN, "--workers", "2", RT_LISTEN=f"127.0.0.1:{free_port()}")
    server.until(lambda: re.search(r"PortInUse: .*Engine\.attach\(url\).*listen=", server.log))


def test_uvicorn_workers_with_a_port_each(serve):
    server = serve(*UVICORN, "--workers", "2")
    seen = set()

    def both():
        seen.add(tuple(server.ask("/where").values()))
        return len(seen) == 2

    server.until(both)
    assert len({address for address, _ in seen}) == 2


@pytest.mark.parametrize("arguments", [(), ("--preload",)])
def test_gunicorn(serve, arguments):
    server = serve(*GUNICORN, *arguments)
    client = server.client(server.where()["address"])
    server.ask("/publish/1", "POST")
    assert client.events(1)[0]["data"] == 1
    server.ends()


UWSGI = """
import asyncio, json, os, sys
import ringcast

publisher = ringcast.Publisher(os.environ["RT_URL"], api_key=os.environ["RT_KEY"])
publisher.publish("chat:1", "at import")  # its connection is open when uWSGI forks
rc = ringcast.Engine(listen="127.0.0.1:0", allow_anonymous=True, deadline=1.0)
loop = asyncio.new_event_loop()
loop.run_until_complete(rc.start())
kept = rc.publish_nowait
started = os.getpid()

async def follow():
    async with rc.subscribe("chat:1"):
        pass

def outcome(use):
    try:
        use()
    except ringcast.ForkedEngineError as error:
        return str(error)
    return "done"

def uses():
    yield lambda: kept("chat:1", 1)
    yield lambda: rc.publish_nowait("chat:1", 1)
    yield lambda: loop.run_until_complete(rc.publish("chat:1", 1))
    yield lambda: loop.run_until_complete(rc.rooms())
    yield lambda: loop.run_until_complete(follow())
    yield lambda: loop.run_until_complete(rc.close())

def application(environment, start_response):
    answer = {"pid": os.getpid(), "started": started}
    if environment["PATH_INFO"] == "/publish":
        publisher.publish("chat:1", os.getpid())
    if environment["PATH_INFO"] == "/engine":
        answer["outcomes"] = [outcome(use) for use in uses()]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""
RUN_UWSGI = "import sys, pyuwsgi\npyuwsgi.run(sys.argv[1:])\n"


@pytest.fixture
def uwsgi(serve, sqlite, tmp_path):
    def start(*options):
        (tmp_path / "run_uwsgi.py").write_text(RUN_UWSGI)
        return serve("run_uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--processes",
                     "2", "--wsgi-file", "app.py", "--need-app", "--die-on-term", *options,
                     APP=UWSGI, RT_URL=sqlite.daemon.url, RT_KEY=API_KEY)
    return start


def each_worker_publishes(server, client):
    """Process -> the one that has started its engine."""
    workers = {}

    def both():
        said = server.ask("/publish")
        workers[said["pid"]] = said["started"]
        return len(workers) == 2

    server.until(both)
    seen = set()
    while not set(workers) <= seen:
        seen.add(client.events(1)[0]["data"])
    return workers


# It calls what PyOS_BeforeFork() has to come before, and Python ends itself, whatever the application.
NO_HOOKS = pytest.mark.skipif(sys.version_info >= (3, 13),
                              reason="uWSGI 2.0.30 with --py-call-osafterfork dies on Python 3.13")


# uWSGI runs none of Python's fork hooks unless it is asked to.
@pytest.mark.parametrize("options", [(), ("--enable-threads", "--threads", "2"),
                                     pytest.param(("--py-call-osafterfork",), marks=NO_HOOKS)])
def test_uwsgi_that_forks_behind_the_import(uwsgi, sqlite, subscribe, options):
    client = subscribe(sqlite, "chat:1")
    server = uwsgi(*options)
    workers = each_worker_publishes(server, client)
    assert all(started != pid for pid, started in workers.items())
    outcomes = server.ask("/engine")["outcomes"]
    assert all("Start the engine in the worker" in text for text in outcomes[:-1]), outcomes
    assert outcomes[-1] == "done"  # closing what is not its own is nothing
    server.ends()


@pytest.mark.parametrize("options", [(), ("--enable-threads", "--threads", "2")])
def test_uwsgi_that_imports_in_each_worker(uwsgi, sqlite, subscribe, options):
    client = subscribe(sqlite, "chat:1")
    server = uwsgi("--lazy-apps", *options)
    workers = each_worker_publishes(server, client)
    assert all(started == pid for pid, started in workers.items())
    assert server.ask("/engine")["outcomes"] == ["done"] * 6
    server.ends()


CELERY = """
import asyncio, celery, ringcast

rc = ringcast.Engine(listen="127.0.0.1:0", allow_anonymous=True, deadline=1.0)
app = celery.Celery("tasks", broker="filesystem://", backend="file://{folder}/results")
app.conf.broker_transport_options = {{
    "data_folder_in": "{folder}/queue", "data_folder_out": "{folder}/queue"}}

async def use():
    async with rc, rc.subscribe("chat:1") as messages:
        await rc.publish("chat:1", 42)
        return (await messages.__anext__()).json()

@app.task
def work():
    return asyncio.run(use())
"""


def test_celery_prefork(serve, tmp_path):
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "tasks.py").write_text(CELERY.format(folder=tmp_path))
    server = serve("celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2", "-l", "warning")
    asked = subprocess.run([sys.executable, "-c", """
import tasks
waiting = [tasks.work.delay() for _ in range(4)]
print([each.get(timeout=100) for each in waiting])
"""], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S)
    assert asked.stdout.strip() == "[42, 42, 42, 42]", asked.stderr + server.log
