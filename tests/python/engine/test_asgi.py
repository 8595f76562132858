"""ringcast.asgi(): what clients see of the engine on the port of an ASGI server."""
import asyncio
import contextlib
import json
import socket
import urllib.error
import urllib.request

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import ringcast
from engine.conftest import DEADLINE_S, make_engine, run


@contextlib.asynccontextmanager
async def serving(application):
    """Its port, while uvicorn serves it on this loop."""
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", ws="websockets-sansio"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serves = asyncio.ensure_future(server.serve([listener]))
        while not server.started and not serves.done():
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serves


async def received(client, kind):
    while (message := json.loads(await client.recv()))["type"] != kind:
        pass
    return message


@run
async def test_a_websocket_is_the_engines():
    engine = make_engine()
    async with serving(ringcast.asgi(engine)) as port:
        async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
            await client.send('{"type":"subscribe","room":"chat:1","id":1}')
            await received(client, "subscribed")
            await engine.publish("chat:1", {"n": 1}, event="new")
            assert (await received(client, "new"))["data"] == {"n": 1}


@run
async def test_a_handshake_that_the_engine_refuses_is_refused():
    engine = make_engine(auth=ringcast.JWT(secret="s" * 32), allow_anonymous=False)
    async with serving(ringcast.asgi(engine)) as port:
        try:
            async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None):
                raise AssertionError("accepted")
        except InvalidStatus as refused:
            assert refused.response.status_code == 403


@run
async def test_requests_and_event_streams_pass_under_a_prefix():
    engine = make_engine(api_keys=["key"])
    application = Starlette(routes=[Mount("/rt", ringcast.asgi(engine))], lifespan=engine.lifespan)
    async with serving(application) as port:
        def ask(path, data=None, **headers):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/rt{path}", data, headers)
            return urllib.request.urlopen(request, timeout=DEADLINE_S)

        def stream():
            with ask("/sse?room=chat:1") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                opened.set()
                while b'"n": 1' not in (line := answer.readline()):
                    assert line
                return line

        opened = asyncio.Event()
        opened.set = lambda loop=asyncio.get_running_loop(), set=opened.set: (
            loop.call_soon_threadsafe(set))
        assert (await asyncio.to_thread(ask, "/healthz")).status == 200
        try:
            await asyncio.to_thread(ask, "/nothing")
        except urllib.error.HTTPError as error:
            assert error.code == 404
        reading = asyncio.create_task(asyncio.to_thread(stream))
        await opened.wait()
        body = json.dumps({"room": "chat:1", "type": "new", "data": {"n": 1}}).encode()
        answer = await asyncio.to_thread(ask, "/api/publish", body, Authorization="Bearer key")
        assert json.load(answer)["offset"] == 1
        assert b'"n": 1' in (await reading)


@run
async def test_the_end_of_the_engine_is_the_end_of_its_sockets():
    engine = make_engine()
    async with engine, serving(Starlette(routes=[Mount("/", ringcast.asgi(engine))])) as port:
        async with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
            await received(client, "connected")
            await engine.close()
            try:
                await client.recv()
                raise AssertionError("open")
            except ConnectionClosed as closed:
                assert closed.rcvd.code == 1012
