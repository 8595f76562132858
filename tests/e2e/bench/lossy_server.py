"""A room server that breaks its promise as the first argument says, for event 3 of each room."""
import asyncio
import sys

from websockets.asyncio.server import broadcast, serve

rooms = {}


async def handle(connection):
    async for text in connection:
        verb, room, *data = text.split(" ", 2)
        if verb == "sub":
            rooms.setdefault(room, []).append(connection)
            await connection.send("ok")
            continue
        special = '"bn":3,' in data[0]
        if special and sys.argv[1] == "elsewhere":
            data[0] = data[0].replace('"bs":0', '"bs":1')
        members = rooms[room][1:] if special and sys.argv[1] == "lost" else rooms[room]
        for _ in range(2 if special and sys.argv[1] == "twice" else 1):
            broadcast(members, data[0])


async def main():
    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
