"""ringcast.asgi(engine): the engine's WebSockets, event streams and HTTP on the port of an ASGI
server, for development and tests."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from ._engine import Engine
from ._errors import MissingPackage

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["asgi"]

log = logging.getLogger("ringcast")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = 1 << 20
HEADER_BYTES_MAX = 64 << 10
CHUNK_BYTES = 64 << 10
# RFC 9110 section 7.6.1, and what belongs to the one connection or is made anew for the other.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
    )
)


def asgi(engine: Engine) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application that passes everything on to the engine's own address: the same
    semantics, slower by a hop through Python for every message. Production clients connect to
    Engine(listen=...) themselves. WebSockets need the package websockets."""
    said = False

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal said
        if scope["type"] == "lifespan":
            return await _lifespan(engine, receive, send)
        if not said:
            said = True
            log.warning(
                "ringcast.asgi() is for development: each message takes a way through Python;"
                " let clients connect to %s",
                engine.address,
            )
        if scope["type"] == "websocket":
            return await _websocket(engine.address, scope, receive, send)
        return await _http(engine.address, scope, receive, send)

    return application


async def _lifespan(engine: Engine, receive: Receive, send: Send) -> None:
    """Where it is the whole application, it starts and ends the engine."""
    await receive()
    try:
        await engine.start()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await engine.close()
    await send({"type": "lifespan.shutdown.complete"})


def _target(scope: Scope) -> str:
    path: str = scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?")[0]
    path = path.removeprefix(scope.get("root_path", "")) or "/"
    query: str = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


# ---- HTTP ----


async def _http(address: str, scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body"})
            return
        if not message.get("more_body"):
            break
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(
        host.strip("[]"), int(port), limit=HEADER_BYTES_MAX
    )
    try:
        lines = [f"{scope['method']} {_target(scope)} HTTP/1.1".encode("latin-1")]
        for name, value in scope["headers"]:
            if name.lower() not in HOP_BY_HOP:
                lines.append(name + b": " + value)
        lines += [b"connection: close", b"content-length: %d" % len(body), b"", b""]
        writer.write(b"\r\n".join(lines) + body)
        answer = asyncio.ensure_future(_answer(reader, send))
        gone = asyncio.ensure_future(_gone(receive))
        await asyncio.wait([answer, gone], return_when=asyncio.FIRST_COMPLETED)
        for task in (answer, gone):
            if not task.done():
                task.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)
        if not answer.cancelled():
            answer.result()
    finally:
        writer.close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(reader: asyncio.StreamReader, send: Send) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    fields = [line.partition(b":") for line in head[1:] if line]
    headers = [(name.lower(), value.strip()) for name, _, value in fields]
    known = dict(headers)
    await send(
        {
            "type": "http.response.start",
            "status": int(head[0].split(b" ")[1]),
            "headers": [
                pair
                for pair in headers
                if pair[0] not in HOP_BY_HOP or pair[0] == b"content-length"
            ],
        }
    )
    if known.get(b"transfer-encoding", b"").lower() == b"chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            part = await reader.readexactly(size)
            await reader.readexactly(2)
            await send({"type": "http.response.body", "body": part, "more_body": True})
    else:
        left = int(known.get(b"content-length", b"-1"))
        while left and (part := await reader.read(CHUNK_BYTES)):
            left -= len(part) if left > 0 else 0
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


# ---- WebSocket ----


async def _websocket(address: str, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus
    except ImportError:
        raise MissingPackage(
            "WebSockets through ringcast.asgi() need a package: pip install websockets"
        ) from None
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name in (b"authorization", b"cookie")
    ]
    named = {name: value.decode("latin-1") for name, value in scope["headers"]}
    await receive()  # websocket.connect
    try:
        upstream = await connect(
            f"ws://{address}{_target(scope)}",
            additional_headers=headers,
            origin=_origin(named),
            subprotocols=scope.get("subprotocols") or None,
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        # Before it is accepted a close is the refusal of the handshake.
        log.info("ringcast.asgi(): the engine answered %d", refused.response.status_code)
        await send({"type": "websocket.close", "code": 1008})
        return
    async with upstream:
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
        up = asyncio.ensure_future(_to_engine(upstream, receive))
        down = asyncio.ensure_future(_to_client(upstream, send))
        await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


def _origin(named: Mapping[bytes, str]) -> Any:
    """A page of this server is as good as one of the engine's; all others the engine judges."""
    origin = named.get(b"origin")
    if origin is not None and origin.partition("://")[2] == named.get(b"host"):
        return None
    return origin


async def _to_engine(upstream: "ClientConnection", receive: Receive) -> None:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            await upstream.send(message["bytes"] if text is None else text)
        await upstream.close(message.get("code") or 1000)


async def _to_client(upstream: "ClientConnection", send: Send) -> None:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        while True:
            frame = await upstream.recv()
            kind = "text" if isinstance(frame, str) else "bytes"
            await send({"type": "websocket.send", kind: frame})
    await send(
        {
            "type": "websocket.close",
            "code": upstream.close_code or 1006,
            "reason": upstream.close_reason or "",
        }
    )
