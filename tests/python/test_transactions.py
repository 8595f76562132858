"""Through every kind of connection: the event is in the caller's transaction, and nowhere else."""
import asyncio
import datetime
import uuid

import pytest

from doors import ASYNC, SYNC
from ringcast.outbox import (NotInTransactionError, OutboxEvent, OutboxFieldError,
                             create_outbox_event, create_outbox_event_async, create_outbox_events,
                             create_outbox_events_async)

DOORS = [pytest.param((database, opener, False), id=name) for name, database, opener in SYNC]
DOORS += [pytest.param((database, opener, True), id=name) for name, database, opener in ASYNC]


class Access:
    """A door and its deployment. run(body) opens the door for the coroutine function `body`, which
    awaits door.one(), .many(), .commit(), .rollback() whether the door is async or not."""

    def __init__(self, deployment, opener, is_async):
        self.deployment = deployment
        self.opener = opener
        self.is_async = is_async

    def run(self, body, **options):
        async def opened():
            if self.is_async:
                async with self.opener(self.deployment.store.url, **options) as door:
                    return await body(Awaited(door, True))
            with self.opener(self.deployment.store.url, **options) as door:
                return await body(Awaited(door, False))

        return asyncio.run(opened())


class Awaited:
    def __init__(self, door, is_async):
        self.door = door
        self.is_async = is_async

    async def _call(self, sync, awaited, *values, **fields):
        return await awaited(*values, **fields) if self.is_async else sync(*values, **fields)

    async def one(self, **fields):
        return await self._call(create_outbox_event, create_outbox_event_async, self.door.target,
                                **fields)

    async def many(self, events, **fields):
        return await self._call(create_outbox_events, create_outbox_events_async, self.door.target,
                                events, **fields)

    async def commit(self):
        await self._call(self.door.commit, self.door.commit)

    async def rollback(self):
        await self._call(self.door.rollback, self.door.rollback)


@pytest.fixture(params=DOORS)
def access(request):
    database, opener, is_async = request.param
    return Access(request.getfixturevalue(database), opener, is_async)


def test_a_committed_event_arrives_as_it_was_written(access, subscribe, fields, tenant):
    client = subscribe(access.deployment, f"tenant:{tenant}")
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901,
                           tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    fields["payload"] = {"list": [1, None, True, 2.5],
                         "text": 'über "quotes" \\u0000 \n %s :x ? $1'}

    async def body(door):
        id = await door.one(**fields, occurred_at=at, headers={"traceparent": "00-1-2-03"})
        await door.commit()
        return id

    id = access.run(body)
    assert isinstance(id, uuid.UUID)
    (event,) = client.events(1)
    assert event["data"] == {
        "id": str(id), "version": 1, "tenantId": tenant, "aggregateType": "KitchenTask",
        "aggregateId": "7", "occurredAt": "2026-01-02T01:04:05.678901Z",
        "eventType": "kitchen.task.claimed", "payload": fields["payload"]}


def test_what_was_rolled_back_leaves_nothing(access, subscribe, fields, tenant):
    client = subscribe(access.deployment, f"tenant:{tenant}")

    async def body(door):
        await door.one(**fields)
        await door.rollback()

    async def later(door):
        id = await door.one(**fields)
        await door.commit()
        return id

    access.run(body)
    id = access.run(later)
    assert [row[0] for row in access.deployment.rows(tenant)] == [str(id)]
    assert client.events(1)[0]["id"] == str(id)


def test_nothing_is_committed_by_the_function(access, fields, tenant):
    async def body(door):
        await door.one(**fields)
        await door.many([OutboxEvent(**fields), OutboxEvent(**fields)])
        assert access.deployment.rows(tenant) == []  # another connection looks
        await door.rollback()

    access.run(body)


def test_many_events_arrive_in_their_order(access, subscribe, fields, tenant):
    client = subscribe(access.deployment, f"tenant:{tenant}")
    events = [OutboxEvent(**{**fields, "payload": {"n": n}},
                          room=f"tenant:{tenant}" if n % 3 else None,
                          lock_aggregate=n % 5 == 0) for n in range(100)]

    async def body(door):
        assert await door.many([]) == []
        ids = await door.many(iter(events))
        await door.commit()
        return ids

    ids = access.run(body)
    assert len(set(ids)) == 100
    got = client.events(100)
    assert [event["id"] for event in got] == [str(id) for id in ids]
    assert [event["data"]["payload"]["n"] for event in got] == list(range(100))


def test_a_connection_in_autocommit_is_refused(access, fields, tenant):
    async def body(door):
        with pytest.raises(NotInTransactionError, match="autocommit"):
            await door.one(**fields)
        with pytest.raises(NotInTransactionError, match="autocommit"):
            await door.many([OutboxEvent(**fields)])

    access.run(body, autocommit=True)
    assert access.deployment.rows(tenant) == []


def test_wrong_fields_leave_the_transaction_usable(access, fields, tenant):
    async def body(door):
        with pytest.raises(OutboxFieldError) as raised:
            await door.one(**{**fields, "tenant_id": "4:2", "event_type": "gap"})
        assert set(raised.value.errors) == {"tenant_id", "event_type"}
        with pytest.raises(OutboxFieldError) as raised:
            await door.many([OutboxEvent(**fields), OutboxEvent(**fields, room=":")])
        assert set(raised.value.errors) == {"events[1].room"}
        await door.one(**fields)
        await door.commit()

    access.run(body)
    assert len(access.deployment.rows(tenant)) == 1
