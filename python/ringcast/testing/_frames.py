"""What a client has received and nobody has asked for yet."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from .._errors import TimedOut

__all__ = ["TIMEOUT_S", "Frame", "Frames"]

Frame = dict[str, Any]
TIMEOUT_S = 5.0
SHOWN_MAX = 20


class Frames:
    """Frames in the order in which they came. Thread: the loop's. Without a limit: a test that
    receives more than its memory holds is a test to change."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._waiting: deque[Frame] = deque()
        self._came = asyncio.Event()
        self._end: BaseException | None = None

    def push(self, frame: Frame) -> None:
        self._waiting.append(frame)
        self._came.set()

    def end(self, error: BaseException) -> None:
        """Nothing more will come: who waits, and who asks later, gets the error."""
        self._end = error
        self._came.set()

    def take(self, fits: Callable[[Frame], bool]) -> Frame | None:
        for at, frame in enumerate(self._waiting):
            if fits(frame):
                del self._waiting[at]
                return frame
        return None

    def take_all(self) -> list[Frame]:
        taken, self._waiting = list(self._waiting), deque()
        return taken

    async def expect(self, fits: Callable[[Frame], bool], said: str, seconds: float) -> Frame:
        """The first that fits; others stay where they are."""
        try:
            return await asyncio.wait_for(self._until(fits), seconds)
        except asyncio.TimeoutError:
            raise TimedOut(
                f"{self._what}: no {said} within {seconds:g} s; what came: {self._shown()}"
            ) from None

    async def _until(self, fits: Callable[[Frame], bool]) -> Frame:
        while (found := self.take(fits)) is None:
            if self._end is not None:
                raise self._end
            self._came.clear()
            await self._came.wait()
        return found

    def _shown(self) -> str:
        shown = [str(frame) for frame in list(self._waiting)[:SHOWN_MAX]]
        more = len(self._waiting) - len(shown)
        return "; ".join(shown) + (f"; {more} more" if more else "") or "nothing"
