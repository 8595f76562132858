"""`listen.unix`: the same server over a unix socket."""
import json
import os
import signal
import stat
import subprocess

import pytest
from websockets.sync.client import unix_connect

from support.daemon import API_KEY
from support.http_client import RawConnection, encode_request, request
from support.native_client import NativeClient
from support.waiting import wait_until
from support.websocket_client import RawWebSocket

BOTH_ENGINES = True


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "ringcast.sock")


def curl(path, target, *arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", "60", "--unix-socket", path, f"http://localhost{target}",
                           *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def publish_by_curl(path, key, room="unix:1"):
    return json.loads(curl(path, "/api/publish", "-H", f"Authorization: Bearer {key}",
                           "-d", json.dumps({"room": room, "type": "note", "data": 7})))


class Over:
    """A daemon as its unix socket shows it."""

    def __init__(self, path):
        self.address = path


def test_http_and_websockets_are_served_there_and_on_the_address_as_well(make_daemon, path):
    daemon = make_daemon({"listen": {"unix": path}})
    assert json.loads(curl(path, "/healthz")) == {"status": "ok"}
    with unix_connect(path, "ws://localhost/ws") as client, NativeClient(daemon) as other:
        assert json.loads(client.recv(timeout=60))["type"] == "connected"
        client.send(json.dumps({"type": "subscribe", "room": "unix:1"}))
        assert json.loads(client.recv(timeout=60))["type"] == "subscribed"
        other.subscribed("unix:1")
        answer = publish_by_curl(path, API_KEY)
        event = json.loads(client.recv(timeout=60))
        assert (event["id"], event["data"]) == (answer["id"], 7)
        assert other.receive("note")["id"] == answer["id"]
    assert publish_by_curl(path, "another")["error"] == "UNAUTHORIZED"


def test_each_of_many_connections_is_served_by_some_shard(make_daemon, path):
    daemon = make_daemon({"engine": {"shards": 2}, "listen": {"unix": path}})
    clients = [NativeClient(Over(path)) for _ in range(40)]
    for client in clients:
        client.subscribed("unix:many")
    daemon.publish("unix:many")
    for client in clients:
        client.receive("note")
        client.close()


def test_its_connections_are_of_no_address(make_daemon, path):
    daemon = make_daemon({"listen": {"unix": path, "connections_per_address_max": 1}})
    clients = [RawWebSocket(path) for _ in range(5)]
    for client in clients:
        client.close()
    wait_until(lambda: "ringcast_connections 1" in request(path, "GET", "/metrics").text, "their end")
    assert daemon.get("/healthz").status == 200


@pytest.mark.parametrize("config, mode", [({}, 0o660), ({"unix_mode": "0600"}, 0o600)])
def test_its_file_has_the_configured_mode(make_daemon, path, config, mode):
    make_daemon({"listen": {"unix": path, **config}})
    assert stat.S_IMODE(os.stat(path).st_mode) == mode


def test_a_stop_takes_the_file_away(make_daemon, path):
    daemon = make_daemon({"listen": {"unix": path}})
    client = NativeClient(Over(path))
    daemon.signal(signal.SIGTERM)
    assert client.read_close().close_code == 1001
    daemon.join()
    assert not os.path.exists(path)


def test_the_file_of_a_killed_daemon_is_taken_over(make_daemon, path):
    daemon = make_daemon({"listen": {"unix": path}})
    daemon.kill()
    assert os.path.exists(path)
    daemon.start()
    assert request(path, "GET", "/healthz").status == 200


def test_one_that_somebody_answers_on_is_not_taken_over(make_daemon, path):
    first = make_daemon({"listen": {"unix": path}})
    with pytest.raises(AssertionError, match="is in use by another process"):
        make_daemon({"listen": {"unix": path}})
    assert request(path, "GET", "/healthz").status == 200
    assert first.running()


def test_a_file_that_is_no_socket_stays(make_daemon, path):
    with open(path, "w") as file:
        file.write("mine")
    with pytest.raises(AssertionError, match="is a file that is no socket"):
        make_daemon({"listen": {"unix": path}})
    with open(path) as file:
        assert file.read() == "mine"


def ask(path, **headers):
    with RawConnection(path) as connection:
        connection.send(encode_request("GET", "/", headers))
        return connection.read_response().status


def test_in_dev_mode_any_host_will_do_but_no_page_of_another(make_daemon, path):
    make_daemon(mode="dev", arguments=["--set", f"listen.unix={path}"])
    assert ask(path, Host="ringcast") == 200
    assert ask(path, Host="ringcast", Origin="http://ringcast") == 200
    assert ask(path, Host="ringcast", Origin="http://evil.example") == 403
