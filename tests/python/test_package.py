"""The package for whoever imports it: what that costs (nothing that anybody could notice), and its types."""
import os
import re
import subprocess
import sys

import pytest

from support.daemon import ROOT

DRIVERS = ["sqlite3", "psycopg", "asyncpg", "sqlalchemy", "aiosqlite", "pydantic", "msgspec"]


def python(script, *arguments, interpreter=sys.executable, path=ROOT / "python"):
    done = subprocess.run([interpreter, "-c", script, *arguments], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(path)})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_loads_nothing_else_and_starts_nothing():
    assert python("import sys, threading; before = set(sys.modules); import ringcast;"
                  " print(sorted(set(sys.modules) - before), threading.active_count())"
                  ) == "['ringcast'] 1"


def test_no_driver_is_loaded_before_the_application_does():
    assert python("import sys, ringcast; ringcast.outbox.create_outbox_event;"
                  f" print([name for name in {DRIVERS} if name in sys.modules])") == "[]"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AssertionError, match="AttributeError: .*'ringcast' has no attribute 'x'"):
        python("import ringcast; ringcast.x")


TYPED = """
import sqlite3
import asyncpg, psycopg, ringcast
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session
from ringcast.outbox import OutboxEvent, create_outbox_events, create_outbox_events_async

E = OutboxEvent(tenant_id="1", aggregate_type="a", aggregate_id="1", event_type="a.b", payload={})

def sync(a: sqlite3.Connection, b: sqlite3.Cursor, c: psycopg.Connection[tuple[int]],
         d: Connection, e: Session) -> None:
    for one in (a, b, c, d, e):
        create_outbox_events(one, [E])
    reveal_type(ringcast.outbox.create_outbox_events(a, [E]))

async def other(a: psycopg.AsyncConnection[tuple[int]], b: AsyncConnection, c: AsyncSession,
                pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    for one in (a, b, c):
        await create_outbox_events_async(one, [E])
    async with pool.acquire() as proxy:
        await create_outbox_events_async(proxy, [E])

def wrong(a: sqlite3.Connection, b: AsyncSession) -> None:
    create_outbox_events(a, [{}])
    create_outbox_events(b, [E])
"""


def test_a_type_checker_knows_the_connections(tmp_path):
    script = tmp_path / "typed.py"
    script.write_text(TYPED)
    done = subprocess.run([sys.executable, "-m", "mypy", script], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, "MYPYPATH": str(ROOT / "python")})
    lines = TYPED.splitlines()
    last = len(lines)
    revealed = next(n for n, line in enumerate(lines, 1) if "reveal_type" in line)
    # One line for each of the two mistakes, one for reveal_type.
    found = re.findall(r"typed\.py:(\d+): (?:error: .*\[([\w-]+)\]|note: (Revealed .*))",
                       done.stdout)
    assert found == [(str(revealed), "", 'Revealed type is "list[uuid.UUID]"'),
                     (str(last - 1), "list-item", ""), (str(last), "arg-type", "")], done.stdout


WRITE = """
import sqlite3, sys
from ringcast import outbox
fields = dict(tenant_id=sys.argv[2], aggregate_type="KitchenTask", aggregate_id="7",
              event_type="kitchen.task.claimed", payload={"taskId": 7})
db = sqlite3.connect(sys.argv[1], timeout=30)
with db:
    print(outbox.create_outbox_event(db, **fields))
    outbox.create_outbox_events(db, [outbox.OutboxEvent(**fields)])
modes = [dict(isolation_level=None)]
if sys.version_info >= (3, 12):
    modes.append(dict(autocommit=True))
    with sqlite3.connect(sys.argv[1], timeout=30, autocommit=False) as db:
        outbox.create_outbox_event(db, **fields)
for mode in modes:
    db = sqlite3.connect(sys.argv[1], timeout=30, **mode)
    try:
        outbox.create_outbox_event(db, **fields)
        sys.exit("not refused")
    except outbox.NotInTransactionError:
        pass
    db.execute("begin")
    outbox.create_outbox_event(db, **fields)
    db.execute("rollback")
"""


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_each_python_writes(sqlite, subscribe, tenant, version):
    interpreter = f"python{version}"
    try:
        subprocess.run([interpreter, "-c", "import sqlite3"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no {interpreter} with sqlite3 here")
    client = subscribe(sqlite, f"tenant:{tenant}")
    id = python(WRITE, sqlite.store.path, tenant, interpreter=interpreter)
    count = 3 if version >= "3.12" else 2
    assert client.events(count)[0]["id"] == id
    assert len(sqlite.rows(tenant)) == count
