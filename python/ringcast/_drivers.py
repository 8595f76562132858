"""How each driver is told to insert, and whether what it is told is in a transaction.

No driver is imported here: a connection of one can only come from code that has imported it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, cast

from ._event import Dialect, Row
from ._plain import is_of

Rows = Callable[[Dialect], list[Row]]

_COLUMNS = (
    "event_id, tenant_id, aggregate_type, aggregate_id, event_type, room, exclude_user,"
    " conflation_key, occurred_at, headers, payload"
)
_SQLITE = (
    f"INSERT INTO ringcast_outbox({_COLUMNS}) VALUES (:event_id, :tenant_id, :aggregate_type,"
    " :aggregate_id, :event_type, :room, :exclude_user, :conflation_key,"
    " coalesce(:occurred_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), :headers, :payload)"
)
# All events in one statement with one parameter, which every driver binds alike. The parameter is
# text before it is jsonb: an application may have registered its own codec for jsonb.
_POSTGRES = """
SELECT ringcast.create_outbox_event(
  e.tenant_id, e.aggregate_type, e.aggregate_id, e.event_type, e.payload, e.room, e.occurred_at,
  e.event_id, e.exclude_user, e.conflation_key, e.headers, e.lock_aggregate)
FROM jsonb_to_recordset(CAST(CAST({} AS text) AS jsonb)) AS e(
  tenant_id text, aggregate_type text, aggregate_id text, event_type text, payload jsonb,
  room text, occurred_at timestamptz, event_id uuid, exclude_user text, conflation_key text,
  headers jsonb, lock_aggregate boolean)
"""
_POSTGRES_PSYCOPG = _POSTGRES.format("%s")
_POSTGRES_ASYNCPG = _POSTGRES.format("$1")
_POSTGRES_SQLALCHEMY = _POSTGRES.format(":events")

_DATABASES = "PRAGMA database_list"  # number, name, file

_SYNC = "sqlite3, psycopg 3 or SQLAlchemy (Connection, Session)"
_ASYNC = "asyncpg, psycopg 3 (AsyncConnection) or SQLAlchemy (AsyncConnection, AsyncSession)"


class NotInTransactionError(RuntimeError):
    """The connection commits each statement by itself (autocommit): the event would be committed
    apart from the change that it reports. Begin a transaction first."""


class SecondSqliteError(RuntimeError):
    """The connection calls another copy of SQLite than the engine in this process, and would write
    into that engine's store. Locks of files are the process's, not a library's: each of the two
    would undo the other's, and the database could break."""


def write(connection: Any, rows: Rows) -> None:
    if is_of(connection, "sqlite3", "Cursor") or is_of(connection, "psycopg", "Cursor"):
        # Not through the caller's cursor: its pending results would be gone.
        connection = connection.connection
    if is_of(connection, "sqlite3", "Connection"):
        _refuse(_commits_itself(connection, connection))
        _check_library(type(connection), lambda: _databases_of(connection))
        connection.executemany(_SQLITE, _sqlite_rows(rows))
    elif is_of(connection, "psycopg", "Connection"):
        _refuse(_psycopg_commits_itself(connection))
        connection.execute(_POSTGRES_PSYCOPG, (_postgres_events(rows),))
    else:
        _write_sqlalchemy(_sqlalchemy_connection(connection), rows)


async def write_async(connection: Any, rows: Rows) -> None:
    if is_of(connection, "psycopg", "AsyncCursor"):
        connection = connection.connection
    if is_of(connection, "psycopg", "AsyncConnection"):
        _refuse(_psycopg_commits_itself(connection))
        await connection.execute(_POSTGRES_PSYCOPG, (_postgres_events(rows),))
    elif is_of(connection, "asyncpg", "Connection") or is_of(
        connection, "asyncpg.pool", "PoolConnectionProxy"
    ):
        _refuse(not connection.is_in_transaction())
        await connection.fetch(_POSTGRES_ASYNCPG, _postgres_events(rows))
    else:
        target = await _sqlalchemy_async_connection(connection)
        await target.run_sync(_write_sqlalchemy, rows)


def _refuse(commits_itself: bool) -> None:
    if commits_itself:
        raise NotInTransactionError(
            "this connection is in autocommit: the event would not be in your transaction."
            " Begin one first, around the event and the change that it reports"
        )


def _commits_itself(connection: Any, driver: Any) -> bool:
    """SQLite. Without isolation level (and with autocommit, since Python 3.12) only a BEGIN of the
    application's own opens a transaction; else the INSERT itself opens the one it will commit."""
    if driver.in_transaction:
        return False
    return connection.isolation_level is None or getattr(driver, "autocommit", None) is True


def _check_library(connection: type, databases: Callable[[], Iterable[Any]]) -> None:
    if f"{__package__}._embedded" not in sys.modules:
        return
    from ._core import foreign_sqlite
    from ._embedded import store_files

    stores = store_files()
    if not stores or (driver := foreign_sqlite(connection)) is None:
        return
    for _, _, file in databases():
        for store in stores:
            if file and _is_one_file(file, store):
                raise SecondSqliteError(
                    f"{store} is the store of an engine in this process, and this connection would"
                    f" write into it by another copy of SQLite than the engine's, that of {driver}:"
                    " they would undo each other's locks. Two ways out: write by a driver that"
                    " calls the same library as the engine, as Python's sqlite3 does where both use"
                    " the system's; or run the engine as a process of its own, `ringcastd`, and use"
                    " Engine.attach(url) in this one"
                )


def _is_one_file(one: str | bytes, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False  # it is gone, or somewhere that this process may not look


def _databases_of(connection: Any) -> Iterable[Any]:
    cursor = connection.cursor()
    cursor.row_factory = None
    return cast(Iterable[Any], cursor.execute(_DATABASES).fetchall())


def _sqlite_class_of(driver: Any) -> type:
    # aiosqlite calls the module sqlite3 in a thread of its own.
    return (
        sys.modules["sqlite3"].Connection
        if is_of(driver, "aiosqlite", "Connection")
        else (type(driver))
    )


def _psycopg_commits_itself(connection: Any) -> bool:
    idle = 0  # PQTRANS_IDLE: no BEGIN was sent
    return bool(connection.autocommit) and connection.info.transaction_status == idle


def _sqlite_rows(rows: Rows) -> list[Row]:
    # lock_aggregate has nothing to do: the INSERT takes the one write lock there is.
    return [{**row, "event_id": str(row["event_id"])} for row in rows("sqlite")]


def _postgres_events(rows: Rows) -> str:
    """A JSON array. Payload and headers are JSON texts already."""
    texts = []
    for row in rows("postgresql"):
        documents = {name: row[name] for name in ("payload", "headers") if row[name] is not None}
        scalars = {
            name: str(value) if name == "event_id" else value
            for name, value in row.items()
            if value is not None and name not in ("payload", "headers")
        }
        head = json.dumps(scalars, ensure_ascii=False)[:-1]
        texts.append(head + "".join(f', "{n}": {text}' for n, text in documents.items()) + "}")
    return f"[{','.join(texts)}]"


def _sqlalchemy_connection(connection: Any) -> Any:
    if is_of(connection, "sqlalchemy.orm", "scoped_session"):
        connection = connection()
    if is_of(connection, "sqlalchemy.orm", "Session"):
        connection = connection.connection()
    if not is_of(connection, "sqlalchemy.engine", "Connection"):
        raise TypeError(
            f"can not write through a {type(connection).__name__}, expected a connection of"
            f" {_SYNC}; create_outbox_event_async() takes those of {_ASYNC}"
        )
    return connection


async def _sqlalchemy_async_connection(connection: Any) -> Any:
    if is_of(connection, "sqlalchemy.ext.asyncio", "async_scoped_session"):
        connection = connection()
    if is_of(connection, "sqlalchemy.ext.asyncio", "AsyncSession"):
        connection = await connection.connection()
    if not is_of(connection, "sqlalchemy.ext.asyncio", "AsyncConnection"):
        raise TypeError(
            f"can not write through a {type(connection).__name__}, expected a connection of"
            f" {_ASYNC}; create_outbox_event() takes those of {_SYNC}"
        )
    return connection


def _write_sqlalchemy(connection: Any, rows: Rows) -> None:
    from sqlalchemy import text

    name = connection.dialect.name
    if name == "sqlite":
        _refuse(_sqlalchemy_sqlite_commits_itself(connection))
        _check_library(
            _sqlite_class_of(connection.connection.driver_connection),
            lambda: connection.exec_driver_sql(_DATABASES).all(),
        )
        connection.execute(text(_SQLITE), _sqlite_rows(rows))
    elif name == "postgresql":
        _refuse(bool(connection.connection.dbapi_connection.autocommit))
        connection.execute(text(_POSTGRES_SQLALCHEMY), {"events": _postgres_events(rows)})
    else:
        raise TypeError(f"can not write to {name}: the outbox is in SQLite or PostgreSQL")


def _sqlalchemy_sqlite_commits_itself(connection: Any) -> bool:
    def look() -> bool:
        pooled = connection.connection
        return _commits_itself(pooled.dbapi_connection, pooled.driver_connection)

    if look() and not connection.in_transaction():
        # SQLAlchemy begins with the first statement; where an event listener sends the BEGIN, it
        # was not sent yet.
        connection.exec_driver_sql("SELECT 1")
    return look()
