"""What /metrics says of the source."""
from support.waiting import wait_until

POLLS = 'ringcast_outbox_polls_total{found="%s"}'


def test_looks_at_the_store_replayed_rows_and_lag_are_counted(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    assert daemon.metric(POLLS % "nothing") >= 1
    assert daemon.metric(POLLS % "rows") == 0
    ids = [world.write() for _ in range(3)]
    wait_until(lambda: client.shown == ids, "the rows")
    wait_until(lambda: daemon.metric("ringcast_outbox_rows_total") == 3, "their count")
    metrics = daemon.metrics()
    assert 1 <= metrics[POLLS % "rows"] <= 3
    assert metrics["ringcast_outbox_replayed_total"] == 0
    assert metrics["ringcast_outbox_lag_seconds"] == 0

    second = world.daemon()
    wait_until(lambda: second.metric("ringcast_outbox_ready") == 1, "the replay")
    metrics = second.metrics()
    assert metrics["ringcast_outbox_replayed_total"] == metrics["ringcast_outbox_rows_total"] == 3
    assert metrics["ringcast_outbox_lag_seconds"] == 0
