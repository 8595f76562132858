"""Without its store: what does not need it is served, what does says so, and it comes back by itself."""
import sqlite3

from support.native_client import NativeClient
from support.waiting import wait_until


def test_a_store_that_can_not_be_opened_is_a_reason_and_other_rooms_are_served(make_daemon, tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    path = folder / "store.db"
    path.write_bytes(b"this is no database" * 100)
    daemon = make_daemon({"store": {"url": f"sqlite:{path}"},
                          "namespace": [{"name": "tenant", "history": "store", "subscribe_wait_ms": 100},
                                        {"name": "*", "history": "memory"}]})
    response = wait_until(lambda: (r := daemon.get("/readyz")).status == 503 and r, "a reason")
    assert response.json()["status"] == "degraded"
    assert response.json()["reasons"][0].startswith("store is ")
    assert daemon.get("/healthz").status == 200
    with NativeClient(daemon) as client:
        client.subscribed("memory:1")
        daemon.publish("memory:1", data=1)
        client.events(1)
        assert client.subscribe("tenant:1")["code"] == "UNAVAILABLE"
    refused = daemon.post("/api/publish", {"room": "tenant:1", "type": "note", "data": 1})
    assert (refused.status, refused.json()["error"]) == (503, "UNAVAILABLE")
    assert refused.header("retry-after")
    path.unlink()
    daemon.wait_ready()
    assert daemon.publish("tenant:1", data=1)["offset"] == 1
    with sqlite3.connect(path) as database:
        assert database.execute("select count(*) from ringcast_outbox").fetchone() == (1,)
    database.close()
