"""Several threads, locks of aggregates, tasks that are cancelled while they write."""
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from doors import (asyncpg_connection, psycopg_async, psycopg_connection, sqlalchemy_async_session,
                   sqlite_connection)
from ringcast.outbox import create_outbox_event, create_outbox_event_async
from support.waiting import DEADLINE_S, wait_until

THREADS, EVENTS = 6, 20


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_threads_with_connections_of_their_own(request, subscribe, fields, tenant, database):
    deployment = request.getfixturevalue(database)
    opener = sqlite_connection if database == "sqlite" else psycopg_connection
    client = subscribe(deployment, f"tenant:{tenant}")

    def write(thread):
        committed = []
        with opener(deployment.store.url) as door:
            for n in range(EVENTS):
                id = create_outbox_event(door.target, **{**fields, "aggregate_id": str(thread)})
                if n % 4 == 0:
                    door.rollback()
                else:
                    door.commit()
                    committed.append(str(id))
        return committed

    with ThreadPoolExecutor(THREADS) as pool:
        written = list(pool.map(write, range(THREADS)))
    arrived = client.events(sum(map(len, written)))
    for thread, ids in enumerate(written):
        assert [event["id"] for event in arrived
                if event["data"]["aggregateId"] == str(thread)] == ids
    assert len(deployment.rows(tenant)) == len(arrived)


def test_threads_that_share_a_transaction(postgres, fields, tenant):
    with psycopg_connection(postgres.store.url) as door:
        with ThreadPoolExecutor(THREADS) as pool:
            ids = list(pool.map(lambda _: create_outbox_event(door.target, **fields),
                                range(THREADS * EVENTS)))
        assert postgres.rows(tenant) == []
        door.commit()
    assert {row[0] for row in postgres.rows(tenant)} == {str(id) for id in ids}


def waiting_for_a_lock(postgres):
    return postgres.store.query("select count(*) from pg_locks where locktype = 'advisory'"
                                " and objsubid = 1 and not granted")[0][0]


def test_a_locked_aggregate_is_written_in_the_order_of_commits(postgres, subscribe, fields, tenant):
    client = subscribe(postgres, f"tenant:{tenant}")
    ids = {}

    def second():
        with psycopg_connection(postgres.store.url) as door:
            ids[2] = create_outbox_event(door.target, **fields, lock_aggregate=True)
            door.commit()

    with psycopg_connection(postgres.store.url) as first:
        ids[1] = create_outbox_event(first.target, **fields, lock_aggregate=True)
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: waiting_for_a_lock(postgres), "the second writer at the lock")
        with psycopg_connection(postgres.store.url) as other:  # another aggregate does not wait
            ids[0] = create_outbox_event(other.target, **{**fields, "aggregate_id": "8"},
                                         lock_aggregate=True)
            other.commit()
        first.commit()
    thread.join(DEADLINE_S)
    came = [event["id"] for event in client.events(3)]
    assert came.index(str(ids[1])) < came.index(str(ids[2]))
    assert sorted(came) == sorted(str(id) for id in ids.values())  # the other one's place is free


@pytest.mark.parametrize("opener", [psycopg_async, asyncpg_connection,
                                    sqlalchemy_async_session("asyncpg"),
                                    sqlalchemy_async_session("psycopg")])
def test_a_task_cancelled_while_it_writes_leaves_nothing(postgres, fields, tenant, opener):
    async def write(door):
        return await create_outbox_event_async(door.target, **fields, lock_aggregate=True)

    async def body(holder):
        async with opener(postgres.store.url) as door:
            task = asyncio.ensure_future(write(door))
            while not await asyncio.to_thread(waiting_for_a_lock, postgres):
                assert not task.done(), task
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await door.rollback()
        holder.rollback()
        async with opener(postgres.store.url) as door:
            id = await write(door)
            await door.commit()
        return id

    with psycopg_connection(postgres.store.url) as holder:
        create_outbox_event(holder.target, **fields, lock_aggregate=True)
        id = asyncio.run(body(holder))
    assert [row[0] for row in postgres.rows(tenant)] == [str(id)]
