"""What comes from the engine: messages, gaps, answers. Plain values, the same for both backends.

Thread: any; a Message converts its octets at the first use of `data`, which is harmless twice.
"""

import dataclasses
import datetime
import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar, cast, final

__all__ = [
    "Gap",
    "GapReason",
    "History",
    "Message",
    "Position",
    "PresencePage",
    "Publication",
    "Published",
    "RoomInfo",
]

T = TypeVar("T")
GapReason = Literal["overflow", "expired", "conflated", "shard", "restart"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Position(NamedTuple):
    """Where a subscriber stands in a room: what `subscribe(recover=...)` takes."""

    epoch: str
    offset: int


class Message:
    """An event of a room. `offset` and `epoch` are None in rooms without history.

    `time` is given as RFC 3339 text or as microseconds since 1970, `data` as any buffer that stays
    unchanged: both are converted when somebody asks. `size` is that of the payload in octets.
    """

    __slots__ = ("_data", "_time", "epoch", "event", "id", "offset", "room", "size")

    def __init__(
        self,
        room: str,
        event: str,
        offset: int | None,
        epoch: str | None,
        id: str,
        time: str | int,
        data: bytes | memoryview,
    ) -> None:
        self.room = room
        self.event = event
        self.offset = offset
        self.epoch = epoch
        self.id = id
        self._time = time
        self._data = data
        self.size = len(data) if isinstance(data, bytes) else data.nbytes

    @property
    def time(self) -> datetime.datetime:
        """When it was published; aware, UTC."""
        if isinstance(self._time, int):
            return _EPOCH + datetime.timedelta(microseconds=self._time)
        return _moment(self._time)

    @property
    def data(self) -> bytes:
        """The payload's JSON text in UTF-8."""
        if not isinstance(self._data, bytes):
            self._data = bytes(self._data)
        return self._data

    @property
    def view(self) -> memoryview:
        """The payload without a copy; it keeps the engine's block alive as long as it lives."""
        return memoryview(self._data)

    @property
    def position(self) -> Position | None:
        if self.offset is None or self.epoch is None:
            return None
        return Position(self.epoch, self.offset)

    def json(self) -> Any:
        """The payload as dicts, lists and scalars; made anew with each call."""
        return json.loads(self.data)

    def as_(self, kind: type[T]) -> T:
        """The payload as `kind`: a msgspec Struct, a pydantic model, a dataclass, a TypedDict, any
        annotation that msgspec or pydantic know, bytes or memoryview. ValidationError names each
        field that does not fit."""
        from ._payload import decoder_of

        return cast(T, decoder_of(cast(Any, kind))(self._data))

    def __repr__(self) -> str:
        return (
            f"Message({self.room!r}, {self.event!r}, offset={self.offset}, id={self.id!r},"
            f" {self.size} bytes)"
        )


def _moment(text: str) -> datetime.datetime:
    # Python 3.10 reads neither Z nor fractions of other lengths than 3 and 6.
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(seconds).replace(tzinfo=datetime.timezone.utc)
    return moment + datetime.timedelta(microseconds=int(fraction.ljust(6, "0")[:6]))


@final
class Gap:
    """Messages of `room` after offset `from_`, up to and with `to`, are missing here; both are None
    in rooms without history and where it is not known how many.

    reason: "overflow" (this subscriber was too slow), "conflated" (the same, but a newer message of
    its key comes), "expired" (the history does not reach back), "shard" (the server stood still),
    "restart" (the room's numbering began anew, and history could not bridge it).
    """

    __slots__ = ("from_", "reason", "room", "to")

    def __init__(self, room: str, from_: int | None, to: int | None, reason: GapReason) -> None:
        self.room = room
        self.from_ = from_
        self.to = to
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Gap):
            return NotImplemented
        return (self.room, self.from_, self.to, self.reason) == (
            other.room,
            other.from_,
            other.to,
            other.reason,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Gap({self.room!r}, from_={self.from_}, to={self.to}, reason={self.reason!r})"


class Publication(NamedTuple):
    """One item of `publish_many`. `data` is JSON text in UTF-8."""

    room: str
    event: str
    data: bytes
    id: str | None = None
    key: str | None = None
    exclude_user: str | None = None
    idempotency_key: str | None = None


class Published(NamedTuple):
    """What became of a publish: the event's id, and its position where there is one by now."""

    id: str
    offset: int | None = None
    epoch: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class PresencePage:
    """Users who view a room, in their order; `after` is where the next page begins, None at the
    end. `count` is of all."""

    room: str
    users: Sequence[str]
    count: int
    after: str | None = None


class History(NamedTuple):
    """Messages of a room, oldest first. `position` is the room's newest; `after` the offset where
    the next page begins, None at the end. `complete` is False where messages between the asked
    offset and the first one here are gone."""

    room: str
    messages: Sequence[Message]
    position: Position | None
    complete: bool = True
    after: int | None = None


class RoomInfo(NamedTuple):
    """A room that exists now: how many subscribe to it, how many messages are kept.

    Subscribers are connections and the subscriptions of this process, but not those by pattern.
    """

    room: str
    subscribers: int
    history: int = 0
    position: Position | None = None
