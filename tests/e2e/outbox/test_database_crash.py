"""A crash of PostgreSQL under writers that do not wait for the disk (synchronous_commit = off)."""
import json
import os
import signal
import subprocess
import tempfile

import psycopg
import pytest

from outbox.checker import Row
from outbox.stores import PostgresStore, StatusStore, admin_url, event_id
from support.daemon import ROOT
from support.waiting import wait_until

STORES = ("postgres", "status")
CRASHES = 2
ROWS = 150  # before each crash, more than the disk has by then
SCRIPT = str(ROOT / "scripts/postgres")


@pytest.fixture
def store(request):
    """In a cluster of its own: a crash ends the sessions of every database in it."""
    if not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True,
                                 check=True)
        try:
            made = StatusStore if request.param == "status" else PostgresStore
            yield made(started.stdout.strip())
        finally:
            subprocess.run([SCRIPT, "stop", folder], check=True)


def crash(session):
    """One server process killed: PostgreSQL throws its memory away and recovers from its log."""
    (pid,) = session.execute("select pg_backend_pid()").fetchone()
    os.kill(pid, signal.SIGKILL)
    session.close()


def alive(execute):
    try:
        return bool(execute("select 1"))
    except psycopg.OperationalError:
        return False


def test_what_a_crash_takes_back_was_never_shown_and_what_it_leaves_is(world):
    first, second = world.daemon(), world.daemon({"outbox": {"batch_max": 7}})
    world.crowd.add("at the first", ["tenant:t1"], [first])
    world.crowd.add("moves", ["tenant:t1"], [second, first], moves=True, drops_s=0.5)
    world.crowd.wait_live()
    written = set()
    for _ in range(CRASHES):
        session = world.store.session()
        session.execute("set synchronous_commit = off")
        for number in range(ROWS):
            session.begin()
            aggregate = f"a{number % 3}"
            sequence = session.next_sequence(f"t1/{aggregate}")
            written.add(session.insert("t1", aggregate, "alpha.thing.changed",
                                       {"sequence": sequence}, id=event_id()))
            session.commit()
        other = world.store.session()
        crash(session)
        # All sessions end before the recovery begins.
        wait_until(lambda: not alive(other.execute), "the crash")
        other.close()
        wait_until(lambda: alive(world.store.query), "the recovery")
    for daemon in world.daemons:
        daemon.wait_ready()
    kept = world.store.ids()
    print(f"{len(written - kept)} of {len(written)} rows were lost by the database")
    world.rows = [Row(tenant, aggregate, json.loads(payload)["sequence"], id, True, "alpha")
                  for id, tenant, aggregate, _, payload in world.store.contents()]
    world.finish()
