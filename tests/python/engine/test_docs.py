"""The examples of docs/python.md that need an engine in the process."""
import threading

import pytest

from engine.test_servers import UVICORN, serve  # noqa: F401 (a fixture)
from readme.snippets import snippet
from support.daemon import free_port

pytestmark = pytest.mark.timeout(400)


def test_embedded(serve):  # noqa: F811
    server = serve(*UVICORN, LISTEN=f"127.0.0.1:{free_port()}", APP=snippet("python-embedded"))
    got = []
    waits = threading.Thread(target=lambda: got.append(server.ask("/tasks/7/next")))
    server.until(lambda: server.ask("/tasks/7", "POST", {"n": 0}))
    waits.start()
    server.until(lambda: server.ask("/tasks/7", "POST", {"n": 1}) and got)
    waits.join()
    assert got == [{"n": 1}]


def test_handlers(serve):  # noqa: F811
    address = f"127.0.0.1:{free_port()}"
    server = serve(*UVICORN, LISTEN=address, APP=snippet("python-handlers"))
    client = server.until(lambda: server.client(address))
    for chat, answer in (("1", True), ("2", "FORBIDDEN")):
        client.send_json({"type": "call", "event": "message:send", "id": chat,
                          "data": {"chat_id": chat, "body": "hi"}})
        ack = client.receive("ack", id=chat)
        assert answer in (ack["ok"], ack.get("error"))
    assert client.events(1)[0]["data"] == {"chat_id": "1", "body": "hi"}
    client.send_json({"type": "subscribe", "room": "chat:secret", "id": "s"})
    assert client.receive("error", id="s")["code"] == "FORBIDDEN"
