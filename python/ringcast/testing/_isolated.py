"""An engine that a test has for itself."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from .._engine import Engine
from .._errors import RingcastError, TimedOut
from .._messages import Gap, Message
from .._subscription import Subscription
from ._clients import SseClient, WebSocketClient
from ._frames import TIMEOUT_S
from ._leaks import Resources

__all__ = ["Isolated", "Seen", "token"]

SECRET = "ringcast-testing-secret-of-32-octets-and-more"


def token(
    user: str,
    *,
    subscribe: Sequence[str] = ("*",),
    publish: Sequence[str] = ("*",),
    presence: Sequence[str] = ("*",),
    expires_in: float = 3600,
    secret: str = SECRET,
) -> str:
    """A JWT that an isolated engine takes."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    rooms = {"subscribe": [*subscribe], "publish": [*publish], "presence": [*presence]}
    claims = {"sub": user, "exp": int(time.time() + expires_in), "rooms": rooms}
    head, body = (
        part(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    signed = hmac.digest(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{part(signed)}"


class Isolated:
    """`async with isolated as rc:` runs an Engine on a free port of this machine, without a store,
    with a secret that token() knows, whatever it was made with; handlers and hooks are yours.

    At its end clients are closed, then the engine, and then LeakError is raised if tasks, threads
    or descriptors are left. Thread: the loop's. May be entered again after its end.
    """

    def __init__(self, engine: Engine, settings: Mapping[str, object] | None = None) -> None:
        self.engine = engine
        self._settings: dict[str, object] = {
            "listen.address": "127.0.0.1:0",
            "listen.unix": "",
            "store.url": "",
            "auth.hs256_secret": SECRET,
            "auth.audience": "",
            "auth.issuer": "",
            **(settings or {}),
        }
        self._make = engine._make
        self._before: Resources | None = None
        self._clients: list[WebSocketClient | SseClient] = []
        self._seen: list[Seen] = []

    async def __aenter__(self) -> Engine:
        if self.engine._attached:
            raise RingcastError("Engine.attach() has no engine to isolate: give it the url of one")
        self._before = Resources()
        await self._start()
        return self.engine

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            await client.close()
        await self.engine.close()
        self.engine._make = self._make
        self._settings["listen.address"] = "127.0.0.1:0"
        for seen in self._seen:
            await seen.ended()
        self._clients.clear()
        self._seen.clear()
        # A test that failed says why; what it then could not clean up is no news.
        if error is None and self._before is not None:
            await self._before.check()

    async def _start(self) -> None:
        from .._engine import _text_of

        texts = [f"{name}={_text_of(value)}" for name, value in self._settings.items()]

        def made() -> Any:
            backend: Any = self._make()
            backend._settings = [*backend._settings, *texts]
            return backend

        self.engine._make = made
        await self.engine.start()

    async def restart(self) -> None:
        """The engine ends and starts again on its port, as in a deploy: clients are told to come
        back, rooms in memory begin anew."""
        self._settings["listen.address"] = self.engine.address
        await self.engine.close()
        await self._start()

    @property
    def address(self) -> str:
        """Of clients: HOST:PORT, or unix:PATH where `listen.unix` is set."""
        path = self._settings["listen.unix"]
        return f"unix:{path}" if path else self.engine.address

    async def client(
        self,
        proto: str = "ws",
        *,
        rooms: Sequence[str] = (),
        user: str | None = None,
        bearer: str | None = None,
        subscribe: Sequence[str] = ("*",),
        publish: Sequence[str] = ("*",),
        presence: Sequence[str] = ("*",),
        slow: bool = False,
    ) -> Any:
        """A WebSocketClient, or with proto="sse" an SseClient of `rooms`, that is connected.

        user: whose token it brings, with these grants; bearer: another token; neither: anonymous.
        slow: its socket takes little, so that pause() is soon felt."""
        if user is not None:
            bearer = token(user, subscribe=subscribe, publish=publish, presence=presence)
        client: WebSocketClient | SseClient
        if proto == "ws":
            client = WebSocketClient(self.address, bearer, slow)
        elif proto == "sse":
            client = SseClient(self.address, rooms, bearer, slow)
        else:
            raise ValueError(f"proto is {proto!r}, expected 'ws' or 'sse'")
        self._clients.append(client)
        return await client.open()

    async def published(self, pattern: str = "*") -> "Seen":
        """What is published from here on into rooms of the pattern: `chat:*`, a room, or all."""
        seen = Seen(self.engine.subscribe(pattern, overflow="block"))
        await seen.start()
        self._seen.append(seen)
        return seen


class Seen:
    """What was published, by whomever. Thread: the loop's; lives as long as the engine's block."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._expected = 0
        self.messages: list[Message] = []
        self.gaps: list[Gap] = []

    async def start(self) -> None:
        await self._subscription.__aenter__()
        self._task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for item in self._subscription:
            if isinstance(item, Gap):
                self.gaps.append(item)
            else:
                self.messages.append(item)
            self._came.set()

    @property
    def events(self) -> list[str]:
        return [message.event for message in self.messages]

    async def expect(
        self,
        event: str | None = None,
        *,
        room: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> Message:
        """The next message of this event and room behind the one that was expected last."""
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(self._next(event, room), timeout)
        came = [f"{message.event} in {message.room}" for message in self.messages]
        raise TimedOut(
            f"no {event or 'message'}{f' in {room}' if room else ''} was published within"
            f" {timeout:g} s; what was: {', '.join(came) or 'nothing'}"
        )

    async def _next(self, event: str | None, room: str | None) -> Message:
        while True:
            while self._expected < len(self.messages):
                message = self.messages[self._expected]
                self._expected += 1
                if event in (None, message.event) and room in (None, message.room):
                    return message
            self._came.clear()
            await self._came.wait()

    async def ended(self) -> None:
        await self._subscription.close()
        if self._task is not None:
            with contextlib.suppress(RingcastError):
                await self._task
