"""A kitchen whose screens follow the database, also through a crash.

    pip install ringcast fastapi uvicorn pyjwt
    KITCHEN_SECRET=$(openssl rand -hex 32) uvicorn kitchen_outbox:app

Whoever claims a task changes its row and writes the event in one transaction. The engine, in this
process, reads committed events and sends them to the tenant's rooms: `tenant:T` has all,
`tenant:T:kitchen` those of the kitchen. A screen that was away recovers by its last offset.
Tokens grant one tenant's rooms and no other.
"""

import asyncio
import contextlib
import functools
import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from typing import Annotated, Any

import jwt
import ringcast
from fastapi import Body, Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from ringcast.events import (
    EventPayload,
    KitchenTaskClaimed,
    KitchenTaskProgress,
    KitchenTaskReleased,
    parse_realtime_event,
)
from ringcast.outbox import create_outbox_event

SECRET = os.environ["KITCHEN_SECRET"]  # 32 characters or more
DATABASE = os.environ.get("KITCHEN_DB", "kitchen.db")
utc_now = functools.partial(datetime.now, timezone.utc)

rc = ringcast.Engine(
    listen=os.environ.get("KITCHEN_REALTIME", "127.0.0.1:8800"),
    auth=ringcast.JWT(secret=SECRET),
    store=f"sqlite:{DATABASE}",
)


def connect() -> sqlite3.Connection:
    # The engine writes into the same file: wait for its short transactions.
    database = sqlite3.connect(DATABASE, timeout=10, isolation_level=None)
    database.row_factory = sqlite3.Row
    return database


@contextlib.contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """Commits at its end; rolls back, events too, if anything in it fails."""
    with contextlib.closing(connect()) as database:
        database.execute("BEGIN IMMEDIATE")
        with database:
            yield database


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Inside of the engine's life: it has made its tables and listens."""
    with contextlib.closing(connect()) as database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS task (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL,"
            " title TEXT NOT NULL, employee TEXT, progress REAL NOT NULL DEFAULT 0)"
        )
    app.state.claims = Counter()
    counting = asyncio.create_task(count_claims(app.state.claims))
    yield
    counting.cancel()


app = FastAPI(lifespan=rc.wraps(lifespan))


async def count_claims(claims: Counter[tuple[str, str]]) -> None:
    """The service itself as a subscriber: of all tenants, with typed events."""
    async with rc.subscribe("tenant:*") as messages:
        async for message in messages:
            # The room of the module has the same events once more.
            if isinstance(message, ringcast.Gap) or message.room.count(":") > 1:
                continue
            event = parse_realtime_event(message.data)
            if isinstance(event.payload, KitchenTaskClaimed):
                claims[event.tenant_id, event.payload.employee_id] += 1


# ---- who asks ----


class Employee(BaseModel):
    tenant: str = Field(pattern=r"^[A-Za-z0-9_.~-]{1,120}$")
    name: str = Field(pattern=r"^[A-Za-z0-9_.~-]{1,120}$")


@app.post("/login")
def login(employee: Employee) -> dict[str, str]:
    """Your own check of a password stands here."""
    tenant = employee.tenant
    claims = {
        "sub": employee.name,
        "tenant": tenant,
        "exp": int(time.time()) + 3600,
        "rooms": {"subscribe": [f"tenant:{tenant}", f"tenant:{tenant}:*"]},
    }
    return {"token": jwt.encode(claims, SECRET), "realtime": f"ws://{rc.address}/ws"}


def employee_of(authorization: Annotated[str, Header()]) -> Employee:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as wrong:
        raise HTTPException(401, str(wrong)) from None
    return Employee(tenant=claims["tenant"], name=claims["sub"])


Asking = Annotated[Employee, Depends(employee_of)]


# ---- tasks ----


class Progress(BaseModel):
    progress: float = Field(ge=0, le=100)
    note: str | None = Field(default=None, max_length=1000)


@app.post("/tasks")
def add(title: Annotated[str, Body(embed=True, min_length=1)], asking: Asking) -> dict[str, Any]:
    with transaction() as database:
        insert = "INSERT INTO task (tenant, title) VALUES (?, ?) RETURNING *"
        return dict(database.execute(insert, (asking.tenant, title)).fetchone())


@app.get("/tasks")
def tasks(asking: Asking) -> list[dict[str, Any]]:
    with contextlib.closing(connect()) as database:
        rows = database.execute("SELECT * FROM task WHERE tenant = ?", (asking.tenant,))
        return [dict(row) for row in rows]


@app.get("/claims")
async def claims(asking: Asking) -> dict[str, int]:
    counted = app.state.claims.items()
    return {name: count for (tenant, name), count in counted if tenant == asking.tenant}


@app.post("/tasks/{id}/claim")
def claim(id: int, asking: Asking) -> dict[str, Any]:
    payload = KitchenTaskClaimed(task_id=str(id), employee_id=asking.name, claimed_at=utc_now())
    return changed(asking, id, None, "employee = ?", (asking.name,), payload)


@app.post("/tasks/{id}/progress")
def progress(id: int, step: Progress, asking: Asking) -> dict[str, Any]:
    payload = KitchenTaskProgress(
        task_id=str(id), employee_id=asking.name, progress=step.progress, note=step.note
    )
    return changed(asking, id, asking.name, "progress = ?", (step.progress,), payload)


@app.post("/tasks/{id}/release")
def release(id: int, asking: Asking) -> dict[str, Any]:
    payload = KitchenTaskReleased(task_id=str(id), employee_id=asking.name, released_at=utc_now())
    return changed(asking, id, asking.name, "employee = NULL", (), payload)


def changed(
    asking: Employee,
    id: int,
    holder: str | None,
    setting: str,
    values: tuple[Any, ...],
    payload: EventPayload,
) -> dict[str, Any]:
    """The row and its event, or neither: `holder` must have the task (None: nobody)."""
    with transaction() as database:
        row = database.execute(
            f"UPDATE task SET {setting} WHERE id = ? AND tenant = ? AND employee IS ? RETURNING *",
            (*values, id, asking.tenant, holder),
        ).fetchone()
        if row is None:
            raise HTTPException(409, "somebody else was faster, or there is no such task")
        create_outbox_event(
            database,
            tenant_id=asking.tenant,
            aggregate_type="KitchenTask",
            aggregate_id=str(id),
            event_type=payload.event_type,
            payload=payload,
        )
        return dict(row)
