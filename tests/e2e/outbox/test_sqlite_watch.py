"""Commits to the file by another process are seen by its file event, not by the fallback poll."""
import os
import subprocess
import sys

import pytest

from support.waiting import DEADLINE_S, wait_until

STORES = ("sqlite",)
# The poll would come after a minute, which is its limit: what arrives before, arrives by the event.
CONFIG = {"outbox": {"poll_interval_ms": 60_000}}
EVENT_S = 40
INSERT = ("insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type,"
          " payload) values('t1', 'Thing', '{}', 'alpha.thing.changed', '{{}}')")


def by_shell(path, sql):
    subprocess.run(["sqlite3", path, sql], check=True, timeout=DEADLINE_S)


def by_python(path, sql):
    program = ("import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); "
               "c.commit(); c.close()")
    subprocess.run([sys.executable, "-c", program, path, sql], check=True, timeout=DEADLINE_S)


@pytest.mark.parametrize("write", [by_shell, by_python])
def test_a_commit_of_another_process_arrives_without_a_poll(world, write):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    for number in range(1, 11):
        write(world.store.path, INSERT.format(f"a{number}"))
        wait_until(lambda: len(client.shown) == number, f"row {number}", EVENT_S)


def test_also_where_the_file_is_reached_over_a_symbolic_link(world):
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    os.symlink(elsewhere / "real.db", world.store.path)
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    for number in range(1, 4):
        by_shell(elsewhere / "real.db", INSERT.format(f"a{number}"))
        wait_until(lambda: len(client.shown) == number, f"row {number}", EVENT_S)


def test_an_open_transaction_does_not_hide_what_others_commit(world):
    """In WAL mode a reader that holds a snapshot stops nobody."""
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    holder = world.store.session()
    holder.execute("begin")
    holder.execute("select count(*) from ringcast_outbox").fetchall()
    id = world.write()
    wait_until(lambda: client.shows(id), "the row", EVENT_S)
    holder.rollback()
    holder.close()
