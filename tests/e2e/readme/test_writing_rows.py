"""Each script of docs/writing-rows.md changes the application's row and its event arrives."""
import json
import os
import subprocess
import sys

import pytest

from outbox.stores import admin_url, make_store
from readme.snippets import snippet
from support.daemon import ROOT
from support.waiting import DEADLINE_S

SCRIPTS = [("write-sqlite3", "sqlite", None), ("write-psycopg", "postgres", None),
           ("write-asyncpg", "postgres", None),
           ("write-sqlalchemy", "postgres", "postgresql+psycopg"),
           ("write-sqlalchemy", "sqlite", "sqlite"),
           ("write-sqlalchemy-async", "postgres", "postgresql+asyncpg")]


def python(text, *arguments):
    return subprocess.run([sys.executable, "-c", text, *arguments], check=True, timeout=DEADLINE_S,
                          stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python")}).stdout


def run(name, store, scheme):
    where = store.url
    if store.kind == "sqlite":
        where = f"sqlite:///{store.path}" if scheme else str(store.path)
    elif scheme:
        where = where.replace("postgresql", scheme, 1)
    python(snippet(name), where)


@pytest.fixture
def store(request, tmp_path):
    if request.param == "postgres" and not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    one = make_store(request.param, tmp_path)
    yield one
    one.remove()


@pytest.fixture
def client(store, make_daemon, connect):
    daemon = make_daemon(mode="dev", arguments=["--store", store.url]).wait_ready()
    session = store.session()
    session.execute("create table task(id integer primary key, employee text)")
    session.execute("insert into task values (7, null)")
    session.close()
    client = connect(daemon=daemon)
    client.subscribed("tenant:42")
    return client


@pytest.mark.parametrize("name, store, scheme", SCRIPTS, indirect=["store"])
def test_the_change_and_its_event_are_committed(client, store, name, scheme):
    run(name, store, scheme)
    (event,) = client.events(1)
    assert event["type"] == "kitchen.task.claimed"
    assert event["data"]["payload"] == {"taskId": 7, "employeeId": "ann"}
    assert store.query("select employee from task") == [("ann",)]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_events_written_in_sql_arrive(client, store):
    session = store.session()
    session.execute(snippet("write-sql"))
    session.close()
    assert [(event["type"], event["data"]["aggregateId"]) for event in client.events(3)] == [
        ("kitchen.task.claimed", "7"), ("kitchen.task.released", "7"), ("kitchen.task.claimed", "8")]
    assert store.query("select employee from task") == [("ann",)]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_typed_event_is_written_and_read(client, store):
    reading = snippet("typed-events") + "\nimport json\nprint(received(json.loads(sys.argv[2])))"
    assert python(reading, store.path, "{}").startswith("ignored: {'id': 'is missing'")
    (event,) = client.events(1)
    assert python(reading, store.path, json.dumps(event["data"])) == "ann has claimed 7\n"


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_many_events_arrive(client, store):
    run("write-many", store, None)
    assert [event["data"]["payload"] for event in client.events(3)] == [
        {"taskId": task, "employeeId": "ann"} for task in (7, 8, 9)]
