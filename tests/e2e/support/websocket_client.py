"""RFC 6455 over a plain socket: whatever frame a test wants, also wrong ones."""
import base64
import dataclasses
import hashlib
import os
import struct

from .http_client import RawConnection, encode_request, host_of
from .waiting import DEADLINE_S

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def mask(octets, key):
    if not octets:
        return b""
    stream = (key * (len(octets) // 4 + 1))[:len(octets)]
    size = len(octets)
    return (int.from_bytes(octets, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def encode_frame(opcode, payload=b"", fin=True, rsv=0, key=b"\x11\x22\x33\x44", length=None,
                 length_octets=None):
    """A client's frame. key None: not masked. `length`: what the header claims; `length_octets`:
    0, 2 or 8, to claim it in a longer form than need be."""
    size = len(payload) if length is None else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0 if key is None else 0x80
    if length_octets is None:
        length_octets = 0 if size < 126 else 2 if size < 65536 else 8
    if length_octets == 0:
        head = struct.pack("!BB", first, masked | size)
    elif length_octets == 2:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    return head + (payload if key is None else key + mask(payload, key))


@dataclasses.dataclass
class Frame:
    fin: bool
    rsv: int
    opcode: int
    payload: bytes

    @property
    def close_code(self):
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None

    @property
    def close_text(self):
        return self.payload[2:].decode()


def handshake_headers(host, **more):
    """The upgrade's headers; a value None takes one out, `_` in a name stands for `-`."""
    headers = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade",
               "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
               "Sec-WebSocket-Version": "13"}
    for name, value in more.items():
        headers[name.replace("_", "-")] = value
    return {name: value for name, value in headers.items() if value is not None}


class WebSocketRefused(Exception):
    def __init__(self, response):
        super().__init__(f"{response.status} {response.body[:300]!r}")
        self.response = response


class RawWebSocket(RawConnection):
    """Connects and upgrades; WebSocketRefused with the response if the server does not."""

    def __init__(self, address, target="/ws", deadline_s=DEADLINE_S, receive_buffer_bytes=None,
                 **headers):
        super().__init__(address, deadline_s, receive_buffer_bytes)
        every = handshake_headers(host_of(address), **headers)
        self.send(encode_request("GET", target, every))
        self.response = self.read_response()
        if self.response.status != 101:
            self.close()
            raise WebSocketRefused(self.response)
        expected = accept_key(every["Sec-WebSocket-Key"])
        assert self.response.header("sec-websocket-accept") == expected

    def send_frame(self, opcode, payload=b"", **options):
        self.send(encode_frame(opcode, payload, **options))

    def send_text(self, text):
        self.send_frame(TEXT, text.encode())

    def send_close(self, code=None, text=""):
        payload = b"" if code is None else struct.pack("!H", code) + text.encode()
        self.send_frame(CLOSE, payload)

    def read_frame(self):
        first, second = self.read_exactly(2)
        assert second & 0x80 == 0, "a server's frame is never masked (RFC 6455 section 5.1)"
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", self.read_exactly(2))[0]
            assert size >= 126, "not the shortest length form"
        elif size == 127:
            size = struct.unpack("!Q", self.read_exactly(8))[0]
            assert size >= 65536, "not the shortest length form"
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 0xF, self.read_exactly(size))

    def read_data(self):
        """The next data or close frame; pings are answered, pongs passed over."""
        while True:
            frame = self.read_frame()
            if frame.opcode == PING:
                self.send_until_refused(encode_frame(PONG, frame.payload))
            elif frame.opcode != PONG:
                return frame

    def read_close(self):
        """Data frames before it are passed over; checks that the stream ends behind it."""
        while True:
            frame = self.read_data()
            if frame.opcode == CLOSE:
                break
        self.send_until_refused(encode_frame(CLOSE, frame.payload[:2]))
        return frame
