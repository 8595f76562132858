"""Clients that cost little and check everything: frames are written ready, and what comes is compared octet by octet.

    load.py DIALECT PORT PID echo|fanout CONNECTIONS WINDOW ROUNDS [SECONDS AT MOST]   prints one JSON object
"""
import asyncio
import json
import struct
import sys

from cpu import CpuClock

DATA = "x" * 126
FIRST = 100_000
WARM_UP = 3
DEADLINE_S = 120


class Raw:
    """Bare WebSocket libraries: what is sent comes back; `sub`, `go COUNT`."""
    path = "/"
    hello = 0
    prelude = ()

    def echo(self, n):
        return json.dumps({"id": n, "data": DATA})

    def is_echo(self, text, n):
        return text == self.echo(n)

    subscribe = "sub"

    def go(self, count):
        return [f"go {count}"]

    def number_of(self, text):
        return json.loads(text)["n"]


class Native(Raw):
    """Ringcast: a call and its ack."""
    path = "/ws"
    hello = 1
    subscribe = '{"type":"subscribe","room":"bench:1"}'

    def echo(self, n):
        return json.dumps({"type": "call", "event": "echo", "id": n, "data": DATA})

    def is_echo(self, text, n):
        answer = json.loads(text)
        return answer == {"type": "ack", "id": n, "ok": True, "data": DATA}

    def go(self, count):
        return [json.dumps({"type": "call", "event": "go", "id": 1, "data": count})]

    def number_of(self, text):
        return json.loads(text)["data"]["n"]


class Published(Native):
    """ringcastd: the engine without Python; the client publishes what the others send on `go`."""

    def __init__(self):
        self.sent = 0

    def go(self, count):
        self.sent += count
        return [json.dumps({"type": "publish", "room": "bench:1", "event": "message", "id": n,
                            "data": {"n": n, "pad": "x" * 100}})
                for n in range(self.sent - count, self.sent)]


class SocketIo(Raw):
    path = "/socket.io/?EIO=4&transport=websocket"
    hello = 1
    prelude = ("40",)
    subscribe = '420["sub"]'

    def echo(self, n):
        return f'42{n}["echo","{DATA}"]'

    def is_echo(self, text, n):
        return text == f'43{n}["{DATA}"]'

    def go(self, count):
        return [f'421["go",{count}]']

    def number_of(self, text):
        name, data = json.loads(text.removeprefix("42"))
        return data["n"]


DIALECTS = {"raw": Raw, "native": Native, "published": Published, "socketio": SocketIo}


def frame(text):
    """A client's text frame. The mask of zeros is one like any other."""
    payload = text.encode()
    size = len(payload)
    head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def frames_of(received):
    """(texts of the whole frames, how many octets they are)."""
    texts, at = [], 0
    while at + 4 <= len(received):
        assert received[at] == 0x81, f"not a whole text frame: {received[at:at + 40]!r}"
        size, begin = received[at + 1], at + 2
        if size == 126:
            size, begin = struct.unpack_from("!H", received, at + 2)[0], at + 4
        elif size == 127:
            size, begin = struct.unpack_from("!Q", received, at + 2)[0], at + 10
        if begin + size > len(received):
            break
        texts.append(bytes(received[begin:begin + size]).decode())
        at = begin + size
    return texts, at


class Connection(asyncio.Protocol):
    def __init__(self):
        self.received = bytearray()
        self.came = asyncio.Event()
        self.wanted = 1
        self.lost = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        if len(self.received) >= self.wanted:
            self.came.set()

    def connection_lost(self, error):
        self.lost = error or ConnectionError("the server has closed the connection")
        self.came.set()

    async def until(self, count):
        """So many octets are here."""
        while len(self.received) < count:
            if self.lost:
                raise self.lost
            self.wanted = count
            self.came.clear()
            await self.came.wait()

    async def octets(self, count):
        """Exactly so many."""
        await self.until(count)
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    async def texts(self, count):
        """So many frames, and no more; and what they were on the wire."""
        while len(frames_of(self.received)[0]) < count:
            await self.until(len(self.received) + 1)
        texts, size = frames_of(self.received)
        assert len(texts) == count, f"{len(texts)} frames where {count} were due: {texts[-1]}"
        return texts, await self.octets(size)


async def connected(port, dialect):
    _, one = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    one.transport.write(
        f"GET {dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
    while b"\r\n\r\n" not in one.received:
        await one.until(len(one.received) + 1)
    head = await one.octets(one.received.index(b"\r\n\r\n") + 4)
    assert head.startswith(b"HTTP/1.1 101"), head
    await one.texts(dialect.hello)
    for text in dialect.prelude:
        one.transport.write(frame(text))
        await one.texts(1)
    return one


async def echo(port, clock, dialect, connections, window, rounds):
    """WINDOW calls of each connection are under way; their answers are checked whole."""
    every = [await connected(port, dialect) for _ in range(connections)]
    asked = b"".join(frame(dialect.echo(FIRST + n)) for n in range(window))
    due = []
    for one in every:
        one.transport.write(asked)
        texts, octets = await one.texts(window)
        assert all(dialect.is_echo(text, FIRST + n) for n, text in enumerate(texts)), texts[0]
        due.append(octets)

    async def run(one, due, rounds):
        for _ in range(rounds):
            one.transport.write(asked)
            assert await one.octets(len(due)) == due, "another answer than before"

    await asyncio.gather(*(run(one, octets, WARM_UP) for one, octets in zip(every, due)))
    begin = clock.ns()
    await asyncio.gather(*(run(one, octets, rounds) for one, octets in zip(every, due)))
    return clock.ns() - begin, connections * window * rounds


async def fanout(port, clock, dialect, connections, window, rounds):
    """WINDOW messages to all, of which each gets all in their order; then the next."""
    source = await connected(port, dialect)
    every = [await connected(port, dialect) for _ in range(connections)]
    for one in every:
        one.transport.write(frame(dialect.subscribe))
        await one.texts(1)
    number = 0

    async def round_():
        nonlocal number
        asked = dialect.go(window)
        source.transport.write(b"".join(frame(text) for text in asked))
        texts, octets = await every[0].texts(window)
        numbers = [dialect.number_of(text) for text in texts]
        assert numbers == list(range(number, number + window)), f"{numbers} where {number} was due"
        for one in every[1:]:
            assert await one.octets(len(octets)) == octets, "not what another subscriber has got"
        number += window
        await source.texts(len(asked))

    for _ in range(WARM_UP):
        await round_()
    begin = clock.ns()
    for _ in range(rounds):
        await round_()
    return clock.ns() - begin, connections * window * rounds


async def main(dialect, port, pid, load, connections, window, rounds, seconds_max=DEADLINE_S):
    clock = CpuClock(int(pid))
    run = {"echo": echo, "fanout": fanout}[load]
    ns, count = await asyncio.wait_for(
        run(int(port), clock, DIALECTS[dialect](), int(connections), int(window), int(rounds)), float(seconds_max))
    print(json.dumps({"count": count, "ns": ns / count, "per_cpu_s": count / ns * 1e9}))


if __name__ == "__main__":
    import uvloop
    uvloop.install()
    asyncio.run(main(*sys.argv[1:]))
