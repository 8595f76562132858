"""Whom an idempotency key is compared with: it is a name of the application's, in one room."""
import asyncio

import jwt
import pytest

from engine.conftest import connect, make_engine, run
from ringcast import JWT, Conflict, Engine, Publisher

SECRET = "a secret of thirty-two octets, or more"
KEYS = ("the-first-key-of-this-application", "the-second-key-of-this-application")


def application(**options):
    return make_engine(auth=JWT(secret=SECRET), api_keys=KEYS, allow_anonymous=False, **options)


async def each_way(engine, publish):
    """What publish(room's publisher) gives by every way on which an application publishes."""
    url = f"http://{engine.address}"
    yield await publish(engine)
    for key in KEYS:
        with Publisher(url, api_key=key) as publisher:
            yield await asyncio.to_thread(asyncio.run, publish(Awaited(publisher)))
    async with Engine.attach(url, api_key=KEYS[0]) as attached:
        yield await publish(attached)


class Awaited:
    def __init__(self, publisher):
        self.publisher = publisher

    async def publish(self, *arguments, **options):
        return self.publisher.publish(*arguments, **options)


@pytest.mark.parametrize("room", ["chat:1", "tenant:1"])  # one in memory, one in the store
@run
async def test_a_key_is_one_event_however_the_application_publishes(tmp_path, room):
    async with application(store=f"sqlite:{tmp_path}/rows.db") as engine:
        answers = [answer async for answer in each_way(
            engine, lambda way: way.publish(room, {"paid": 7}, idempotency_key="order-7"))]
        assert len({answer.id for answer in answers}) == 1 and len(answers) == 4
        with pytest.raises(Conflict, match="another event"):
            await engine.publish(room, {"paid": 8}, idempotency_key="order-7")
        with pytest.raises(Conflict, match="another event"):
            await engine.publish(room, {"paid": 7}, event="other", idempotency_key="order-7")


@run
async def test_in_another_room_it_is_another_key():
    async with application() as engine:
        first = await engine.publish("chat:1", 1, idempotency_key="k")
        other = await engine.publish("chat:2", 2, idempotency_key="k")
        assert first.id != other.id


@run
async def test_what_a_client_publishes_has_keys_of_its_user():
    async with application(settings={"namespace.chat.client_publish": True}) as engine:
        mine = await engine.publish("chat:1", "the application's", idempotency_key="k")
        ids = {mine.id}
        for user in ("ann", "bob"):
            rooms = {"subscribe": ["*"], "publish": ["*"]}
            token = jwt.encode({"sub": user, "rooms": rooms, "exp": 2**32}, SECRET)
            client = await connect(engine, token=token)
            said = await asyncio.to_thread(client.publish, "chat:1", "note", user,
                                           idempotencyKey="k")
            ids.add(said["eventId"])
        assert len(ids) == 3
