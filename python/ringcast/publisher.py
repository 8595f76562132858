"""Publishing from synchronous code: Django, Flask, Celery, scripts. No event loop is needed.

    publisher = ringcast.Publisher("unix:/run/ringcast.sock", api_key=...)
    publisher.publish("user:42", {"order": 7}, event="order.paid")

One for the whole process, made at import if you like: nothing is opened before the first publish,
and after fork() the child opens its own connection.
"""

import json
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from ._errors import RingcastError, error_of
from ._http import HttpClient
from ._messages import Publication, Published
from ._payload import encode_whole

__all__ = ["Publisher"]


class Publisher:
    """Publishes to a running ringcastd over kept connections.

    Thread: any, also several at once. Lives as long as you like; close() gives its connections
    back. Limit: 8 idle connections are kept; one more is closed after its request.
    """

    def __init__(
        self, url: str | None = None, *, api_key: str | None = None, timeout: float = 5.0
    ) -> None:
        """url: "unix:/path" or "http://host:port", else RINGCAST_URL; api_key: one of the server's
        auth.api_keys, on a socket too, else RINGCAST_API_KEY; timeout: seconds that each call may
        take to connect, and to be answered."""
        self._http = HttpClient(url, api_key)
        self._timeout = timeout

    def publish(
        self,
        room: str,
        data: object,
        *,
        event: str = "message",
        id: str | None = None,
        key: str | None = None,
        exclude_user: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Returns when the engine has accepted it; in a `store` room when it is committed.

        With `id` or `idempotency_key` a broken connection is tried once more: the engine knows a
        repeat. Without, ConnectionLost says that it may have been published."""
        publication = Publication(
            room, event, encode_whole(data), id, key, exclude_user, idempotency_key
        )
        answer = self._http.post(
            "/api/publish",
            body_of(publication),
            self._timeout if timeout is None else timeout,
            again=idempotency_key is not None or id is not None,
        )
        return published_of(answer)

    def publish_many(
        self, publications: Iterable[Publication], *, timeout: float | None = None
    ) -> list[Published | RingcastError]:
        """All in one request, at most the server's limits.publications_per_request_max. Answers in
        order; one that is refused stands there as its exception, and holds up no other."""
        items = [item._replace(data=encode_whole(item.data)) for item in publications]
        if not items:
            return []
        answer = self._http.post(
            "/api/batch",
            b'{"publications":[' + b",".join(body_of(item) for item in items) + b"]}",
            self._timeout if timeout is None else timeout,
            again=all(item.idempotency_key or item.id for item in items),
        )
        return [outcome_of(each) for each in answer["answers"]]

    def close(self) -> None:
        """Closes what is idle. The next publish opens a connection again."""
        self._http.close()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def body_of(item: Publication) -> bytes:
    """The JSON object of a publication; its payload goes into it as it is."""
    fields = {
        "room": item.room,
        "type": item.event,
        "id": item.id,
        "key": item.key,
        "excludeUser": item.exclude_user,
        "idempotencyKey": item.idempotency_key,
    }
    head = json.dumps({name: value for name, value in fields.items() if value is not None})
    return head[:-1].encode() + b',"data":' + item.data + b"}"


def published_of(answer: dict[str, Any]) -> Published:
    return Published(answer["id"], answer.get("offset"), answer.get("epoch"))


def outcome_of(answer: dict[str, Any]) -> Published | RingcastError:
    if "error" in answer:
        return error_of(answer["error"], answer["message"])
    return published_of(answer)
