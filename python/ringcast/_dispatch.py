"""Runs handlers: calls come from the bridge, answers go back to it."""

import asyncio
import contextvars
import json
import logging
import re
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

from ._context import Context
from ._errors import Full, RateLimited, Reject, TooLarge, Unavailable, ValidationError
from ._handlers import Handler, Handlers
from ._messages import Published
from ._payload import encode

__all__ = ["Answer", "Dispatcher"]

log = logging.getLogger("ringcast")

CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")  # the engine's, and an application's own
PUMPS_MAX = 64  # that one suspended handler may start


class Answer(Protocol):
    """Tells who waits under this number, once: data, or a code with message and fields. Thread: the
    loop's."""

    def __call__(
        self,
        number: int,
        data: bytes | None,
        code: str = "",
        message: str = "",
        fields: dict[str, str] | None = None,
    ) -> None: ...


class _Call:
    __slots__ = ("context", "handler", "holds_key", "key", "number", "payload", "waits")

    def __init__(
        self, handler: Handler, context: Context, payload: Any, key: str, number: int
    ) -> None:
        self.handler = handler
        self.context = context
        self.payload = payload
        self.key = key
        self.number = number
        self.waits = False
        self.holds_key = False


class _Lane:
    """What runs and what waits of one handler."""

    __slots__ = ("held", "running", "waiting", "waits")

    def __init__(self) -> None:
        self.running = 0
        self.held: deque[_Call] = deque()  # has its key, waits for running_max
        self.waiting: deque[_Call] = deque()  # all that wait, in their order; some wait no more
        self.waits = 0


class Dispatcher:
    """Runs each call in the way of its handler: `def` at once, `def` with thread=True in a pool,
    `async def` in a task that is shared until the first one suspends, so that what does not wait
    costs no task of its own.

    Thread: the loop's. Limits: a handler's running_max at a time, its queue_max wait for that or
    for the ordering key; at the limit the call is refused, or the oldest that waits.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handlers: Handlers,
        threads_max: int,
        answer: Answer,
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._handlers = handlers
        self._threads_max = threads_max
        self._context = contextvars.copy_context()  # every call begins with a copy of it
        self._pool: ThreadPoolExecutor | None = None
        self._lanes: dict[Handler, _Lane] = {each: _Lane() for each in handlers.calls.values()}
        self._keys: dict[str, deque[_Call]] = {}  # taken ones, and who waits for them
        self._inline: deque[_Call] = deque()
        self._runs_inline = False
        self._ready: deque[_Call] = deque()  # of async handlers, to be begun by a pump
        self._pumps: set[asyncio.Task[None]] = set()
        self._looking = 0  # pumps that take what is ready
        self._closing = False
        self._idle: asyncio.Future[None] | None = None
        self.running = 0

    def call(self, handler: Handler, context: Context, data: bytes, number: int) -> None:
        """Answers in the end, whatever happens."""
        handler.calls += 1
        if self._closing:
            return self._answer(number, None, "UNAVAILABLE", "the application stops")
        if handler.mode == "inline" and handler.order is None and not self._runs_inline:
            return self._run_at_once(handler, context, data, number)
        try:
            payload = None if handler.decode is None else handler.decode(data)
            key = "" if handler.order is None else handler.order(context, payload)
        except Exception as error:
            return self._failed(handler, context, error, number)
        call = _Call(handler, context, payload, key, number)
        lane = self._lanes[handler]
        taken = self._keys.get(key) if key else None
        if taken is not None or lane.running >= handler.running_max:
            if lane.waits >= handler.queue_max and not self._made_room(lane, call):
                return None
            call.waits = True
            lane.waits += 1
            lane.waiting.append(call)
        if taken is not None:
            taken.append(call)
        else:
            self._admit(call)
        return None

    async def close(self, deadline: float) -> None:
        """No more calls; those that run may end until the deadline, a time of the loop."""
        self._closing = True
        for lane in self._lanes.values():
            for call in list(lane.waiting):
                if call.waits:
                    self._drop(call, "the application stops")
        while self.running and (left := deadline - self._loop.time()) > 0:
            self._idle = self._loop.create_future()
            await asyncio.wait([self._idle], timeout=left)
        me = asyncio.current_task()
        if pumps := [pump for pump in self._pumps if pump is not me]:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps, timeout=1)
        for call in self._ready:
            self._answer(call.number, None, "UNAVAILABLE", "the application stops")
        self._ready.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # ---- the order of things: first the key, then a place among running_max ----

    def _made_room(self, lane: _Lane, call: _Call) -> bool:
        handler = call.handler
        handler.rejected += 1
        text = f"{handler.queue_max} calls of {handler.event} wait already, try again"
        if handler.overflow == "reject":
            self._answer(call.number, None, "UNAVAILABLE", text)
            return False
        while not lane.waiting[0].waits:
            lane.waiting.popleft()
        self._drop(lane.waiting[0], text)
        return True

    def _drop(self, call: _Call, text: str) -> None:
        self._waits_no_more(call)
        self._answer(call.number, None, "UNAVAILABLE", text)
        if call.holds_key:
            self._release(call)

    def _waits_no_more(self, call: _Call) -> None:
        call.waits = False
        lane = self._lanes[call.handler]
        lane.waits -= 1
        while lane.waiting and not lane.waiting[0].waits:
            lane.waiting.popleft()

    def _admit(self, call: _Call) -> None:
        if call.key:
            self._keys.setdefault(call.key, deque())
            call.holds_key = True
        lane = self._lanes[call.handler]
        if lane.running < call.handler.running_max:
            self._begin(call, lane)
        else:
            lane.held.append(call)

    def _begin(self, call: _Call, lane: _Lane) -> None:
        if call.waits:
            self._waits_no_more(call)
        lane.running += 1
        self.running += 1
        mode = call.handler.mode
        if mode == "async":
            self._ready.append(call)
            if not self._looking:
                self._start_pump()
        elif mode == "thread":
            self._run_in_thread(call)
        else:
            self._inline.append(call)
            self._run_inline()

    def _ended(self, call: _Call) -> None:
        lane = self._lanes[call.handler]
        lane.running -= 1
        self.running -= 1
        while lane.held and lane.running < call.handler.running_max:
            held = lane.held.popleft()
            if held.waits:
                self._begin(held, lane)
        if call.holds_key:
            self._release(call)
        if not self.running and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _release(self, call: _Call) -> None:
        call.holds_key = False
        behind = self._keys[call.key]
        while behind:
            following = behind.popleft()
            if following.waits:
                return self._admit(following)
        del self._keys[call.key]
        return None

    # ---- the three ways to run ----

    def _run_at_once(self, handler: Handler, context: Context, data: bytes, number: int) -> None:
        """What ends before anything else begins is in nobody's way: it needs no lane."""
        self._runs_inline = True
        try:
            payload = None if handler.decode is None else handler.decode(data)
            text = _text_of(self._context.copy().run(handler.call, context, payload))
        except Exception as error:
            self._failed(handler, context, error, number)
        except BaseException as error:
            self._failed(handler, context, error, number)
            raise
        else:
            self._answer(number, text)
        finally:
            self._runs_inline = False
            if self._inline:
                self._run_inline()

    def _run_inline(self) -> None:
        # What ends begins others: a loop, not a recursion as deep as the queue is long.
        if self._runs_inline:
            return
        self._runs_inline = True
        try:
            while self._inline:
                call = self._inline.popleft()
                try:
                    result = self._context.copy().run(call.handler.call, call.context, call.payload)
                except Exception as error:
                    self._finish(call, None, error)
                except BaseException as error:
                    self._finish(call, None, error)
                    raise
                else:
                    self._finish(call, result, None)
        finally:
            self._runs_inline = False

    def _run_in_thread(self, call: _Call) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads_max, "ringcast-handler")
        future = self._loop.run_in_executor(
            self._pool,
            self._context.copy().run,
            call.handler.call,
            call.context,
            call.payload,
        )

        def done(future: "asyncio.Future[object]") -> None:
            if future.cancelled():
                self._finish(call, None, Unavailable("the application stops"))
            elif (error := future.exception()) is not None:
                self._finish(call, None, error)
            else:
                self._finish(call, future.result(), None)

        future.add_done_callback(done)

    def _start_pump(self) -> None:
        self._looking += 1
        pump = self._context.copy().run(self._loop.create_task, self._pump())
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)

    async def _pump(self) -> None:
        """Begins what is ready, one after the other, until one suspends: this task is that one's
        then, and others look at the rest."""
        looks = True

        def suspended() -> None:
            nonlocal looks
            looks = False
            self._looking -= 1
            # Where one waits the next ones probably will: they begin in the same round.
            for _ in range(min(len(self._ready), PUMPS_MAX) - self._looking):
                self._start_pump()

        try:
            while looks and self._ready:
                call = self._ready.popleft()
                await self._run_async(call, suspended)
                if contextvars.copy_context() != self._context:
                    break  # what it has set is no matter of the next one
        finally:
            if looks:
                self._looking -= 1
                if self._ready and not self._looking:
                    self._start_pump()

    async def _run_async(self, call: _Call, suspended: Callable[[], None]) -> None:
        try:
            made = cast(Coroutine[Any, Any, object], call.handler.call(call.context, call.payload))
            result = await _stepped(made, suspended)
        except Exception as error:
            self._finish(call, None, error)
        except BaseException as error:
            self._finish(call, None, error)
            raise
        else:
            self._finish(call, result, None)

    # ---- answers ----

    def _finish(self, call: _Call, result: object, error: BaseException | None) -> None:
        if error is None:
            try:
                data = _text_of(result)
            except Exception as wrong:
                error = wrong
            else:
                self._answer(call.number, data)
        if error is not None:
            self._failed(call.handler, call.context, error, call.number)
        self._ended(call)

    def _failed(
        self, handler: Handler, context: Context, error: BaseException, number: int
    ) -> None:
        told = error
        if (translate := self._handlers.for_exception(error)) is not None:
            try:
                told = translate(context, error)
            except BaseException as other:
                told = other
        if isinstance(told, Reject) and CODE.fullmatch(told.code):
            handler.rejected += 1
            return self._answer(number, None, told.code, told.message, told.fields)
        if isinstance(told, ValidationError | TooLarge):
            handler.rejected += 1
            return self._answer(number, None, told.code, told.message, told.fields)
        handler.failed += 1
        if isinstance(told, asyncio.CancelledError):
            return self._answer(number, None, "UNAVAILABLE", "the call was cancelled, try again")
        log.error(
            "handler of %s failed, correlation id %s%s",
            context.event,
            context.correlation_id,
            f": Reject has the code {told.code!r}, expected {CODE.pattern}"
            if isinstance(told, Reject)
            else "",
            exc_info=(type(error), error, error.__traceback__),
        )
        if isinstance(told, Unavailable | RateLimited | Full):
            return self._answer(number, None, "UNAVAILABLE", "not now, try again")
        return self._answer(number, None, "INTERNAL_ERROR", "the application failed")


@types.coroutine
def _stepped(
    made: Coroutine[Any, Any, object], suspended: Callable[[], None]
) -> Generator[Any, Any, object]:
    """Awaits it, and says when it does not end at once."""
    try:
        waits_for = made.send(None)
    except StopIteration as end:
        return end.value
    suspended()
    while True:
        try:
            sent = yield waits_for
            step: Callable[[Any], Any] = made.send
            value: object = sent
        except GeneratorExit:
            made.close()
            raise
        except BaseException as error:
            step, value = made.throw, error
        try:
            waits_for = step(value)
        except StopIteration as end:
            return end.value


def _text_of(result: object) -> bytes:
    if isinstance(result, bytes):
        return result
    if result is None:
        return b"null"
    if isinstance(result, Published):
        known = {name: value for name, value in result._asdict().items() if value is not None}
        return json.dumps(known).encode()
    return encode(result)
