"""The engine in this process: asyncio's side of the bridge to its threads."""

import asyncio
import atexit
import contextlib
import functools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from ._backend import PublishNowait
from ._context import Context
from ._core import Core, Refused
from ._dispatch import Dispatcher
from ._errors import (
    EngineClosed,
    ForkedEngineError,
    Full,
    NotStarted,
    PortInUse,
    RingcastError,
    WrongLoop,
    error_of,
)
from ._handlers import Handler, Handlers
from ._hooks import Hook, Verdict, asked, pattern_of
from ._messages import (
    Gap,
    GapReason,
    History,
    Message,
    Position,
    PresencePage,
    Publication,
    Published,
    RoomInfo,
)
from ._payload import encode
from ._subscription import BYTES_MAX, MESSAGES_MAX, OverflowPolicy, Subscription

__all__ = ["EmbeddedBackend", "store_files"]

log = logging.getLogger("ringcast")

MESSAGES_A_TURN = 1024
SECONDS_A_TURN = 0.002
RETRY_SECONDS = 0.001
LINES_A_TURN = 64

# Not a WeakSet: other threads copy it while one may add to it.
_live: "set[weakref.ref[EmbeddedBackend]]" = set()


@functools.cache
def _watch_process() -> None:
    """With the first engine that starts: what the end of the interpreter does."""
    atexit.register(_exiting)


def _exiting() -> None:
    # Threads of C++ must not outlive what the end of the process takes apart.
    for live in list(_live):
        if (backend := live()) is not None:
            backend.stop_now()


def store_files() -> list[str]:
    """Files of SQLite that engines of this process have open. Thread: any."""
    found = [backend.store_file for live in list(_live) if (backend := live()) is not None]
    return [file for file in found if file]


class EmbeddedBackend:
    """A Core, its port, and the loop that drains it.

    Thread: the loop's that has opened it; publish_nowait() any. From the engine's threads nothing
    comes but through the port: its descriptor is readable when something waits and this side was
    idle; then it is drained in turns of MESSAGES_A_TURN or SECONDS_A_TURN, so that the loop stays
    fair. What it misses because it was too slow it gets from history, or as a Gap.
    """

    publish_nowait: PublishNowait  # since open(); it raises what _refusal() says

    def __init__(
        self, settings: list[str], config: str, handlers: Handlers, threads_max: int
    ) -> None:
        self._settings = settings
        self._config = config
        self._handlers = handlers
        self._threads_max = threads_max
        self._core: Core | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._dispatcher: Dispatcher | None = None
        self._publish_tagged: Callable[..., None] | None = None
        self._tag = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()  # for room in a queue
        self._retry: asyncio.TimerHandle | None = None
        self._subscriptions: dict[int, _Feed] = {}
        self._deciding: set[asyncio.Task[Verdict]] = set()
        self._error: RingcastError | None = NotStarted()
        self.address = ""
        self.failed_publishes = 0

    # ---- life ----

    async def open(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        _watch_process()
        try:
            core = Core(self._settings, self._config)
            self._add_rows(core)
        except Refused as refused:
            raise _error_of(refused) from None
        # Not on the loop: a port that is about to be free is waited for. Nor in a thread that
        # stays: under hosts that run none of Python's fork hooks a child would wait for its end.
        aside = ThreadPoolExecutor(1, "ringcast-start")
        starting = loop.run_in_executor(aside, core.start, self)
        try:
            self.address = await asyncio.shield(starting)
        except Refused as refused:
            if refused.args[0] == "CONFLICT":
                raise PortInUse(core.listen) from None
            raise _error_of(refused) from None
        except BaseException:
            with contextlib.suppress(Refused):
                await starting
            core.stop()
            raise
        finally:
            aside.shutdown()
            if not core.running:
                _write_log(core)
        _live.add(weakref.ref(self, _live.discard))
        self._core = core
        self.publish_nowait = core.publish_nowait(self._refusal, encode)
        self._publish_tagged = core.publish_tagged(self._refusal, encode)
        self._dispatcher = Dispatcher(loop, self._handlers, self._threads_max, core.answer)
        self._error = None
        loop.add_reader(core.fd(), self._turn)
        loop.add_reader(core.log_fd(), self._log_turn)
        self._turn()
        self._log_turn()

    def _add_rows(self, core: Core) -> None:
        """What the engine asks of this application, by the places in its table."""
        self._calls: dict[int, Handler] = {}
        self._hooks: dict[int, Hook] = {}
        for handler in self._handlers.calls.values():
            self._calls[core.add_call(handler.event, handler.rate, handler.user_rate)] = handler
        for hook in self._handlers.rooms:
            self._hooks[core.add_authorize(pattern_of(hook.pattern))] = hook
        for kind, hook in self._handlers.hooks.items():
            self._hooks[core.add_hook(kind)] = hook

    async def close(self, deadline: float) -> None:
        core, loop = self._core, self._loop
        if self.forked or self._error is not None or core is None or loop is None:
            return
        self._check_loop()
        for feed in list(self._subscriptions.values()):
            feed.subscription.finish()
        for task in list(self._deciding):
            task.cancel()
        if self._dispatcher is not None:
            await self._dispatcher.close(loop.time() + deadline)
        self._error = EngineClosed()
        core.request_stop(True)
        # Answers are still taken while connections end.
        joined = loop.run_in_executor(None, core.join)
        try:
            await asyncio.shield(joined)
        finally:
            # Whoever cancels this waits all the same: the port is read until it is gone.
            while not joined.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(joined)
            loop.remove_reader(core.fd())
            loop.remove_reader(core.log_fd())
            self._end(EngineClosed())
            core.release()
            _live.discard(weakref.ref(self))
            _write_log(core)

    def _end(self, error: RingcastError) -> None:
        """Nobody waits for ever."""
        self._error = error
        if self._retry is not None:
            self._retry.cancel()
        for future in [*self._answers.values(), *self._waiting]:
            if not future.done():
                future.set_exception(error)
        for feed in list(self._subscriptions.values()):
            feed.subscription.finish(error)
        self._subscriptions.clear()
        self._answers.clear()
        self._waiting.clear()

    @property
    def store_file(self) -> str:
        """Of the store, while the engine runs and that is a file of SQLite's; else empty."""
        core = self._core
        return core.store_file if core is not None and core.running else ""

    @property
    def forked(self) -> bool:
        """In the child of a fork, where the engine and the loop that ran are the parent's. Noticed
        when it is asked for: Python's own hooks are not run by every host that forks."""
        if self._core is None or not self._core.forked:
            return False
        if not isinstance(self._error, ForkedEngineError):
            self._error = ForkedEngineError()
            self._core.stop()
        return True

    def stop_now(self) -> None:
        """At the end of the interpreter, when no loop runs any more."""
        if self.forked:
            return
        self._error = EngineClosed()
        if self._core is not None:
            self._core.stop()
            _write_log(self._core)

    def _check(self) -> Core:
        if self.forked or self._error is not None:
            raise cast(RingcastError, self._error)
        self._check_loop()
        return cast(Core, self._core)

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoop

    # ---- the loop's side of the bridge ----

    def _turn(self) -> None:
        core, loop = self._core, self._loop
        if core is None or loop is None or not core.running:
            return
        if core.drain(MESSAGES_A_TURN, SECONDS_A_TURN):
            loop.call_soon(self._turn)
        if self._waiting:
            self._let_in()

    def _log_turn(self) -> None:
        core, loop = self._core, self._loop
        if core is None or loop is None or not core.running:
            return
        if _write_log(core) >= LINES_A_TURN:
            loop.call_soon(self._log_turn)

    def _flush(self) -> None:
        if self._core is not None and self._core.running:
            self._core.flush()

    async def _room(self) -> None:
        """Until there may be room in the queue. Nobody tells that directly: answers say that the
        engine works, and besides it is tried again after a while."""
        loop = cast(asyncio.AbstractEventLoop, self._loop)
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._retry is None:
            self._retry = loop.call_later(RETRY_SECONDS, self._retried)
        await future

    def _retried(self) -> None:
        self._retry = None
        self._let_in()

    def _let_in(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _asked(self) -> tuple[int, asyncio.Future[Any]]:
        loop = cast(asyncio.AbstractEventLoop, self._loop)
        self._tag += 1
        future: asyncio.Future[Any] = loop.create_future()
        self._answers[self._tag] = future
        return self._tag, future

    # ---- publish ----

    async def publish(
        self,
        room: str,
        event: str,
        data: bytes,
        *,
        id: str | None = None,
        key: str | None = None,
        exclude_user: str | None = None,
        idempotency_key: str | None = None,
    ) -> Published:
        future = await self._publish(
            Publication(room, event, data, id, key, exclude_user, idempotency_key)
        )
        return Published(*await future)

    async def _publish(self, item: Publication) -> "asyncio.Future[Any]":
        while True:
            self._check()
            tag, future = self._asked()
            try:
                cast(Callable[..., None], self._publish_tagged)(
                    tag,
                    item.room,
                    item.data,
                    event=item.event,
                    id=item.id,
                    key=item.key,
                    exclude_user=item.exclude_user,
                    idempotency_key=item.idempotency_key,
                )
                return future
            except Full:
                del self._answers[tag]
            except BaseException:
                del self._answers[tag]
                raise
            await self._room()

    def _refusal(self, code: str, text: str) -> RingcastError:
        """Why nothing is published; without a code the queue is full."""
        if self.forked or self._error is not None:
            return cast(RingcastError, self._error)
        return error_of(code, text) if code else Full()

    async def publish_many(
        self, items: Sequence[Publication]
    ) -> Sequence[Published | RingcastError]:
        asked: list[asyncio.Future[Any] | RingcastError] = []
        for item in items:
            try:
                asked.append(await self._publish(item))
            except RingcastError as error:
                asked.append(error)
        answers: list[Published | RingcastError] = []
        for each in asked:
            if isinstance(each, RingcastError):
                answers.append(each)
                continue
            try:
                answers.append(Published(*await each))
            except RingcastError as error:
                answers.append(error)
        return answers

    # ---- subscribe ----

    def subscribe(
        self,
        room: str,
        *,
        recover: Position | None = None,
        overflow: OverflowPolicy = "disconnect",
        max_bytes: int | str = BYTES_MAX,
        max_messages: int = MESSAGES_MAX,
    ) -> Subscription:
        feed = _Feed(self)
        feed.subscription = Subscription(
            feed,
            room,
            recover=recover,
            overflow=overflow,
            max_bytes=max_bytes,
            max_messages=max_messages,
        )
        return feed.subscription

    async def join(self, feed: "_Feed", recover: Position | None) -> None:
        while True:
            core = self._check()
            try:
                feed.id = core.subscribe(feed.subscription.room, recover, feed.sink)
                break
            except Refused as refused:
                if refused.args[0] != "UNAVAILABLE":
                    raise _error_of(refused) from None
            await self._room()
        feed.joining = cast(asyncio.AbstractEventLoop, self._loop).create_future()
        self._subscriptions[feed.id] = feed
        try:
            await feed.joining
        except BaseException:
            self.leave(feed)
            raise

    def leave(self, feed: "_Feed") -> None:
        if self._subscriptions.pop(feed.id, None) is None:
            return
        if self._core is not None and self._core.running:
            self._core.unsubscribe(feed.id)

    # ---- ask ----

    async def presence(self, room: str, after: str | None, limit: int) -> PresencePage:
        users, count, following = await self._ask(
            lambda core, tag: core.viewers(tag, room, after or "", limit)
        )
        return PresencePage(room, users, count, following)

    async def history(self, room: str, after: Position | None, limit: int) -> History:
        messages, epoch, offset, complete, more = await self._ask(
            lambda core, tag: core.history(tag, room, after, limit)
        )
        position = None if epoch is None else Position(epoch, offset)
        return History(
            room, messages, position, complete, messages[-1].offset if more and messages else None
        )

    async def rooms(self, prefix: str, after: str | None, limit: int) -> Sequence[RoomInfo]:
        (rows,) = await self._ask(lambda core, tag: core.rooms(tag, prefix, after or "", limit))
        return [
            RoomInfo(room, subscribers, kept, None if epoch is None else Position(epoch, offset))
            for room, subscribers, kept, epoch, offset in rows
        ]

    async def kick(self, user: str, room: str | None = None) -> int:
        (count,) = await self._ask(lambda core, tag: core.kick(tag, user, room or ""))
        return cast(int, count)

    async def _ask(self, ask: Callable[[Core, int], None]) -> tuple[Any, ...]:
        while True:
            core = self._check()
            tag, future = self._asked()
            try:
                ask(core, tag)
                return cast(tuple[Any, ...], await future)
            except Refused as refused:
                if refused.args[0] != "UNAVAILABLE":
                    raise _error_of(refused) from None
            finally:
                self._answers.pop(tag, None)
            await self._room()

    # ---- what the bridge calls, in a turn ----

    def _answered(self, tag: int, *values: Any) -> None:
        future = self._answers.pop(tag, None)
        if future is not None and not future.done():
            future.set_result(values)

    def _refused(self, tag: int, code: str, text: str) -> None:
        future = self._answers.pop(tag, None)
        if future is not None and not future.done():
            future.set_exception(error_of(code, text))

    def _publish_failed(self, room: str, code: str, text: str) -> None:
        self.failed_publishes += 1
        if self.failed_publishes & (self.failed_publishes - 1) == 0:  # the 1st, 2nd, 4th, 8th ...
            log.warning(
                "publish_nowait into %s failed: %s %s (%d since the start)",
                room,
                code,
                text,
                self.failed_publishes,
            )

    def _call(self, number: int, index: int, context: Context, data: bytes) -> None:
        cast(Dispatcher, self._dispatcher).call(self._calls[index], context, data, number)

    def _hook(
        self, number: int, index: int, is_token: bool, context: Context, subject: str
    ) -> None:
        said = asked(self._hooks[index], context, subject, is_token)
        if isinstance(said, tuple):
            self._decide(number, cast(Verdict, said))
            return
        task = cast(asyncio.AbstractEventLoop, self._loop).create_task(
            cast(Coroutine[Any, Any, Verdict], said)
        )
        self._deciding.add(task)
        task.add_done_callback(lambda task: self._decided(number, task))

    def _decided(self, number: int, task: "asyncio.Task[Verdict]") -> None:
        self._deciding.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._decide(number, (None, "UNAVAILABLE", "the application stops"))
        else:
            self._decide(number, task.result())

    def _decide(self, number: int, verdict: Verdict) -> None:
        core = self._core
        if number == 0 or core is None or not core.running:
            return
        try:
            core.decide(number, *verdict)
        except Refused as refused:
            log.error("a hook's Identity is refused: %s", refused.args[1])
            core.decide(number, None, "INTERNAL_ERROR", "the application failed")

    def _joined(self, id: int, epoch: str | None, offset: int, recovered: bool | None) -> None:
        feed = self._subscriptions.get(id)
        if feed is not None:
            feed.joined(epoch, offset, recovered)

    def _not_joined(self, id: int, code: str, text: str) -> None:
        feed = self._subscriptions.pop(id, None)
        if feed is not None:
            feed.refused(error_of(code, text))

    def _restarted(self, id: int, room: str) -> None:
        feed = self._subscriptions.get(id)
        if feed is not None:
            feed.push(Gap(room, None, None, "restart"))

    def _missed(self, id: int, room: str, from_: int, to: int, reason: GapReason) -> None:
        feed = self._subscriptions.get(id)
        if feed is not None:
            # Rooms without history have no offsets.
            feed.push(Gap(room, from_, to, reason) if to else Gap(room, None, None, reason))


class _Feed:
    """One subscription's way into the engine. Thread: the loop's.

    overflow="block": nobody else may wait for one reader, so the engine is left while its buffer is
    full, and asked for what was missed when there is room again.
    """

    __slots__ = (
        "_backend",
        "_paused",
        "_resuming",
        "_wanted",
        "id",
        "joining",
        "sink",
        "subscription",
    )

    subscription: Subscription

    def __init__(self, backend: EmbeddedBackend) -> None:
        self._backend = backend
        self._paused: Position | None = None
        self._resuming: asyncio.Task[None] | None = None
        self._wanted = False
        self.id = -1
        self.joining: asyncio.Future[None] | None = None
        self.sink: Callable[[list[Message], int], None] = self._one_by_one

    async def opened(self, subscription: Subscription) -> None:
        if subscription.overflow not in ("block", "conflate"):
            self.sink = subscription.push_many
        await self._backend.join(self, subscription.recover)

    async def closed(self, subscription: Subscription) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        self._backend.leave(self)

    def emptied(self, subscription: Subscription) -> None:
        self._wanted = True
        if self._paused is not None and self._resuming is None:
            self._resuming = asyncio.ensure_future(self._resume())

    def joined(self, epoch: str | None, offset: int, recovered: bool | None) -> None:
        recover = self.subscription.recover if self._paused is None else self._paused
        if recovered is False and recover is not None:
            room = self.subscription.room
            if epoch == recover.epoch:
                self.push(Gap(room, recover.offset, offset, "expired"))
            else:
                self.push(Gap(room, None, None, "restart"))
        self._paused = None
        if self.joining is not None and not self.joining.done():
            self.joining.set_result(None)

    def refused(self, error: RingcastError) -> None:
        if self.joining is not None and not self.joining.done():
            self.joining.set_exception(error)
        else:
            self.subscription.finish(error)

    def push(self, gap: Gap) -> None:
        self.subscription.push(gap)

    def _one_by_one(self, messages: list[Message], octets: int) -> None:
        push = self.subscription.push
        for message in messages:
            if not push(message, cast(Any, message)._key):
                self._pause(message)
                return

    def _pause(self, last: Message) -> None:
        self._backend.leave(self)
        self._wanted = False
        self._paused = last.position or Position("", 0)

    async def _resume(self) -> None:
        try:
            # It may be full again, and empty again, before it has joined.
            while self._wanted and self._paused is not None:
                self._wanted = False
                paused: Position | None = self._paused
                if not self._paused.epoch:
                    # Nothing is kept of this room, or it is many: what was missed is gone.
                    self.push(Gap(self.subscription.room, None, None, "overflow"))
                    paused = None
                await self._backend.join(self, paused)
        except RingcastError as error:
            self.subscription.finish(error)
        finally:
            self._resuming = None


def _write_log(core: Core) -> int:
    lines = core.take_log(LINES_A_TURN)
    for level, text in lines:
        log.log(level, "%s", text)
    return len(lines)


def _error_of(refused: Refused) -> RingcastError:
    code, text, fields = refused.args
    return error_of(code, text, fields=fields)
