"""A room server over Python's websockets, as its documentation shows it: broadcast() to a set."""
import asyncio
import collections

from websockets.asyncio.server import broadcast, serve

rooms = collections.defaultdict(set)


async def handle(connection):
    mine = []
    try:
        async for text in connection:
            verb, room, *data = text.split(" ", 2)
            if verb == "sub":
                rooms[room].add(connection)
                mine.append(room)
                await connection.send("ok")
            else:
                broadcast(rooms[room], data[0])
    finally:
        for room in mine:
            rooms[room].discard(connection)


async def main():
    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


asyncio.run(main())
