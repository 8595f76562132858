"""The loads, as arguments of bench_load. A small run keeps every shape with counts of ten."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    rooms: int = 1
    per_room: int = 1000
    payload: int = 128
    window: int = 1
    rate: float = 0  # publications a second at fixed times, instead of a window
    members_publish: bool = False
    idle: bool = False
    rows: bool = False
    seconds: float = 1.5
    protocol: str | None = None  # instead of the server's

    @property
    def connections(self):
        return self.rooms * self.per_room

    def small(self):
        per_room = min(self.per_room, 10)
        return dataclasses.replace(self, rooms=min(self.rooms, 3), per_room=per_room, seconds=0.1,
                                   rate=min(self.rate, 200))

    def arguments(self, protocol):
        words = ["--protocol", self.protocol or protocol, "--rooms", self.rooms, "--per-room", self.per_room,
                 "--payload", self.payload, "--window", self.window, "--rate", self.rate, "--seconds", self.seconds]
        words += ["--members-publish"] if self.members_publish else []
        words += ["--idle"] if self.idle else []
        words += ["--rows"] if self.rows else []
        return [str(word) for word in words]


HEADLINE = [
    Scenario("room-1000-w1", "one room x 1,000, 1 publication in flight"),
    Scenario("room-1000-w16", "one room x 1,000, 16 in flight", window=16),
    Scenario("rooms-1000x10-w64", "1,000 rooms x 10, 64 in flight", rooms=1000, per_room=10, window=64),
    Scenario("chat-1000", "chat: 1,000 connections in rooms of 20, each publishes once a second", rooms=50, per_room=20,
             rate=1000, members_publish=True, seconds=4),
]
DEMAND = [
    Scenario("room-10000-w1", "one room x 10,000, 1 in flight", per_room=10000),
    Scenario("room-1000-w1-1k", "one room x 1,000, payload of 1 KiB", payload=1024),
    Scenario("room-1000-w1-16k", "one room x 1,000, payload of 16 KiB", payload=16384),
    Scenario("idle-10000", "10,000 connections arrive 500 at a time, subscribe, and stay idle", per_room=10000, idle=True,
             seconds=5),
]
FLUSH = [Scenario(f"flush-{rate}", f"{rate:,} publications a second to one room x 200", per_room=200, rate=rate, seconds=2.5)
         for rate in (10, 50, 200, 1000, 4000)]
DEFLATE = [Scenario(f"{protocol}-{payload}-w{window}", f"{payload:,} octets, {window} in flight, {said}", payload=payload,
                    window=window, protocol=protocol, rows=True)
           for payload, window in ((1024, 1), (1024, 16), (16384, 1))
           for protocol, said in (("native", "plain"), ("native-deflate", "permessage-deflate"))]
# Server-Sent Events: of the servers here only Ringcast has them.
SSE = [Scenario("sse-1000-w1", "one room x 1,000 over SSE, 1 in flight", protocol="sse"),
       Scenario("sse-1000-w16", "one room x 1,000 over SSE, 16 in flight", protocol="sse", window=16)]
OFFERED = [Scenario(f"offered-{rate}", f"{rate:,} publications a second to one room x 1,000", rate=rate, seconds=3)
           for rate in (10, 30, 60, 100, 150, 200, 400, 1000)]
