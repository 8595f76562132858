"""The native protocol, one JSON object a frame, in a blocking client."""
import collections
import itertools
import json
import urllib.parse

from .websocket_client import CLOSE, TEXT, RawWebSocket
from .waiting import DEADLINE_S


class ConnectionEnded(Exception):
    def __init__(self, code, text):
        super().__init__(f"closed with {code} {text}")
        self.code = code
        self.text = text


class NativeClient(RawWebSocket):
    """Says nothing by itself but pongs. What receive() passes over stays for later calls."""

    def __init__(self, daemon, token=None, deadline_s=DEADLINE_S, receive_buffer_bytes=None,
                 query="", **headers):
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        super().__init__(daemon.address, "/ws" + query, deadline_s, receive_buffer_bytes, **headers)
        self.waiting = collections.deque()
        self.ids = itertools.count(1)
        self.hello = self.receive("connected")

    @staticmethod
    def query_of(**parameters):
        return "?" + urllib.parse.urlencode(parameters)

    # ---- messages ----
    def send_json(self, message):
        self.send_text(json.dumps(message))

    def read_json(self):
        frame = self.read_data()
        if frame.opcode == CLOSE:
            raise ConnectionEnded(frame.close_code, frame.close_text)
        assert frame.opcode == TEXT and frame.fin, frame
        return json.loads(frame.payload)

    def receive(self, type=None, **fields):
        """The next message of this type with these fields; others stay in their order."""

        def fits(message):
            return (type is None or message["type"] == type) and all(
                message.get(key) == value for key, value in fields.items())

        for at, message in enumerate(self.waiting):
            if fits(message):
                del self.waiting[at]
                return message
        while True:
            message = self.read_json()
            if fits(message):
                return message
            self.waiting.append(message)

    def receive_next(self):
        """The very next message."""
        return self.waiting.popleft() if self.waiting else self.read_json()

    def events(self, count, room=None):
        """That many events of the application, in the order in which they came."""
        result = []
        while len(result) < count:
            message = self.receive_matching(lambda m: "data" in m and "time" in m
                                            and room in (None, m["room"]))
            result.append(message)
        return result

    def receive_matching(self, fits):
        for at, message in enumerate(self.waiting):
            if fits(message):
                del self.waiting[at]
                return message
        while True:
            message = self.read_json()
            if fits(message):
                return message
            self.waiting.append(message)

    def drain(self):
        """Everything that was sent before the answer to a ping of ours, and clears it."""
        number = f"drain-{next(self.ids)}"
        self.send_json({"type": "ping", "id": number})
        self.receive("pong", id=number)
        result, self.waiting = list(self.waiting), collections.deque()
        return result

    # ---- requests; each returns the answer, an error included ----
    def ask(self, message):
        number = next(self.ids)
        self.send_json({**message, "id": number})
        return self.receive_matching(
            lambda m: m.get("id") == number and "time" not in m)

    def subscribe(self, room, recover=None):
        message = {"type": "subscribe", "room": room}
        if recover is not None:
            epoch, offset = recover
            message["recover"] = {"epoch": epoch, "offset": offset}
        answer = self.ask(message)
        return answer

    def subscribed(self, room, recover=None):
        """subscribe() that has to succeed."""
        answer = self.subscribe(room, recover)
        assert answer["type"] == "subscribed", answer
        return answer

    def unsubscribe(self, room):
        return self.ask({"type": "unsubscribe", "room": room})

    def publish(self, room, event="note", data=None, **fields):
        return self.ask({"type": "publish", "room": room, "event": event, "data": data, **fields})

    def presence(self, action, room, **fields):
        """Sent only: join and leave have no answer but the update."""
        self.send_json({"type": "presence", "action": action, "room": room, **fields})

    def read_end(self):
        """The close frame's (code, text); messages before it are passed over."""
        frame = self.read_close()
        return frame.close_code, frame.close_text
