"""Server-Sent Events as the HTML standard parses them (section 9.2.6), over a plain socket."""
import dataclasses
import json

from .http_client import RawConnection, encode_request
from .waiting import DEADLINE_S


class StreamRefused(Exception):
    def __init__(self, response):
        super().__init__(f"{response.status} {response.body[:300]!r}")
        self.response = response


@dataclasses.dataclass
class StreamEvent:
    id: str  # the last event id when it was dispatched
    event: str
    data: str

    def json(self):
        return json.loads(self.data)


class SseClient(RawConnection):
    """One stream. `last_event_id` moves with every id that comes, as a browser's does."""

    def __init__(self, daemon, room, last_event_id=None, token=None, deadline_s=DEADLINE_S, query="", headers=None,
                 receive_buffer_bytes=None):
        super().__init__(daemon.address, deadline_s, receive_buffer_bytes)
        every = {"Host": daemon.host, "Accept": "text/event-stream", **(headers or {})}
        if token is not None:
            every["Authorization"] = f"Bearer {token}"
        if last_event_id is not None:
            every["Last-Event-ID"] = last_event_id
        self.send(encode_request("GET", f"/sse?room={room}{query}", every))
        self.response = self.read_response()
        if self.response.status != 200:
            self.close()
            raise StreamRefused(self.response)
        self.last_event_id = ""
        self.retry_ms = None
        self.comments = 0

    def read_block(self):
        """Lines up to the next empty one; returns a StreamEvent if the block dispatches one."""
        name, data = "", []
        for line in self.read_until(b"\n\n").decode().split("\n"):
            if not line:
                continue
            if line.startswith(":"):
                self.comments += 1
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_event_id = value
            elif field == "retry":
                self.retry_ms = int(value)
            else:
                raise AssertionError(f"unknown field in {line!r}")
        return StreamEvent(self.last_event_id, name or "message", "\n".join(data)) if data else None

    def next_event(self):
        while (event := self.read_block()) is None:
            pass
        return event

    def wait_for_id(self):
        """Until the stream has said where it is."""
        while not self.last_event_id:
            assert self.read_block() is None, "an event before any id"
        return self.last_event_id
