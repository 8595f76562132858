"""python -m ringcast run: a real uvicorn and a real ringcastd, which start and end together."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from engine.test_servers import DEADLINE_S, serve  # noqa: F401 (a fixture)
from readme.snippets import snippet
from support.daemon import API_KEY, ROOT
from support.http_client import request
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(400)
RUN = ("run", "app:app", "--listen", "127.0.0.1:0", "--port", "{port}")
OPEN = {"RINGCAST_AUTH_ALLOW_ANONYMOUS": "true"}
APP = """
import asyncio, contextlib, os
import ringcast
from fastapi import FastAPI

rc = ringcast.Engine.attach()
publisher = ringcast.Publisher()

async def answer(messages):
    async for _ in messages:
        await rc.publish("chat:1", ["engine", os.getpid()])
        await asyncio.to_thread(publisher.publish, "chat:1", ["publisher", os.getpid()])

@contextlib.asynccontextmanager
async def lifespan(app):
    async with rc.subscribe("go:1") as messages:
        answers = asyncio.create_task(answer(messages))
        yield
        answers.cancel()

app = FastAPI(lifespan=rc.wraps(lifespan))

@app.post("/go")
async def go():
    return (await rc.publish("go:1", 0))._asdict()

@app.get("/never")
async def never():
    print("asked", flush=True)
    await asyncio.Event().wait()
"""
# The command, with less patience.
HASTY = """
import sys
from ringcast import __main__, _run
_run.STOP_S = 0.2
sys.exit(__main__.main(sys.argv[1:]))
"""


def of_process(pid, what):
    """Its arguments or its environment; nothing of one that is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/{what}").read_bytes().decode().split("\0")[:-1]
    except OSError:
        return []


class Run:
    """A server that was started here, and every process that it has started."""

    def __init__(self, server, mark):
        self.server = server
        self.mark = mark

    def processes(self):
        """Number of the process -> its arguments."""
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        return {pid: of_process(pid, "cmdline") for pid in pids
                if self.mark in of_process(pid, "environ")}

    def pid_of(self, word):
        """The oldest one with this among its arguments."""
        pids = [pid for pid, arguments in self.processes().items()
                if any(word in argument.split("/") for argument in arguments)]
        assert pids, f"no {word} is there"
        return min(pids)

    def address(self):
        found = self.server.until(
            lambda: re.search(r"ringcastd is listening on http://(\S+:\d+)", self.server.log))
        return found[1]

    def has_started(self, workers):
        self.server.until(
            lambda: self.server.log.count("Application startup complete") == workers)
        return self

    def ended(self, code):
        assert self.server.process.wait(DEADLINE_S) == code, self.server.log
        wait_until(lambda: not self.processes(), "the end of every process", DEADLINE_S)
        assert not list(self.server.folder.glob("ringcast-*"))


@pytest.fixture
def run(serve, tmp_path):  # noqa: F811
    def start(*arguments, module="ringcast", **environment):
        environment = {"APP": APP, "TMPDIR": str(tmp_path), **OPEN, **environment}
        return Run(serve(module, *RUN, *arguments, **environment), f"TMPDIR={tmp_path}")

    return start


def test_four_workers_reach_one_client_and_sigterm_ends_all(run, tmp_path):
    (tmp_path / "ringcast.toml").write_text('[log]\nlevel = "debug"\n')
    one = run("--workers", "4", "--config", "ringcast.toml", "--", "--log-level", "debug",
              RINGCAST_AUTH_API_KEYS=API_KEY)
    one.has_started(4)
    client = one.server.client(one.address())
    one.server.ask("/go", "POST")
    seen = {tuple(event["data"]) for event in client.events(8)}
    workers = {pid for _, pid in seen}
    assert seen == {(by, pid) for by in ("engine", "publisher") for pid in workers}
    assert len(workers) == 4

    # The key of this run is where its programs look for it, and nowhere else; other keys hold.
    environment = dict(each.split("=", 1) for each in of_process(min(workers), "environ"))
    key = environment["RINGCAST_API_KEY"]
    assert of_process(one.pid_of("ringcastd"), "environ").count(
        f"RINGCAST_AUTH_API_KEYS={key},{API_KEY}") == 1
    assert key not in one.server.log
    assert not any(key in argument for command in one.processes().values() for argument in command)
    host, port = one.address().split(":")
    assert request((host, int(port)), "POST", "/api/info",
                   {"Authorization": f"Bearer {API_KEY}"}, {}).status == 200

    one.server.process.send_signal(signal.SIGTERM)
    one.ended(0)
    log = one.server.log
    assert log.index("Stopping parent process") < log.index("SIGTERM: stopping")
    assert client.read_close().close_code == 1001


def test_the_application_of_the_page(run):
    one = run("--workers", "2", APP=snippet("python-run")).has_started(2)
    client = one.server.client(one.address())
    client.subscribed("project:7")
    done = one.server.ask("/tasks/7", "POST", {"n": 1})
    (event,) = client.events(1)
    assert (event["id"], event["offset"], event["data"]) == (done["id"], done["offset"], {"n": 1})
    one.server.process.send_signal(signal.SIGTERM)
    one.ended(0)


def test_ctrl_c_of_a_terminal_ends_uvicorn_first(run):
    one = run().has_started(1)
    os.killpg(one.server.process.pid, signal.SIGINT)
    one.ended(0)
    log = one.server.log
    assert log.index("Application shutdown complete") < log.index("SIGTERM: stopping")
    assert "ConnectionLost" not in log


@pytest.mark.parametrize("workers", [1, 2])
def test_when_ringcastd_dies_uvicorn_is_stopped(run, workers):
    one = run("--workers", str(workers)).has_started(workers)
    os.kill(one.pid_of("ringcastd"), signal.SIGKILL)
    one.ended(1)
    assert one.server.log.count("python -m ringcast: ") == 1
    assert "ringcastd ended by itself (-9), so uvicorn is stopped" in one.server.log


def test_a_request_without_end_does_not_keep_uvicorn_when_ringcastd_is_dead(run, tmp_path):
    (tmp_path / "hasty.py").write_text(HASTY)
    one = run("--workers", "2", module="hasty").has_started(2)
    with socket.create_connection(("127.0.0.1", one.server.port)) as asks:
        asks.sendall(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        one.server.until(lambda: "asked" in one.server.log)
        os.kill(one.pid_of("ringcastd"), signal.SIGKILL)
        one.ended(1)


def test_when_uvicorn_dies_its_workers_and_ringcastd_end(run):
    one = run("--workers", "2").has_started(2)
    os.kill(one.pid_of("uvicorn"), signal.SIGKILL)
    one.ended(128 + signal.SIGKILL)
    assert "uvicorn was ended by signal 9" in one.server.log


def test_when_the_command_is_killed_both_end(run):
    one = run().has_started(1)
    one.server.process.kill()
    assert one.server.process.wait(DEADLINE_S) == -signal.SIGKILL
    wait_until(lambda: not one.processes(), "the end of every process", DEADLINE_S)


def test_the_exit_code_is_that_of_uvicorn(run):
    one = run("--", "--no-such-option")
    one.ended(2)
    assert "No such option" in one.server.log and "stopped" in one.server.log


def test_sigterm_while_ringcastd_starts_ends_it(run):
    one = run()
    one.server.until(lambda: one.pid_of("ringcastd"))
    one.server.process.send_signal(signal.SIGTERM)
    one.ended(0)


def test_a_port_in_use_is_said_by_ringcastd_and_uvicorn_does_not_start(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = run("--listen", f"127.0.0.1:{port}")
        one.ended(1)
    assert re.search(rf"not started: .*{port}.*choose another address with --listen", one.server.log)
    assert "uvicorn" not in one.server.log.lower()


def said(*arguments, script=None, **environment):
    """(exit code, standard output, standard error) of a run that starts nothing."""
    code = ["-m", "ringcast"] if script is None else ["-c", script]
    done = subprocess.run([sys.executable, *code, *arguments], capture_output=True, text=True,
                          env={**os.environ, **environment}, timeout=DEADLINE_S)
    return done.returncode, done.stdout, done.stderr


def test_without_uvicorn_one_line_says_how_to_get_it():
    code, out, error = said(script="import sys; sys.modules['uvicorn'] = None\n"
                                   "from ringcast.__main__ import main\n"
                                   "sys.exit(main(['run', 'app:app']))")
    assert (code, out) == (1, "")
    assert error == "python -m ringcast: uvicorn is not installed: pip install 'ringcast[run]'\n"


def test_without_ringcastd_one_line_says_so(tmp_path):
    code, out, error = said("run", "app:app", PATH=str(tmp_path))
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert "there is no ringcastd" in error and "PATH" in error


@pytest.mark.parametrize("arguments, word", [
    ((), "COMMAND"), (("walk",), "walk"), (("run",), "APP"), (("run", "a:b", "--reload"), "--reload"),
    (("run", "a:b", "c:d"), "c:d"), (("run", "a:b", "--work", "2"), "--work"),
    (("run", "a:b", "--workers", "many"), "many"), (("run", "a:b", "--port"), "--port")])
def test_what_is_no_option_of_it_is_refused(arguments, word):
    code, out, error = said(*arguments)
    assert (code, out) == (2, "")
    assert word in error.splitlines()[-1]


def test_the_help_and_the_page_name_the_same_options():
    code, out, _ = said("run", "--help")
    assert code == 0
    page = (ROOT / "docs/python.md").read_text()
    page = page.split("`python -m ringcast run`\n")[1].split("\n## ")[0]
    options = set(re.findall(r"^ +(--\w+)", out, re.MULTILINE))
    assert options == {"--workers", "--host", "--port", "--listen", "--config"}
    assert options == set(re.findall(r"`(--\w+) [A-Z:]+`", page))
