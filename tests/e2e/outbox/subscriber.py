"""Subscribers that keep a position for each room and recover by it, as a client library does."""
import asyncio
import collections
import dataclasses
import json
import random
import threading
import time

import websockets
from websockets.asyncio.client import connect

from outbox.checker import Gap, Log, Seen
from support.waiting import DEADLINE_S, wait_until

NEVER = 2**53
# How long a lost connection or a refused subscribe is waited for, at most.
RETRY_S = 0.1


@dataclasses.dataclass
class Room:
    """What a client keeps of a room: interfaces.md, "Native protocol"."""
    log: Log
    live: bool = False  # answered on this connection
    epoch: str = ""
    position: int = 0
    epoch_of: dict = dataclasses.field(default_factory=dict)  # id -> epoch in which it was shown
    answers: list = dataclasses.field(default_factory=list)  # every `subscribed`
    events: list = dataclasses.field(default_factory=list)  # shown, whole


class Subscriber:
    """Connects to one of `daemons` at a time; to another after each end of a connection if `moves`.
    `drops_s`: cuts its own connection after a random time of at most so long.

    Runs in a Crowd; what tests read of it only grows."""

    def __init__(self, name, rooms, daemons, *, user="", token=None, moves=False, drops_s=None,
                 seed=0, keep_events=False):
        self.name = name
        self.rooms = {room: Room(Log(name, room, user)) for room in rooms}
        self.daemons = list(daemons)
        self.token = token
        self.moves = moves
        self.drops_s = drops_s
        self.keep_events = keep_events
        self.random = random.Random(f"{seed} {name}")
        self.at = 0
        self.counts = collections.Counter()
        self.errors = []  # answers that a client could not expect
        self.seen_at = {}
        self.asked_at = []  # when it asked for recovery
        self.websocket = None
        self.paused = False
        self.task = None

    # ---- for tests ----
    def shows(self, *ids):
        """True if every room has shown these."""
        return all(id in room.epoch_of for room in self.rooms.values() for id in ids)

    def live(self):
        return all(room.live for room in self.rooms.values())

    def state(self):
        """For the message of a test that waited in vain."""
        daemon = self.daemons[self.at % len(self.daemons)]
        rooms = {name: (room.live, room.position, len(room.log.entries))
                 for name, room in self.rooms.items()}
        metrics = {name: value for name, value in daemon.metrics().items()
                   if value and name.startswith(("ringcast_source", "ringcast_outbox"))}
        return (f"{self.name} at {daemon.folder.name}, {dict(self.counts)}; rooms (live, position, "
                f"shown) {rooms}; {metrics}; {daemon.log()[-1500:]}")

    @property
    def only(self):
        (room,) = self.rooms.values()
        return room

    @property
    def shown(self):
        """ids of the only room, in the order of showing."""
        return [seen.id for seen in self.only.log.entries]

    # ---- connection ----
    async def run(self):
        while True:
            if not self.paused:
                try:
                    await self.connection(self.daemons[self.at % len(self.daemons)])
                except (OSError, TimeoutError, websockets.WebSocketException, EOFError):
                    self.counts["ends"] += 1
                self.websocket = None
                for room in self.rooms.values():
                    room.live = False
                if self.moves:
                    self.at += 1
            await asyncio.sleep(self.random.uniform(0.01, RETRY_S))

    async def connection(self, daemon):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else None
        self.counts["knocks"] += 1
        async with connect(f"{daemon.ws_url}/ws", additional_headers=headers, compression=None,
                           max_size=None, ping_interval=None, open_timeout=5, close_timeout=1,
                           proxy=None) as websocket:
            self.websocket = websocket
            self.counts["connections"] += 1
            if self.paused:
                return
            cut = None
            if self.drops_s:
                cut = asyncio.get_running_loop().call_later(
                    self.random.uniform(0.05, self.drops_s), websocket.transport.abort)
            try:
                for name in self.rooms:
                    await self.subscribe(name)
                async for message in websocket:
                    await self.take(json.loads(message))
            finally:
                if cut:
                    cut.cancel()

    async def subscribe(self, name):
        room = self.rooms[name]
        question = {"type": "subscribe", "room": name, "id": name}
        if room.epoch:
            question["recover"] = {"offset": room.position, "epoch": room.epoch}
            self.asked_at.append(time.monotonic())
        await self.websocket.send(json.dumps(question))

    # ---- the rules of a client ----
    async def take(self, message):
        kind = message["type"]
        if kind == "subscribed":
            room = self.rooms[message["room"]]
            self.subscribed(room, message)
            # What tests wait for comes last: whoever sees it finds the rest as it is to be.
            room.answers.append(message)
            room.live = True
        elif kind == "position":
            for room in self.rooms.values():
                if room.live and room.epoch == message["epoch"]:
                    room.position = max(room.position, message["offset"])
        elif kind == "gap":
            room = self.rooms[message["room"]]
            room.log.gaps.append(Gap(room.epoch, message["from"], message["to"], message["reason"]))
            self.counts["gap frames"] += 1
        elif kind == "error":
            if message.get("code") != "UNAVAILABLE":
                self.errors.append(message)
                return
            self.counts["unavailable"] += 1
            await asyncio.sleep(self.random.uniform(0.01, RETRY_S))
            await self.subscribe(message["id"])
        elif "time" in message:
            self.event(self.rooms[message["room"]], message)

    def subscribed(self, room, answer):
        epoch, offset = answer["epoch"], answer["offset"]
        if room.epoch and "recovered" in answer:
            self.counts["recovered" if answer["recovered"] else "not recovered"] += 1
        if answer.get("recovered"):
            if (epoch, offset) != (room.epoch, room.position):
                self.errors.append({"asked": [room.epoch, room.position], "answered": answer})
            return
        gaps = room.log.gaps
        if not room.epoch:
            gaps.append(Gap(epoch, -1, offset, "joined"))
        elif epoch == room.epoch:
            gaps.append(Gap(epoch, room.position, offset, "not recovered"))
        else:
            gaps.append(Gap(room.epoch, room.position, NEVER, "not recovered"))
            gaps.append(Gap(epoch, -1, offset, "not recovered"))
        room.epoch, room.position = epoch, offset

    def event(self, room, message):
        if not room.live:
            self.errors.append({"before its answer": message})
        if message["offset"] <= room.position:
            self.counts["redelivered"] += 1
            return
        room.position = message["offset"]
        id, data = message["id"], message["data"]
        if room.epoch_of.get(id, room.epoch) != room.epoch:
            self.counts["redelivered"] += 1
            return
        self.seen_at.setdefault(id, time.monotonic())
        room.log.entries.append(Seen(id, room.epoch, message["offset"], data["aggregateId"],
                                     data["payload"].get("sequence", 0)))
        if self.keep_events:
            room.events.append(message)
        room.epoch_of[id] = room.epoch


class Crowd:
    """Subscribers in one event loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.all = []

    def on_loop(self, coroutine, deadline_s=DEADLINE_S):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline_s)

    def add(self, *arguments, **options):
        """A Subscriber that runs from now on."""
        one = Subscriber(*arguments, **options)
        self.all.append(one)

        async def begin():
            one.task = self.loop.create_task(one.run())

        self.on_loop(begin())
        return one

    def wait_live(self, *subscribers):
        wait_until(lambda: all(one.live() for one in subscribers or self.all), "every `subscribed`")

    def pause(self, *subscribers):
        """Cuts their connections; they stay away until resume()."""

        async def cut():
            for one in subscribers:
                one.paused = True
                if one.websocket:
                    one.websocket.transport.abort()

        self.on_loop(cut())
        wait_until(lambda: not any(one.websocket or one.live() for one in subscribers), "their end")

    def resume(self, *subscribers, daemon=None):
        for one in subscribers:
            if daemon is not None:
                one.daemons, one.at = [daemon], 0
            one.paused = False

    def stop(self):
        """Ends all connections; afterwards the logs stand still and are complete."""

        async def end():
            for one in self.all:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in self.all), return_exceptions=True)

        if self.thread.is_alive():
            self.on_loop(end())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        for one in self.all:
            if one.task and one.task.done() and not one.task.cancelled():
                one.task.result()  # a mistake in the subscriber itself

    def logs(self):
        logs = []
        for one in self.all:
            for room in one.rooms.values():
                room.log.epoch, room.log.position = room.epoch, room.position
                logs.append(room.log)
        return logs

    def total(self, name):
        return sum(one.counts[name] for one in self.all)
