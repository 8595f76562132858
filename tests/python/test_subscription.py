"""The buffer between an engine and one reader: order, limits, each policy, its end."""
import asyncio

import pytest

import ringcast
from ringcast import Gap, Message, Position
from ringcast._subscription import Subscription, bytes_of


class Feed:
    """Records what a backend would be asked to do."""

    def __init__(self, error=None):
        self.calls = []
        self.error = error

    async def opened(self, subscription):
        self.calls.append("opened")
        if self.error is not None:
            raise self.error

    async def closed(self, subscription):
        self.calls.append("closed")

    def emptied(self, subscription):
        self.calls.append("emptied")


def message(offset, size=10, room="r", event="e"):
    return Message(room, event, offset, "ep", f"id-{offset}", "2026-01-02T03:04:05Z", b"x" * size)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def opened(test):
    """test(subscription, feed) inside of an open subscription of these options."""

    def with_options(**options):
        async def main():
            feed = Feed()
            async with Subscription(feed, "r", **options) as subscription:
                await test(subscription, feed)

        run(main())

    return with_options


async def read(subscription, count):
    return [await anext(subscription) for _ in range(count)]


def shown(items):
    """Offsets of messages, (from, to, reason) of gaps."""
    return [(item.from_, item.to, item.reason) if isinstance(item, Gap) else item.offset
            for item in items]


def test_messages_come_in_their_order_and_waiting_ones_in_batches():
    @opened
    async def test(subscription, feed):
        for offset in range(1, 6):
            assert subscription.push(message(offset))
        assert shown(await read(subscription, 2)) == [1, 2]
        assert subscription.position == Position("ep", 2)
        batches = subscription.batches(max_messages=2)
        assert shown(await anext(batches)) == [3, 4]
        assert shown(await anext(batches)) == [5]
        assert subscription.position == Position("ep", 5)
        assert subscription.buffered == 0
        reader = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)
        assert not reader.done()
        subscription.push(message(6))
        assert shown(await reader) == [6]

    test()


def test_each_calls_with_everything_and_awaits_what_it_returns():
    @opened
    async def test(subscription, feed):
        seen = []

        async def later(item):
            await asyncio.sleep(0)
            seen.append(item)

        for offset in (1, 2, 3):
            subscription.push(message(offset))
        subscription.finish()
        await subscription.each(lambda item: later(item) if item.offset == 2 else seen.append(item))
        assert shown(seen) == [1, 2, 3]

    test()


def test_reading_does_not_yield_to_the_loop_while_something_is_buffered():
    @opened
    async def test(subscription, feed):
        ran = []
        asyncio.get_running_loop().call_soon(ran.append, 1)
        subscription.push(message(1))
        subscription.push(message(2))
        await read(subscription, 2)
        assert not ran

    test()


@pytest.mark.parametrize("options, fits", [({"max_messages": 3}, 3), ({"max_bytes": 30}, 3),
                                           ({"max_bytes": 39}, 3), ({"max_bytes": 40}, 4)])
def test_disconnect_gives_what_is_buffered_and_then_raises_once(options, fits):
    @opened
    async def test(subscription, feed):
        for offset in range(1, fits + 1):
            subscription.push(message(offset))
        assert not subscription.ended
        subscription.push(message(fits + 1))
        assert subscription.ended
        assert shown(await read(subscription, fits)) == list(range(1, fits + 1))
        with pytest.raises(ringcast.Overflow, match="max_bytes"):
            await anext(subscription)
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
        await subscription.close()
        assert feed.calls == ["opened", "closed"]

    test(**options)


def test_one_message_above_the_limit_is_taken_alone():
    @opened
    async def test(subscription, feed):
        subscription.push(message(1, size=100))
        assert shown(await read(subscription, 1)) == [1]
        assert not subscription.ended

    test(max_bytes=10)


def test_drop_oldest_puts_one_gap_before_what_is_left():
    @opened
    async def test(subscription, feed):
        for offset in (10, 20, 30, 40, 50):
            subscription.push(message(offset))
        assert subscription.buffered == 3
        assert shown(await read(subscription, 4)) == [(9, 20, "overflow"), 30, 40, 50]

    test(max_messages=3, overflow="drop_oldest")


def test_drop_oldest_keeps_the_gaps_of_rooms_apart():
    @opened
    async def test(subscription, feed):
        for offset, room in enumerate("aabbcc", 1):
            subscription.push(message(offset, room=room))
        gaps = await read(subscription, 2)
        assert [(gap.room, gap.from_, gap.to) for gap in gaps] == [("a", 0, 2), ("b", 2, 4)]

    test(max_messages=2, overflow="drop_oldest")


def test_drop_newest_puts_one_gap_behind_what_was_first():
    @opened
    async def test(subscription, feed):
        for offset in (1, 2, 3, 4, 5):
            subscription.push(message(offset))
        assert shown(await read(subscription, 2)) == [1, 2]
        assert subscription.push(message(6))
        assert shown(await read(subscription, 2)) == [(2, 5, "overflow"), 6]

    test(max_messages=2, overflow="drop_newest")


def test_conflate_keeps_the_newest_of_each_key_and_covers_nothing_that_comes():
    @opened
    async def test(subscription, feed):
        for offset, key in enumerate("ababacab", 1):
            subscription.push(message(offset), key)
        subscription.push(message(9), "b")
        assert shown(await read(subscription, 5)) == [(0, 5, "conflated"), 6, 7, 8, 9]

    test(max_messages=8, overflow="conflate")


def test_conflate_without_keys_goes_by_room_and_event_type():
    @opened
    async def test(subscription, feed):
        for offset, event in enumerate(["x", "y", "x", "x"], 1):
            subscription.push(message(offset, event=event))
        subscription.push(message(5, event="x"))
        assert shown(await read(subscription, 5)) == [
            (0, 1, "conflated"), 2, (2, 3, "conflated"), 4, 5]

    test(max_messages=4, overflow="conflate")


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "conflate"])
def test_what_comes_and_the_gaps_are_together_exactly_what_was_pushed(overflow):
    @opened
    async def test(subscription, feed):
        state, got, pushed = 12345, [], 0
        for _ in range(3000):
            state = (state * 1103515245 + 12345) % 2**31
            if state % 5:
                pushed += 1
                subscription.push(message(pushed, size=state % 23, event="abc"[state % 3]))
            elif subscription.buffered:
                got += await read(subscription, 1 + state % 7 % subscription.buffered)
            assert subscription.buffered <= 16
        subscription.finish()
        async for batch in subscription.batches():
            got += batch
        position = 0
        for item in got:
            first, last = ((item.from_, item.to) if isinstance(item, Gap)
                           else (item.offset - 1, item.offset))
            assert first == position, (first, position)
            position = last
        assert position == pushed

    test(max_messages=16, max_bytes=200, overflow=overflow)


def test_block_stops_the_backend_and_starts_it_again_when_half_is_read():
    @opened
    async def test(subscription, feed):
        assert [subscription.push(message(offset)) for offset in (1, 2, 3, 4)] == [
            True, True, True, False]
        await read(subscription, 1)
        assert "emptied" not in feed.calls
        await read(subscription, 1)
        assert feed.calls == ["opened", "emptied"]

    test(max_messages=4, overflow="block")


def test_gaps_of_rooms_without_history_have_no_offsets():
    @opened
    async def test(subscription, feed):
        for _ in range(3):
            subscription.push(message(None))
        assert shown(await read(subscription, 2)) == [(None, None, "overflow"), None]

    test(max_messages=1, overflow="drop_oldest")


def test_a_gap_of_the_engine_stands_where_it_came():
    @opened
    async def test(subscription, feed):
        subscription.push(message(1))
        subscription.push(Gap("r", 1, 4, "shard"))
        subscription.push(message(5))
        assert shown(await read(subscription, 3)) == [1, (1, 4, "shard"), 5]
        assert subscription.position == Position("ep", 5)

    test()


def test_an_error_of_the_backend_is_raised_after_what_was_buffered():
    @opened
    async def test(subscription, feed):
        reader = asyncio.ensure_future(read(subscription, 2))
        await asyncio.sleep(0)
        subscription.push(message(1))
        subscription.finish(ringcast.ConnectionLost("gone"))
        with pytest.raises(ringcast.ConnectionLost, match="gone"):
            await reader

    test()


def test_close_ends_a_reader_that_waits():
    @opened
    async def test(subscription, feed):
        async def all():
            return [item async for item in subscription]

        reader = asyncio.ensure_future(all())
        await asyncio.sleep(0)
        await subscription.close()
        assert await reader == []
        await subscription.close()
        assert feed.calls == ["opened", "closed"]

    test()


def test_a_cancelled_reader_loses_nothing():
    @opened
    async def test(subscription, feed):
        reader = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        reader.cancel()
        subscription.push(message(1))
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert shown(await read(subscription, 1)) == [1]

    test()


def test_a_refused_subscription_raises_at_its_opening():
    async def main():
        feed = Feed(ringcast.Forbidden("no"))
        with pytest.raises(ringcast.Forbidden):
            async with Subscription(feed, "r"):
                raise AssertionError("opened")
        assert feed.calls == ["opened"]

    run(main())


def test_wrong_uses_say_what_to_do():
    async def unopened():
        with pytest.raises(ringcast.NotStarted, match="async with"):
            await anext(Subscription(Feed(), "r"))

    run(unopened())

    @opened
    async def two_readers(subscription, feed):
        first = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        with pytest.raises(ringcast.RingcastError, match="once per task"):
            await anext(subscription)
        first.cancel()
        with pytest.raises(ringcast.RingcastError, match="again"):
            await subscription.__aenter__()

    two_readers()
    kept = []

    async def first_loop():
        kept.append(await Subscription(Feed(), "r").__aenter__())

    async def second_loop():
        with pytest.raises(ringcast.WrongLoop, match="Publisher"):
            await anext(kept[0])

    run(first_loop())
    run(second_loop())


@pytest.mark.parametrize("options, field", [({"overflow": "wait"}, "overflow"),
                                            ({"max_messages": 0}, "max_messages"),
                                            ({"max_bytes": 0}, "max_bytes"),
                                            ({"max_bytes": "1 furlong"}, "max_bytes")])
def test_options_that_can_not_be_are_named(options, field):
    with pytest.raises(ringcast.ValidationError) as raised:
        Subscription(Feed(), "r", **options)
    assert list(raised.value.fields) == [field]
    Subscription(Feed(), "r", max_messages=1, max_bytes=1, overflow="block")


def test_sizes_may_be_texts():
    assert [bytes_of(text) for text in (7, "7", "2kB", "2 KiB", "1MiB", "3 GiB")] == [
        7, 7, 2000, 2048, 2**20, 3 * 2**30]
