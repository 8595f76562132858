"""Clients as tests want them: they wait for what is expected, and have every fault on demand."""

import asyncio
import contextlib
import json
import socket
import urllib.parse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._errors import ConnectionLost, MissingPackage, Unauthorized, error_of
from .._messages import Position
from ._frames import TIMEOUT_S, Frame, Frames

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["Frame", "SseClient", "WebSocketClient"]

SLOW_RECEIVE_BYTES = 4096
CLOSE_S = 1.0


class Client:
    """What both have. Thread: the loop's that has opened it; lives until close(), or until the
    engine of the test ends."""

    def __init__(self, address: str, bearer: str | None, slow: bool) -> None:
        self.address = address
        self._bearer = bearer
        self._slow = slow
        self._frames = Frames(f"client of {address}")
        self._reading: asyncio.Task[None] | None = None
        self._transport: Any = None
        self.positions: dict[str, Position] = {}

    async def expect(
        self,
        type: str | None = None,
        *,
        timeout: float = TIMEOUT_S,
        **fields: object,
    ) -> Frame:
        """The next message of this type with these fields; others stay for later. TimedOut says
        what came instead."""

        def fits(frame: Frame) -> bool:
            return (type is None or frame.get("type") == type) and all(
                frame.get(name) == value for name, value in fields.items()
            )

        wanted = " ".join([repr(type or "message"), *(f"{n}={v!r}" for n, v in fields.items())])
        return await self._frames.expect(fits, wanted, timeout)

    def received(self) -> list[Frame]:
        """All that came and was not expected; clears it."""
        return self._frames.take_all()

    def drop(self) -> None:
        """The connection breaks here and now, without a word: what a tunnel does to a phone."""
        self._transport.abort()

    def pause(self) -> None:
        """Reads nothing more: what is sent fills the sockets, then the engine's queue."""
        self._transport.pause_reading()

    def resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _connected_socket(self) -> socket.socket:
        """Connected at once, since it is to this machine."""
        if self.address.startswith("unix:"):
            one = socket.socket(socket.AF_UNIX)
            target: Any = self.address.removeprefix("unix:")
        else:
            one = socket.socket()
            host, _, port = self.address.rpartition(":")
            target = (host, int(port))
        if self._slow:
            # Before it connects: the window is agreed on then.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BYTES)
        try:
            one.connect(target)
        except BaseException:
            one.close()
            raise
        one.setblocking(False)
        return one

    def _note(self, frame: Frame) -> None:
        """Moves the position of a room as docs/native-protocol.md says."""
        room, offset = frame.get("room"), frame.get("offset")
        if offset is not None and frame["type"] == "position":
            for each, known in self.positions.items():
                if known.epoch == frame["epoch"]:
                    self.positions[each] = Position(known.epoch, offset)
        elif offset is not None and room is not None:
            before = self.positions.get(room)
            epoch = frame.get("epoch") or (before.epoch if before is not None else "")
            self.positions[room] = Position(epoch, offset)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        self._reading = None


class WebSocketClient(Client):
    """Speaks the native protocol. Errors that the engine answers are raised."""

    def __init__(self, address: str, bearer: str | None = None, slow: bool = False) -> None:
        super().__init__(address, bearer, slow)
        self._socket: ClientConnection | None = None
        self._asked = 0
        self._rooms: dict[str, None] = {}
        self.hello: Frame = {}

    async def open(self) -> "WebSocketClient":
        try:
            from websockets.asyncio.client import connect
            from websockets.exceptions import InvalidStatus
        except ImportError:
            raise MissingPackage(
                "clients of tests need the package websockets: pip install 'ringcast[testing]'"
            ) from None
        headers = {} if self._bearer is None else {"Authorization": f"Bearer {self._bearer}"}
        try:
            self._socket = await connect(
                "ws://ringcast.test/ws"
                if self.address.startswith("unix:")
                else f"ws://{self.address}/ws",
                sock=self._connected_socket(),
                additional_headers=headers,
                compression=None,
                max_size=None,
                ping_interval=None,
                close_timeout=CLOSE_S,
            )
        except InvalidStatus as refused:
            raise error_of(
                "UNAUTHORIZED" if refused.response.status_code == 401 else "FORBIDDEN",
                bytes(refused.response.body or b"").decode(errors="replace"),
            ) from None
        self._transport = self._socket.transport
        self._frames = Frames(f"client of {self.address}")
        self._reading = asyncio.ensure_future(self._read(self._socket, self._frames))
        self.hello = await self.expect("connected")
        return self

    async def _read(self, connection: "ClientConnection", frames: Frames) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            async for text in connection:
                frame = json.loads(text)
                self._note(frame)
                frames.push(frame)
        except ConnectionClosed:
            pass
        finally:
            frames.end(
                ConnectionLost(f"closed: {connection.close_code} {connection.close_reason or ''}")
            )

    # ---- what it asks; each returns the answer ----

    async def subscribe(self, room: str, recover: Position | None = None) -> Frame:
        more = {} if recover is None else {"recover": recover._asdict()}
        answer = await self.ask({"type": "subscribe", "room": room, **more})
        self._rooms[room] = None
        return answer

    async def unsubscribe(self, room: str) -> Frame:
        answer = await self.ask({"type": "unsubscribe", "room": room})
        self._rooms.pop(room, None)
        return answer

    async def publish(
        self, room: str, data: object = None, *, event: str = "message", **fields: object
    ) -> Frame:
        asked = {"type": "publish", "room": room, "event": event, "data": data, **fields}
        return await self.ask(asked)

    async def call(self, event: str, data: object = None, **fields: object) -> Any:
        """What the handler has returned; what it refused is raised, with `fields` and
        `correlation_id`."""
        answer = await self.ask({"type": "call", "event": event, "data": data, **fields})
        return answer.get("data")

    async def join(self, room: str) -> None:
        """Says that its user views the room."""
        await self.send({"type": "presence", "action": "join", "room": room})

    async def leave(self, room: str) -> None:
        await self.send({"type": "presence", "action": "leave", "room": room})

    async def settle(self) -> None:
        """Until everything is here that was sent to it before now."""
        await self.ask({"type": "ping"})

    async def ask(self, message: Frame) -> Frame:
        self._asked += 1
        number = f"asked-{self._asked}"
        await self.send({**message, "id": number})
        # An event of the application has an id of its own, and a time.
        answer = await self._frames.expect(
            lambda frame: frame.get("id") == number and "time" not in frame,
            f"answer to {message}",
            TIMEOUT_S,
        )
        if answer.get("type") == "error" or answer.get("ok") is False:
            raise error_of(
                answer.get("error") or answer["code"],
                answer["message"],
                answer.get("correlationId"),
                answer.get("fields"),
            )
        return answer

    async def send(self, message: Frame) -> None:
        from websockets.exceptions import ConnectionClosed

        assert self._socket is not None
        with contextlib.suppress(ConnectionClosed):  # who waits for an answer learns it there
            await self._socket.send(json.dumps(message))

    async def reconnect(self) -> dict[str, bool]:
        """A new connection that recovers its rooms from where it was; whether each could."""
        await self.close()
        await self.open()
        recovered = {}
        for room in list(self._rooms):
            answer = await self.subscribe(room, self.positions.get(room))
            recovered[room] = bool(answer.get("recovered"))
        return recovered

    async def ended(self, timeout: float = TIMEOUT_S) -> tuple[int | None, str]:
        """Waits until the connection has ended: code and reason."""
        assert self._socket is not None
        await asyncio.wait_for(self._socket.wait_closed(), timeout)
        return self._socket.close_code, self._socket.close_reason or ""

    async def close(self) -> None:
        if self._socket is not None:
            self.resume()
            await self._socket.close()
        await super().close()


class SseClient(Client):
    """An event stream of some rooms. reconnect() goes on behind the last event, as browsers do."""

    def __init__(
        self, address: str, rooms: Sequence[str], bearer: str | None = None, slow: bool = False
    ) -> None:
        super().__init__(address, bearer, slow)
        self._rooms = tuple(rooms)
        self._writer: asyncio.StreamWriter | None = None
        self.last_event_id = ""

    async def open(self) -> "SseClient":
        query = urllib.parse.urlencode([("room", room) for room in self._rooms])
        head = [f"GET /sse?{query} HTTP/1.1", "Accept: text/event-stream"]
        host = "ringcast.test" if self.address.startswith("unix:") else self.address
        head.append(f"Host: {host}")
        if self._bearer is not None:
            head.append(f"Authorization: Bearer {self._bearer}")
        if self.last_event_id:
            head.append(f"Last-Event-ID: {self.last_event_id}")
        reader, self._writer = await asyncio.open_connection(sock=self._connected_socket())
        self._transport = self._writer.transport
        self._writer.write("\r\n".join([*head, "", ""]).encode())
        answered = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = int(answered.split(" ", 2)[1])
        if status != 200:
            await self.close()
            raise Unauthorized() if status == 401 else error_of("FORBIDDEN", answered)
        self._frames = Frames(f"event stream of {', '.join(self._rooms)}")
        self._reading = asyncio.ensure_future(self._read(reader, self._frames))
        return self

    async def _read(self, reader: asyncio.StreamReader, frames: Frames) -> None:
        try:
            while True:
                block = (await reader.readuntil(b"\n\n")).decode()
                self._take(block, frames)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            frames.end(ConnectionLost("the stream has ended"))

    def _take(self, block: str, frames: Frames) -> None:
        name, data = "message", []
        for line in block.splitlines():
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                self.last_event_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
        if data:
            frames.push({"type": name, **json.loads("\n".join(data))})

    async def reconnect(self) -> None:
        await self.close()
        await self.open()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        await super().close()
