"""Nothing is missing in silence: each reason of a gap, produced by a real daemon."""
import json
import time

import pytest

from support.native_client import NativeClient
from support.sse_client import SseClient
from support.stopped_thread import StoppedThread
from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S, wait_until

PAYLOAD = "x" * 8000
QUEUE_BYTES = 65_536
NAMESPACES = [
    {"name": "drop", "slow_policy": "drop_oldest", "send_queue_bytes_max": QUEUE_BYTES, "history_size": 10_000,
     "recover_max": 10_000},
    {"name": "last", "slow_policy": "latest", "send_queue_bytes_max": QUEUE_BYTES},
    {"name": "plain", "slow_policy": "drop_oldest", "send_queue_bytes_max": QUEUE_BYTES, "history": "none"},
    {"name": "strict", "slow_policy": "disconnect", "send_queue_bytes_max": QUEUE_BYTES},
]
CONFIG = {"limits": {"ping_interval_s": 600, "write_stall_s": 600}, "namespace": NAMESPACES}
BOTH_ENGINES = True


def publish_until(daemon, room, counter, fast, key=lambda n: None):
    """Publishes until `counter` has moved, and some more; `fast` reads along. Returns how many."""
    before = daemon.metric(counter)
    for published in range(1, 5000):
        fields = {} if key(published) is None else {"key": key(published)}
        daemon.publish(room, data={"n": published, "pad": PAYLOAD}, **fields)
        assert fast.events(1)[0]["data"]["n"] == published
        if published % 10 == 0 and daemon.metric(counter) > before:
            return published
    raise AssertionError(f"{counter} did not move")


def read_to(client, room, last):
    """What came of the room, up to the event with this number or a gap that reaches it, as ("event",
    offset, n) and ("gap", from, to, reason)."""
    result = []
    while True:
        message = client.receive_next()
        if message.get("room") != room:
            continue
        if message["type"] == "gap":
            result.append(("gap", message.get("from"), message.get("to"), message["reason"]))
            if (message.get("to") or 0) >= last:
                return result
        elif "time" in message:
            result.append(("event", message.get("offset"), message["data"]["n"]))
            if message["data"]["n"] == last:
                return result


def expect_everything_seen_or_announced(seen, last):
    at = 0
    for entry in seen:
        if entry[0] == "gap":
            assert entry[1] == at and entry[2] > at, f"{entry} behind {at}"
            at = entry[2]
        else:
            assert entry[1] == at + 1, f"{entry} behind {at}"
            at = entry[1]
    assert at == last


def slow_and_fast(connect, *rooms):
    slow = connect(receive_buffer_bytes=4096)
    fast = connect()
    answers = [slow.subscribed(room) for room in rooms]
    for room in rooms:
        fast.subscribed(room)
    return slow, fast, answers[0]


def test_drop_oldest_announces_what_it_dropped_and_the_client_recovers_it(daemon, connect):
    slow, fast, answer = slow_and_fast(connect, "drop:1")
    last = publish_until(daemon, "drop:1", 'ringcast_slow_dropped_total{policy="drop_oldest"}', fast)
    seen = read_to(slow, "drop:1", last)
    expect_everything_seen_or_announced(seen, last)
    gaps = [entry for entry in seen if entry[0] == "gap"]
    assert gaps and {gap[3] for gap in gaps} == {"overflow"}
    # The connection stayed, and from the gap's `from` history makes it whole.
    slow.unsubscribe("drop:1")
    again = slow.subscribed("drop:1", recover=(answer["epoch"], gaps[0][1]))
    assert again["recovered"] is True
    rest = [event["data"]["n"] for event in slow.events(last - gaps[0][1])]
    assert rest == list(range(gaps[0][1] + 1, last + 1))


def test_latest_keeps_the_newest_event_of_each_key(daemon, connect):
    slow, fast, _ = slow_and_fast(connect, "last:1")
    last = publish_until(daemon, "last:1", "ringcast_slow_conflated_total", fast, key=lambda n: f"key {n % 3}")
    for n in range(last + 1, last + 31):  # more than once through the queue, were it not by key
        daemon.publish("last:1", data={"n": n, "pad": PAYLOAD}, key=f"key {n % 3}")
        fast.events(1)
    last += 30
    seen = read_to(slow, "last:1", last)
    expect_everything_seen_or_announced(seen, last)
    assert {entry[3] for entry in seen if entry[0] == "gap"} == {"conflated"}
    assert [entry[2] for entry in seen[-3:]] == [last - 2, last - 1, last]


def test_a_room_without_offsets_says_that_something_is_missing(daemon, connect):
    slow, fast, _ = slow_and_fast(connect, "plain:1")
    last = publish_until(daemon, "plain:1", 'ringcast_slow_dropped_total{policy="drop_oldest"}', fast)
    seen = read_to(slow, "plain:1", last)
    assert ("gap", None, None, "overflow") in seen
    numbers = [entry[2] for entry in seen if entry[0] == "event"]
    assert numbers == sorted(numbers) and len(numbers) < last


def test_one_connection_with_rooms_of_every_policy(daemon, connect):
    rooms = ("drop:2", "last:2", "strict:2")
    slow, fast, _ = slow_and_fast(connect, *rooms)
    publish_until(daemon, "drop:2", 'ringcast_slow_dropped_total{policy="drop_oldest"}', fast)
    closed = daemon.metric("ringcast_slow_consumers_total")
    # What may lose makes room for what may not, and answers get through.
    for n in range(3):
        daemon.publish("strict:2", data={"n": n, "pad": PAYLOAD})
        daemon.publish("last:2", data={"n": n, "pad": PAYLOAD}, key="k")
    slow.send_json({"type": "ping", "id": "alive"})
    messages, latest = [], -1
    while latest < 2 or not any(m.get("id") == "alive" for m in messages):  # they may come from two shards
        messages.append(slow.receive_next())
        if messages[-1].get("room") == "last:2" and "data" in messages[-1]:
            latest = messages[-1]["data"]["n"]
    assert [m["data"]["n"] for m in messages if m.get("room") == "strict:2" and "data" in m] == [0, 1, 2]
    assert daemon.metric("ringcast_slow_consumers_total") == closed


def test_a_stream_is_told_too_and_can_come_back_from_before_the_gap(daemon, connect):
    stream = SseClient(daemon, "drop:3", receive_buffer_bytes=4096)
    fast = connect()
    fast.subscribed("drop:3")
    last = publish_until(daemon, "drop:3", 'ringcast_slow_dropped_total{policy="drop_oldest"}', fast)
    at, gap, last_id = 0, None, None
    while at < last:
        before = stream.last_event_id
        event = stream.next_event()
        if event.event == "gap":
            gap = event.json()
            assert (gap["room"], gap["from"], gap["reason"]) == ("drop:3", at, "overflow")
            assert event.id == before, "a gap does not move the id"
            at, last_id = gap["to"], event.id
        else:
            assert event.json()["offset"] == at + 1
            at += 1
    assert gap
    stream.close()
    again = SseClient(daemon, "drop:3", last_event_id=last_id)
    assert [again.next_event().json()["offset"] for _ in range(last - gap["from"])] == list(
        range(gap["from"] + 1, last + 1))
    again.close()


def test_recovery_beyond_the_history_is_told_by_its_answer_and_not_by_a_gap(make_daemon):
    daemon = make_daemon({"namespace": [{"name": "*", "history": "memory", "history_size": 3}]})
    with NativeClient(daemon) as client:
        epoch = client.subscribed("short:1")["epoch"]
        for n in range(5):
            daemon.publish("short:1", data=n)
        client.events(5)
        client.unsubscribe("short:1")
        answer = client.subscribed("short:1", recover=(epoch, 1))
        assert (answer["recovered"], answer["offset"]) == (False, 5)
        assert [m for m in client.drain() if m["type"] == "gap"] == []


# ---- a shard that stands still ----

def on_each_shard(daemon):
    """One client on each of the two shards, by number."""
    found, others = {}, []
    while len(found) < 2:
        client = NativeClient(daemon, make_token("ann", subscribe=["*"], publish=["*"]))
        number = int(client.hello["session"].split("-")[0])
        if number in found:
            others.append(client)
        found.setdefault(number, client)
        assert len(others) < 100, "all connections are on one shard"
    for client in others:
        client.close()
    return found[0], found[1]


@pytest.mark.parametrize("history, told", [(5, "gap"), (10_000, "history")])
def test_a_stalled_shards_subscribers_get_what_they_missed_or_a_gap(make_daemon, history, told):
    daemon = make_daemon({"engine": {"shards": 2, "stall_ms": 300, "mailbox_max": 64},
                          "auth": {"hs256_secret": SECRET},
                          "limits": {"errors_max": 1_000_000, "ping_interval_s": 600},
                          "namespace": [{"name": "*", "history": "memory", "history_size": history,
                                         "recover_max": history}]})
    near, far = on_each_shard(daemon)
    rooms = [f"stall:{i}" for i in range(16)]
    for room in rooms:
        near.subscribed(room)
        far.subscribed(room)
    published = 0

    def publish():
        nonlocal published
        answer = near.publish(room, data={"n": published + 1})
        published += answer["type"] == "published"
        return answer["type"] == "published"

    # A room whose home goes on answers while the other shard stands still.
    with StoppedThread(daemon.process.pid, "shard 1"):
        for room in rooms:
            near.send_json({"type": "publish", "room": room, "event": "note", "data": {"n": 1}, "id": room})
        room = near.receive("published")["room"]
        published = 1
        end = time.monotonic() + DEADLINE_S
        while publish():  # the first that finds no place is refused, however long that took
            assert time.monotonic() < end, "no place was ever short"
        # The others wait for it no longer than stall_ms: then the room goes on without it.
        wait_until(publish, "the end of stall_ms")
        for _ in range(20):
            assert publish()
    wait_until(lambda: daemon.metric("ringcast_shard_stalls_total") >= 1, "the count of the stall")
    assert publish()
    expect_everything_seen_or_announced(read_to(near, room, published), published)
    seen = read_to(far, room, published)
    expect_everything_seen_or_announced(seen, published)
    gaps = [entry for entry in seen if entry[0] == "gap"]
    assert [gap[3] for gap in gaps] == (["shard"] if told == "gap" else []), json.dumps(gaps)
    near.close()
    far.close()
