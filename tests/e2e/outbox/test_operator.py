"""`ringcast outbox …` on every store, beside a running daemon and without one."""
import datetime
import json
import pathlib
import subprocess

import pytest

from support.daemon import BINARY, SANITIZER_MARKS
from support.waiting import DEADLINE_S, wait_until

CLIENT = str(pathlib.Path(BINARY).with_name("ringcast"))


def outbox(world, *arguments):
    done = subprocess.run([CLIENT, "outbox", *map(str, arguments), "--store", world.store.url],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    for mark in SANITIZER_MARKS:
        assert mark not in done.stderr, done.stderr
    return done


def said(world, *arguments):
    done = outbox(world, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(world, *arguments, code=1):
    done = outbox(world, *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    return done.stderr


def dead(world, count, **fields):
    ids = [world.write(payload="[1]", deliverable=False, **fields) for _ in range(count)]
    wait_until(lambda: all(world.store.status(id)[0] == "failed" for id in ids), "dead letters")
    return ids


def test_status_follows_the_daemon(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    last = [world.write() for _ in range(3)][-1]
    dead(world, 1)
    wait_until(lambda: last in client.shown, "the rows")
    wait_until(lambda: said(world, "status")[0]["pendingRows"] == 0, "all delivered")
    status = said(world, "status")[0]
    assert (status["dead"], status["pendingSeconds"]) == (1, None)
    assert status["epoch"] == client.only.epoch
    daemon.stop()
    world.write()
    status = said(world, "status")[0]
    assert status["pendingRows"] == 1 and status["pendingSeconds"] >= 0
    assert "pending      1 rows" in outbox(world, "status").stdout


def test_a_dead_letter_is_redriven_once_its_cause_is_mended(world):
    """The limit was too low: the daemon that comes back has a higher one."""
    daemon = world.daemon({"outbox": {"envelope_bytes_warn": 1024, "envelope_bytes_max": 1024}})
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    large = [world.write(payload={"pad": "x" * 2000}, deliverable=False) for _ in range(3)]
    wait_until(lambda: all(world.store.status(id)[0] == "failed" for id in large), "three failures")
    letters = said(world, "dead-letters", "list")
    assert [letter["eventId"] for letter in letters] == large
    assert {letter["reason"] for letter in letters} == {"too_large"}
    world.crowd.pause(client)
    daemon.stop()
    daemon.config["outbox"] = dict(world.store.config.get("outbox", {}))
    daemon.start()
    daemon.wait_ready()
    world.crowd.resume(client)
    done = said(world, "dead-letters", "retry", letters[1]["id"])
    wait_until(lambda: large[1] in client.shown, "the redriven row")
    (shown,) = said(world, "dead-letters", "show", letters[1]["id"])
    assert (shown["state"], shown["redrivenAs"]) == ("redriven", done[0]["redrivenAs"])
    assert "xxxx" in shown["payload"]
    assert len(said(world, "dead-letters", "retry", "--type", "alpha.thing.changed", "--tenant",
                    "t1", "--rate", 1000)) == 2
    wait_until(lambda: set(large) <= set(client.shown), "the others")
    assert said(world, "dead-letters", "list") == []
    assert len(said(world, "dead-letters", "list", "--all-states")) == 3
    assert "redriven already" in refused(world, "dead-letters", "retry", letters[1]["id"])


def test_dropped_letters_are_kept_and_mistakes_are_said(world):
    world.daemon()
    dead(world, 2)
    first, second = [letter["id"] for letter in said(world, "dead-letters", "list")]
    done = outbox(world, "dead-letters", "drop", first, 999_999)
    assert (done.returncode, done.stdout) == (1, f"{first} dropped\n")
    assert "no dead letter 999999" in done.stderr and "1 dropped, 1 failed" in done.stderr
    assert [one["id"] for one in said(world, "dead-letters", "list")] == [second]
    assert "which ones?" in refused(world, "dead-letters", "drop")
    assert "either ids" in refused(world, "dead-letters", "drop", second, "--all")
    assert "RFC 3339" in refused(world, "dead-letters", "list", "--before", "yesterday")
    assert "no dead letter 5000" in refused(world, "dead-letters", "show", 5000)
    assert "--yes" in refused(world, "rebase", code=2)
    refused(world, "dead-letters", "retry", second, "--rate", 0, code=2)
    refused(world, "dead-letters", "list", "--limit", 10_001, code=2)


def test_rebase_under_a_running_daemon_begins_a_new_epoch(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    first = world.write()
    wait_until(lambda: client.shown == [first], "the row")
    wait_until(lambda: said(world, "status")[0]["pendingRows"] == 0, "its note")
    (rebased,) = said(world, "rebase", "--yes")
    last = world.write()
    wait_until(lambda: last in client.shown, "the next row")
    assert client.only.epoch == rebased["epoch"]


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def test_old_rows_are_archived_beside_a_running_daemon(world, tmp_path):
    daemon = world.daemon({"outbox": {"retention_days": 0}})
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    ids = [world.write_on_day(-2), world.write_on_day(-2)]
    last = world.write()
    wait_until(lambda: last in client.shown, "the rows")
    wait_until(lambda: said(world, "status")[0]["pendingRows"] == 0, "all delivered")
    file = tmp_path / "old.jsonl"
    (done,) = said(world, "archive", "--before", today(), "--to", file, "--keep")
    assert done == {"rows": 2} and set(ids) <= world.store.ids()
    text = outbox(world, "archive", "--before", today(), "--to", file)
    assert (text.returncode, text.stderr) == (0, "") and "2 rows written" in text.stdout
    assert world.store.ids() == {last}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["eventId"] for line in lines] == ids + ids
    assert lines[0]["tenantId"] == "t1" and isinstance(json.loads(lines[0]["payload"]), dict)
    next = world.write()
    wait_until(lambda: next in client.shown, "the next row")
    assert "expected a day" in refused(world, "archive", "--before", "tomorrow", "--to", file)
    assert "not begun" in refused(world, "archive", "--before", "2999-01-01", "--to", file)
    assert str(tmp_path) in refused(world, "archive", "--before", today(), "--to", tmp_path)


@pytest.mark.parametrize("url, says", [("", "which outbox?"), ("mysql://x", "store.url"),
                                       ("sqlite:/nowhere/app.db", "there is no file")])
def test_a_store_that_is_none_is_refused(url, says):
    done = subprocess.run([CLIENT, "outbox", "status", "--store", url], capture_output=True,
                          text=True, timeout=DEADLINE_S)
    assert done.returncode == 1 and says in done.stderr, done
