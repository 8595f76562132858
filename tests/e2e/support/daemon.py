"""ringcastd as a process of its own, with a configuration file made for it."""
import copy
import ctypes
import itertools
import os
import pathlib
import signal
import socket
import subprocess

from .http_client import request
from .toml import to_toml
from .waiting import DEADLINE_S, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("RINGCAST_BIN", str(ROOT / "build/dev/bin/ringcastd"))
API_KEY = "e2e-api-key-0123456789"
# What a sanitizer writes when it found something.
SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "UndefinedBehaviorSanitizer",
                   "runtime error:", "ThreadSanitizer")
_PR_SET_PDEATHSIG = 1
# Ports that a daemon keeps over its restarts: below those that the kernel gives to whoever asks for
# any, and each worker of a run goes through a range of its own, from a place of its own.
_PORTS, _PORTS_OF_A_WORKER = range(10_240, 32_240), 2_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 11
_steps = itertools.count(os.getpid() * 37)


def can_bind(port):
    """Also while connections of the last one who listened there are in TIME_WAIT."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port():
    """One that nobody else of this run is given."""
    for step in itertools.islice(_steps, _PORTS_OF_A_WORKER):
        port = _PORTS[_worker * _PORTS_OF_A_WORKER + step % _PORTS_OF_A_WORKER]
        if can_bind(port):
            return port
    raise AssertionError("no port is free")


def _die_with_parent():
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def merged(base, extra):
    """`extra` over `base`, section by section; lists (namespaces) replace."""
    result = copy.deepcopy(base)
    for section, values in (extra or {}).items():
        if isinstance(values, dict):
            result.setdefault(section, {}).update(values)
        else:
            result[section] = values
    return result


DEFAULTS = {
    "listen": {"address": "127.0.0.1:0"},
    "engine": {"shards": 2},
    "auth": {"api_keys": [API_KEY], "allow_anonymous": True},
    "log": {"level": "debug", "format": "human"},
    "debug": {"echo": True},
}


class Daemon:
    """One `ringcastd serve` (or `dev`). Starts with start(); a restart keeps port and store.

    `config` is merged over DEFAULTS; `folder` holds its configuration, output and whatever store it
    has. stop() fails the test if it did not end with 0 or a sanitizer had something to say."""

    def __init__(self, folder, config=None, engine=None, arguments=(), mode="serve"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = merged(DEFAULTS, config) if mode == "serve" else {}
        self.engine = engine
        self.arguments = list(arguments)
        self.environment = {}  # over the test's own, for the next start
        self.mode = mode
        self.port = free_port()
        self.process = None
        self.ended_with = None  # the last one's code, if it was not stopped
        self.output_path = self.folder / "stdout.log"
        self.log_path = self.folder / "stderr.log"

    # ---- start and end ----
    def command(self):
        command = [BINARY, self.mode]
        if self.mode == "serve":
            path = self.folder / "ringcast.toml"
            path.write_text(to_toml(self.config))
            command += ["--config", str(path)]
        if self.mode == "dev" and "--store" not in self.arguments:
            command += ["--store", f"sqlite:{self.folder / 'dev.db'}"]
        command += ["--listen", f"127.0.0.1:{self.port}"]
        if self.engine:
            command += ["--engine", self.engine]
        return command + self.arguments

    def start(self):
        """Returns when the first line is there; AssertionError with the log if it does not come."""
        assert self.process is None, "already started"
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("RINGCAST_")}
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        environment.update(self.environment)
        begin = self.output_path.stat().st_size if self.output_path.exists() else 0
        with open(self.output_path, "ab") as output, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=output, stderr=log, stdin=subprocess.DEVNULL,
                env=environment, cwd=self.folder, preexec_fn=_die_with_parent)
        prefix = "listening on http://"

        def first_line():
            text = self.output_path.read_bytes()[begin:].decode()
            if "\n" in text:
                return text.split("\n", 1)[0]
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                self.ended_with = code
                raise AssertionError(f"ringcastd ended with {code} at start:\n{self.log()[-4000:]}")
            return None

        line = wait_until(first_line, "the first line of ringcastd")
        assert line.startswith(prefix), line
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def wait_ready(self):
        wait_until(lambda: self.get("/readyz").status == 200, "readiness")
        return self

    def stop(self, deadline_s=DEADLINE_S):
        """SIGTERM; checks exit code and sanitizers."""
        if self.process is not None:
            self.signal(signal.SIGTERM)
            self.join(deadline_s)
        self.check_log()

    def join(self, deadline_s=DEADLINE_S, expected=0):
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"ringcastd did not end within {deadline_s} s") from None
        self.process = None
        assert code == expected, f"ringcastd ended with {code}:\n{self.log()[-4000:]}"

    def kill(self):
        """kill -9, and gone when this returns; `ended_with` says if something else was first."""
        if self.process is None:
            return
        self.process.kill()
        self.ended_with = self.process.wait()
        self.process = None
        # The kernel takes its rings apart, and with them its sockets, behind its end.
        wait_until(lambda: can_bind(self.port), "the end of its listeners")

    def signal(self, number):
        self.process.send_signal(number)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def check_log(self):
        log = self.log()
        for mark in SANITIZER_MARKS:
            at = log.find(mark)
            assert at < 0, f"a sanitizer reported:\n{log[max(0, at - 200):at + 6000]}"

    # ---- looking at it ----
    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}"

    @property
    def ws_url(self):
        return f"ws://{self.host}"

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def get(self, path, headers=None):
        return request(self.address, "GET", path, headers)

    def post(self, path, body, key=API_KEY, headers=None):
        """`body`: bytes, or anything that becomes JSON. `key` None: without Authorization."""
        every = {"Content-Type": "application/json"}
        if key is not None:
            every["Authorization"] = f"Bearer {key}"
        every.update(headers or {})
        return request(self.address, "POST", path, every, body)

    def publish(self, room, type="note", data=None, **fields):
        """The answer's JSON; fails unless it is 200."""
        response = self.post("/api/publish", {"room": room, "type": type, "data": data, **fields})
        assert response.status == 200, response
        return response.json()

    def metrics(self):
        """name or name{label="value"} to number."""
        values = {}
        for line in self.get("/metrics").text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def metric(self, name):
        return self.metrics().get(name, 0.0)

    def wait_for_subscriptions(self, count):
        wait_until(lambda: self.metric("ringcast_subscriptions") == count, f"{count} subscriptions")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
