"""Handlers as calls find them: ways to run, order, limits, answers. No engine: calls are made here."""
import asyncio
import contextvars
import dataclasses
import logging
import sys
import threading

import pytest

from engine.conftest import until
from ringcast import Reject, Unavailable, ValidationError
from ringcast._context import Context
from ringcast._dispatch import Dispatcher
from ringcast._handlers import Handler, Handlers

DEFAULTS = {"order": None, "thread": False, "queue_max": 1000, "running_max": 1000,
            "overflow": "reject", "rate": None, "user_rate": None}


@dataclasses.dataclass
class Send:
    chat: str
    n: int = 0


class World:
    """Handlers, a dispatcher for them, and the answers in the order they came."""

    def __init__(self):
        self.handlers = Handlers()
        self.answers = []
        self.count = 0
        self.dispatcher = None

    def on(self, function, event="e", **options):
        handler = Handler(event, function, **{**DEFAULTS, **options})
        self.handlers.calls[event] = handler
        return handler

    def call(self, data=b"null", event="e", user="u"):
        if self.dispatcher is None:
            self.dispatcher = Dispatcher(asyncio.get_running_loop(), self.handlers, 4, self.answer)
        number, self.count = self.count, self.count + 1
        context = Context(event, user, b"c", frozenset(), number.to_bytes(16, "big"))
        self.dispatcher.call(self.handlers.calls[event], context, data, number)

    def answer(self, number, data, code="", message="", fields=None):
        self.answers.append((number, data if data is not None else code, message, fields))

    def shown(self):
        return [(number, what) for number, what, *_ in self.answers]

    async def all(self, count):
        await until(lambda: len(self.answers) >= count, pause=0)
        return self.shown()


@pytest.fixture
def world():
    return World()


def run(test):
    """An async test as a test."""
    def runs(world):
        asyncio.run(test(world))
    runs.__name__ = test.__name__
    return runs


@run
async def test_a_function_is_answered_before_the_call_returns(world):
    world.on(lambda data: {"got": data})
    world.call(b"[1]")
    assert world.shown() == [(0, b'{"got":[1]}')]


@run
async def test_what_does_not_suspend_shares_a_task(world):
    tasks = []

    async def handler(data):
        tasks.append(asyncio.current_task())
        return data

    world.on(handler)
    for n in range(100):
        world.call(str(n).encode())
    assert await world.all(100) == [(n, str(n).encode()) for n in range(100)]
    assert len(set(tasks)) == 1 and tasks[0] is not None


@run
async def test_those_that_suspend_run_side_by_side(world):
    gate = asyncio.Event()
    inside = []

    async def handler(data):
        inside.append(data)
        await gate.wait()
        return data

    world.on(handler)
    for n in range(200):
        world.call(str(n).encode())
    while len(inside) < 200:
        await asyncio.sleep(0)
    assert world.answers == [] and inside == list(range(200))
    gate.set()
    assert sorted(await world.all(200)) == [(n, str(n).encode()) for n in range(200)]


async def waits_and_gathers(data):
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        pass
    await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
    return "done"


async def times_out_and_groups(data):
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        pass
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    return "done"


@pytest.mark.parametrize("handler", [
    waits_and_gathers, *([times_out_and_groups] if sys.version_info >= (3, 11) else [])])
def test_timeouts_and_groups_work_in_the_first_step(world, handler):
    async def test():
        world.on(handler)
        world.call()
        world.call()
        assert await world.all(2) == [(0, b'"done"'), (1, b'"done"')]

    asyncio.run(test())


@pytest.mark.parametrize("kind", ["def", "async", "thread"])
def test_a_context_variable_that_a_handler_sets_is_not_seen_by_the_next(world, kind):
    variable = contextvars.ContextVar("variable", default="clean")

    def function(data):
        seen = variable.get()
        variable.set("dirty")
        return seen

    async def coroutine(data):
        return function(data)

    async def test():
        world.on(coroutine if kind == "async" else function, thread=kind == "thread")
        for _ in range(5):
            world.call()
        assert [what for _, what in await world.all(5)] == [b'"clean"'] * 5

    asyncio.run(test())


@run
async def test_a_slow_function_in_a_thread_holds_up_nobody(world):
    gate = threading.Event()

    def slow(data):
        gate.wait(60)
        return threading.current_thread() is threading.main_thread()

    world.on(slow, "slow", thread=True)
    world.on(lambda data: data, "fast")
    world.call(event="slow")
    world.call(b"1", event="fast")
    assert world.shown() == [(1, b"1")]
    gate.set()
    assert await world.all(2) == [(1, b"1"), (0, b"false")]


@run
async def test_calls_of_one_key_run_one_after_the_other_and_others_beside_them(world):
    gates = {chat: asyncio.Queue() for chat in "ab"}
    inside = []

    async def handler(ctx: Context, send: Send):
        inside.append((send.chat, send.n))
        await gates[send.chat].get()
        return send.n

    world.on(handler, order="chat:{chat}")
    for n in range(3):
        for chat in "ab":
            world.call(b'{"chat":"%s","n":%d}' % (chat.encode(), n))
    for _ in range(10):
        await asyncio.sleep(0)
    assert inside == [("a", 0), ("b", 0)]
    gates["b"].put_nowait(None)
    await world.all(1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert inside == [("a", 0), ("b", 0), ("b", 1)]
    for _ in range(3):
        gates["a"].put_nowait(None)
        gates["b"].put_nowait(None)
    await world.all(6)
    for chat in "ab":
        assert [n for each, n in inside if each == chat] == [0, 1, 2]


@run
async def test_a_key_is_shared_by_handlers_and_a_long_queue_behind_it_is_no_recursion(world):
    gate = asyncio.Event()
    inside = []

    async def first(ctx: Context, data: dict):
        await gate.wait()
        inside.append("first")

    world.on(first, "first", order="k:{k}")
    world.on(lambda data: inside.append(data["n"]), "next", order="k:{k}", queue_max=5000)
    world.call(b'{"k":1}', "first")
    for n in range(5000):
        world.call(b'{"k":1,"n":%d}' % n, "next")
    assert inside == []
    gate.set()
    await world.all(5001)
    assert inside == ["first", *range(5000)]


@pytest.mark.parametrize("overflow, refused", [("reject", [(4, "UNAVAILABLE")]),
                                               ("drop_oldest", [(2, "UNAVAILABLE")])])
def test_both_sides_of_what_may_wait(world, overflow, refused):
    gate = None

    async def handler(data):
        await gate.wait()
        return data

    async def test():
        nonlocal gate
        gate = asyncio.Event()
        handled = world.on(handler, running_max=2, queue_max=2, overflow=overflow)
        for n in range(4):
            world.call(str(n).encode())
        await asyncio.sleep(0)
        assert world.answers == []
        world.call(b"4")
        assert world.shown() == refused and handled.rejected == 1
        gate.set()
        left = sorted({0, 1, 2, 3, 4} - {refused[0][0]})
        assert sorted((await world.all(5))[1:]) == [(n, str(n).encode()) for n in left]
        world.call(b"5")
        assert (await world.all(6))[-1] == (5, b"5")

    asyncio.run(test())


@run
async def test_a_payload_that_does_not_fit_is_answered_with_its_fields(world):
    def handler(send: Send):
        raise AssertionError("not reached")

    world.on(handler)
    world.call(b'{"n":1}')
    ((_, code, _, fields),) = world.answers
    assert code == "VALIDATION_ERROR" and list(fields) == ["chat"]


@run
async def test_a_reject_is_answered_and_not_logged(world):
    def handler(data):
        raise Reject("FORBIDDEN", "not yours", {"chat": "is closed"})

    world.on(handler)
    world.call()
    assert world.answers == [(0, "FORBIDDEN", "not yours", {"chat": "is closed"})]


@pytest.mark.parametrize("code, is_one", [
    ("A", True), ("A" * 64, True), ("SEAT_4_TAKEN", True), ("A" * 65, False), ("", False),
    ("4SEATS", False), ("seat", False), ("SEAT TAKEN", False), ("SEAT\n", False)])
def test_a_reject_has_a_code_of_the_application_within_its_alphabet(world, caplog, code, is_one):
    def handler(data):
        raise Reject(code, "by bob")

    async def test():
        world.on(handler)
        world.call()
        assert await world.all(1) == [(0, code if is_one else "INTERNAL_ERROR")]

    asyncio.run(test())
    assert caplog.text == "" if is_one else repr(code) in caplog.text


@pytest.mark.parametrize("raised, code", [(KeyError("secret"), "INTERNAL_ERROR"),
                                          (Unavailable("x"), "UNAVAILABLE"),
                                          (Reject("no such code"), "INTERNAL_ERROR")])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_is_answered_logged_with_its_correlation_id_and_counted(
        world, caplog, raised, code, is_async):
    def function(data):
        raise raised

    async def coroutine(data):
        raise raised

    async def test():
        handler = world.on(coroutine if is_async else function)
        world.call()
        ((_, answered, message, _),) = [world.answers[0] for _ in [await world.all(1)]]
        assert answered == code and "secret" not in message
        assert (handler.calls, handler.failed) == (1, 1)

    with caplog.at_level(logging.ERROR, "ringcast"):
        asyncio.run(test())
    (record,) = caplog.records
    assert "id 00000000-0000-0000-0000-000000000000" in record.getMessage() and record.exc_info[1] is raised


@run
async def test_what_json_can_not_say_is_a_failure_of_the_handler(world):
    world.on(lambda data: object())
    world.call()
    assert world.shown() == [(0, "VALIDATION_ERROR")] or world.shown() == [(0, "INTERNAL_ERROR")]


@run
async def test_an_exception_handler_says_what_is_answered(world):
    class Domain(Exception):
        pass

    def handler(data):
        raise Domain("closed")

    world.handlers.exceptions[Domain] = lambda context, error: Reject("CONFLICT", str(error))
    world.on(handler)
    world.call()
    assert world.answers == [(0, "CONFLICT", "closed", {})]


@run
async def test_closing_answers_all_that_wait_and_cancels_what_does_not_end(world):
    cancelled = []

    async def handler(data):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(data)
            raise

    world.on(handler, running_max=2)
    for n in range(4):
        world.call(str(n).encode())
    await asyncio.sleep(0)
    await world.dispatcher.close(asyncio.get_running_loop().time() + 0.05)
    assert sorted(world.shown()) == [(n, "UNAVAILABLE") for n in range(4)]
    assert sorted(cancelled) == [0, 1]
    world.call()
    assert world.shown()[-1] == (4, "UNAVAILABLE")


@run
async def test_closing_waits_for_what_ends_in_time(world):
    gate = asyncio.Event()

    async def handler(data):
        await gate.wait()
        return data

    world.on(handler)
    world.call(b"1")
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(
        world.dispatcher.close(asyncio.get_running_loop().time() + 10))
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert world.shown() == [(0, b"1")]


@pytest.mark.parametrize("wrong", [
    {"overflow": "explode"}, {"queue_max": 0}, {"running_max": 0}])
def test_a_wrong_option_is_named(world, wrong):
    with pytest.raises(ValidationError) as refused:
        world.on(lambda data: data, **wrong)
    assert list(refused.value.fields) == list(wrong)


def test_a_handler_takes_a_payload_and_a_context_and_nothing_else(world):
    with pytest.raises(ValidationError, match="expected a payload and, if wanted, a ringcast.Context"):
        world.on(lambda a, b, c: None)
