"""ringcast.testing as a project uses it: each test writes tests of its own and runs them."""
import importlib.util
import sys

import pytest

pytest_plugins = "pytester"


@pytest.fixture(scope="module", autouse=True)
def module():
    assert importlib.util.find_spec("ringcast._core"), "run me by scripts/python (docs/building.md)"


@pytest.fixture
def outcome(pytester):
    """outcome(test file, *arguments, **counts): runs it, checks the counts, returns what was said."""

    def check(text, *arguments, **counts):
        pytester.makepyfile("import asyncio, pytest, ringcast\nfrom ringcast.testing import *\n" + text)
        result = pytester.runpytest_inprocess("-p", "ringcast._pytest_plugin", "-p", "no:cacheprovider",
                                              *arguments)
        result.assert_outcomes(**counts)
        return result.stdout.str()

    return check


def test_a_client_gets_what_is_published(outcome):
    outcome("""
async def test(rc_engine, rc_client, published):
    async with rc_engine as rc:
        seen = await published("chat:*")
        client = await rc_client(user="ann")
        assert client.hello["user"] == "ann"
        await client.subscribe("chat:1")
        await rc.publish("chat:1", {"text": "hi"}, event="message:new")
        frame = await client.expect("message:new", timeout=10)
        assert frame["data"] == {"text": "hi"}
        assert (await seen.expect("message:new", room="chat:1")).json() == {"text": "hi"}
        assert seen.events == ["message:new"]
""", passed=1)


def test_an_event_stream_resumes_behind_its_last_event(outcome):
    outcome("""
async def test(rc_engine, rc_client):
    async with rc_engine as rc:
        stream = await rc_client("sse", rooms=["chat:1"])
        await rc.publish("chat:1", 1, event="a")
        assert (await stream.expect("a"))["data"] == 1
        stream.drop()
        await rc.publish("chat:1", 2, event="b")
        await stream.reconnect()
        assert (await stream.expect())["data"] == 2
""", passed=1)


def test_what_does_not_come_is_named_with_what_came(outcome):
    said = outcome("""
async def test(rc_engine, rc_client):
    async with rc_engine as rc:
        client = await rc_client()
        await client.subscribe("chat:1")
        await rc.publish("chat:1", 1, event="other")
        await client.settle()
        await client.expect("message:new", room="chat:1", timeout=0.05)
""", failed=1)
    assert "no 'message:new' room='chat:1' within 0.05 s; what came: {'type': 'other'" in said


def test_errors_that_the_engine_answers_are_raised(outcome):
    outcome("""
async def test(rc_engine, rc_client):
    async with rc_engine:
        client = await rc_client(user="ann", subscribe=["chat:1"])
        await client.subscribe("chat:1")
        with pytest.raises(ringcast.Forbidden):
            await client.subscribe("chat:2")
        with pytest.raises(ringcast.NotFound):
            await client.call("no:handler")
        with pytest.raises(ringcast.Unauthorized):
            await rc_client(bearer="nonsense")
        with pytest.raises(ringcast.Unauthorized):
            await rc_client("sse", rooms=["chat:1"], bearer="nonsense")
""", passed=1)


def test_an_application_is_tested_with_its_own_handlers(outcome, pytester):
    pytester.makepyfile(app="""
import ringcast
rc = ringcast.Engine(listen=":80", store="sqlite:/nowhere/app.db", auth=ringcast.JWT(secret="x" * 40))

@rc.on("add", order="all")
async def add(ctx: ringcast.Context, numbers: dict):
    if ctx.user != "ann":
        raise ringcast.Reject("FORBIDDEN", "ann alone adds")
    await rc.publish("sums:1", sum(numbers["of"]), event="sum")
    return sum(numbers["of"])
""")
    outcome("""
@pytest.fixture
def rc_engine(rc_isolated):
    import app
    return rc_isolated(app.rc)

@pytest.mark.parametrize("time", [1, 2])
async def test(rc_engine, rc_client, published, time):
    async with rc_engine:
        seen = await published("sums:1")
        ann, bob = await rc_client(user="ann"), await rc_client(user="bob")
        assert await ann.call("add", {"of": [1, 2]}) == 3
        assert (await seen.expect("sum")).json() == 3
        with pytest.raises(ringcast.Forbidden) as refused:
            await bob.call("add", {"of": [1]})
        assert refused.value.correlation_id
""", passed=2)


def test_settings_of_a_test_reach_the_engine(outcome):
    outcome("""
@pytest.fixture
def rc_settings():
    return {"namespace.chat.history": "none", "listen.unix": "socket"}

@pytest.mark.parametrize("proto", ["ws", "sse"])
async def test(rc_engine, rc_client, proto):
    async with rc_engine as rc:
        client = await rc_client(proto, rooms=["chat:1"])
        assert client.address.startswith("unix:")
        if proto == "ws":
            await client.subscribe("chat:1")
        await rc.publish("chat:1", 1, event="a")
        assert "offset" not in await client.expect("a")
""", passed=2)


def test_a_connection_that_broke_recovers(outcome):
    outcome("""
async def test(rc_engine, rc_client):
    async with rc_engine as rc:
        client = await rc_client()
        await client.subscribe("chat:1")
        await rc.publish("chat:1", 1)
        await client.expect("message")
        client.drop()
        with pytest.raises(ringcast.ConnectionLost):
            await client.expect("message")
        await rc.publish("chat:1", 2)
        assert await client.reconnect() == {"chat:1": True}
        assert (await client.expect("message"))["data"] == 2
""", passed=1)


def test_an_engine_that_restarts_tells_its_clients_and_begins_anew(outcome):
    outcome("""
async def test(rc_engine, rc_client):
    async with rc_engine as rc:
        client = await rc_client()
        await client.subscribe("chat:1")
        await rc.publish("chat:1", 1)
        await client.expect("message")
        address = rc.address
        await rc_engine.restart()
        assert rc.address == address
        assert (await client.ended())[0] == 1012
        assert await client.reconnect() == {"chat:1": False}
        await rc.publish("chat:1", 2)
        assert (await client.expect("message"))["data"] == 2
""", passed=1)


def test_a_client_that_does_not_read_meets_the_policy_of_the_room(outcome):
    outcome("""
@pytest.fixture
def rc_settings():
    return {"namespace.chat.slow_policy": "drop_oldest", "namespace.chat.send_queue_bytes_max": 65536}

async def test(rc_engine, rc_client):
    async with rc_engine as rc:
        slow, quick = await rc_client(slow=True), await rc_client()
        for client in (slow, quick):
            await client.subscribe("chat:1")
        slow.pause()
        sent = 0
        while sent < 200:
            await rc.publish("chat:1", "x" * 32768, event="big")
            await quick.expect("big")
            sent += 1
        slow.resume()
        assert (await slow.expect("gap"))["reason"] == "overflow"
""", passed=1)


def test_the_clock_runs_timers_in_their_order(outcome):
    outcome("""
async def test(rc_engine, rc_clock):
    async with rc_engine:
        done = []
        async def each(seconds, times):
            for _ in range(times):
                await asyncio.sleep(seconds)
                done.append(seconds)
        tasks = [asyncio.ensure_future(each(3600, 2)), asyncio.ensure_future(each(2400, 3))]
        await rc_clock.advance(1000)
        assert done == []
        await rc_clock.advance(4000)
        assert done == [2400, 3600, 2400]
        await rc_clock.advance(3000)
        assert done == [2400, 3600, 2400, 2400, 3600] or done == [2400, 3600, 2400, 3600, 2400]
        await asyncio.gather(*tasks)
""", passed=1)


@pytest.mark.parametrize("left, named", [
    ("asyncio.ensure_future(asyncio.sleep(60))", "task <Task pending"),
    ("threading.Thread(target=time.sleep, args=(60,), name='sleeper', daemon=True).start()",
     "thread sleeper"),
    ("kept.append(socket.socket())", "descriptor"),
])
def test_what_a_test_leaves_behind_fails_it(outcome, left, named):
    said = outcome(f"""
import socket, threading, time
kept = []
async def test(rc_engine):
    async with rc_engine:
        {left}
""", failed=1)
    assert "left behind by this test: " in said and named in said


def test_a_test_that_fails_says_why_and_not_what_it_left(outcome):
    said = outcome("""
async def test(rc_engine, rc_client):
    async with rc_engine:
        await rc_client()
        asyncio.ensure_future(asyncio.sleep(60))
        assert 1 == 2
""", failed=1)
    assert "assert 1 == 2" in said and "left behind" not in said


def test_tests_without_the_fixtures_are_let_alone(outcome):
    outcome("""
async def test_async(): pass
def test_sync(rc_engine): assert rc_engine.engine
""", passed=1, **({"failed": 1} if int(pytest.__version__.split(".")[0]) > 8 else {"skipped": 1}))


def test_nothing_is_loaded_before_it_is_used(pytester):
    result = pytester.run(
        sys.executable, "-c", "import sys, pytest; before = set(sys.modules); import ringcast._pytest_plugin;"
        "print(sorted(name for name in set(sys.modules) - before if 'ringcast' in name))")
    assert result.outlines[-1] == "['ringcast', 'ringcast._pytest_plugin']"
