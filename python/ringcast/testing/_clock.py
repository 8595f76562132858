"""Time that a test moves."""

import asyncio
from typing import Any

from .._errors import RingcastError

__all__ = ["Clock"]

ROUNDS = 10  # of the loop after each step, so that what a timer wakes gets its turn


class Clock:
    """Moves the loop's time forward: asyncio.sleep(), call_later(), timeouts, and so whatever your
    handlers wait for. Between its steps time goes on as ever.

    It does not reach the engine: what its threads time (pings and idle connections, how long
    history and idempotency keys are kept, rates, the cache of authorize) goes by the machine's
    clock, and a test makes it short by `rc_settings`. Nor does it move time.time().
    Thread: the loop's; lives until end().
    """

    def __init__(self) -> None:
        self._loop: Any = None
        self._ahead = 0.0

    async def advance(self, seconds: float) -> None:
        """Timers that fall due on the way run in their order, each at its time."""
        loop = self._installed()
        target = loop.time() + seconds
        await self._rounds()
        while (due := self._next_due(loop)) is not None and due <= target:
            self._ahead += max(0.0, due - loop.time())
            await self._rounds()
        self._ahead += max(0.0, target - loop.time())
        await self._rounds()

    def end(self) -> None:
        if self._loop is not None:
            del self._loop.time
            self._loop = None

    def _installed(self) -> Any:
        loop: Any = asyncio.get_running_loop()
        if self._loop is loop:
            return loop
        self.end()
        if not hasattr(loop, "_scheduled"):
            raise RingcastError(
                "the clock moves asyncio's own event loop alone: run this test without uvloop"
            )
        real = loop.time
        loop.time = lambda: real() + self._ahead
        self._loop = loop
        return loop

    @staticmethod
    def _next_due(loop: Any) -> float | None:
        due = [each.when() for each in loop._scheduled if not each.cancelled()]
        return min(due) if due else None

    @staticmethod
    async def _rounds() -> None:
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
