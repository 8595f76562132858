"""Publishing and subscribing with an engine in this process, and what real clients see of it."""
import asyncio
import copy
import inspect
import json
import pickle
import threading
import time
import uuid

import jwt
import pytest

from engine.conftest import DEADLINE_S, connect, make_engine, run, until
from ringcast import (
    JWT,
    Conflict,
    Engine,
    EngineClosed,
    Full,
    Gap,
    Message,
    NotStarted,
    PortInUse,
    Position,
    Publication,
    RingcastError,
    TooLarge,
    ValidationError,
    WrongLoop,
)


async def take(subscription, count):
    return [await subscription.__anext__() for _ in range(count)]


@run
async def test_a_client_receives_what_is_published():
    async with make_engine() as engine:
        client = await connect(engine, "chat:1")
        done = await engine.publish("chat:1", {"text": "hi"}, event="new")
        event = (await asyncio.to_thread(client.events, 1))[0]
        assert (event["type"], event["data"], event["id"]) == ("new", {"text": "hi"}, done.id)
        assert (event["offset"], done.offset) == (1, 1) and done.epoch
        client.close()


@run
async def test_messages_come_in_the_order_of_the_calls_whichever_they_were():
    async with make_engine() as engine, engine.subscribe("chat:1") as messages:
        for n in range(0, 300, 3):
            engine.publish_nowait("chat:1", n)
            await engine.publish("chat:1", n + 1)
            await engine.publish_many([("chat:1", n + 2)])
        got = await take(messages, 300)
        assert [m.json() for m in got] == list(range(300))
        assert [m.offset for m in got] == list(range(1, 301))


@run
async def test_a_message_has_all_that_the_plain_one_has():
    async with make_engine() as engine, engine.subscribe("chat:1") as messages:
        done = await engine.publish("chat:1", {"a": 1}, event="new")
        (message,) = await take(messages, 1)
        assert isinstance(message, Message)
        assert (message.room, message.event, message.offset) == ("chat:1", "new", 1)
        assert message.epoch == done.epoch and message.id == done.id == str(uuid.UUID(done.id))
        assert message.data == b'{"a":1}' and message.data is message.data
        assert bytes(message.view) == message.data and message.view.readonly
        assert message.size == 7 and message.json() == {"a": 1}
        assert message.as_(dict) == {"a": 1}
        assert message.position == Position(done.epoch, 1)
        assert message.time.utcoffset().total_seconds() == 0
        assert "chat:1" in repr(message)
        for other in (copy.copy(message), pickle.loads(pickle.dumps(message))):
            assert (other.data, other.id, other.time) == (message.data, message.id, message.time)
        with pytest.raises(TypeError):
            type(message)()
        with pytest.raises(AttributeError):
            message.room = "x"


@run
async def test_a_view_outlives_the_message_and_the_engine():
    async with make_engine() as engine, engine.subscribe("chat:1") as messages:
        await engine.publish("chat:1", "x" * 10_000)
        view = (await take(messages, 1))[0].view
    assert bytes(view) == b'"' + b"x" * 10_000 + b'"'


@run
async def test_what_was_missed_is_recovered_and_what_is_gone_is_a_gap():
    settings = {"namespace.chat.history_size": 5}
    async with make_engine(settings=settings) as engine:
        first = await engine.publish("chat:1", 1)
        for n in (2, 3):
            await engine.publish("chat:1", n)
        at = Position(first.epoch, 1)
        async with engine.subscribe("chat:1", recover=at) as messages:
            await engine.publish("chat:1", 4)
            assert [m.json() for m in await take(messages, 3)] == [2, 3, 4]
        for n in range(5, 20):
            await engine.publish("chat:1", n)
        async with engine.subscribe("chat:1", recover=at) as messages:
            assert await take(messages, 1) == [Gap("chat:1", 1, 19, "expired")]
        async with engine.subscribe("chat:1", recover=Position("other", 1)) as messages:
            assert await take(messages, 1) == [Gap("chat:1", None, None, "restart")]


@run
async def test_a_pattern_brings_every_room_that_it_includes():
    async with make_engine() as engine, engine.subscribe("chat:*") as messages:
        for room in ("chat:1", "other:1", "chat:2"):
            await engine.publish(room, room)
        assert [(m.room, m.json()) for m in await take(messages, 2)] == [
            ("chat:1", "chat:1"), ("chat:2", "chat:2")]


@run
async def test_a_reader_that_blocks_gets_everything_from_history():
    async with (make_engine() as engine,
                engine.subscribe("chat:1", overflow="block", max_messages=4) as messages,
                engine.subscribe("chat:1") as other):
        for n in range(60):
            await engine.publish("chat:1", n)
        assert [m.json() for m in await take(other, 60)] == list(range(60))
        assert messages.buffered == 4
        assert [m.json() for m in await take(messages, 60)] == list(range(60))


@run
async def test_conflation_keeps_the_newest_of_each_key():
    async with (make_engine() as engine,
                engine.subscribe("chat:1", overflow="conflate", max_messages=4) as messages,
                engine.subscribe("chat:1") as other):
        for n in range(40):
            await engine.publish("chat:1", n, key=f"k{n % 2}")
        await take(other, 40)
        items = [await messages.__anext__() for _ in range(messages.buffered)]
        values = [item.json() for item in items if isinstance(item, Message)]
        assert values[-1] >= 38 and len(values) <= 4


@run
async def test_a_publish_waits_for_room_and_a_nowait_says_full():
    async with (make_engine(settings={"engine.mailbox_max": 16}) as engine,
                engine.subscribe("chat:1") as messages):
        results = await asyncio.gather(*(engine.publish("chat:1", n) for n in range(200)))
        assert len({done.offset for done in results}) == 200
        # What did not fit into the port on the way back is announced.
        seen = 0
        while seen < 200:
            item = await messages.__anext__()
            assert (item.from_ if isinstance(item, Gap) else item.offset - 1) == seen
            seen = item.to if isinstance(item, Gap) else item.offset
        with pytest.raises(Full):
            for n in range(1_000_000):
                engine.publish_nowait("chat:1", n)
        done = await engine.publish("chat:1", "last")
        while seen < done.offset:
            item = await messages.__anext__()
            seen = item.to if isinstance(item, Gap) else item.offset


@run
async def test_the_same_idempotency_key_is_one_event():
    async with make_engine() as engine:
        first = await engine.publish("chat:1", 1, idempotency_key="k")
        assert await engine.publish("chat:1", 1, idempotency_key="k") == first
        with pytest.raises(Conflict):
            await engine.publish("chat:1", 2, idempotency_key="k")


@run
async def test_each_of_many_is_answered_on_its_own():
    async with make_engine() as engine:
        good, bad, late = await engine.publish_many([
            Publication("chat:1", "new", b"1"), Publication("chat:1", "new", b"{"),
            ("chat:1", {"n": 3})])
        assert (good.offset, late.offset) == (1, 2)
        assert isinstance(bad, ValidationError)


@pytest.mark.parametrize("arguments, options, error", [
    (("", 1), {}, ValidationError), (("a\nb", 1), {}, ValidationError),
    (("chat:1", b"{"), {}, ValidationError), (("chat:1", float("nan")), {}, ValidationError),
    (("chat:1", 1), {"event": "ack"}, ValidationError), (("chat:1", 1), {"id": "x"}, ValidationError),
    (("chat:1", "x" * 2_000_000), {}, TooLarge),
    ((7, 1), {}, TypeError), (("chat:1", 1), {"event": 7}, TypeError),
    (("chat:1", 1), {"event": None}, TypeError), (("chat:1", 1), {"key": 7}, TypeError),
    ((), {}, TypeError), (("chat:1", 1, 2), {}, TypeError), (("chat:1",), {"room": "x"}, TypeError),
    (("chat:1", 1), {"tag": 1}, TypeError), (("chat:1", object()), {}, ValidationError)])
def test_what_can_not_be_published_is_an_error_of_the_call(arguments, options, error):
    async def test():
        async with make_engine() as engine:
            with pytest.raises(error):
                await engine.publish(*arguments, **options)
            with pytest.raises(error):
                engine.publish_nowait(*arguments, **options)

    asyncio.run(test())


@run
async def test_a_room_that_can_not_be_subscribed_is_an_error_of_the_subscribe():
    async with make_engine() as engine:
        with pytest.raises(ValidationError, match="room"):
            async with engine.subscribe("a\nb"):
                pass


def test_before_the_start_and_after_the_end_each_use_says_so():
    engine = make_engine()

    async def used(error):
        for use in (engine.publish("a", 1), engine.presence("a")):
            with pytest.raises(error):
                await use
        with pytest.raises(error):
            engine.publish_nowait("a", 1)
        with pytest.raises(error):
            engine.subscribe("a")

    async def test():
        await used(NotStarted)
        async with engine:
            pass
        await used(EngineClosed)
        async with engine:  # and again
            await engine.publish("a", 1)

    asyncio.run(test())


@run
async def test_an_engine_starts_once_at_a_time():
    async with make_engine() as engine:
        with pytest.raises(RingcastError, match="runs already"):
            await engine.start()


@run
async def test_another_loop_is_told_and_another_thread_may_publish_without_waiting():
    async with make_engine() as engine, engine.subscribe("chat:1") as messages:
        def elsewhere():
            with pytest.raises(WrongLoop):
                asyncio.run(engine.publish("chat:1", 1))
            engine.publish_nowait("chat:1", 2)

        await asyncio.to_thread(elsewhere)
        assert [m.json() for m in await take(messages, 1)] == [2]


@run
async def test_the_second_engine_on_a_port_is_told_of_both_ways_on():
    async with make_engine() as engine:
        with pytest.raises(PortInUse, match=r"Engine.attach.*listen=") as refused:
            async with make_engine(listen=engine.address):
                pass
        assert refused.value.address == engine.address


def test_every_mistake_of_the_configuration_is_named():
    async def test():
        async with make_engine(settings={"limits.nonsense": 1, "engine.shards": "many"}):
            pass

    with pytest.raises(ValidationError) as refused:
        asyncio.run(test())
    assert len(refused.value.fields) == 2


def test_a_room_to_be_stored_by_an_engine_without_a_store_is_refused_at_once():
    async def test():
        async with make_engine(settings={"namespace.kept.history": "store"}) as engine:
            await engine.publish("kept:1", 1)

    with pytest.raises(ValidationError, match="store.url"):
        asyncio.run(asyncio.wait_for(test(), DEADLINE_S))


@run
async def test_the_end_ends_every_subscription_and_tells_the_clients():
    engine = make_engine()
    async with engine:
        client = await connect(engine, "chat:1")
        ended = []

        async def read():
            async with engine.subscribe("chat:1") as messages:
                async for message in messages:
                    ended.append(message.json())
                ended.append("end")

        reading = asyncio.ensure_future(read())
        while not engine._backend._subscriptions:
            await asyncio.sleep(0)
        await engine.publish("chat:1", 1)
        closed = asyncio.create_task(asyncio.to_thread(client.read_close))
    await reading
    assert ended == [1, "end"]
    assert (await closed).close_code == 1012


@run
async def test_presence_names_the_users_that_view_a_room():
    secret = "s" * 32
    async with make_engine(auth=JWT(secret=secret), allow_anonymous=False) as engine:
        clients = [await connect(engine, "chat:1", token=signed_in(user, secret))
                   for user in ("ann", "bob")]
        for client in clients:
            client.send_json({"type": "presence", "room": "chat:1", "action": "join", "id": "1"})
        while (page := await engine.presence("chat:1")).count < 2:
            await asyncio.sleep(0.01)
        assert (page.users, page.count, page.after) == (["ann", "bob"], 2, None)
        page = await engine.presence("chat:1", limit=1)
        assert (page.users, page.after) == (["ann"], "ann")
        assert (await engine.presence("chat:1", after="ann", limit=1)).users == ["bob"]


def signed_in(user, secret):
    grants = {"subscribe": ["*"], "presence": ["*"]}
    return jwt.encode({"sub": user, "exp": 4_000_000_000, "rooms": grants}, secret)


@run
async def test_history_is_the_newest_or_what_came_after_a_position_in_pages():
    async with make_engine() as engine:
        for n in range(5):
            done = await engine.publish("chat:1", n)
        newest = await engine.history("chat:1", limit=2)
        assert [m.json() for m in newest.messages] == [3, 4]
        assert newest.position == Position(done.epoch, 5) and newest.complete
        page = await engine.history("chat:1", after=Position(done.epoch, 1), limit=2)
        assert [m.json() for m in page.messages] == [1, 2] and page.after == 3
        rest = await engine.history("chat:1", after=Position(done.epoch, page.after), limit=2)
        assert [m.json() for m in rest.messages] == [3, 4] and rest.after is None
        with pytest.raises(ValidationError):
            await engine.history("a\nb")


@run
async def test_rooms_are_listed_by_name():
    async with make_engine(settings={"engine.shards": 3}) as engine, engine.subscribe("chat:2"):
        for n in range(4):
            await engine.publish(f"chat:{n}", n)
        await engine.publish("other:1", 1)
        rooms = await engine.rooms("chat:", limit=3)
        assert [(row.room, row.history) for row in rooms] == [
            ("chat:0", 1), ("chat:1", 1), ("chat:2", 1)]
        assert [row.room for row in await engine.rooms("chat:", after="chat:2")] == ["chat:3"]


@run
async def test_a_user_is_sent_away_from_a_room_or_altogether():
    secret = "s" * 32
    async with make_engine(auth=JWT(secret=secret), allow_anonymous=False) as engine:
        client = await connect(engine, "chat:1", token=signed_in("ann", secret))
        assert await engine.kick("ann", "chat:1") == 1
        assert (await asyncio.to_thread(client.receive, "unsubscribed"))["room"] == "chat:1"
        assert await engine.kick("ann") == 1 and await engine.kick("bob") == 0
        assert (await asyncio.to_thread(client.read_close)).close_code >= 4000


@run
async def test_a_failed_publish_that_nobody_waits_for_is_counted_and_logged(caplog):
    async with make_engine(settings={"namespace.chat.rooms_max": 1}) as engine:
        await engine.publish("chat:1", 1)
        engine.publish_nowait("chat:2", 1)
        await until(lambda: engine._backend.failed_publishes)
    assert "chat:2" in caplog.text


@run
async def test_an_idle_engine_does_not_wake_the_loop():
    async with make_engine() as engine, engine.subscribe("chat:1"):
        turns = []
        drain = engine._backend._turn
        asyncio.get_running_loop().remove_reader(engine._backend._core.fd())
        asyncio.get_running_loop().add_reader(
            engine._backend._core.fd(), lambda: (turns.append(1), drain()))
        # What the start and the subscribe have left to say comes first.
        end = asyncio.get_running_loop().time() + DEADLINE_S / 2
        while True:
            turns.clear()
            await asyncio.sleep(0.5)
            if not turns:
                break
            assert asyncio.get_running_loop().time() < end, "it is never idle"
        await engine.publish("chat:1", 1)
        assert turns


@run
async def test_a_running_engine_publishes_without_waiting_as_its_class_says():
    async with make_engine() as engine:
        assert (str(inspect.signature(engine.publish_nowait))
                == str(inspect.signature(Engine.publish_nowait)).replace("self, ", "")
                .replace(": str | None", "").replace(": str", "").replace(": object", "")
                .replace(" = ", "=").partition(" ->")[0])
        assert engine.publish_nowait.__doc__.split() == Engine.publish_nowait.__doc__.split()


@pytest.mark.parametrize("room", ["chat:1", "stored:1"])
def test_every_way_to_say_what_is_published_is_the_same_event(tmp_path, room):
    async def test():
        settings = {"namespace.stored.history": "store"}
        async with (make_engine(settings=settings, store=f"sqlite:{tmp_path}/app.db") as engine,
                    engine.subscribe(room) as messages):
            engine.publish_nowait(room)
            for data in (b"[1]", bytearray(b" [1]\t"), memoryview(b"[\n1]\r\n"), [1], (1,)):
                engine.publish_nowait(data=data, room=room)
            id = str(uuid.uuid4())
            engine.publish_nowait(room, {"text": "é"}, event="new", id=id, key="k",
                                  exclude_user="ann", idempotency_key=None)
            got = await take(messages, 7)
            assert [m.data for m in got] == [b"null"] + [b"[1]"] * 5 + ['{"text":"é"}'.encode()]
            assert [m.event for m in got] == ["message"] * 6 + ["new"]
            assert got[-1].id == id

    asyncio.run(asyncio.wait_for(test(), DEADLINE_S))


def test_a_publish_that_was_kept_says_what_the_engine_does_not():
    async def test():
        engine = make_engine()
        async with engine:
            kept = engine.publish_nowait
            kept("chat:1", 1)
            ending = asyncio.ensure_future(engine.close())
            while not engine._ended:
                await asyncio.sleep(0)
            for publish in (kept, engine.publish_nowait):
                with pytest.raises(EngineClosed):
                    publish("chat:1", 2)
            await ending
        with pytest.raises(EngineClosed):
            kept("chat:1", 3)
        async with engine:
            engine.publish_nowait("chat:1", 4)
            with pytest.raises(EngineClosed):
                kept("chat:1", 5)  # of the one before

    asyncio.run(test())


@run
async def test_a_subclass_publishes_in_its_own_way():
    class Loud(Engine):
        def publish_nowait(self, room, data=None, **options):
            super().publish_nowait(room, {"loud": data}, **options)

    engine = Loud(listen="127.0.0.1:0", allow_anonymous=True, deadline=2.0)
    async with engine, engine.subscribe("chat:1") as messages:
        engine.publish_nowait("chat:1", 1, event="new")
        (message,) = await take(messages, 1)
        assert (message.event, message.json()) == ("new", {"loud": 1})


@run
async def test_what_another_thread_publishes_does_not_wait_for_the_loop():
    async with make_engine() as engine:
        client = await connect(engine, "chat:1")
        engine.publish_nowait("chat:1", "of the loop")  # it wakes the engine when it goes on

        def elsewhere():
            engine.publish_nowait("chat:1", "of the thread")
            seen.extend(client.events(2))

        seen = []
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(DEADLINE_S)  # the loop stands still
        assert [event["data"] for event in seen] == ["of the loop", "of the thread"]
        client.close()


@run
async def test_what_a_round_of_the_loop_publishes_happens_at_one_time():
    async with make_engine() as engine, engine.subscribe("chat:1") as messages:
        for n in range(4):
            engine.publish_nowait("chat:1", n)
            time.sleep(0.002 * (n % 2))
            if n == 1:
                await asyncio.sleep(0.01)
        at = [m.time for m in await take(messages, 4)]
        assert at[0] == at[1] < at[2] == at[3]


@run
async def test_messages_that_are_kept_are_not_those_that_come():
    async with make_engine() as engine, engine.subscribe("chat:*") as messages:
        kept = []
        for n in range(3000):
            await engine.publish(f"chat:{n % 7}", n, event=f"e{n % 5}")
            (message,) = await take(messages, 1)
            assert (message.room, message.event, message.json()) == (
                f"chat:{n % 7}", f"e{n % 5}", n)
            if n % 3 == 0:
                kept.append(message)
        assert [m.json() for m in kept] == list(range(0, 3000, 3))


@run
async def test_many_threads_publish_and_nothing_is_lost():
    async with make_engine() as engine, engine.subscribe("chat:1") as messages:
        def publish(thread):
            for n in range(300):
                while True:
                    try:
                        engine.publish_nowait("chat:1", [thread, n])
                        break
                    except Full:
                        pass

        threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        got = [m.json() for m in await take(messages, 1200)]
        for n in range(4):
            assert [i for thread, i in got if thread == n] == list(range(300))
        for thread in threads:
            thread.join()


@run
async def test_batches_and_callbacks_get_the_same():
    async with make_engine() as engine:
        got = []
        async with engine.subscribe("chat:1") as messages:
            for n in range(500):
                engine.publish_nowait("chat:1", n)
            async for batch in messages.batches():
                got += [json.loads(m.data) for m in batch]
                if len(got) == 500:
                    break
        assert got == list(range(500))
