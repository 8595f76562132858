"""Two copies of SQLite in one process undo each other's locks on a file that both have open: what
writes into the store of an engine here by another copy is refused, all else is not."""
import asyncio
import sqlite3
import sys

import pysqlite3
import pytest
import sqlalchemy
import sqlalchemy.ext.asyncio

from engine.conftest import make_engine, run
from ringcast._core import foreign_sqlite
from ringcast.outbox import SecondSqliteError, create_outbox_event, create_outbox_event_async

EVENT = {"tenant_id": "1", "aggregate_type": "Task", "aggregate_id": "7",
         "event_type": "kitchen.task.claimed", "payload": {"n": 7}}
same = pytest.mark.skipif(foreign_sqlite(sqlite3.Connection) is not None,
                          reason="this Python has an SQLite of its own")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "rows.db"


def running(store):
    return make_engine(store=f"sqlite:{store}")


def opened(file):
    """By the other copy, which SQLAlchemy is given as its driver."""
    return sqlalchemy.create_engine(f"sqlite:///{file}", module=pysqlite3,
                                    poolclass=sqlalchemy.pool.NullPool).connect()


def rows_in(store):
    with sqlite3.connect(store) as db:
        return db.execute("select count(*) from ringcast_outbox").fetchone()[0]


def test_it_is_another_copy():
    class Own(pysqlite3.Connection):
        pass

    for kind in (pysqlite3.Connection, Own):
        assert foreign_sqlite(kind) == pysqlite3._sqlite3.__file__


@run
async def test_the_engines_store_is_refused_with_both_ways_out(store):
    async with running(store):
        with opened(store) as db, db.begin():
            with pytest.raises(SecondSqliteError) as refused:
                create_outbox_event(db, **EVENT)
        for word in (str(store), pysqlite3._sqlite3.__file__, "Engine.attach", "Python's sqlite3"):
            assert word in str(refused.value)
    assert rows_in(store) == 0


@run
async def test_neither_another_name_nor_an_attached_file_hides_it(store, tmp_path):
    (tmp_path / "link").symlink_to(store)
    async with running(store):
        with opened(tmp_path / "link") as db, db.begin(), pytest.raises(SecondSqliteError):
            create_outbox_event(db, **EVENT)
        with opened(tmp_path / "other.db") as db:
            db.exec_driver_sql(f"attach '{store}' as store")
            with pytest.raises(SecondSqliteError):
                create_outbox_event(db, **EVENT)


@run
async def test_a_module_in_the_place_of_sqlite3_is_looked_through(store, monkeypatch):
    async with running(store):
        monkeypatch.setitem(sys.modules, "sqlite3", pysqlite3)
        db = pysqlite3.connect(str(store))
        db.row_factory = pysqlite3.Row
        with pytest.raises(SecondSqliteError):
            create_outbox_event(db, **EVENT)
        db.close()


@run
async def test_other_files_and_a_store_that_nobody_has_open_are_written(store, tmp_path):
    other = tmp_path / "other.db"
    async with running(other):
        pass
    async with running(store):
        with opened(other) as db, db.begin():
            create_outbox_event(db, **EVENT)
    with opened(store) as db, db.begin():
        create_outbox_event(db, **EVENT)
    assert rows_in(store) == rows_in(other) == 1


@same
@run
async def test_the_engines_own_copy_writes_by_every_driver(store):
    async with running(store) as engine, engine.subscribe("tenant:1") as messages:
        with sqlite3.connect(store) as db:
            create_outbox_event(db, **EVENT)
        with sqlalchemy.create_engine(f"sqlite:///{store}").begin() as db:
            create_outbox_event(db, **EVENT)
        aio = sqlalchemy.ext.asyncio.create_async_engine(f"sqlite+aiosqlite:///{store}")
        async with aio.begin() as db:
            await create_outbox_event_async(db, **EVENT)
        await aio.dispose()
        for _ in range(3):
            assert (await asyncio.wait_for(messages.__anext__(), 10)).json()["payload"] == {"n": 7}
