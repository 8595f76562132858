"""Clients as applications have them: npm's `ws` and Python's `websockets`."""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess

import pytest
import websockets
from websockets.sync.client import connect as websockets_connect

from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S

BOTH_ENGINES = True
CONFIG = {"auth": {"hs256_secret": SECRET}, "limits": {"ping_interval_s": 1}}
HERE = pathlib.Path(__file__).resolve().parent
WS_IS_THERE = (HERE.parent / "node_modules/ws").exists() and shutil.which("node")
needs_ws = pytest.mark.skipif(not WS_IS_THERE, reason="run `npm ci` in tests/e2e")


class WsClient:
    """client.mjs as a process."""

    def __init__(self, url, token=None):
        command = ["node", str(HERE / "client.mjs"), url] + ([token] if token else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def do(self, **command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def next(self, *keys):
        """The next line that has one of these keys."""
        while True:
            while b"\n" not in self.buffer:
                assert select.select([self.process.stdout], [], [], DEADLINE_S)[0], "no answer of the ws client"
                some = os.read(self.process.stdout.fileno(), 65536)
                assert some, "the ws client has ended"
                self.buffer += some
            line, self.buffer = self.buffer.split(b"\n", 1)
            answer = json.loads(line)
            if not keys or any(key in answer for key in keys):
                return answer


@needs_ws
def test_ws_speaks_the_native_protocol(daemon):
    token = make_token("alice", publish=["*"])
    with WsClient(f"{daemon.ws_url}/ws", token) as client:
        assert client.next() == {"open": "ringcast.v1", "extensions": ""}
        hello = json.loads(client.next("text")["text"])
        assert (hello["type"], hello["user"]) == ("connected", "alice")
        client.do(text=json.dumps({"type": "subscribe", "room": "ws:1", "id": 1}))
        assert json.loads(client.next("text")["text"])["type"] == "subscribed"
        daemon.publish("ws:1", "note", {"a": "Größe €"})
        assert json.loads(client.next("text")["text"])["data"] == {"a": "Größe €"}
        client.do(text=json.dumps({"type": "publish", "room": "ws:1", "event": "note", "data": 2, "id": 2}))
        types = {json.loads(client.next("text")["text"])["type"] for _ in range(2)}
        assert types == {"published", "note"}
        client.next("ping")
        client.do(ping="hello")
        assert client.next("pong") == {"pong": "hello"}
        client.do(close=1000, reason="done")
        assert client.next("close") == {"close": 1000, "reason": ""}


@needs_ws
def test_ws_is_refused_with_401(daemon):
    with WsClient(f"{daemon.ws_url}/ws", "garbage") as client:
        assert client.next("refused", "error") == {"refused": 401}


@needs_ws
@pytest.mark.parametrize("size", [0, 125, 126, 60_000])
def test_ws_gets_its_echo(daemon, size):
    with WsClient(f"{daemon.ws_url}/debug/echo") as client:
        client.next("open")
        octets = os.urandom(size)
        client.do(binary=base64.b64encode(octets).decode())
        assert base64.b64decode(client.next("binary")["binary"]) == octets
        client.do(text="x" * size)
        assert client.next("text") == {"text": "x" * size}
        client.do(fragments=["a" * (size // 2), "", "ä" * 5])
        assert client.next("text") == {"text": "a" * (size // 2) + "ä" * 5}


@needs_ws
def test_ws_learns_why_it_was_closed(daemon):
    with WsClient(f"{daemon.ws_url}/debug/echo") as client:
        client.next("open")
        client.do(text="x" * 65_537)
        assert client.next("close") == {"close": 1009, "reason": "message too large"}


def test_websockets_speaks_the_native_protocol(daemon):
    token = make_token("alice", publish=["*"])
    with websockets_connect(f"{daemon.ws_url}/ws", additional_headers={"Authorization": f"Bearer {token}"},
                            subprotocols=["ringcast.v1"]) as client:
        assert client.subprotocol == "ringcast.v1"
        assert json.loads(client.recv(DEADLINE_S))["user"] == "alice"
        client.send(json.dumps({"type": "subscribe", "room": "websockets:1"}))
        assert json.loads(client.recv(DEADLINE_S))["type"] == "subscribed"
        for n in range(100):
            daemon.publish("websockets:1", data=n)
        assert [json.loads(client.recv(DEADLINE_S))["data"] for _ in range(100)] == list(range(100))
        assert client.ping(b"hello").wait(DEADLINE_S)
    assert client.close_code == 1000


def test_websockets_gets_its_echo(daemon):
    with websockets_connect(f"{daemon.ws_url}/debug/echo", compression="deflate") as client:
        for message in ("", "Größe €", "x" * 65_536, b"", os.urandom(60_000)):
            client.send(message)
            assert client.recv(DEADLINE_S) == message
        client.send(iter(["frag", "", "ments"]))
        assert client.recv(DEADLINE_S) == "fragments"


def test_websockets_is_refused_with_401(daemon):
    with pytest.raises(websockets.InvalidStatus) as refused:
        websockets_connect(f"{daemon.ws_url}/ws?token=garbage")
    assert refused.value.response.status_code == 401


def test_websockets_learns_why_it_was_closed(daemon):
    with websockets_connect(f"{daemon.ws_url}/ws") as client:
        client.recv(DEADLINE_S)
        client.send(b"binary")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            client.recv(DEADLINE_S)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1003, "binary messages are not understood")
