"""Engine.attach()'s backend: the engine's interface over a running ringcastd, which may go away."""
import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

import ringcast
from ringcast import Gap, Position, Publication
from ringcast._attached import AttachedBackend
from support.daemon import API_KEY, ROOT, Daemon
from support.native_client import NativeClient
from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S, wait_until

ROOMS = itertools.count(1)
NAMESPACES = [{"name": "plain", "history": "none"}, {"name": "short", "history_size": 3},
              {"name": "closed", "client_publish": False}, {"name": "*", "history_size": 1000}]
ITEM_ID = "0d9f6f5e-2a51-4c6b-9d5e-333333333333"


def make_daemon(folder, **config):
    folder.mkdir(exist_ok=True)
    return Daemon(folder, {"listen": {"unix": str(folder / "ringcast.sock")},
                           "auth": {"hs256_secret": SECRET},
                           "limits": {"rooms_per_connection_max": 3, "page_max": 10},
                           "namespace": NAMESPACES, **config}).start()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    one = make_daemon(tmp_path_factory.mktemp("attached"))
    yield one
    one.stop()


@pytest.fixture
def own_daemon(tmp_path):
    """One that the test may kill and start again."""
    one = make_daemon(tmp_path / "own")
    yield one
    if one.process is not None:
        one.stop()
    one.check_log()


@pytest.fixture
def room():
    return f"att:{next(ROOMS)}"


def unix(daemon):
    return f"unix:{daemon.config['listen']['unix']}"


def attached(url, test, **options):
    """test(backend) inside of an open one; everything is over within two deadlines."""

    async def main():
        backend = AttachedBackend(url, api_key=API_KEY, **options)
        await backend.open()
        try:
            return await test(backend)
        finally:
            await backend.close(5)

    return asyncio.run(asyncio.wait_for(main(), 2 * DEADLINE_S))


def on(daemon_fixture):
    """The test runs over both kinds of address."""
    return pytest.mark.parametrize("url_of", [unix, lambda daemon: daemon.url],
                                   ids=["unix", "http"])(daemon_fixture)


async def read(subscription, count):
    return [await asyncio.wait_for(anext(subscription), DEADLINE_S) for _ in range(count)]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def shown(items):
    return [(item.from_, item.to, item.reason) if isinstance(item, Gap) else item.json()
            for item in items]


@on
def test_what_is_published_comes_to_subscribers(daemon, room, url_of):
    async def test(backend):
        async with backend.subscribe(room) as messages:
            done = await backend.publish(room, "order.paid", b'{"order":7}')
            (message,) = await read(messages, 1)
            assert (message.room, message.event, message.data) == (
                room, "order.paid", b'{"order":7}')
            assert (message.id, message.offset, message.epoch) == done
            assert message.time.utcoffset().total_seconds() == 0
            assert messages.position == Position(done.epoch, done.offset)

    attached(url_of(daemon), test)


def test_data_arrives_octet_by_octet_whatever_it_holds(daemon, room):
    texts = ['{"a":",\\"data\\":{}"}', '[1.0,1e2,18446744073709551615]', '"\\u00e9,\\"data\\":"',
             "null", '{"data":{"data":[]}}', '"é"']

    async def test(backend):
        async with backend.subscribe(room) as messages:
            for text in texts:
                await backend.publish(room, 'odd,"data":type', text.encode())
            for message, text in zip(await read(messages, len(texts)), texts, strict=True):
                assert message.data == text.encode() and message.event == 'odd,"data":type'
        kept = (await backend.history(room, None, 10)).messages
        assert [message.data for message in kept] == [text.encode() for text in texts]

    attached(unix(daemon), test)


def test_all_options_of_a_publish(daemon, room):
    watch = NativeClient(daemon, make_token("ann", subscribe=["*"]))
    watch.subscribed(room)

    async def test(backend):
        first = await backend.publish(room, "e", b"1", id=ITEM_ID)
        assert first.id == ITEM_ID
        assert await backend.publish(room, "e", b"1", id=ITEM_ID) == first
        await backend.publish(room, "e", b"2", exclude_user="ann", key="k")
        again = [await backend.publish(room, "e", b"3", idempotency_key="x") for _ in range(3)]
        assert len(set(again)) == 1
        with pytest.raises(ringcast.Conflict):
            await backend.publish(room, "e", b"4", idempotency_key="x")
        with pytest.raises(ringcast.ValidationError) as raised:
            await backend.publish("bad:", "ping", b"1")
        assert set(raised.value.fields) == {"room", "event"}
        await backend.publish("closed:1", "e", b"1")

    attached(unix(daemon), test)
    assert [event["data"] for event in watch.events(2)] == [1, 3]
    watch.close()


def test_many_publishes_keep_their_order_and_their_answers(daemon, room):
    async def test(backend):
        async with backend.subscribe(room) as messages:
            items = [Publication(room if i % 10 else "bad:", "e", str(i).encode())
                     for i in range(2000)]
            answers = await backend.publish_many(items)
            assert len(answers) == 2000
            for i, answer in enumerate(answers):
                assert isinstance(answer, ringcast.ValidationError) == (i % 10 == 0)
            assert [m.json() for m in await read(messages, 1800)] == [
                i for i in range(2000) if i % 10]

    attached(unix(daemon), test)


def test_publish_nowait_is_full_at_its_limit_and_publish_waits_there(daemon, room):
    async def test(backend):
        async with backend.subscribe(room) as messages:
            for number in range(50):
                backend.publish_nowait(room, str(number).encode(), event="e")
            with pytest.raises(ringcast.Full, match="await publish"):
                backend.publish_nowait(room, b"51", event="e")
            await backend.publish(room, "e", b"50")
            assert shown(await read(messages, 51)) == list(range(51))

    attached(unix(daemon), test, queue_max=50)


def test_what_publish_nowait_took_is_sent_before_close_is_over(daemon, room):
    async def publish(backend):
        for number in range(500):
            backend.publish_nowait(room, str(number).encode(), event="e")

    async def check(backend):
        assert (await backend.history(room, None, 10)).position.offset == 500

    attached(unix(daemon), publish)
    attached(unix(daemon), check)


def test_a_publish_nowait_that_is_refused_is_logged(daemon, caplog):
    async def test(backend):
        backend.publish_nowait("bad:", b"1", event="e")
        await backend.publish("att:log", "e", b"1")

    attached(unix(daemon), test)
    assert "bad" in caplog.text or "room:" in caplog.text


def test_subscriptions_beyond_a_connections_rooms_get_another_connection(daemon):
    rooms = [f"att:{next(ROOMS)}" for _ in range(8)]

    async def test(backend):
        subscriptions = [await backend.subscribe(room).__aenter__() for room in rooms]
        twice = await backend.subscribe(rooms[0]).__aenter__()
        for room in rooms:
            await backend.publish(room, "e", b"1")
        for subscription in (*subscriptions, twice):
            assert shown(await read(subscription, 1)) == [1]
        for subscription in (*subscriptions, twice):
            await subscription.close()
        assert len(backend._links) == 1

    attached(unix(daemon), test)


def test_a_room_that_was_left_can_be_subscribed_again(daemon, room):
    async def test(backend):
        for number in range(20):
            async with backend.subscribe(room) as messages:
                await backend.publish(room, "e", str(number).encode())
                assert shown(await read(messages, 1)) == [number]

    attached(unix(daemon), test)


def test_recover_brings_what_was_missed_or_says_that_it_is_gone(daemon):
    async def test(backend):
        for name, expected in ((f"att:{next(ROOMS)}", [1, 2, 3, 4]),
                               (f"short:{next(ROOMS)}", [(1, 5, "expired")])):
            first = await backend.publish(name, "e", b"0")
            for number in (1, 2, 3, 4):
                await backend.publish(name, "e", str(number).encode())
            at = Position(first.epoch, first.offset)
            async with backend.subscribe(name, recover=at) as messages:
                assert shown(await read(messages, len(expected))) == expected
            async with backend.subscribe(name, recover=Position("other", 1)) as messages:
                assert shown(await read(messages, 1)) == [(None, None, "restart")]

    attached(unix(daemon), test)


def test_a_refused_subscription_raises(daemon):
    async def test(backend):
        with pytest.raises(ringcast.ValidationError, match="room"):
            async with backend.subscribe("bad:"):
                pass

    attached(unix(daemon), test)


def test_presence_history_rooms_and_kick(daemon, room):
    client = NativeClient(daemon, make_token("ann", subscribe=["*"], presence=["*"]))
    client.subscribed(room)
    client.presence("join", room)

    async def test(backend):
        page = await backend.presence(room, None, 10)
        while page.count == 0:
            page = await backend.presence(room, None, 10)
        assert (list(page.users), page.count, page.after) == (["ann"], 1, None)
        sent = [await backend.publish(room, "e", str(n).encode()) for n in range(5)]
        newest = await backend.history(room, None, 2)
        assert shown(newest.messages) == [3, 4] and newest.complete
        assert newest.position == Position(sent[4].epoch, sent[4].offset)
        page = await backend.history(room, Position(sent[0].epoch, sent[0].offset), 3)
        assert shown(page.messages) == [1, 2, 3] and page.after == sent[3].offset
        (info,) = await backend.rooms(room, None, 10)
        assert (info.room, info.subscribers, info.history) == (room, 1, 5)
        assert await backend.kick("ann", room) == 1
        assert await backend.kick("ann") == 1
        assert await backend.kick("ann") == 0
        with pytest.raises(ringcast.ValidationError, match="limit"):
            await backend.rooms("", None, 11)
        with pytest.raises(ringcast.NotFound):
            await backend.history("plain:1", None, 1)

    attached(unix(daemon), test)
    assert client.read_end()[0] == 4007
    client.close()


# ---- the daemon goes away ----

def test_a_subscription_recovers_after_a_lost_connection(own_daemon, room):
    """The daemon stays, so nothing may be missing or come twice."""

    async def test(backend):
        async with backend.subscribe(room) as messages:
            expected = 0
            for _ in range(5):
                for _ in range(20):
                    await backend.publish(room, "e", str(expected).encode(),
                                          idempotency_key=str(expected))
                    expected += 1
                link = backend._links[0]
                await until(lambda: link._socket is not None)
                link._socket.transport.abort()
            assert shown(await read(messages, expected)) == list(range(expected))

    attached(unix(own_daemon), test)


def test_a_new_daemon_is_a_gap_and_then_goes_on(own_daemon, room):
    async def test(backend):
        plain = f"plain:{room}"
        async with backend.subscribe(room) as messages, backend.subscribe(plain) as others:
            for name in (room, plain):
                await backend.publish(name, "e", b"1")
            seen = shown(await read(messages, 1)), shown(await read(others, 1))
            own_daemon.kill()
            own_daemon.start()  # in this thread: it dies with the one that started it
            await until(lambda: backend._links[0]._socket is not None)
            while len(await backend.rooms("", None, 10)) < 2:
                await asyncio.sleep(0.05)
            for name in (room, plain):
                await backend.publish(name, "e", b"2")
            assert seen == ([1], [1])
            assert shown(await read(messages, 2)) == [(None, None, "restart"), 2]
            assert shown(await read(others, 2)) == [(None, None, "expired"), 2]

    attached(unix(own_daemon), test)


def test_publishes_while_the_daemon_is_away_arrive_or_raise(own_daemon, room):
    async def test(backend):
        own_daemon.kill()
        await until(lambda: backend._links[0]._socket is None)
        waiting = [asyncio.ensure_future(backend.publish(room, "e", str(n).encode()))
                   for n in range(10)]
        backend.publish_nowait(room, b"10", event="e")
        own_daemon.start()  # in this thread: it dies with the one that started it
        # That one was queued at once, the others when their tasks began.
        assert [done.offset for done in await asyncio.gather(*waiting)] == list(range(2, 12))
        assert (await backend.publish(room, "e", b"11")).offset == 12

    attached(unix(own_daemon), test)


def test_a_publish_in_flight_at_the_loss_raises_unless_it_has_a_key(own_daemon, room):
    async def test(backend):
        own_daemon.signal(19)  # it takes and does not answer
        lost = asyncio.ensure_future(backend.publish(room, "e", b"1"))
        kept = asyncio.ensure_future(backend.publish(room, "e", b"2", idempotency_key="k"))
        await until(lambda: len(backend._links[0]._flight) == 2)
        own_daemon.kill()
        with pytest.raises(ringcast.ConnectionLost, match="idempotency_key"):
            await lost
        own_daemon.start()  # in this thread: it dies with the one that started it
        assert (await kept).offset == 1

    attached(unix(own_daemon), test)


def test_a_key_that_is_taken_away_ends_subscriptions_with_its_error(own_daemon, room):
    async def test(backend):
        async with backend.subscribe(room) as messages:
            own_daemon.kill()
            own_daemon.config["auth"]["api_keys"] = ["another-key-0123456789"]
            own_daemon.start()  # in this thread: it dies with the one that started it
            with pytest.raises(ringcast.WrongKey, match="auth.api_keys"):
                await asyncio.wait_for(anext(messages), DEADLINE_S)
            with pytest.raises(ringcast.WrongKey):
                await backend.publish(room, "e", b"1")

    attached(own_daemon.url, test)


def test_a_blocking_subscriber_loses_nothing_and_holds_nobody_up(own_daemon, room):
    async def test(backend):
        slow = await backend.subscribe(room, overflow="block", max_messages=10).__aenter__()
        fast = await backend.subscribe(room).__aenter__()
        for number in range(300):
            await backend.publish(room, "e", json.dumps([number, "x" * 1000]).encode())
        assert [item.json()[0] for item in await read(fast, 300)] == list(range(300))
        assert slow.buffered <= 11
        assert [item.json()[0] for item in await read(slow, 300)] == list(range(300))

    attached(unix(own_daemon), test)


# ---- wrong uses ----

def test_wrong_keys_and_addresses_are_their_own_errors(daemon, tmp_path):
    async def opened(url, key=API_KEY):
        await AttachedBackend(url, api_key=key).open()

    for url in (unix(daemon), daemon.url):
        with pytest.raises(ringcast.WrongKey, match="auth.api_keys"):
            asyncio.run(opened(url, "wrong"))
    with pytest.raises(ringcast.WrongAddress, match="listen.unix"):
        asyncio.run(opened(f"unix:{tmp_path}/none"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ringcast.ConnectionLost, match="is ringcastd running"):
            asyncio.run(opened(f"http://127.0.0.1:{unused.getsockname()[1]}"))
    with pytest.raises(ringcast.ValidationError, match="url"):
        asyncio.run(opened(f"{daemon.url}/ws"))


def test_another_server_there_is_named(tmp_path):
    answers = [b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", b"SSH-2.0\r\n\r\n"]
    for answer in answers:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()

            def serve(server=server, answer=answer):
                peer, _ = server.accept()
                peer.recv(4096)
                peer.sendall(answer)
                peer.close()

            threading.Thread(target=serve, daemon=True).start()
            backend = AttachedBackend(f"http://127.0.0.1:{server.getsockname()[1]}", api_key="k")
            with pytest.raises(ringcast.WrongAddress):
                asyncio.run(backend.open())


def test_closed_unopened_and_foreign_loops_are_told(daemon, room):
    backend = AttachedBackend(unix(daemon), api_key=API_KEY)

    async def use():
        await backend.publish(room, "e", b"1")

    with pytest.raises(ringcast.NotStarted):
        asyncio.run(use())

    async def main():
        await backend.open()
        foreign = []

        def elsewhere():
            try:
                asyncio.run(use())
            except ringcast.RingcastError as error:
                foreign.append(error)
            try:
                backend.publish_nowait(room, b"1", event="e")
            except ringcast.RingcastError as error:
                foreign.append(error)

        await asyncio.to_thread(elsewhere)
        assert [type(error) for error in foreign] == [ringcast.WrongLoop] * 2
        subscription = await backend.subscribe(room).__aenter__()
        reader = asyncio.ensure_future(anext(subscription))
        child = os.fork()
        if child == 0:
            try:
                backend.publish_nowait(room, b"1", event="e")
            except ringcast.ForkedEngineError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        await asyncio.sleep(0)
        await backend.close(1)
        with pytest.raises(StopAsyncIteration):
            await reader
        with pytest.raises(ringcast.EngineClosed):
            await use()
        await backend.close(1)

    asyncio.run(asyncio.wait_for(main(), 2 * DEADLINE_S))


def test_without_websockets_the_error_says_what_to_install(daemon):
    script = ("import asyncio, sys\nsys.modules['websockets'] = None\n"
              "from ringcast._attached import AttachedBackend\n"
              "asyncio.run(AttachedBackend('unix:/x', api_key='k').open())\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    assert "MissingPackage" in done.stderr and "pip install 'ringcast[attach]'" in done.stderr


def test_nothing_is_left_behind(daemon, room):
    async def test(backend):
        async with backend.subscribe(room, overflow="block"):
            await backend.publish(room, "e", b"1")
        assert not backend._own

    attached(unix(daemon), test)
    wait_until(lambda: daemon.metric("ringcast_connections") <= 1, "only that of /metrics")
