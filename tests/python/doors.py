"""Every kind of connection that an event is written through, opened on the store of a URL.

open_sync / open_async: name -> context manager (url, autocommit=False) of a Door. With autocommit
the connection is one that commits each statement by itself."""
import contextlib
import dataclasses
import sqlite3
from collections.abc import Callable

import asyncpg
import psycopg
import sqlalchemy
import sqlalchemy.ext.asyncio
import sqlalchemy.orm


@dataclasses.dataclass
class Door:
    target: object  # what the functions are given
    commit: Callable
    rollback: Callable


def sqlalchemy_url(url, driver):
    scheme, rest = url.split(":", 1)
    if scheme == "sqlite":
        return f"sqlite+{driver}:///{rest}"
    return f"postgresql+{driver}:{rest}"


def isolation(autocommit):
    return {"isolation_level": "AUTOCOMMIT"} if autocommit else {}


@contextlib.contextmanager
def sqlite_connection(url, autocommit=False):
    options = {"isolation_level": None} if autocommit else {}
    connection = sqlite3.connect(url.removeprefix("sqlite:"), timeout=30, **options)
    with contextlib.closing(connection):
        yield Door(connection, connection.commit, connection.rollback)


@contextlib.contextmanager
def sqlite_cursor(url, autocommit=False):
    with sqlite_connection(url, autocommit) as door:
        connection = door.target
        yield dataclasses.replace(door, target=connection.cursor())


@contextlib.contextmanager
def psycopg_connection(url, autocommit=False):
    with contextlib.closing(psycopg.connect(url, autocommit=autocommit)) as connection:
        yield Door(connection, connection.commit, connection.rollback)


@contextlib.contextmanager
def psycopg_cursor(url, autocommit=False):
    with psycopg_connection(url, autocommit) as door:
        yield dataclasses.replace(door, target=door.target.cursor())


def sqlalchemy_connection(driver):
    @contextlib.contextmanager
    def opened(url, autocommit=False):
        engine = sqlalchemy.create_engine(sqlalchemy_url(url, driver), **isolation(autocommit))
        try:
            with engine.connect() as connection:
                yield Door(connection, connection.commit, connection.rollback)
        finally:
            engine.dispose()

    return opened


def sqlalchemy_session(driver):
    @contextlib.contextmanager
    def opened(url, autocommit=False):
        engine = sqlalchemy.create_engine(sqlalchemy_url(url, driver), **isolation(autocommit))
        try:
            with sqlalchemy.orm.Session(engine) as session:
                yield Door(session, session.commit, session.rollback)
        finally:
            engine.dispose()

    return opened


@contextlib.contextmanager
def sqlalchemy_begin_by_listener(url, autocommit=False):
    """SQLAlchemy's recipe for SQLite: the driver begins nothing, a listener sends the BEGIN."""
    engine = sqlalchemy.create_engine(sqlalchemy_url(url, "pysqlite"))

    @sqlalchemy.event.listens_for(engine, "connect")
    def connected(connection, _record):
        connection.isolation_level = None

    if not autocommit:
        @sqlalchemy.event.listens_for(engine, "begin")
        def began(connection):
            connection.exec_driver_sql("BEGIN")

    try:
        with engine.connect() as connection:
            yield Door(connection, connection.commit, connection.rollback)
    finally:
        engine.dispose()


@contextlib.contextmanager
def scoped_session(url, autocommit=False):
    engine = sqlalchemy.create_engine(sqlalchemy_url(url, "psycopg"), **isolation(autocommit))
    scoped = sqlalchemy.orm.scoped_session(sqlalchemy.orm.sessionmaker(engine))
    try:
        yield Door(scoped, scoped.commit, scoped.rollback)
    finally:
        scoped.remove()
        engine.dispose()


@contextlib.asynccontextmanager
async def psycopg_async(url, autocommit=False):
    async with await psycopg.AsyncConnection.connect(url, autocommit=autocommit) as connection:
        yield Door(connection, connection.commit, connection.rollback)


@contextlib.asynccontextmanager
async def psycopg_async_cursor(url, autocommit=False):
    async with psycopg_async(url, autocommit) as door:
        yield dataclasses.replace(door, target=door.target.cursor())


@contextlib.asynccontextmanager
async def asyncpg_transaction(connection, autocommit, target):
    if autocommit:
        yield Door(target, None, None)
        return
    transaction = connection.transaction()
    await transaction.start()
    yield Door(target, transaction.commit, transaction.rollback)


@contextlib.asynccontextmanager
async def asyncpg_connection(url, autocommit=False):
    connection = await asyncpg.connect(url)
    try:
        async with asyncpg_transaction(connection, autocommit, connection) as door:
            yield door
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def asyncpg_pool(url, autocommit=False):
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as proxy:
        async with asyncpg_transaction(proxy, autocommit, proxy) as door:
            yield door


def sqlalchemy_async_connection(driver):
    @contextlib.asynccontextmanager
    async def opened(url, autocommit=False):
        engine = sqlalchemy.ext.asyncio.create_async_engine(sqlalchemy_url(url, driver),
                                                            **isolation(autocommit))
        try:
            async with engine.connect() as connection:
                yield Door(connection, connection.commit, connection.rollback)
        finally:
            await engine.dispose()

    return opened


def sqlalchemy_async_session(driver):
    @contextlib.asynccontextmanager
    async def opened(url, autocommit=False):
        engine = sqlalchemy.ext.asyncio.create_async_engine(sqlalchemy_url(url, driver),
                                                            **isolation(autocommit))
        try:
            async with sqlalchemy.ext.asyncio.AsyncSession(engine) as session:
                yield Door(session, session.commit, session.rollback)
        finally:
            await engine.dispose()

    return opened


# (name, database, opener)
SYNC = [
    ("sqlite3", "sqlite", sqlite_connection),
    ("sqlite3 cursor", "sqlite", sqlite_cursor),
    ("sqlalchemy sqlite", "sqlite", sqlalchemy_connection("pysqlite")),
    ("sqlalchemy sqlite session", "sqlite", sqlalchemy_session("pysqlite")),
    ("sqlalchemy sqlite listener", "sqlite", sqlalchemy_begin_by_listener),
    ("psycopg", "postgres", psycopg_connection),
    ("psycopg cursor", "postgres", psycopg_cursor),
    ("sqlalchemy psycopg", "postgres", sqlalchemy_connection("psycopg")),
    ("sqlalchemy psycopg session", "postgres", sqlalchemy_session("psycopg")),
    ("sqlalchemy scoped session", "postgres", scoped_session),
]
ASYNC = [
    ("psycopg async", "postgres", psycopg_async),
    ("psycopg async cursor", "postgres", psycopg_async_cursor),
    ("asyncpg", "postgres", asyncpg_connection),
    ("asyncpg pool", "postgres", asyncpg_pool),
    ("sqlalchemy asyncpg", "postgres", sqlalchemy_async_connection("asyncpg")),
    ("sqlalchemy asyncpg session", "postgres", sqlalchemy_async_session("asyncpg")),
    ("sqlalchemy psycopg async", "postgres", sqlalchemy_async_connection("psycopg")),
    ("sqlalchemy aiosqlite session", "sqlite", sqlalchemy_async_session("aiosqlite")),
]
