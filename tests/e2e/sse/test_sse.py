"""GET /sse: one room as an event stream, on the same history as WebSockets."""
import signal

import pytest

from support.native_client import NativeClient
from support.sse_client import SseClient, StreamRefused
from support.tokens import SECRET, make_token, while_it_lasts
from support.waiting import wait_until

STORE = True
CONFIG = {"auth": {"hs256_secret": SECRET, "leeway_s": 0},
          "listen": {"allowed_origins": ["https://app.example"]},
          "limits": {"ping_interval_s": 1},
          "namespace": [{"name": "none", "history": "none"},
                        {"name": "tenant", "history": "store"},
                        {"name": "short", "history": "memory", "history_size": 3},
                        {"name": "few", "history": "memory", "recover_max": 2},
                        {"name": "*", "history": "memory"}]}


@pytest.fixture
def stream(daemon):
    """stream(room, …) -> SseClient, closed after the test."""
    clients = []

    def make(room, *arguments, **options):
        clients.append(SseClient(daemon, room, *arguments, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def refused(daemon, room="a", **options):
    with pytest.raises(StreamRefused) as refusal:
        SseClient(daemon, room, **options)
    return refusal.value.response


def test_the_head_is_that_of_an_event_stream_that_nobody_buffers(stream):
    response = stream("head:1").response
    assert response.header("content-type") == "text/event-stream"
    assert response.header("cache-control") == "no-store"
    assert response.header("x-accel-buffering") == "no"
    assert response.header("content-length") is None


def test_an_event_has_id_type_and_the_native_message_as_data(daemon, stream):
    client = stream("event:1")
    start = client.wait_for_id()
    published = daemon.publish("event:1", "task:moved", {"a": "Größe"})
    event = client.next_event()
    assert start == f"{published['epoch']}.0"
    assert event.id == f"{published['epoch']}.1"
    assert event.event == "task:moved"
    message = event.json()
    assert set(message) == {"type", "room", "offset", "id", "time", "data"}
    assert (message["id"], message["data"]) == (published["id"], {"a": "Größe"})


def test_a_client_is_told_when_to_come_back(stream):
    client = stream("retry:1")
    client.wait_for_id()
    assert 1000 <= client.retry_ms <= 2000


def test_events_come_in_their_order_as_to_a_websocket(daemon, stream, connect):
    client, other = stream("order:1"), connect()
    client.wait_for_id()
    other.subscribed("order:1")
    for n in range(50):
        daemon.publish("order:1", data=n)
    assert [client.next_event().json() for _ in range(50)] == other.events(50)


def test_last_event_id_brings_what_was_missed_and_then_what_is_new(daemon, stream):
    client = stream("resume:1")
    client.wait_for_id()
    daemon.publish("resume:1", data=1)
    last = client.next_event().id
    client.close()
    for n in (2, 3, 4):
        daemon.publish("resume:1", data=n)
    again = stream("resume:1", last)
    daemon.publish("resume:1", data=5)
    events = [again.next_event() for _ in range(4)]
    assert [event.json()["data"] for event in events] == [2, 3, 4, 5]
    assert [event.event for event in events] == ["note"] * 4, "no notice: nothing was lost"


def test_a_page_may_give_the_position_in_its_address(daemon, stream):
    client = stream("resume:2")
    last = client.wait_for_id()
    daemon.publish("resume:2", data=1)
    again = stream("resume:2", query=f"&lastEventId={last}")
    assert again.next_event().json()["data"] == 1


def test_the_header_wins_over_the_address(daemon, stream):
    client = stream("resume:3")
    first = client.wait_for_id()
    daemon.publish("resume:3", data=1)
    second = client.next_event().id
    daemon.publish("resume:3", data=2)
    again = stream("resume:3", second, query=f"&lastEventId={first}")
    assert again.next_event().json()["data"] == 2


@pytest.mark.parametrize("room, published, recovered", [("short:1", 3, True), ("short:2", 4, False),
                                                         ("few:1", 2, True), ("few:2", 3, False)])
def test_history_size_and_recover_max_on_both_sides(daemon, stream, room, published, recovered):
    last = stream(room).wait_for_id()
    for n in range(published):
        daemon.publish(room, data=n)
    again = stream(room, last)
    daemon.publish(room, data="live")
    first = again.next_event()
    if recovered:
        assert first.json()["data"] == 0
    else:
        assert (first.event, first.json()) == ("subscribed", {"recovered": False})
        assert again.next_event().json()["data"] == "live"


@pytest.mark.parametrize("last", ["other.0", "other.5", "0.0"])
def test_a_position_of_another_epoch_is_told_recovered_false(daemon, stream, last):
    daemon.publish("epoch:1")
    client = stream("epoch:1", last)
    first = client.next_event()
    assert (first.event, first.json()) == ("subscribed", {"recovered": False})
    daemon.publish("epoch:1", data="live")
    assert client.next_event().json()["data"] == "live"


def test_a_position_ahead_of_the_room_is_told_recovered_false(daemon, stream):
    epoch = stream("ahead:1").wait_for_id().split(".")[0]
    first = stream("ahead:1", f"{epoch}.7").next_event()
    assert (first.event, first.json()) == ("subscribed", {"recovered": False})


@pytest.mark.parametrize("last", ["x", ".", "a.", ".1", "a.b", "a.-1", "a.1.2", "a.1,b.2", "a b.1", "a.9007199254740992",
                                  "a.00000000000000001", "-"])
def test_a_broken_last_event_id_is_refused_or_no_position(daemon, last):
    if last == "-":
        SseClient(daemon, "bad:1", last).close()
        return
    response = refused(daemon, "bad:1", last_event_id=last)
    assert (response.status, response.json()["error"]) == (400, "VALIDATION_ERROR")
    assert "Last-Event-ID" in response.json()["message"]


def test_without_history_events_have_no_id(daemon, stream):
    client = stream("none:1")
    wait_until(lambda: client.read_block() is not None or client.comments or client.retry_ms)
    daemon.publish("none:1", data=1)
    event = client.next_event()
    assert (event.id, event.json()["data"]) == ("", 1)


def test_a_heartbeat_comes_with_each_ping_interval(stream):
    client = stream("beat:1")
    while client.comments < 2:
        assert client.read_block() is None


def test_in_a_store_room_the_heartbeat_moves_the_position(daemon, stream):
    """A quiet room: rows of others move it, so that it recovers from there."""
    client = stream("tenant:quiet")
    start = client.wait_for_id()
    moved = daemon.publish("tenant:busy", data=1)
    expected = f"{moved['epoch']}.{moved['offset']}"

    def at_least():
        assert client.read_block() is None, "an event in a quiet room"
        return int(client.last_event_id.rsplit(".", 1)[1]) >= moved["offset"]

    wait_until(at_least, "the position")
    assert client.last_event_id != start
    assert client.last_event_id.split(".")[0] == expected.split(".")[0]


def test_a_store_room_resumes_over_a_restart(make_daemon):
    daemon = make_daemon({"namespace": [{"name": "tenant", "history": "store"}], "store": {"url": "sqlite:store.db"}})
    daemon.wait_ready()
    client = SseClient(daemon, "tenant:1")
    client.wait_for_id()
    daemon.publish("tenant:1", data=1)
    last = client.next_event().id
    daemon.publish("tenant:1", data=2)
    client.close()
    daemon.stop()
    daemon.start()
    daemon.wait_ready()
    with SseClient(daemon, "tenant:1", last) as again:
        daemon.publish("tenant:1", data=3)
        assert [again.next_event().json()["data"] for _ in range(2)] == [2, 3]


def test_lines_in_data_do_not_break_the_stream(daemon, stream):
    client = stream("lines:1")
    client.wait_for_id()
    body = b'{"room":"lines:1","type":"note","data":{"a":\r\n[1,\n\r2],"b":"\\r\\n\\n: x\\nid: 7\\n\\n"}}'
    assert daemon.post("/api/publish", body).status == 200
    event = client.next_event()
    assert event.json()["data"] == {"a": [1, 2], "b": "\r\n\n: x\nid: 7\n\n"}
    assert event.id.endswith(".1")


def test_a_type_of_the_application_never_becomes_a_field(daemon, stream):
    client = stream("type:1")
    client.wait_for_id()
    daemon.publish("type:1", "data: x", 1)
    assert client.next_event().event == "data: x"
    response = daemon.post("/api/publish", {"room": "type:1", "type": "a\nid: 9", "data": 1})
    assert response.status == 400


# ---- who may ----
@pytest.mark.parametrize("query, named", [("", "room"), ("room=", "room"), ("room=a*", "room"), ("room=:a", "room"),
                                          ("room=a&room=b", "room"), ("room=" + "r" * 256, "room"),
                                          ("room=%0a", "room")])
def test_a_wrong_room_is_400(daemon, query, named):
    response = daemon.get(f"/sse?{query}")
    assert response.status == 400 and named in response.json()["message"]


def test_a_room_may_be_percent_encoded(daemon, stream):
    client = stream("%C3%A4%3A1")
    client.wait_for_id()
    daemon.publish("ä:1", data=1)
    assert client.next_event().json()["room"] == "ä:1"


def test_head_is_refused(daemon):
    from support.http_client import request

    assert request(daemon.address, "HEAD", "/sse?room=a").status in (400, 405)


def test_grants_hold_for_streams(daemon, stream):
    token = make_token("alice", subscribe=["mine:*"])
    assert refused(daemon, "other:1", token=token).status == 403
    stream("mine:1", token=token).wait_for_id()
    stream("mine:1", query=f"&token={token}").wait_for_id()
    assert refused(daemon, "mine:1", token="garbage").status == 401


def test_the_end_of_the_token_ends_the_stream(stream):
    client = while_it_lasts(lambda ttl_s: stream("mine:2", token=make_token("alice", ttl_s=ttl_s)), [StreamRefused])
    client.read_to_end()


def test_excluded_users_are_excluded_live_and_in_recovery(daemon, stream):
    alice = make_token("alice")
    client = stream("exclude:1", token=alice)
    start = client.wait_for_id()
    daemon.publish("exclude:1", data=1, excludeUser="alice")
    daemon.publish("exclude:1", data=2)
    assert client.next_event().json()["data"] == 2
    again = stream("exclude:1", start, token=alice)
    assert again.next_event().json()["data"] == 2
    other = stream("exclude:1", start, token=make_token("bob"))
    assert [other.next_event().json()["data"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("origin, status", [("https://app.example", 200), ("https://evil.example", 403), ("null", 403)])
def test_only_allowed_origins_read_streams(daemon, origin, status):
    if status == 200:
        with SseClient(daemon, "origin:1", headers={"Origin": origin}) as client:
            assert client.response.header("access-control-allow-origin") == origin
            assert client.response.header("vary") == "Origin"
    else:
        assert refused(daemon, "origin:1", headers={"Origin": origin}).status == status


def test_what_a_stream_sends_behind_its_request_is_nobodys_business(daemon, stream):
    client = stream("behind:1")
    client.wait_for_id()
    client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
    daemon.publish("behind:1", data=1)
    assert client.next_event().json()["data"] == 1


def test_a_request_pipelined_behind_a_stream_does_not_hide_its_end(daemon):
    from support.http_client import RawConnection, encode_request

    daemon.wait_for_subscriptions(0)
    with RawConnection(daemon.address) as connection:
        connection.send(encode_request("GET", "/sse?room=pipelined:1", {"Host": daemon.host}) +
                        encode_request("GET", "/healthz", {"Host": daemon.host}))
        assert connection.read_response().status == 200
        daemon.wait_for_subscriptions(1)
    daemon.wait_for_subscriptions(0)


def test_a_stream_that_ends_is_unsubscribed(daemon, stream):
    daemon.wait_for_subscriptions(0)
    client = stream("end:1")
    client.wait_for_id()
    daemon.wait_for_subscriptions(1)
    client.close()
    daemon.wait_for_subscriptions(0)


def test_the_end_of_the_daemon_ends_streams(make_daemon):
    daemon = make_daemon()
    client = SseClient(daemon, "end:2")
    client.wait_for_id()
    daemon.signal(signal.SIGTERM)
    client.read_to_end()
    client.close()
    daemon.join()


def test_websockets_and_streams_share_one_room(daemon, stream):
    with NativeClient(daemon) as websocket:
        answer = websocket.subscribed("both:1")
        client = stream("both:1")
        client.wait_for_id()
        daemon.publish("both:1", data=1)
        assert websocket.receive("note") == client.next_event().json()
        assert client.last_event_id == f"{answer['epoch']}.1"
