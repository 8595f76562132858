"""Ping and pong, dead peers, the end of the daemon, and readers that do not read."""
import json
import signal

import pytest

from support.http_client import Closed
from support.native_client import NativeClient
from support.waiting import wait_until
from support.websocket_client import CLOSE, PING, PONG, RawWebSocket

BOTH_ENGINES = True
CONFIG = {"limits": {"ping_interval_s": 1, "pong_timeout_s": 4, "linger_s": 1}}


def frames_until_end(client):
    frames = []
    try:
        while True:
            frames.append(client.read_frame())
    except Closed:
        return frames


def test_a_peer_that_answers_pings_stays(daemon):
    with RawWebSocket(daemon.address, "/debug/echo") as client:
        for _ in range(3):
            frame = client.read_frame()
            assert (frame.opcode, frame.payload) == (PING, b"")
            client.send_frame(PONG)


@pytest.mark.parametrize("target", ["/debug/echo", "/ws"])
def test_a_peer_that_never_answers_a_ping_is_closed_with_4005(daemon, target):
    """Also though the next pings go out before the time for the first pong is over."""
    with RawWebSocket(daemon.address, target) as client:
        end = frames_until_end(client)[-1]
        assert (end.opcode, end.close_code) == (CLOSE, 4005)


def test_any_octet_counts_as_a_sign_of_life(daemon):
    with RawWebSocket(daemon.address, "/debug/echo") as client:
        for _ in range(4):
            while client.read_frame().opcode != PING:
                pass
            client.send_text("here")


def test_a_dead_peer_leaves_no_descriptor_and_no_subscription(daemon):
    daemon.wait_for_subscriptions(0)
    client = NativeClient(daemon)
    client.subscribed("dead:1")
    daemon.wait_for_subscriptions(1)
    # It keeps its socket open and never reads again.
    daemon.wait_for_subscriptions(0)
    client.close()


def test_a_client_that_never_closes_its_side_is_closed_after_linger(daemon):
    before = daemon.descriptors()
    client = RawWebSocket(daemon.address, "/debug/echo")
    client.send_close(1000)
    wait_until(lambda: daemon.descriptors() <= before, "the end of the connection")
    client.close()


def test_sigterm_tells_every_websocket_and_ends_with_0(make_daemon):
    daemon = make_daemon({"limits": {"linger_s": 1}})
    clients = [NativeClient(daemon) for _ in range(5)] + [RawWebSocket(daemon.address, "/debug/echo")]
    daemon.signal(signal.SIGTERM)
    for client in clients:
        assert client.read_close().close_code == 1001
        client.close()
    daemon.join()


# ---- readers that do not read ----
SLOW = {"namespace": [{"name": "*", "history": "memory", "send_queue_bytes_max": 65_536, "history_size": 10_000,
                       "recover_max": 10_000}],
        "limits": {"write_stall_s": 600, "linger_s": 600, "ping_interval_s": 600}}
PAYLOAD = "x" * 8000


def test_a_reader_that_does_not_read_is_closed_and_the_others_lose_nothing(make_daemon):
    daemon = make_daemon(SLOW)
    slow = NativeClient(daemon, receive_buffer_bytes=4096)
    fast = [NativeClient(daemon) for _ in range(3)]
    epoch = slow.subscribed("slow:1")["epoch"]
    seen = {}
    for client in fast:
        client.subscribed("slow:1")
        seen[client] = []
    published = 0
    while daemon.metric("ringcast_slow_consumers_total") == 0:
        for _ in range(20):
            daemon.publish("slow:1", data=PAYLOAD)
        published += 20
        assert published < 4000, "the slow reader was never closed"
        for client in fast:
            seen[client] += [event["offset"] for event in client.events(20)]
    for client in fast:
        assert seen[client] == list(range(1, published + 1))
    # What it gets before its end is a prefix: whole frames in order, and the reason at last.
    offsets = []
    while (frame := slow.read_frame()).opcode != CLOSE:
        offsets.append(json.loads(frame.payload)["offset"])
    assert frame.close_code == 4004
    assert offsets == list(range(1, len(offsets) + 1))
    assert 0 < len(offsets) < published
    # Nothing is lost to it either: it comes back for the rest.
    again = NativeClient(daemon)
    assert again.subscribed("slow:1", recover=(epoch, offsets[-1]))["recovered"] is True
    rest = [event["offset"] for event in again.events(published - len(offsets))]
    assert rest == list(range(len(offsets) + 1, published + 1))
    for client in [slow, again, *fast]:
        client.close()


def test_a_socket_that_takes_nothing_is_closed_after_write_stall(make_daemon):
    daemon = make_daemon({"limits": {"write_stall_s": 1, "ping_interval_s": 600},
                          "namespace": [{"name": "*", "history": "none",
                                         "send_queue_bytes_max": 64 << 20}]})
    slow = NativeClient(daemon, receive_buffer_bytes=4096)
    slow.subscribed("stall:1")
    for _ in range(1500):
        daemon.publish("stall:1", data=PAYLOAD)
        if daemon.metric("ringcast_short_sends_total"):
            break
    wait_until(lambda: daemon.metric("ringcast_slow_consumers_total") == 1, "the end of a stalled socket")
    daemon.wait_for_subscriptions(0)
    slow.close()


def test_a_client_that_asks_and_does_not_read_the_answers_is_closed(make_daemon):
    daemon = make_daemon({"limits": {"reply_bytes_max": 65_536, "write_stall_s": 600, "ping_interval_s": 600,
                                     "linger_s": 1}})
    client = RawWebSocket(daemon.address, "/debug/echo", receive_buffer_bytes=4096)
    other = RawWebSocket(daemon.address, "/debug/echo")
    try:
        for _ in range(2000):
            client.send_text(PAYLOAD)
    except OSError:
        pass
    wait_until(lambda: daemon.metric("ringcast_slow_consumers_total") == 1, "the end of the client")
    other.send_text("served")
    assert other.read_data().payload == b"served"
    client.close()
    other.close()


def test_pinned_bytes_of_a_shard_are_bounded_by_ending_the_largest(make_daemon):
    daemon = make_daemon({"engine": {"shards": 1, "pinned_bytes_max": 1 << 20},
                          "limits": {"write_stall_s": 600, "ping_interval_s": 600},
                          "namespace": [{"name": "*", "history": "none",
                                         "send_queue_bytes_max": 64 << 20}]})
    slow = NativeClient(daemon, receive_buffer_bytes=4096)
    slow.subscribed("pinned:1")
    fast = NativeClient(daemon)
    fast.subscribed("pinned:1")
    for published in range(4000):
        daemon.publish("pinned:1", data=PAYLOAD)
        fast.events(1)
        if daemon.metric("ringcast_slow_consumers_total"):
            break
    assert daemon.metric("ringcast_slow_consumers_total") == 1
    daemon.wait_for_subscriptions(1)
    slow.close()
    fast.close()
