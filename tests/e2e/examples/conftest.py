"""Each example as its users run it: under uvicorn, in a process of its own, with the engine inside."""
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
import websockets.sync.client

from support.daemon import ROOT, SANITIZER_MARKS
from support.waiting import DEADLINE_S, wait_until

EXAMPLES = ROOT / "python/examples"
START_S = 120  # FastAPI and pydantic are a second of imports, on a busy machine many
# Where each of them reads on which address its engine listens.
LISTEN = {"kitchen_outbox": "KITCHEN_REALTIME", "task_board": "BOARD_REALTIME",
          "chat": "CHAT_REALTIME", "token_stream": "STREAM_REALTIME"}


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status} {text}")
        self.status = status


class Application:
    """An example that runs. Ports are free ones; a restart keeps the engine's."""

    def __init__(self, name, folder, **environment):
        self.name, self.folder = name, folder
        self.environment = {**os.environ, **environment, "PYTHONPATH": str(EXAMPLES)}
        self.realtime = "127.0.0.1:0"
        self.log_path = folder / "log"
        self.process = None

    def start(self):
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [ROOT / "scripts/python", "-m", "uvicorn", f"{self.name}:app", "--port", "0"],
                cwd=self.folder, stdout=log, stderr=log,
                env={**self.environment, LISTEN[self.name]: self.realtime})

        def address():
            assert self.process.poll() is None, self.log
            return re.search(r"running on (http://127\.0\.0\.1:\d+)", self.log[begin:])

        self.url = wait_until(address, self.name, START_S)[1]
        return self

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        # uvicorn ends by the signal that it was sent, once all is closed.
        assert code in (0, -signal.SIGTERM), self.log
        self.check_log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.check_log()

    def check_log(self):
        assert not any(mark in self.log for mark in (*SANITIZER_MARKS, "Traceback")), self.log

    def ask(self, method, path, body=None, token=None):
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        asked = urllib.request.Request(self.url + path, method=method, headers=headers,
                                       data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise Refused(refused.code, refused.read().decode()) from None

    def login(self, **who):
        return self.ask("POST", "/login", who)


class Screen:
    """A client by the package `websockets`."""

    def __init__(self, realtime, token=None):
        headers = None if token is None else {"Authorization": f"Bearer {token}"}
        self.socket = websockets.sync.client.connect(realtime, additional_headers=headers,
                                                     open_timeout=DEADLINE_S)
        self.waiting = []
        self.count = 0
        self.expect("connected")

    def expect(self, type=None, **fields):
        """The next message of this type with these fields; others wait for their turn."""

        def fits(message):
            return (type is None or message["type"] == type) and all(
                message.get(name) == value for name, value in fields.items())

        for message in self.waiting:
            if fits(message):
                self.waiting.remove(message)
                return message
        while not fits(message := json.loads(self.socket.recv(DEADLINE_S))):
            self.waiting.append(message)
        return message

    def ask(self, **message):
        self.count += 1
        number = f"q{self.count}"
        self.socket.send(json.dumps({**message, "id": number}))
        return self.expect(id=number)

    def subscribe(self, room, recover=None):
        more = {} if recover is None else {"recover": recover}
        return self.ask(type="subscribe", room=room, **more)

    def call(self, event, **data):
        return self.ask(type="call", event=event, data=data)

    def calls(self, event, *datas):
        """The acks of several that are sent at once, before any answer."""
        numbers = []
        for data in datas:
            self.count += 1
            numbers.append(f"q{self.count}")
            self.socket.send(json.dumps({"type": "call", "event": event, "data": data, "id": numbers[-1]}))
        return [self.expect(id=number) for number in numbers]

    def nothing_else(self):
        """What was sent before the answer to a ping; clears it."""
        self.ask(type="ping")
        left, self.waiting = self.waiting, []
        return left

    def close(self):
        self.socket.close()


@pytest.fixture
def run(tmp_path):
    """run(name, **environment) -> Application, stopped and checked behind the test."""
    made = []

    def start(name, **environment):
        made.append(Application(name, tmp_path, **environment))
        return made[-1].start()

    yield start
    for application in made:
        if application.process.poll() is None:
            application.stop()


@pytest.fixture
def screen():
    """screen(answer of /login) -> Screen, closed behind the test."""
    made = []

    def connect(login):
        made.append(Screen(login["realtime"], login.get("token")))
        return made[-1]

    yield connect
    for one in made:
        one.close()
