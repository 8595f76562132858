"""Events that are committed together with the change that they report.

Each function inserts into the outbox through *your* connection, in *your* transaction: it never
begins, commits or rolls back. Where the connection is in autocommit it raises
NotInTransactionError; where it would break the locks of an engine in this process,
SecondSqliteError. What the engine would refuse is an OutboxFieldError (a ValueError) before the
database is asked.
"""

import datetime
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from ._drivers import NotInTransactionError, SecondSqliteError, write, write_async
from ._event import ENVELOPE_BYTES_MAX, Dialect, OutboxEvent, OutboxFieldError, Row, rows_of

if TYPE_CHECKING:
    import sqlite3

    import asyncpg
    import asyncpg.pool
    import psycopg
    import sqlalchemy.engine
    import sqlalchemy.ext.asyncio
    import sqlalchemy.orm

SyncConnection: TypeAlias = Union[
    "sqlite3.Connection",
    "sqlite3.Cursor",
    "psycopg.Connection[Any]",
    "psycopg.Cursor[Any]",
    "sqlalchemy.engine.Connection",
    "sqlalchemy.orm.Session",
    "sqlalchemy.orm.scoped_session[Any]",
]
AsyncConnection: TypeAlias = Union[
    "asyncpg.Connection[Any]",
    "asyncpg.pool.PoolConnectionProxy[Any]",
    "psycopg.AsyncConnection[Any]",
    "psycopg.AsyncCursor[Any]",
    "sqlalchemy.ext.asyncio.AsyncConnection",
    "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlalchemy.ext.asyncio.async_scoped_session[Any]",
]

__all__ = [
    "ENVELOPE_BYTES_MAX",
    "AsyncConnection",
    "NotInTransactionError",
    "OutboxEvent",
    "OutboxFieldError",
    "SecondSqliteError",
    "SyncConnection",
    "create_outbox_event",
    "create_outbox_event_async",
    "create_outbox_events",
    "create_outbox_events_async",
]


class _Batch:
    """The rows of one call: made when the driver knows the dialect, kept for their ids."""

    def __init__(self, events: list[OutboxEvent], envelope_bytes_max: int, one: bool) -> None:
        self.events = events
        self.envelope_bytes_max = envelope_bytes_max
        self.one = one
        self.ids: list[uuid.UUID] = []

    def rows(self, dialect: Dialect) -> list[Row]:
        rows = rows_of(self.events, dialect, self.envelope_bytes_max, self.one)
        self.ids = [row["event_id"] for row in rows]
        return rows


def create_outbox_event(
    connection: SyncConnection,
    *,
    tenant_id: str,
    aggregate_type: str,
    aggregate_id: str,
    event_type: str,
    payload: object,
    room: str | None = None,
    occurred_at: datetime.datetime | None = None,
    event_id: uuid.UUID | str | None = None,
    exclude_user: str | None = None,
    conflation_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    lock_aggregate: bool = False,
    envelope_bytes_max: int = ENVELOPE_BYTES_MAX,
) -> uuid.UUID:
    """Inserts one event; returns its id, by which subscribers know it.

    payload: a dict, dataclass, pydantic model or msgspec.Struct that becomes a JSON object.
    room: the one room it goes to; without, those of the tenant and of the tenant's module.
    lock_aggregate: on PostgreSQL, holds a lock of (tenant, type, id) until the end of the
    transaction, so that events of one aggregate are delivered in the order of their commits.
    envelope_bytes_max: what the daemon's setting of that name says, if it is not the default.
    """
    event = OutboxEvent(
        tenant_id=tenant_id,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        event_type=event_type,
        payload=payload,
        room=room,
        occurred_at=occurred_at,
        event_id=event_id,
        exclude_user=exclude_user,
        conflation_key=conflation_key,
        headers=headers,
        lock_aggregate=lock_aggregate,
    )
    batch = _Batch([event], envelope_bytes_max, one=True)
    write(connection, batch.rows)
    return batch.ids[0]


def create_outbox_events(
    connection: SyncConnection,
    events: Iterable[OutboxEvent],
    *,
    envelope_bytes_max: int = ENVELOPE_BYTES_MAX,
) -> list[uuid.UUID]:
    """Inserts events in their order, all in one call; returns their ids in the same order."""
    batch = _Batch(list(events), envelope_bytes_max, one=False)
    if batch.events:
        write(connection, batch.rows)
    return batch.ids


async def create_outbox_event_async(
    connection: AsyncConnection,
    *,
    tenant_id: str,
    aggregate_type: str,
    aggregate_id: str,
    event_type: str,
    payload: object,
    room: str | None = None,
    occurred_at: datetime.datetime | None = None,
    event_id: uuid.UUID | str | None = None,
    exclude_user: str | None = None,
    conflation_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    lock_aggregate: bool = False,
    envelope_bytes_max: int = ENVELOPE_BYTES_MAX,
) -> uuid.UUID:
    """create_outbox_event() for connections that are awaited."""
    event = OutboxEvent(
        tenant_id=tenant_id,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        event_type=event_type,
        payload=payload,
        room=room,
        occurred_at=occurred_at,
        event_id=event_id,
        exclude_user=exclude_user,
        conflation_key=conflation_key,
        headers=headers,
        lock_aggregate=lock_aggregate,
    )
    batch = _Batch([event], envelope_bytes_max, one=True)
    await write_async(connection, batch.rows)
    return batch.ids[0]


async def create_outbox_events_async(
    connection: AsyncConnection,
    events: Iterable[OutboxEvent],
    *,
    envelope_bytes_max: int = ENVELOPE_BYTES_MAX,
) -> list[uuid.UUID]:
    """create_outbox_events() for connections that are awaited."""
    batch = _Batch(list(events), envelope_bytes_max, one=False)
    if batch.events:
        await write_async(connection, batch.rows)
    return batch.ids
