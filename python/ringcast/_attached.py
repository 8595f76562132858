"""Engine.attach(): the same interface over a running ringcastd, as the native protocol.

Publishes and subscriptions share a WebSocket; a subscription gets another one where it would stand
in the way of others (overflow="block", a room twice, the server's rooms_per_connection_max). A
connection that is lost comes back by itself, and subscriptions recover from where they were.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._backend import EVENT
from ._errors import (
    ConnectionLost,
    EngineClosed,
    Forbidden,
    ForkedEngineError,
    Full,
    MissingPackage,
    NotStarted,
    RateLimited,
    RingcastError,
    TimedOut,
    Unavailable,
    WrongAddress,
    WrongKey,
    WrongLoop,
    error_of,
)
from ._http import HttpClient
from ._messages import (
    Gap,
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

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["AttachedBackend"]

log = logging.getLogger("ringcast")

ANSWER_S = 10.0
# The server answers 1,024 open questions of a connection; subscribes want some of them.
IN_FLIGHT_MAX = 512
QUEUE_MAX = 10_000
BACKOFF_S = (0.05, 5.0)


class _Ask:
    """A question and who waits for its answer. `again`: it may be asked twice without harm.
    `here`: it concerns this connection alone, and is void on the next."""

    __slots__ = ("again", "answer", "fields", "here", "number")

    def __init__(
        self,
        fields: str,
        answer: "asyncio.Future[dict[str, Any]] | None",
        again: bool,
        here: bool = False,
    ) -> None:
        self.number = 0
        self.fields = fields  # JSON of the message without its end and its id
        self.answer = answer
        self.again = again
        self.here = here

    def fail(self, error: RingcastError) -> None:
        if self.answer is None:
            log.warning("publish_nowait: %s", error)
        elif not self.answer.done():
            self.answer.set_exception(error)


class _Room:
    """A subscription on a link, and how far it has come."""

    __slots__ = ("epoch", "offset", "opened", "subscription", "taken")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.epoch: str | None = None
        self.offset = 0
        if subscription.recover is not None:
            self.epoch, self.offset = subscription.recover
        self.opened = False  # the server has answered once
        self.taken = asyncio.Event()  # cleared while overflow="block" has no room
        self.taken.set()

    def question(self) -> str:
        fields: dict[str, object] = {"type": "subscribe", "room": self.subscription.room}
        if self.epoch is not None:
            fields["recover"] = {"epoch": self.epoch, "offset": self.offset}
        return json.dumps(fields)[:-1]


class _Link:
    """One WebSocket that comes back until it is closed.

    Thread: the loop's. Limit: queue_max questions wait, IN_FLIGHT_MAX of them on the wire; beyond
    that ask() waits and ask_nowait() is Full.
    """

    def __init__(self, http: HttpClient, queue_max: int, patient: bool) -> None:
        self._address = http.address
        self._authorization = http.authorization
        self._queue_max = queue_max
        self._patient = patient  # it may stand still: who reads here blocks
        self._numbers = itertools.count(1)
        self._queue: deque[_Ask] = deque()
        self._flight: dict[int, _Ask] = {}
        self._rooms: dict[str, _Room] = {}
        self._more = asyncio.Event()  # something to write
        self._space = asyncio.Event()  # a place in the queue
        self._space.set()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed: RingcastError | None = None
        self._drained: asyncio.Event | None = None  # since close() waits for it
        self.crowded = False  # the server lets no further room on this connection

    # ---- life ----

    async def open(self) -> None:
        socket = self._socket = await self._connect()
        self._task = asyncio.ensure_future(self._run(socket))

    async def close(self, deadline: float, error: RingcastError) -> None:
        if (self._queue or self._flight) and self._failed is None:
            self._drained = asyncio.Event()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._drained.wait(), deadline)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._fail_all(error)
        for room in list(self._rooms.values()):
            room.subscription.finish()
        self._rooms.clear()

    async def _connect(self) -> "ClientConnection":
        from websockets.asyncio.client import connect, unix_connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus

        address = self._address
        options: dict[str, Any] = {
            "additional_headers": {"Authorization": self._authorization},
            "subprotocols": None,
            "compression": None,
            "max_size": None,
            "open_timeout": ANSWER_S,
            "close_timeout": 1,
            "ping_interval": None if self._patient else 20,
            "proxy": None,
        }
        try:
            if address.unix is not None:
                return await unix_connect(address.unix, "ws://localhost/ws", **options)
            scheme = "wss" if address.tls else "ws"
            host = f"[{address.host}]" if ":" in address.host else address.host
            return await connect(f"{scheme}://{host}:{address.port}/ws", **options)
        except InvalidStatus as refused:
            raise self._refused(
                refused.response.status_code, bytes(refused.response.body)
            ) from None
        except InvalidHandshake as wrong:
            raise WrongAddress(f"{address.url}: no WebSocket is served there: {wrong}") from None
        except (TimeoutError, asyncio.TimeoutError):
            raise address.unreachable(TimeoutError()) from None
        except OSError as error:
            raise address.unreachable(error) from None

    def _refused(self, status: int, body: bytes) -> RingcastError:
        if status == 401:
            return WrongKey()
        try:
            answer = json.loads(body)
            return error_of(answer["error"], answer["message"], answer.get("correlationId"))
        except (ValueError, KeyError, TypeError):
            pass
        if status >= 500:
            return Unavailable(f"{self._address.url}: HTTP {status}, try again later")
        return WrongAddress(
            f"{self._address.url}: what answers there is no ringcastd: HTTP {status}"
        )

    async def _run(self, socket: "ClientConnection") -> None:
        """Serves one connection after the other, until one is refused for good."""
        delay = BACKOFF_S[0]
        while True:
            try:
                if await self._serve(socket):
                    delay = BACKOFF_S[0]
                while True:
                    # Full jitter: after a restart all clients come back, but not at once.
                    await asyncio.sleep(random.uniform(0, delay))
                    delay = min(delay * 2, BACKOFF_S[1])
                    try:
                        socket = await self._connect()
                        break
                    except (Unavailable, WrongAddress, TimedOut) as error:
                        # A socket file that is gone comes back with its daemon.
                        log.info("ringcast is away: %s", error)
            except (asyncio.CancelledError, GeneratorExit):
                await socket.close()
                raise
            except RingcastError as error:
                self._give_up(error)
                return
            except Exception as error:
                log.exception("the connection to %s failed", self._address.url)
                self._give_up(ConnectionLost(f"{self._address.url}: {error!r}"))
                return

    def _give_up(self, error: RingcastError) -> None:
        self._failed = error
        self._fail_all(error)
        for room in self._rooms.values():
            room.subscription.finish(error)
        self._rooms.clear()

    def _fail_all(self, error: RingcastError) -> None:
        for ask in (*self._flight.values(), *self._queue):
            ask.fail(error)
        self._flight.clear()
        self._queue.clear()
        self._space.set()
        if self._drained is not None:
            self._drained.set()

    async def _serve(self, socket: "ClientConnection") -> bool:
        """Until the connection ends; whether it was of use."""
        from websockets.exceptions import ConnectionClosed

        self._socket = socket
        for room in self._rooms.values():
            if room.opened:
                self._renew(room)
        self._more.set()
        writer = asyncio.ensure_future(self._write(socket))
        useful = False
        try:
            while True:
                frame = await socket.recv(decode=False)
                useful = True
                blocked = self._read(frame)
                if blocked is not None:
                    await blocked.taken.wait()
        except ConnectionClosed as closed:
            reason = f"{closed.rcvd.code} {closed.rcvd.reason}" if closed.rcvd else "no close frame"
            log.info("connection to %s lost: %s", self._address.url, reason)
        finally:
            self._socket = None
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await writer
            await socket.close()
            self._after_loss()
        return useful

    def _after_loss(self) -> None:
        """What was asked and not answered: asked again where that is harmless, else lost."""
        flight, self._flight = self._flight, {}
        for ask in [ask for ask in self._queue if ask.here]:
            self._queue.remove(ask)
            ask.fail(ConnectionLost("the connection broke"))
        for ask in reversed(flight.values()):
            if ask.again:
                self._queue.appendleft(ask)
            else:
                ask.fail(
                    ConnectionLost(
                        f"{self._address.url}: the connection broke before the answer came: it may"
                        " have been done. With idempotency_key= it is tried again without harm"
                    )
                )

    # ---- questions ----

    async def ask(self, fields: str, again: bool) -> dict[str, Any]:
        while len(self._queue) >= self._queue_max:
            self._refuse_failed()
            self._space.clear()
            await self._space.wait()
        self._refuse_failed()
        ask = _Ask(fields, asyncio.get_running_loop().create_future(), again)
        self._put(ask)
        assert ask.answer is not None
        try:
            return await asyncio.wait_for(ask.answer, ANSWER_S)
        except asyncio.TimeoutError:
            self._forget(ask)
            if self._socket is None:
                raise ConnectionLost(
                    f"{self._address.url}: no connection for {ANSWER_S:.0f} s; still trying"
                ) from None
            raise TimedOut(
                f"{self._address.url}: no answer within {ANSWER_S:.0f} s; it may have been done"
            ) from None
        except asyncio.CancelledError:
            self._forget(ask)
            raise

    def ask_nowait(self, fields: str, again: bool) -> None:
        self._refuse_failed()
        if len(self._queue) >= self._queue_max:
            raise Full
        self._put(_Ask(fields, None, again))

    def _put(self, ask: _Ask) -> None:
        self._queue.append(ask)
        self._more.set()

    def _forget(self, ask: _Ask) -> None:
        """Nobody waits any more. What is on the wire keeps its place until it is answered."""
        with contextlib.suppress(ValueError):
            self._queue.remove(ask)

    def _refuse_failed(self) -> None:
        if self._failed is not None:
            raise self._failed

    async def _write(self, socket: "ClientConnection") -> None:
        while True:
            while self._queue and len(self._flight) < IN_FLIGHT_MAX:
                ask = self._queue.popleft()
                ask.number = next(self._numbers)
                self._flight[ask.number] = ask
                if len(self._queue) < self._queue_max:
                    self._space.set()
                await socket.send(f'{ask.fields},"id":{ask.number}}}')
            self._more.clear()
            await self._more.wait()

    # ---- what comes ----

    def _read(self, frame: bytes) -> _Room | None:
        """The room that has no place for more, if it is so."""
        # The data is the last field of an event, and its only one of that name outside of a text.
        at = frame.find(b',"data":')
        if at >= 0:
            return self._event(json.loads(frame[:at] + b"}"), frame[at + 8 : -1])
        message: dict[str, Any] = json.loads(frame)
        if (number := message.get("id")) in self._flight:
            self._answered(self._flight.pop(number), message)
        else:
            self._told(message)
        return None

    def _event(self, head: dict[str, Any], data: bytes) -> _Room | None:
        room = self._rooms.get(head["room"])
        if room is None:
            return None  # unsubscribed meanwhile
        offset: int | None = head.get("offset")
        if offset is not None:
            if offset <= room.offset:
                return None  # a repeat
            room.offset = offset
        message = Message(
            head["room"],
            head["type"],
            offset,
            room.epoch if offset is not None else None,
            head["id"],
            head["time"],
            data,
        )
        return self._push(room, message)

    def _push(self, room: _Room, item: Message | Gap) -> _Room | None:
        if room.subscription.push(item):
            return None
        room.taken.clear()
        return room

    def _answered(self, ask: _Ask, message: dict[str, Any]) -> None:
        self._more.set()
        if self._drained is not None and not (self._queue or self._flight):
            self._drained.set()
        if message["type"] == "error":
            ask.fail(error_of(message["code"], message["message"]))
        elif ask.answer is not None and not ask.answer.done():
            ask.answer.set_result(message)
        # At once: events of the room may be in the frames behind this one.
        if message["type"] == "subscribed":
            self._stands(message)

    def _told(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "position":
            for room in self._rooms.values():
                if room.epoch == message["epoch"]:
                    room.offset = max(room.offset, message["offset"])
        elif kind == "error":
            log.warning("ringcast: %s: %s", message["code"], message["message"])
        elif kind == "subscribed":
            self._stands(message)
        elif (told := self._rooms.get(message.get("room", ""))) is None:
            pass
        elif kind == "gap":
            gap = Gap(message["room"], message.get("from"), message.get("to"), message["reason"])
            self._push(told, gap)
        elif kind == "unsubscribed":
            del self._rooms[message["room"]]
            told.subscription.finish(Forbidden(f"{message['room']}: {message.get('reason', '')}"))

    def _stands(self, message: dict[str, Any]) -> None:
        """Where a subscription is now, and what is missing before it."""
        room = self._rooms.get(message["room"])
        if room is None:
            return
        name, epoch, offset = message["room"], message.get("epoch"), message.get("offset", 0)
        missed = message.get("recovered") is False
        if missed and room.epoch is not None:
            gap = Gap(name, None, None, "restart")
            if epoch == room.epoch:
                gap = Gap(name, room.offset, offset, "expired")
            if epoch != room.epoch or offset > room.offset:
                self._push(room, gap)
        elif room.opened and room.epoch is None:
            self._push(room, Gap(name, None, None, "expired"))  # nothing is kept in such a room
        room.opened = True
        room.epoch, room.offset = epoch, offset

    # ---- subscriptions ----

    def has(self, room: str) -> bool:
        return room in self._rooms

    @property
    def empty(self) -> bool:
        return not self._rooms

    async def subscribe(self, subscription: Subscription) -> None:
        room = self._rooms[subscription.room] = _Room(subscription)
        try:
            await self.ask(room.question(), again=True)
        except BaseException:
            # The server may have taken it: whoever asks for the room again is to find it free.
            self.unsubscribe(subscription)
            raise

    def _renew(self, room: _Room) -> None:
        """After a new connection. Refused now, it ends with that error."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: self._renewed(room, done))
        self._queue.appendleft(_Ask(room.question(), future, again=False, here=True))

    def _renewed(self, room: _Room, done: "asyncio.Future[dict[str, Any]]") -> None:
        if done.cancelled() or (error := done.exception()) is None:
            return
        name = room.subscription.room
        if isinstance(error, ConnectionLost) or self._rooms.get(name) is not room:
            return  # the next connection asks again
        if isinstance(error, Unavailable | RateLimited):
            loop = asyncio.get_running_loop()
            loop.call_later(random.uniform(0.1, 1), self._renew_later, room)
            return
        del self._rooms[name]
        room.subscription.finish(error)

    def _renew_later(self, room: _Room) -> None:
        if self._socket is not None and self._rooms.get(room.subscription.room) is room:
            self._renew(room)
            self._more.set()

    def unsubscribe(self, subscription: Subscription) -> None:
        room = self._rooms.get(subscription.room)
        if room is None or room.subscription is not subscription:
            return
        room.taken.set()
        del self._rooms[subscription.room]
        if self._socket is not None and self._failed is None:
            fields = json.dumps({"type": "unsubscribe", "room": subscription.room})[:-1]
            answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._put(_Ask(fields, answer, again=False, here=True))

    def emptied(self, subscription: Subscription) -> None:
        room = self._rooms.get(subscription.room)
        if room is not None and room.subscription is subscription:
            room.taken.set()


class AttachedBackend:
    """Backend over a running ringcastd.

    Thread: the loop that opened it. Lives from open() to close(). Limit: queue_max publishes wait;
    publish() then waits for a place, publish_nowait() raises Full.
    """

    def __init__(
        self, url: str | None, *, api_key: str | None = None, queue_max: int = QUEUE_MAX
    ) -> None:
        self._http = HttpClient(url, api_key)
        self._queue_max = queue_max
        self._links: list[_Link] = []  # the first one also publishes
        self._own: dict[int, _Link] = {}  # by id() of a subscription: the link it is on
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._closed = False
        self._opening = asyncio.Lock()

    # ---- life ----

    async def open(self) -> None:
        try:
            import websockets.asyncio.client  # noqa: F401
        except ImportError:
            raise MissingPackage(
                "attaching needs the package websockets: pip install 'ringcast[attach]'"
            ) from None
        if self._closed:
            raise EngineClosed
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        link = self._new_link(patient=False)
        await link.open()
        self._links.append(link)

    async def close(self, deadline: float) -> None:
        if self._closed or self._loop is None:
            self._closed = True
            return
        self._check()
        self._closed = True
        links = {id(link): link for link in (*self._links, *self._own.values())}
        self._links, self._own = [], {}
        await asyncio.gather(*(link.close(deadline, EngineClosed()) for link in links.values()))
        self._http.close()

    def _new_link(self, patient: bool) -> _Link:
        return _Link(self._http, self._queue_max, patient)

    def _check(self) -> None:
        if self._closed:
            raise EngineClosed
        if self._loop is None:
            raise NotStarted
        if self._process != os.getpid():
            raise ForkedEngineError
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if not here:
            raise WrongLoop

    # ---- publishing ----

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
        self._check()
        item = Publication(room, event, data, id, key, exclude_user, idempotency_key)
        return _published(await self._links[0].ask(_publish(item), _repeatable(item)))

    def publish_nowait(
        self,
        room: str,
        data: object = None,
        *,
        event: str = EVENT,
        id: str | None = None,
        key: str | None = None,
        exclude_user: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        self._check()
        item = Publication(room, event, encode(data), id, key, exclude_user, idempotency_key)
        self._links[0].ask_nowait(_publish(item), _repeatable(item))

    async def publish_many(
        self, items: Sequence[Publication]
    ) -> Sequence[Published | RingcastError]:
        self._check()
        link = self._links[0]

        async def one(item: Publication) -> Published | RingcastError:
            try:
                return _published(await link.ask(_publish(item), _repeatable(item)))
            except RingcastError as error:
                return error

        # In their order: tasks begin in it, and wait for places in it.
        return await asyncio.gather(*(one(item) for item in items))

    # ---- subscribing ----

    def subscribe(
        self,
        room: str,
        *,
        recover: Position | None = None,
        overflow: OverflowPolicy = "disconnect",
        max_bytes: int | str = BYTES_MAX,
        max_messages: int = MESSAGES_MAX,
    ) -> Subscription:
        self._check()
        return Subscription(
            self,
            room,
            recover=recover,
            overflow=overflow,
            max_bytes=max_bytes,
            max_messages=max_messages,
        )

    async def opened(self, subscription: Subscription) -> None:
        self._check()
        if subscription.overflow == "block":
            link = self._new_link(patient=True)
            await link.open()
            await self._joined(link, subscription, alone=True)
        else:
            async with self._opening:  # or two that find no place would open a link each
                await self._shared(subscription)

    async def _shared(self, subscription: Subscription) -> None:
        for link in self._links:
            if link.crowded or link.has(subscription.room):
                continue
            try:
                await self._joined(link, subscription, alone=False)
                return
            except RateLimited:
                link.crowded = True
        link = self._new_link(patient=False)
        await link.open()
        self._links.append(link)
        await self._joined(link, subscription, alone=False)

    async def _joined(self, link: _Link, subscription: Subscription, alone: bool) -> None:
        try:
            await link.subscribe(subscription)
        except BaseException:
            if alone:
                await link.close(0, EngineClosed())
            raise
        self._own[id(subscription)] = link

    async def closed(self, subscription: Subscription) -> None:
        link = self._own.pop(id(subscription), None)
        if link is None or self._process != os.getpid():
            return
        link.unsubscribe(subscription)
        if link not in self._links:
            await link.close(0, EngineClosed())
        elif link is not self._links[0] and link.empty:
            self._links.remove(link)
            await link.close(0, EngineClosed())
        else:
            link.crowded = False

    def emptied(self, subscription: Subscription) -> None:
        if link := self._own.get(id(subscription)):
            link.emptied(subscription)

    # ---- asking ----

    async def presence(self, room: str, after: str | None, limit: int) -> PresencePage:
        answer = await self._post("presence", room=room, after=after, limit=limit)
        return PresencePage(room, answer["users"], answer["count"], answer.get("after"))

    async def history(self, room: str, after: Position | None, limit: int) -> History:
        asked = None if after is None else {"epoch": after.epoch, "offset": after.offset}
        answer, text = await self._post_for_text("history", room=room, after=asked, limit=limit)
        epoch: str | None = answer.get("epoch")
        messages = [
            Message(
                room,
                event["type"],
                event.get("offset"),
                epoch if "offset" in event else None,
                event["id"],
                event["time"],
                data,
            )
            for event, data in zip(answer["events"], _payloads(text, answer), strict=True)
        ]
        top = None if epoch is None else Position(epoch, answer["offset"])
        return History(room, messages, top, answer["complete"], answer.get("after"))

    async def rooms(self, prefix: str, after: str | None, limit: int) -> Sequence[RoomInfo]:
        answer = await self._post("rooms", prefix=prefix or None, after=after, limit=limit)
        return [
            RoomInfo(
                row["room"],
                row["subscribers"],
                row["history"],
                Position(row["epoch"], row["offset"]) if "epoch" in row else None,
            )
            for row in answer["rooms"]
        ]

    async def kick(self, user: str, room: str | None = None) -> int:
        path = "disconnect" if room is None else "unsubscribe"
        answer = await self._post(path, user=user, room=room)
        return int(answer["count"])

    async def _post(self, path: str, **fields: object) -> dict[str, Any]:
        return (await self._post_for_text(path, **fields))[0]

    async def _post_for_text(self, path: str, **fields: object) -> tuple[dict[str, Any], str]:
        self._check()
        body = {name: value for name, value in fields.items() if value is not None}
        return await asyncio.to_thread(
            self._http.post_for_text, f"/api/{path}", body, ANSWER_S, True
        )


def _payloads(text: str, answer: dict[str, Any]) -> Iterator[bytes]:
    """Of each event of a history, as it was published: JSON that is read and written again may be
    other octets."""
    decoder = json.JSONDecoder()
    begin = text.find('"events":[') + len('"events":[')
    for _ in answer["events"]:
        end = decoder.raw_decode(text, begin)[1]
        data = text.find(',"data":', begin) + len(',"data":')
        yield text[data : end - 1].encode()
        begin = end + 1  # behind the comma


def _publish(item: Publication) -> str:
    """The message up to its id."""
    fields = {
        "type": "publish",
        "room": item.room,
        "event": item.event,
        "eventId": item.id,
        "key": item.key,
        "excludeUser": item.exclude_user,
        "idempotencyKey": item.idempotency_key,
    }
    head = json.dumps({name: value for name, value in fields.items() if value is not None})
    return f'{head[:-1]},"data":{item.data.decode()}'


def _repeatable(item: Publication) -> bool:
    return item.id is not None or item.idempotency_key is not None


def _published(answer: dict[str, Any]) -> Published:
    return Published(answer["eventId"], answer.get("offset"), answer.get("epoch"))
