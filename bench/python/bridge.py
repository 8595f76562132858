"""The bridge in one process: what a publish costs the caller, and a message the loop's thread, beside an empty
pybind11 method and a bridge without an engine. Prints one JSON object.

    bridge.py asyncio|uvloop ROUNDS MESSAGES
"""
import asyncio
import collections
import json
import statistics
import sys
import threading
import time

import bench_null_bridge
from cpu import CpuClock

import ringcast

BYTES = 128
PAYLOAD = b'"' + b"x" * (BYTES - 2) + b'"'
ROOM = "bench:1"
TURN = 1024
SETTLE_S = 0.05  # for the shard to hand over what the loop's thread has published


class NullSubscription:
    """An iterator over the null bridge that waits only when nothing is there."""

    def __init__(self, loop, bridge):
        self.loop, self.bridge = loop, bridge
        self.buffer, self.waiter = collections.deque(), None
        loop.add_reader(bridge.fd(), self.turn)

    def turn(self):
        taken = self.bridge.drain(TURN)
        if len(taken) == TURN:
            self.loop.call_soon(self.turn)
        self.buffer.extend(taken)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.buffer:
            self.waiter = self.loop.create_future()
            await self.waiter
        return self.buffer.popleft()

    def close(self):
        self.loop.remove_reader(self.bridge.fd())


class Counter:
    """A handler that counts, and says when all have come."""

    def __init__(self, loop):
        self.loop, self.left, self.all = loop, 0, None

    def expect(self, count):
        self.left, self.all = count, self.loop.create_future()

    def one(self, message):
        self.left -= 1
        if self.left == 0:
            self.all.set_result(None)

    def read(self, message):
        """one() of the engine: the payload is made when somebody asks for it, so this asks."""
        message.data
        self.left -= 1
        if self.left == 0:
            self.all.set_result(None)

    def many(self, messages):
        self.left -= len(messages)
        if self.left == 0:
            self.all.set_result(None)


def timed(call, count):
    begin = time.thread_time_ns()
    for _ in range(count):
        call()
    return (time.thread_time_ns() - begin) / count


async def publish(rc, rounds, count):
    """ns of a call, by who is called."""
    empty = bench_null_bridge.Empty().publish
    calls = {
        "empty": lambda: empty(ROOM, PAYLOAD),
        "publish_nowait": lambda: rc.publish_nowait(ROOM, PAYLOAD),
    }
    runs = collections.defaultdict(list)
    for _ in range(rounds):
        for name, call in calls.items():
            runs[name].append(timed(call, count))
            rc._backend._core.flush()
            await asyncio.sleep(SETTLE_S)
    return {name: statistics.median(each) for name, each in runs.items()}


async def consume(clock, rounds, count, fill, counter):
    """ns of the loop's thread for each message, from the moment that they wait to the last one."""
    runs = []
    for _ in range(rounds):
        counter.expect(count)
        fill(count)
        time.sleep(SETTLE_S)
        begin = clock.ns()
        await asyncio.wait_for(counter.all, 20)
        runs.append((clock.ns() - begin) / count)
    return statistics.median(runs)


async def reading(subscription, handler):
    async for message in subscription:
        handler(message)


async def by_engine(rc, clock, kind, rounds, count):
    counter = Counter(asyncio.get_running_loop())

    def fill(count):
        for _ in range(count):
            rc.publish_nowait(ROOM, PAYLOAD)
        rc._backend._core.flush()

    async def batches(subscription):
        async for batch in subscription.batches():
            counter.many(batch)

    async with rc.subscribe(ROOM, max_messages=4 * count, max_bytes="1GiB") as subscription:
        task = asyncio.ensure_future(
            subscription.each(counter.read) if kind == "callback" else
            reading(subscription, counter.read) if kind == "async for" else batches(subscription))
        ns = await consume(clock, rounds, count, fill, counter)
        task.cancel()
    return ns


async def by_null_bridge(clock, kind, rounds, count):
    loop = asyncio.get_running_loop()
    counter, bridge = Counter(loop), bench_null_bridge.NullBridge()

    def fill(count):
        bridge.fill(count, BYTES)

    if kind == "async for":
        subscription = NullSubscription(loop, bridge)
        task = asyncio.ensure_future(reading(subscription, counter.one))
        ns = await consume(clock, rounds, count, fill, counter)
        task.cancel()
        subscription.close()
        return ns

    def turn():
        taken = bridge.drain(TURN)
        if not taken:
            return
        if len(taken) == TURN:
            loop.call_soon(turn)
        if kind == "batches":
            counter.many(taken)
        else:
            for message in taken:
                counter.one(message)

    loop.add_reader(bridge.fd(), turn)
    ns = await consume(clock, rounds, count, fill, counter)
    loop.remove_reader(bridge.fd())
    return ns


async def main(rounds, count):
    clock = CpuClock(0, threading.get_native_id())
    settings = {"engine.mailbox_max": 65536, "namespace.bench.history": "none", "log.level": "error"}
    async with ringcast.Engine(listen="127.0.0.1:0", allow_anonymous=True, settings=settings) as rc:
        figures = {"publish_ns": await publish(rc, rounds, count), "message_ns": {}}
        for kind in ("callback", "async for", "batches"):
            pairs = []
            for _ in range(rounds):  # in turns, so that both meet the same moments
                pairs.append((await by_engine(rc, clock, kind, 1, count),
                              await by_null_bridge(clock, kind, 1, count)))
            engine, null = zip(*pairs)
            figures["message_ns"][kind] = {
                "engine": statistics.median(engine), "null": statistics.median(null),
                "ratio": statistics.median(n / e for e, n in pairs)}
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop
        uvloop.install()
    asyncio.run(main(int(sys.argv[2]), int(sys.argv[3])))
