"""The schemas that ship with Ringcast, applied to rows of both stores."""
import json
import pathlib

import pytest

from support.native_client import NativeClient
from support.tokens import SECRET, make_token
from support.waiting import wait_until

SCHEMAS = pathlib.Path(__file__).resolve().parents[3] / "docs" / "schemas"
CONFIG = {"auth": {"hs256_secret": SECRET},
          "outbox": {"schemas": str(SCHEMAS), "unknown_events": "reject"}}
BROKEN = [
    ("kitchen.task.claimed", {"taskId": "t", "employeeId": "e"}, ["'claimedAt'"]),
    ("kitchen.task.claimed", {"taskId": "t", "employeeId": "e", "claimedAt": "at noon"},
     ["payload.claimedAt"]),
    ("kitchen.task.released", {"taskId": 7, "employeeId": "", "releasedAt": "2026-03-01T09:45:00Z"},
     ["payload.taskId", "payload.employeeId"]),
    ("kitchen.task.released", {"taskId": "t", "employeeId": "e", "reason": "x" * 2_000,
                               "releasedAt": "2026-03-01T09:45:00Z"}, ["payload.reason"]),
    ("kitchen.task.progress", {"taskId": "t", "employeeId": "e", "progress": 101},
     ["payload.progress"]),
    ("kitchen.task.progress", {"taskId": "t", "employeeId": "e", "progress": "half", "by": 1},
     ["payload.progress", "'by'"]),
]


def schemas():
    return {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}


def test_the_examples_arrive_and_broken_rows_fail_by_name(make_world):
    world = make_world(CONFIG)
    daemon = world.daemon()
    client = NativeClient(daemon, token=make_token(subscribe=["tenant:t1"]))
    client.subscribe("tenant:t1")
    broken = [(world.store.write("t1", "a", type, payload), names) for type, payload, names in BROKEN]
    unknown = world.store.write("t1", "a", "kitchen.task.burnt", {})
    examples = [(type, example) for type, schema in schemas().items()
                for example in schema["examples"]]
    assert len(examples) == 5
    for type, example in examples:
        world.store.write("t1", "a", type, example)
    got = client.events(len(examples), "tenant:t1")
    assert [(event["type"], event["data"]["payload"]) for event in got] == examples
    for id, names in broken:
        wait_until(lambda: world.store.status(id)[0] == "failed", "the failed row")
        _, reason, error = world.store.status(id)
        assert reason == "schema"
        assert all(name in error for name in names), error
    wait_until(lambda: world.store.status(unknown)[0] == "failed", "the unknown type")
    assert world.store.status(unknown)[1] == "unknown_event"


@pytest.mark.parametrize("text, says", [('{"type": "objekt"}', "is not a JSON Schema"),
                                        ("{", "schema"), ('{"$ref": "other.json"}', "$ref")])
def test_a_schema_that_is_none_stops_the_start(make_world, tmp_path, text, says):
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "a.b.c.json").write_text(text)
    daemon = make_world({"outbox": {"schemas": str(folder)}}).daemon(start=False)
    with pytest.raises(AssertionError, match="ended with 1 at start"):
        daemon.start()
    assert "a.b.c.json" in daemon.log() and says in daemon.log(), daemon.log()
