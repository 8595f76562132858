"""HTTP over a plain socket, so that a test decides every octet."""
import dataclasses
import json
import socket

from .waiting import DEADLINE_S


class Closed(Exception):
    """The peer closed before what was expected had come."""


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    headers: list  # (lower-case name, value) as they came
    body: bytes

    def header(self, name, default=None):
        for key, value in self.headers:
            if key == name.lower():
                return value
        return default

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class RawConnection:
    """A socket with a read buffer. Every wait has a deadline. `address`: (host, port), or the path of
    a unix socket."""

    def __init__(self, address, deadline_s=DEADLINE_S, receive_buffer_bytes=None, source=None):
        local = isinstance(address, str)
        self.socket = socket.socket(socket.AF_UNIX if local else socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(deadline_s)
        if not local:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def send_split(self, octets, size=1):
        """Piece by piece, each a send of its own."""
        for at in range(0, len(octets), size):
            self.socket.sendall(octets[at:at + size])

    def send_until_refused(self, octets):
        """False if the peer closed or reset meanwhile, which is its right."""
        try:
            self.socket.sendall(octets)
            return True
        except OSError:
            return False

    def close(self):
        self.socket.close()

    def reset(self):
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def receive_some(self):
        try:
            some = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Closed("reset") from error
        if not some:
            raise Closed("end of stream")
        self.buffer += some

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self.receive_some()
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets

    def read_until(self, mark):
        while mark not in self.buffer:
            self.receive_some()
        octets, self.buffer = self.buffer.split(mark, 1)
        return octets + mark

    def read_to_end(self):
        """All that comes until the peer closes; a time-out is an error."""
        try:
            while True:
                self.receive_some()
        except Closed:
            octets, self.buffer = self.buffer, b""
            return octets

    def silent(self, seconds):
        """True if nothing comes and the peer does not close for so long."""
        if self.buffer:
            return False
        self.socket.settimeout(seconds)
        try:
            self.receive_some()
            return False
        except (TimeoutError, socket.timeout):
            return True
        except Closed:
            return False
        finally:
            self.socket.settimeout(DEADLINE_S)

    def closed_by_peer(self):
        """Waits for the peer's end; anything that comes before it is an error."""
        rest = self.read_to_end()
        assert rest == b"", f"before its end came {rest[:200]!r}"
        return True

    def read_response(self, head=False, informational=False):
        """One response with its body (`head`: of a HEAD request, so without one)."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, reason = (lines[0].split(" ", 2) + [""])[:3]
        assert version == "HTTP/1.1", lines[0]
        headers = []
        for line in lines[1:-2]:
            name, value = line.split(":", 1)
            headers.append((name.strip().lower(), value.strip()))
        response = Response(int(status), reason, headers, b"")
        if response.status == 100 and not informational:
            return self.read_response(head)
        length = response.header("content-length")
        if not head and length is not None and response.status >= 200:
            response.body = self.read_exactly(int(length))
        return response


def encode_request(method, target, headers, body=b""):
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def host_of(address):
    return "localhost" if isinstance(address, str) else f"{address[0]}:{address[1]}"


def request(address, method, target, headers=None, body=None):
    """One request on a connection of its own."""
    every = {"Host": host_of(address), "Connection": "close"}
    every.update(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        every["Content-Length"] = len(body)
    with RawConnection(address) as connection:
        connection.send_until_refused(encode_request(method, target, every, body or b""))
        return connection.read_response(head=method == "HEAD")
