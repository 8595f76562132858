"""The servers under test, each a process: `subjects.py NAME asyncio|uvloop` prints `listening on http://127.0.0.1:PORT`.
All of them answer an echo, and on `go COUNT` send COUNT numbered messages of the size asked to every subscriber, as their
documentation shows it."""
import asyncio
import json
import sys

PAD = "x" * 100


def numbered(n):
    return {"n": n, "pad": PAD}


def listening(port):
    print(f"listening on http://127.0.0.1:{port}", flush=True)


async def for_ever():
    await asyncio.Event().wait()


async def ringcast():
    import ringcast

    settings = {"log.level": "error", "namespace.bench.history": "none", "engine.mailbox_max": 65536,
                "limits.ping_interval_s": 600}
    rc = ringcast.Engine(listen="127.0.0.1:0", allow_anonymous=True, settings=settings)
    sent = 0

    @rc.on("echo")
    def echo(data: bytes) -> bytes:
        return data

    @rc.on("go")
    def go(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            rc.publish_nowait("bench:1", numbered(sent))
            sent += 1

    async with rc:
        listening(rc.address.rpartition(":")[2])
        await for_ever()


async def picows():
    from picows import WSListener, WSMsgType, ws_create_server

    subscribers, sent = set(), 0

    class Connection(WSListener):
        def on_ws_connected(self, transport):
            self.transport = transport

        def on_ws_disconnected(self, transport):
            subscribers.discard(transport)

        def on_ws_frame(self, transport, frame):
            nonlocal sent
            if frame.msg_type != WSMsgType.TEXT:
                return
            payload = frame.get_payload_as_bytes()
            if payload == b"sub":
                subscribers.add(transport)
                transport.send(WSMsgType.TEXT, b"ok")
            elif payload.startswith(b"go "):
                for _ in range(int(payload[3:])):
                    message = json.dumps(numbered(sent)).encode()
                    sent += 1
                    for one in subscribers:
                        one.send(WSMsgType.TEXT, message)
                transport.send(WSMsgType.TEXT, b"ok")
            else:
                transport.send(WSMsgType.TEXT, payload)

    server = await ws_create_server(lambda request: Connection(), "127.0.0.1", 0)
    listening(server.sockets[0].getsockname()[1])
    await for_ever()


async def websockets():
    from websockets.asyncio.server import broadcast, serve
    from websockets.exceptions import ConnectionClosed

    subscribers, sent = set(), 0

    async def handle(connection):
        nonlocal sent
        try:
            async for text in connection:
                if text == "sub":
                    subscribers.add(connection)
                    await connection.send("ok")
                elif text.startswith("go "):
                    for _ in range(int(text[3:])):
                        broadcast(subscribers, json.dumps(numbered(sent)))
                        sent += 1
                    await connection.send("ok")
                else:
                    await connection.send(text)
        except ConnectionClosed:
            pass
        finally:
            subscribers.discard(connection)

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        listening(server.sockets[0].getsockname()[1])
        await for_ever()


async def socketio():
    import socketio
    from aiohttp import web

    server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=600)
    sent = 0

    @server.event
    async def echo(sid, data):
        return data

    @server.event
    async def sub(sid):
        await server.enter_room(sid, "bench:1")
        return "ok"

    @server.event
    async def go(sid, count):
        nonlocal sent
        for _ in range(count):
            await server.emit("message", numbered(sent), room="bench:1")
            sent += 1
        return "ok"

    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listening(site._server.sockets[0].getsockname()[1])
    await for_ever()


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        import uvloop
        uvloop.install()
    asyncio.run({"ringcast": ringcast, "picows": picows, "websockets": websockets,
                 "socketio": socketio}[sys.argv[1]]())
