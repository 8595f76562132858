"""What Engine needs of whatever is behind it: an engine in this process, or a running ringcastd.

Payloads are JSON text here already, but for publish_nowait(); rooms and event types are judged by
the engine.
"""

from collections.abc import Sequence
from typing import Protocol

from ._errors import RingcastError
from ._messages import History, Position, PresencePage, Publication, Published, RoomInfo
from ._subscription import BYTES_MAX, MESSAGES_MAX, OverflowPolicy, Subscription

__all__ = ["EVENT", "Backend", "PublishNowait"]

EVENT = "message"


class PublishNowait(Protocol):
    """Into the queue, in the order of the calls; Full if it has no room. Errors of the engine are
    counted and logged. Thread: any, where the engine is in this process."""

    def __call__(
        self,
        room: str,
        data: object = None,
        *,
        event: str = EVENT,
        id: str | None = None,
        key: str | None = None,
        exclude_user: str | None = None,
        idempotency_key: str | None = None,
    ) -> None: ...


class Backend(Protocol):
    """Thread: the loop that has opened it. Before open() every method raises NotStarted, after
    close() EngineClosed, in another loop WrongLoop."""

    async def open(self) -> None: ...

    async def close(self, deadline: float) -> None:
        """Ends subscriptions, waits up to `deadline` seconds for what is under way. Twice is
        once."""
        ...

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
        """Waits for room in the queue and for the answer."""
        ...

    @property
    def publish_nowait(self) -> PublishNowait: ...

    async def publish_many(
        self, items: Sequence[Publication]
    ) -> Sequence[Published | RingcastError]:
        """Each on its own: one that is refused does not hold up the others. Answers in order."""
        ...

    def subscribe(
        self,
        room: str,
        *,
        recover: Position | None = None,
        overflow: OverflowPolicy = "disconnect",
        max_bytes: int | str = BYTES_MAX,
        max_messages: int = MESSAGES_MAX,
    ) -> Subscription:
        """Nothing happens before `async with`."""
        ...

    async def presence(self, room: str, after: str | None, limit: int) -> PresencePage: ...

    async def history(self, room: str, after: Position | None, limit: int) -> History:
        """Messages after a position, or the newest `limit`."""
        ...

    async def rooms(self, prefix: str, after: str | None, limit: int) -> Sequence[RoomInfo]:
        """Rooms whose name begins with prefix, ordered by name, those after `after`."""
        ...

    async def kick(self, user: str, room: str | None = None) -> int:
        """Ends all connections of the user, or with a room: his subscriptions to it. How many."""
        ...
