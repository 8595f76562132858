"""The engine's face: the same over an engine in this process and over a running ringcastd."""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, cast

from ._auth import JWT
from ._backend import EVENT, Backend
from ._context import Context
from ._errors import EngineClosed, NotStarted, RingcastError, ValidationError
from ._handlers import QUEUE_MAX, RUNNING_MAX, Handler, Handlers, Overflow, Rate
from ._hooks import Hook
from ._messages import History, Position, PresencePage, Publication, Published, RoomInfo
from ._payload import encode
from ._subscription import BYTES_MAX, MESSAGES_MAX, OverflowPolicy, Subscription

__all__ = ["Engine"]

Function = TypeVar("Function", bound=Callable[..., object])
App = TypeVar("App")
DEADLINE = 10.0
THREADS_MAX = 8


class Engine:
    """A realtime engine: in this process, or with Engine.attach() a running ringcastd.

    Making one starts nothing. `async with engine:` or `lifespan=engine.lifespan` starts it and
    binds it to that event loop; after the end it may be started again. `settings` are keys of the
    configuration as docs/configuration.md names them; they and the other arguments override
    RINGCAST_ variables, which override the file `config`.

    Thread: everything on the loop that has started it, publish_nowait() on any. After fork() the
    child's copy raises ForkedEngineError until it is started there.
    """

    def __init__(
        self,
        *,
        listen: str | None = None,
        auth: JWT | None = None,
        store: str | None = None,
        api_keys: Sequence[str] = (),
        allow_anonymous: bool = False,
        config: str | None = None,
        settings: Mapping[str, object] | None = None,
        deadline: float = DEADLINE,
        threads_max: int = THREADS_MAX,
    ) -> None:
        self._handlers = Handlers()
        self._deadline = deadline
        self._backend: Backend | None = None
        self._ended = False
        chosen: dict[str, object] = dict(settings or {})
        if listen is not None:
            # ":8800" is every address, as elsewhere.
            chosen["listen.address"] = f"0.0.0.0{listen}" if listen.startswith(":") else listen
        if auth is not None:
            chosen.update(auth.settings())
        if store is not None:
            chosen["store.url"] = store
        if api_keys:
            chosen["auth.api_keys"] = api_keys
        if allow_anonymous:
            chosen["auth.allow_anonymous"] = True
        chosen.setdefault("engine.stop_deadline_ms", max(100, round(deadline * 1000)))
        texts = [f"{key}={_text_of(value)}" for key, value in chosen.items()]

        def embedded() -> Backend:
            from ._embedded import EmbeddedBackend

            return EmbeddedBackend(texts, config or "", self._handlers, threads_max)

        self._make: Callable[[], Backend] = embedded
        self._attached = False

    @classmethod
    def attach(
        cls, url: str | None = None, *, api_key: str | None = None, deadline: float = DEADLINE
    ) -> "Engine":
        """The same on a running ringcastd: `unix:/path` or `http://host:port`. What is not given
        is RINGCAST_URL and RINGCAST_API_KEY when it is started. Handlers and hooks belong to the
        process that has the engine, so they are refused here."""
        engine = cls(deadline=deadline)

        def attached() -> Backend:
            from ._attached import AttachedBackend

            return AttachedBackend(url, api_key=api_key)

        engine._make = attached
        engine._attached = True
        return engine

    # ---- life ----

    async def start(self) -> None:
        if self._backend is not None and not _is_forked(self._backend):
            raise RingcastError("this engine runs already: one `async with` at a time")
        backend = self._make()
        await backend.open()
        self._backend = backend
        self._ended = False
        if type(self).publish_nowait is Engine.publish_nowait:
            # The same without a step between: it is called for every message.
            self.__dict__["publish_nowait"] = backend.publish_nowait

    async def close(self) -> None:
        """Ends subscriptions, lets handlers end, tells clients to come back, and waits at most
        `deadline` seconds for each. Twice is once."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        self._ended = True
        self.__dict__.pop("publish_nowait", None)
        await backend.close(self._deadline)

    async def __aenter__(self) -> "Engine":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """For FastAPI(lifespan=engine.lifespan), Starlette, Litestar and the like."""
        async with self:
            yield

    def wraps(
        self, lifespan: Callable[[App], contextlib.AbstractAsyncContextManager[Any]]
    ) -> Callable[[App], contextlib.AbstractAsyncContextManager[Any]]:
        """Your own lifespan inside of the engine's: the engine runs before it begins and until it
        has ended."""

        @contextlib.asynccontextmanager
        async def both(app: App) -> AsyncIterator[Any]:
            async with self, lifespan(app) as state:
                yield state

        return both

    @property
    def address(self) -> str:
        """Where it listens, HOST:PORT."""
        return cast(str, cast(Any, self._running()).address)

    def _running(self) -> Backend:
        if self._backend is None:
            raise EngineClosed if self._ended else NotStarted
        return self._backend

    # ---- publish, subscribe, ask ----

    async def publish(
        self,
        room: str,
        data: object = None,
        *,
        event: str = EVENT,
        id: str | None = None,
        key: str | None = None,
        exclude_user: str | None = None,
        idempotency_key: str | None = None,
    ) -> Published:
        """Returns once it is accepted, in `store` rooms once it is committed. Waits while the
        queue is full. `data`: what JSON can say, msgspec, pydantic, dataclasses; bytes are JSON
        text."""
        return await self._running().publish(
            room,
            event,
            encode(data),
            id=id,
            key=key,
            exclude_user=exclude_user,
            idempotency_key=idempotency_key,
        )

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
        """Queues it, in the order of the calls; Full where there is no room. What the engine
        refuses later is counted and logged."""
        self._running().publish_nowait(
            room,
            data,
            event=event,
            id=id,
            key=key,
            exclude_user=exclude_user,
            idempotency_key=idempotency_key,
        )

    async def publish_many(
        self, items: Iterable[Publication | tuple[str, object]], *, event: str = EVENT
    ) -> Sequence[Published | RingcastError]:
        """Each on its own, answers in order: what became of it, or its error. An item is a
        Publication, or (room, data) with the event given here."""
        made = [
            item if isinstance(item, Publication) else Publication(item[0], event, encode(item[1]))
            for item in items
        ]
        return await self._running().publish_many(made)

    def subscribe(
        self,
        room: str,
        *,
        recover: Position | None = None,
        overflow: OverflowPolicy = "disconnect",
        max_bytes: int | str = BYTES_MAX,
        max_messages: int = MESSAGES_MAX,
    ) -> Subscription:
        """`async with engine.subscribe("chat:7") as messages:`; see Subscription. An embedded
        engine also takes patterns: `tenant:*`."""
        return self._running().subscribe(
            room,
            recover=recover,
            overflow=overflow,
            max_bytes=max_bytes,
            max_messages=max_messages,
        )

    async def presence(
        self, room: str, *, after: str | None = None, limit: int = 100
    ) -> PresencePage:
        """Users who view a room."""
        return await self._running().presence(room, after, limit)

    async def history(
        self, room: str, *, after: Position | None = None, limit: int = 100
    ) -> History:
        """Messages that are kept of a room: those after a position, or the newest."""
        return await self._running().history(room, after, limit)

    async def rooms(
        self, prefix: str = "", *, after: str | None = None, limit: int = 100
    ) -> Sequence[RoomInfo]:
        """Rooms that exist now, by name."""
        return await self._running().rooms(prefix, after, limit)

    async def kick(self, user: str, room: str | None = None) -> int:
        """Ends all connections of a user, or his subscriptions to one room. How many."""
        return await self._running().kick(user, room)

    # ---- what the application answers ----

    def on(
        self,
        event: str,
        *,
        order: str | Callable[[Context, Any], str] | None = None,
        thread: bool = False,
        queue_max: int = QUEUE_MAX,
        running_max: int = RUNNING_MAX,
        overflow: Overflow = "reject",
        rate: Rate | None = None,
        user_rate: Rate | None = None,
    ) -> Callable[[Function], Function]:
        """The function answers calls of this event: `{"type":"call","event":…,"data":…}`.

        It takes the payload, decoded as its annotation says, and, if it wants one, a Context. What
        it returns is the answer. `def` runs on the loop, so it must not wait; with thread=True in
        a pool; `async def` may wait. order="chat:{chat_id}": calls with the same key run one after
        the other. Of one handler running_max run and queue_max wait; then overflow="reject"
        refuses the call, "drop_oldest" the one that waits longest, as UNAVAILABLE.
        """
        self._check_registrable()
        if event in self._handlers.calls:
            raise ValidationError.of({"event": f"{event!r} has a handler already"})

        def register(function: Function) -> Function:
            self._handlers.calls[event] = Handler(
                event,
                function,
                order=order,
                thread=thread,
                queue_max=queue_max,
                running_max=running_max,
                overflow=overflow,
                rate=rate,
                user_rate=user_rate,
            )
            return function

        return register

    def authorize(self, pattern: str) -> Callable[[Function], Function]:
        """The function judges who may subscribe to rooms of the pattern, `chat:{chat_id}`: True,
        False, or Reject. It takes the names in braces and, if it wants one, a Context. The answer
        is kept for a while for each user and room (app.verdict_ttl_s)."""
        self._check_registrable()

        def register(function: Function) -> Function:
            self._handlers.rooms.append(Hook(function, pattern))
            return function

        return register

    def session_token(self, function: Function) -> Function:
        """The function says whose a bearer token is that is no JWT: an Identity, or None to refuse.
        It takes `token`."""
        return self._hook("session_token", Hook(function, subject="token"), function)

    def on_connect(self, function: Function) -> Function:
        """Asked before a connection is told that it is connected: True, False, Reject, or another
        Identity for it."""
        return self._hook("connect", Hook(function), function)

    def on_disconnect(self, function: Function) -> Function:
        """Told when a connection has ended; may take `reason`."""
        return self._hook("disconnect", Hook(function, subject="reason"), function)

    def exception_handler(self, kind: type[BaseException]) -> Callable[[Function], Function]:
        """The function makes a Reject of an exception of this class that a handler has raised. It
        takes the exception, or a Context and the exception."""
        self._check_registrable()

        def register(function: Function) -> Function:
            if len(inspect.signature(function).parameters) > 1:
                self._handlers.exceptions[kind] = cast(Any, function)
            else:
                self._handlers.exceptions[kind] = lambda _, error: cast(
                    BaseException, function(error)
                )
            return function

        return register

    def _hook(self, kind: Any, hook: Hook, function: Function) -> Function:
        self._check_registrable()
        if kind in self._handlers.hooks:
            raise ValidationError.of({kind: "has a function already"})
        self._handlers.hooks[kind] = hook
        return function

    def _check_registrable(self) -> None:
        if self._attached:
            raise RingcastError(
                "handlers and hooks belong to the process that has the engine: use"
                " Engine(listen=...) there, or answer HTTP in this one"
            )
        if self._backend is not None:
            raise RingcastError(
                "the engine runs: register handlers before it starts, where your module is imported"
            )


def _is_forked(backend: Backend) -> bool:
    return bool(getattr(backend, "forked", False))


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(each) for each in value)
    return str(value)
