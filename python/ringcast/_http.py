"""Requests to a running ringcastd: HTTP over TCP or a unix socket, on connections that are kept.

Thread: any. A request takes an idle connection or opens one, and gives it back; nothing is shared
while it runs. After fork() the child opens its own. Limit: `idle_max` connections are kept; one
more is closed when its request is over.
"""

import http.client
import json
import os
import select
import socket
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from ._errors import (
    ConnectionLost,
    RingcastError,
    TimedOut,
    ValidationError,
    WrongAddress,
    WrongKey,
    error_of,
)

__all__ = ["Address", "HttpClient"]

_EXPECTED = 'expected "unix:/path/of/the/socket" or "http://host:port"'


class Address(NamedTuple):
    """Where a ringcastd listens: a unix socket's path, or a host and port."""

    url: str
    unix: str | None
    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> "Address":
        if url.startswith("unix:"):
            path = url.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/"):
                raise ValidationError.of({"url": f"is {url!r}: the path is not absolute"})
            return cls(url, path, "localhost", 0, False)
        if not url:
            raise ValidationError.of({"url": f"is missing: {_EXPECTED}, here or in RINGCAST_URL"})
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as wrong:
            raise ValidationError.of({"url": f"is {url!r}: {wrong}"}) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValidationError.of({"url": f"is {url!r}, {_EXPECTED}"})
        if parts.path not in ("", "/") or parts.query or parts.username:
            raise ValidationError.of(
                {"url": f"is {url!r}: ringcastd serves no path of its own; {_EXPECTED}"}
            )
        tls = parts.scheme == "https"
        return cls(url, None, parts.hostname, port or (443 if tls else 80), tls)

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.unix is not None:
            return _UnixConnection(self.unix, timeout)
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=timeout)

    def unreachable(self, error: OSError) -> RingcastError:
        """What to say of a connection that could not be made."""
        if isinstance(error, TimeoutError):
            return TimedOut(f"{self.url}: no connection in time: is the address right?")
        if self.unix is not None and isinstance(error, FileNotFoundError):
            return WrongAddress(
                f"{self.url}: there is no such socket: start `ringcastd serve` with"
                f' listen.unix = "{self.unix}", or correct the path'
            )
        if isinstance(error, PermissionError):
            return WrongAddress(
                f"{self.url}: this process may not connect: see listen.unix_mode of ringcastd"
            )
        if isinstance(error, socket.gaierror):
            return WrongAddress(f"{self.url}: the host is not known: {error.strerror}")
        return ConnectionLost(f"{self.url}: {error.strerror or error}: is ringcastd running there?")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


class _BrokenError(Exception):
    """The connection ended under a request; whether the server saw it is not known."""


class HttpClient:
    """POST of JSON with an API key; answers are JSON objects, errors this package's exceptions."""

    def __init__(self, url: str | None, api_key: str | None, idle_max: int = 8) -> None:
        """Without an argument, its variable: RINGCAST_URL, RINGCAST_API_KEY."""
        self.address = Address.of(_given(url, "RINGCAST_URL"))
        self.authorization = f"Bearer {_sendable(_given(api_key, 'RINGCAST_API_KEY'))}"
        self._headers = {
            "Authorization": self.authorization,
            "Content-Type": "application/json",
        }
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=idle_max)
        self._process = os.getpid()

    def post(
        self, path: str, body: Mapping[str, object] | bytes, timeout: float, again: bool = False
    ) -> dict[str, Any]:
        """`again`: a request that broke is sent once more, because it does no harm twice."""
        return self.post_for_text(path, body, timeout, again)[0]

    def post_for_text(
        self, path: str, body: Mapping[str, object] | bytes, timeout: float, again: bool = False
    ) -> tuple[dict[str, Any], str]:
        """The answer, and the text that it was read from."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        while True:
            try:
                return self._exchange(path, octets, timeout)
            except _BrokenError as broken:
                if not again:
                    raise ConnectionLost(
                        f"{self.address.url}: the connection broke before the answer came"
                        f" ({broken}): it may have been done. With idempotency_key= it is tried"
                        " again without harm"
                    ) from None
                again = False

    def close(self) -> None:
        """Closes idle connections. Another request opens one again."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, path: str, body: bytes, timeout: float) -> tuple[dict[str, Any], str]:
        connection = self._connection(timeout)
        try:
            connection.request("POST", path, body, self._headers)
            response = connection.getresponse()
            answer = response.read()
        except TimeoutError:
            connection.close()
            raise TimedOut(
                f"{self.address.url}{path}: no answer within {timeout} s; it may have been done"
            ) from None
        except (http.client.BadStatusLine, http.client.IncompleteRead) as error:
            connection.close()
            if type(error) is http.client.BadStatusLine:  # RemoteDisconnected is one too
                raise WrongAddress(f"{self.address.url}: what answers there is no HTTP") from None
            raise _BrokenError(type(error).__name__) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _BrokenError(str(error)) from None
        if response.will_close or len(self._idle) == self._idle.maxlen:
            connection.close()
        else:
            self._idle.append(connection)
        return self._judged(path, response.status, answer)

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._process != os.getpid():
            # A child's copies: closing them says nothing to the server.
            self._process = os.getpid()
            self.close()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.sock is not None and not _readable(connection.sock):
                connection.sock.settimeout(timeout)
                return connection
            connection.close()
        connection = self.address.connection(timeout)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise self.address.unreachable(error) from None
        return connection

    def _judged(self, path: str, status: int, body: bytes) -> tuple[dict[str, Any], str]:
        text = ""
        try:
            text = body.decode()
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise WrongAddress(f"{self.address.url}{path}: what answers there is no ringcastd")
        if status == 200:
            return cast(dict[str, Any], answer), text
        if status == 401:
            raise WrongKey(correlation_id=answer.get("correlationId"))
        if status == 404 and "nothing is served here" in str(answer.get("message")):
            raise WrongAddress(
                f"{self.address.url}{path}: this ringcastd is older than the package"
            )
        raise error_of(
            str(answer.get("error")), str(answer.get("message")), answer.get("correlationId")
        )


def _readable(sock: socket.socket) -> bool:
    """An idle connection has nothing to say: the server has closed it."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _given(argument: str | None, variable: str) -> str:
    return os.environ.get(variable, "") if argument is None else argument


def _sendable(api_key: str) -> str:
    if not api_key or not api_key.isascii() or any(c <= " " or c == "\x7f" for c in api_key):
        what = "can not be sent in a header" if api_key else "is missing"
        raise ValidationError.of(
            {
                "api_key": f"{what}: give one of the server's auth.api_keys, here or in"
                " RINGCAST_API_KEY"
            }
        )
    return api_key
