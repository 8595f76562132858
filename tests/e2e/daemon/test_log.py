"""The log: lines for people or for machines, and never a secret."""
import json
import os
import pty
import re
import signal

import pytest

from support.http_client import request
from support.native_client import NativeClient
from support.tokens import make_token
from support.websocket_client import RawWebSocket, WebSocketRefused

SECRET = "planted-signing-secret-of-more-than-32-octets"
API_KEY = "planted-api-key-0123456789"


class Address:
    def __init__(self, port):
        self.address = ("127.0.0.1", port)


def start(spawn, *arguments, **options):
    return spawn("serve", "--listen", "127.0.0.1:0", "--log-level", "debug", *arguments,
                 env={"RINGCAST_AUTH_HS256_SECRET": SECRET, "RINGCAST_AUTH_API_KEYS": API_KEY}, **options)


def test_json_lines_parse_from_the_first_to_the_last(spawn):
    daemon = start(spawn, "--log-format", "json")
    address = ("127.0.0.1", daemon.port())
    request(address, "POST", '/api/publish?a="quoted\\', {"Authorization": 'Bearer "\\'}, b"{}")
    daemon.signal(signal.SIGHUP)
    daemon.wait_errors("reload is not supported")
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    lines = [json.loads(line) for line in daemon.errors.splitlines()]
    assert len(lines) >= 4
    for line in lines:
        assert set(line) >= {"time", "level", "message"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])


def test_without_a_terminal_it_is_for_machines(spawn):
    daemon = start(spawn)
    daemon.port()
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert [json.loads(line)["level"] for line in daemon.errors.splitlines()]


def test_on_a_terminal_it_is_for_people(spawn):
    near, far = pty.openpty()
    daemon = start(spawn, preexec_fn=lambda: os.dup2(far, 2))
    daemon.port()
    text = os.read(near, 65536).decode()
    assert "ringcast" in text and "{" not in text
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    os.close(near), os.close(far)


def test_refused_start_is_a_line_of_json_as_well(spawn, run):
    port = start(spawn).port()
    done = run("serve", "--listen", f"127.0.0.1:{port}", "--log-format", "json")
    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["level"] == "error" and "is in use" in last["message"]


@pytest.mark.parametrize("level, lines", [("info", True), ("error", False)])
def test_level_decides_what_is_written(spawn, level, lines):
    daemon = spawn("serve", "--listen", "127.0.0.1:0", "--log-level", level)
    daemon.port()
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert (daemon.errors != "") == lines


@pytest.mark.parametrize("form", ["human", "json"])
def test_no_secret_is_in_any_output(spawn, form):
    daemon = start(spawn, "--log-format", form)
    server = Address(daemon.port())
    good = make_token(key=SECRET, subscribe=["a:*"])
    forged = make_token(key=SECRET[::-1], subscribe=["a:*"])
    expired = make_token(key=SECRET, ttl_s=-3600)
    planted = [SECRET, API_KEY, "planted", good, forged, expired]
    planted += [part for token in (good, forged, expired) for part in token.split(".")[1:]]

    client = NativeClient(server, good)
    client.subscribed("a:1")
    client.ask({"type": "auth", "token": forged})
    client.ask({"type": "auth", "token": good})
    # In each place where a token may stand.
    for token in (forged, expired, "planted-nonsense"):
        for options in ({"target": f"/ws?token={token}"}, {"Authorization": f"Bearer {token}"},
                        {"Sec_WebSocket_Protocol": f"ringcast.v1, ringcast.token.{token}"}):
            with pytest.raises(WebSocketRefused):
                RawWebSocket(server.address, **options)
        request(server.address, "GET", f"/sse?room=a:1&token={token}", {})
        request(server.address, "GET", f"/nowhere?token={token}", {})
    for key in (API_KEY, "planted-key"):
        request(server.address, "POST", "/api/publish", {"Authorization": f"Bearer {key}"},
                {"room": "a:1", "type": "t", "data": 1})
        request(server.address, "POST", "/api/publish", {"Authorization": f"Bearer {key}"}, b"{")
    client.close()
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert "refused" in daemon.errors, "the denials are in this log"
    for secret in planted:
        assert secret not in daemon.output + daemon.errors, secret


def test_store_that_is_away_is_a_warning_without_its_password(spawn):
    daemon = spawn("serve", "--listen", "127.0.0.1:0", "--log-level", "debug", "--log-format", "human", "--store",
                   "postgresql://user:planted-word@127.0.0.1:1/x?connect_timeout=1")
    address = ("127.0.0.1", daemon.port())
    daemon.wait_errors("warning ")
    ready = request(address, "GET", "/readyz", {})
    assert ready.status == 503 and "store" in ready.text
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert "planted" not in daemon.output + daemon.errors + ready.text


def test_password_of_the_store_is_not_in_a_complaint(run):
    done = run("serve", "--store", "postgresql://user:planted-word@127.0.0.1:1/x", "--shards", 1000)
    assert done.returncode == 1
    assert "planted" not in done.stdout + done.stderr
