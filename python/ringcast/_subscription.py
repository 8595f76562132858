"""The subscriber's end: a bounded buffer between a backend and one task that iterates."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Literal, Protocol, cast

from ._errors import NotStarted, Overflow, RingcastError, ValidationError, WrongLoop
from ._messages import Gap, GapReason, Message, Position

__all__ = ["BYTES_MAX", "MESSAGES_MAX", "OverflowPolicy", "Subscription", "bytes_of"]

OverflowPolicy = Literal["disconnect", "drop_oldest", "drop_newest", "conflate", "block"]
POLICIES = ("disconnect", "drop_oldest", "drop_newest", "conflate", "block")
BYTES_MAX = 4 * 1024 * 1024
MESSAGES_MAX = 10_000

_UNITS = {"": 1, "B": 1, "KB": 1000, "KIB": 1024, "MB": 1000**2, "MIB": 1024**2, "GIB": 1024**3}


def bytes_of(text: int | str) -> int:
    """1048576, "1MiB", "64 kB"."""
    if isinstance(text, int):
        count = text
    else:
        match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text.strip())
        unit = _UNITS.get(match[2].upper()) if match else None
        if match is None or unit is None:
            raise ValidationError.of(
                {"max_bytes": f'is {text!r}, expected a number of bytes or a text like "1MiB"'}
            )
        count = int(match[1]) * unit
    if count < 1:
        raise ValidationError.of({"max_bytes": f"is {count}, expected 1 or more"})
    return count


class Feed(Protocol):
    """What a backend does for a subscription."""

    async def opened(self, subscription: "Subscription") -> None:
        """Subscribes; an error ends the subscription. Messages may be pushed before it returns."""
        ...

    async def closed(self, subscription: "Subscription") -> None:
        """Unsubscribes; nothing is pushed from here on."""
        ...

    def emptied(self, subscription: "Subscription") -> None:
        """A subscription with overflow="block" whose push() said False has room again."""
        ...


class Subscription:
    """Messages and gaps of a room, in order: `async with engine.subscribe(...) as messages`, then
    `async for message in messages` or `async for batch in messages.batches()`.

    Thread: the loop's. Lives from `async with` to its end. Limit: max_bytes of payload and
    max_messages; at the limit `overflow` decides: "disconnect" (what is buffered comes, then
    Overflow is raised), "drop_oldest" and "drop_newest" (a Gap stands where they were), "conflate"
    (of the messages with one conflation key, or where there is none of one event type, the newest
    is kept), "block" (the backend stops reading). Reading awaits only when nothing is buffered.
    """

    __slots__ = (
        "_blocked",
        "_buffer",
        "_bytes",
        "_count",
        "_ended",
        "_error",
        "_feed",
        "_keys",
        "_last",
        "_loop",
        "_open",
        "_pending",
        "_plain",
        "_tail",
        "_waiter",
        "max_bytes",
        "max_messages",
        "overflow",
        "recover",
        "room",
    )

    def __init__(
        self,
        feed: Feed,
        room: str,
        *,
        recover: Position | None = None,
        overflow: OverflowPolicy = "disconnect",
        max_bytes: int | str = BYTES_MAX,
        max_messages: int = MESSAGES_MAX,
    ) -> None:
        if overflow not in POLICIES:
            raise ValidationError.of(
                {"overflow": f"is {overflow!r}, expected one of {', '.join(POLICIES)}"}
            )
        if max_messages < 1:
            raise ValidationError.of({"max_messages": f"is {max_messages}, expected 1 or more"})
        self.room = room
        self.recover = recover
        self.overflow = overflow
        self.max_bytes = bytes_of(max_bytes)
        self.max_messages = max_messages
        self._feed = feed
        self._loop: asyncio.AbstractEventLoop | None = None
        # Gaps in the buffer are in no count: they are merged, so there are few.
        self._buffer: deque[Message | Gap] = deque()
        self._keys: deque[str] = deque()  # conflate: of each item in the buffer
        self._count = 0
        self._bytes = 0
        # Gaps to come before the buffer (drop_oldest), and those at its end that may still grow.
        self._pending: dict[str, Gap] = {}
        self._tail: dict[str, Gap] = {}
        self._last: Message | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._blocked = False
        # Nothing but messages is here, and reading one has no other consequence. False while that
        # is not known.
        self._plain = False
        self._open = False
        self._ended = False
        self._error: BaseException | None = None

    # ---- the application's side ----

    async def __aenter__(self) -> "Subscription":
        if self._loop is not None:
            raise RingcastError(
                "this subscription was opened before: call subscribe() again for another one"
            )
        self._loop = asyncio.get_running_loop()
        try:
            await self._feed.opened(self)
        except BaseException:
            self.finish()
            raise
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the iteration; what is buffered is dropped. Twice is once."""
        self._buffer.clear()
        self._keys.clear()
        self._pending.clear()
        self._tail.clear()
        self._count = self._bytes = 0
        self._error = None
        self.finish()
        if self._open:
            self._open = False
            await self._feed.closed(self)

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Message | Gap:
        if self._plain and self._buffer:
            message = cast(Message, self._buffer.popleft())
            self._count -= 1
            self._bytes -= message.size
            self._last = message
            return message
        while self._pending or not self._buffer:
            if self._pending:
                return self._pending.pop(next(iter(self._pending)))
            await self._wait()
        item = self._buffer.popleft()
        if self._keys:
            self._keys.popleft()
        if isinstance(item, Gap):
            if self._tail.get(item.room) is item:
                del self._tail[item.room]
        else:
            self._count -= 1
            self._bytes -= item.size
            self._last = item
            if self._blocked:
                self._unblock()
        self._plain = (
            self._count == len(self._buffer)
            and not self._pending
            and self.overflow not in ("block", "conflate")
        )
        return item

    async def batches(self, max_messages: int = 1024) -> AsyncIterator[list[Message | Gap]]:
        """What is buffered, as lists of at most max_messages; waits only when nothing is."""
        while True:
            try:
                first = await self.__anext__()
            except StopAsyncIteration:
                return
            yield self._taken(first, max_messages)

    async def each(self, call: Callable[[Message | Gap], Awaitable[None] | None]) -> None:
        """Calls `call` with every message and gap until the subscription ends; awaits what it
        returns."""
        async for batch in self.batches():
            for item in batch:
                if (awaited := call(item)) is not None:
                    await awaited

    @property
    def position(self) -> Position | None:
        """Of the last message that was read: what `subscribe(recover=...)` takes."""
        return self.recover if self._last is None else self._last.position

    @property
    def buffered(self) -> int:
        """Messages that wait here."""
        return self._count

    # ---- the backend's side, on the loop's thread ----

    def push(self, item: Message | Gap, key: str = "") -> bool:
        """Into the buffer; False: overflow is "block", the buffer is full now, and nothing more may
        be pushed before Feed.emptied(). `key` is the conflation key, where the backend knows it."""
        if self._ended:
            return True
        if isinstance(item, Gap):
            self._append_gap(item)
        else:
            size = item.size
            count, octets = self._count + 1, self._bytes + size
            if count > self.max_messages or (octets > self.max_bytes and count > 1):
                if not self._made_room(item, size):
                    return True
                count, octets = self._count + 1, self._bytes + size
            self._buffer.append(item)
            self._count, self._bytes = count, octets
            if self._tail:
                self._tail.pop(item.room, None)
            if self.overflow == "conflate":
                self._keys.extend([""] * (len(self._buffer) - 1 - len(self._keys)))
                self._keys.append(key or item.event)
        if self._waiter is not None:
            self._wake()
        if self.overflow == "block" and (
            self._count >= self.max_messages or self._bytes >= self.max_bytes
        ):
            self._blocked = True
            return False
        return True

    def push_many(self, items: "list[Message]", size: int) -> None:
        """Messages with `size` octets of payload in all, as push() would take them one by one; not
        for "block" and "conflate"."""
        if (
            self._ended
            or self._tail
            or self._count + len(items) > self.max_messages
            or self._bytes + size > self.max_bytes
        ):
            for item in items:
                self.push(item)
            return
        self._buffer.extend(items)
        self._count += len(items)
        self._bytes += size
        if self._waiter is not None:
            self._wake()

    def finish(self, error: BaseException | None = None) -> None:
        """No more will come. What is buffered is read first; then the iteration ends, or raises
        the error once."""
        if not self._ended:
            self._ended = True
            self._error = error
        self._wake()

    @property
    def ended(self) -> bool:
        return self._ended

    # ---- inside ----

    def _taken(self, first: Message | Gap, max_messages: int) -> list[Message | Gap]:
        batch = [first]
        if self._count == len(self._buffer) < max_messages and not self._pending:
            # The common case, without a step for each: all that is there, and no gap in it.
            if self._buffer:
                batch += self._buffer
                self._last = cast(Message, batch[-1])
                self._buffer.clear()
                self._keys.clear()
                self._count = self._bytes = 0
            if self._blocked:
                self._unblock()
            return batch
        while self._pending and len(batch) < max_messages:
            batch.append(self._pending.pop(next(iter(self._pending))))
        count = min(len(self._buffer), max_messages - len(batch))
        taken = [self._buffer.popleft() for _ in range(count)]
        for item in taken:
            if isinstance(item, Message):
                self._count -= 1
                self._bytes -= item.size
                self._last = item
            elif self._tail.get(item.room) is item:
                del self._tail[item.room]
        for _ in range(min(count, len(self._keys))):
            self._keys.popleft()
        batch += taken
        if self._blocked:
            self._unblock()
        return batch

    async def _wait(self) -> None:
        if self._ended:
            error, self._error = self._error, None
            raise error if error is not None else StopAsyncIteration
        if self._loop is None:
            raise NotStarted("open the subscription first: `async with engine.subscribe(...) as s`")
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoop
        if self._waiter is not None:
            raise RingcastError(
                "another task iterates this subscription: a subscription has one reader; subscribe"
                " once per task"
            )
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _unblock(self) -> None:
        # Half empty, so that reading and pushing do not take turns one by one.
        if self._count * 2 <= self.max_messages and self._bytes * 2 <= self.max_bytes:
            self._blocked = False
            self._feed.emptied(self)

    def _made_room(self, item: Message, size: int) -> bool:
        """Applies the policy; whether the item is kept."""
        if self.overflow == "disconnect":
            self.finish(Overflow())
            return False
        if self.overflow == "drop_newest":
            self._append_gap(_gap_of(item, "overflow"))
            self._wake()
            return False
        if self.overflow == "conflate":
            self._conflate()
        if self.overflow != "block":
            while self._count > 0 and (
                self._count >= self.max_messages or self._bytes + size > self.max_bytes
            ):
                self._drop_oldest()
        return True

    def _drop_oldest(self) -> None:
        item = self._buffer.popleft()
        if self._keys:
            self._keys.popleft()
        if isinstance(item, Message):
            self._count -= 1
            self._bytes -= item.size
            item = _gap_of(item, "overflow")
        elif self._tail.get(item.room) is item:
            del self._tail[item.room]
        self._plain = False
        known = self._pending.get(item.room)
        self._pending[item.room] = item if known is None else _merged(known, item)

    def _conflate(self) -> None:
        """Keeps the newest of each key. Done for the whole buffer at once, and down to three
        quarters of the limits, so that its cost is spread over the pushes between."""
        kept: set[tuple[str, str]] = set()
        newest: list[bool] = []
        self._keys.extend([""] * (len(self._buffer) - len(self._keys)))
        for item, key in zip(reversed(self._buffer), reversed(self._keys), strict=True):
            name = (item.room, key)
            newest.append(isinstance(item, Gap) or name not in kept)
            if isinstance(item, Message):
                kept.add(name)
        items, keys = self._buffer, self._keys
        self._buffer, self._keys, self._tail = deque(), deque(), {}
        for item, key, keep in zip(items, keys, reversed(newest), strict=True):
            if isinstance(item, Gap) or not keep:
                gap = item if isinstance(item, Gap) else _gap_of(item, "conflated")
                self._append_gap(gap)
                if isinstance(item, Message):
                    self._count -= 1
                    self._bytes -= item.size
            else:
                self._tail.pop(item.room, None)
                self._keys.extend([""] * (len(self._buffer) - len(self._keys)))
                self._buffer.append(item)
                self._keys.append(key)
        while self._count > 0 and (
            self._count * 4 > self.max_messages * 3 or self._bytes * 4 > self.max_bytes * 3
        ):
            self._drop_oldest()

    def _append_gap(self, gap: Gap) -> None:
        """At the end; it grows the one that stands there for its room."""
        known = self._tail.get(gap.room)
        if known is None:
            self._plain = False
            self._tail[gap.room] = gap
            self._buffer.append(gap)
        else:
            grown = _merged(known, gap)
            known.from_, known.to, known.reason = grown.from_, grown.to, grown.reason


def _gap_of(message: Message, reason: GapReason) -> Gap:
    """Offsets are whole numbers, so this covers the one message exactly."""
    if message.offset is None:
        return Gap(message.room, None, None, reason)
    return Gap(message.room, message.offset - 1, message.offset, reason)


def _merged(first: Gap, second: Gap) -> Gap:
    """One for both, where nothing that comes lies between. Two kinds of loss are the worse one."""
    reason: GapReason = first.reason if first.reason == second.reason else "overflow"
    if "restart" in (first.reason, second.reason):
        reason = "restart"
    if first.from_ is None or second.to is None or reason == "restart":
        return Gap(first.room, None, None, reason)
    return Gap(first.room, first.from_, second.to, reason)
