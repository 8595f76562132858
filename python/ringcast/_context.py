"""Who asks: what handlers and hooks get beside a payload, and what they say of it."""

import datetime
import uuid
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

__all__ = ["Context", "Identity"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Identity(NamedTuple):
    """Who a connection is, and the rooms that it may subscribe to, publish to, and see who is in:
    names, or patterns like `tenant:42:*`. `expires` ends it unless it is renewed."""

    user: str
    subscribe: Sequence[str] = ()
    publish: Sequence[str] = ()
    presence: Sequence[str] = ()
    expires: datetime.datetime | None = None


class Context:
    """One call of a client, or one question about its connection.

    `user` is empty for a connection without an identity; `rooms` are those that the connection was
    subscribed to when it called. Thread: any; nothing changes it.
    """

    __slots__ = (
        "_connection",
        "_correlation_id",
        "_time",
        "event",
        "idempotency_key",
        "rooms",
        "user",
    )

    def __init__(
        self,
        event: str,
        user: str,
        connection: bytes,
        rooms: AbstractSet[str] = frozenset(),
        correlation_id: bytes = bytes(16),
        idempotency_key: str | None = None,
        time: int = 0,
    ) -> None:
        self.event = event
        self.user = user
        self.rooms = rooms
        self.idempotency_key = idempotency_key
        self._connection = connection
        self._correlation_id = correlation_id
        self._time = time

    def joined(self, room: str) -> bool:
        """Whether this connection is subscribed to the room."""
        return room in self.rooms

    @property
    def connection(self) -> str:
        """The same for every call of one connection; no other has it while the engine runs."""
        return self._connection.hex()

    @property
    def correlation_id(self) -> str:
        """Stands in the log, and in the answer if the call fails."""
        return str(uuid.UUID(bytes=self._correlation_id))

    @property
    def time(self) -> datetime.datetime:
        """When the call was read; aware, UTC."""
        return _EPOCH + datetime.timedelta(microseconds=self._time)

    def __repr__(self) -> str:
        return f"Context({self.event!r}, user={self.user!r}, {self.correlation_id})"
