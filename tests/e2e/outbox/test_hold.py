"""`outbox.hold`: when a row fails, the later ones of its aggregate wait until an operator decides."""
import pytest

from outbox.test_operator import outbox, refused, said
from support.waiting import wait_until

SMALL = {"envelope_bytes_warn": 1024, "envelope_bytes_max": 1024}
HOLD = {"hold": ["*"]}
LARGE = {"pad": "x" * 2000}
HELD_ROWS, HELD_AGGREGATES = "ringcast_outbox_held_rows", "ringcast_outbox_held_aggregates"


def two_daemons(world, **outbox_config):
    daemons = [world.daemon({"outbox": {**HOLD, **outbox_config}}) for _ in range(2)]
    clients = [world.crowd.add(f"at {number}", ["tenant:t1"], [one])
               for number, one in enumerate(daemons)]
    world.crowd.wait_live()
    return daemons, clients


def wait_shown(clients, *ids):
    wait_until(lambda: all(one.shows(*ids) for one in clients), "the rows at everybody")


def wait_failed(world, reason, *ids):
    wait_until(lambda: all(world.store.status(id)[:2] == ("failed", reason) for id in ids), reason)


def letters(world):
    return [(one["eventId"], one["state"], one["reason"])
            for one in said(world, "dead-letters", "list")]


def test_rows_behind_a_failed_one_wait_over_restarts_and_come_in_order_after_its_retry(world):
    daemons, clients = two_daemons(world, **SMALL)
    first = world.write(aggregate="a")
    head = world.write(aggregate="a", payload=LARGE)
    held = [world.write(aggregate="a") for _ in range(2)]
    other = world.write(aggregate="b")
    wait_shown(clients, first, other)
    wait_failed(world, "too_large", head)
    wait_failed(world, "held", *held)
    daemons[0].kill()
    daemons[0].start().wait_ready()
    held.append(world.write(aggregate="a"))
    wait_failed(world, "held", *held)
    assert letters(world) == [(head, "dead", "too_large"), *((id, "held", "held") for id in held)]
    wait_until(lambda: [one.metric(name) for one in daemons for name in (HELD_ROWS, HELD_AGGREGATES)]
               == [3, 1, 3, 1], "the gauges")
    assert "held         3 rows behind 1 of them" in outbox(world, "status").stdout
    waits = said(world, "dead-letters", "list")[1]["id"]
    assert "only waits behind" in refused(world, "dead-letters", "retry", waits)
    assert all(not one.shows(id) for one in clients for id in held)

    for one in daemons:
        one.stop()
        one.config["outbox"].update(envelope_bytes_warn=32_768, envelope_bytes_max=65_536)
    for one in daemons:
        one.start().wait_ready()
    again = world.write(aggregate="a")
    wait_failed(world, "held", again)
    retried = outbox(world, "dead-letters", "retry", "--all")
    assert retried.stdout.count("redriven as") == 1, "what only waits is not the operator's to retry"
    wait_shown(clients, head, *held, again)
    last = world.write(aggregate="a")
    wait_shown(clients, last)
    wait_until(lambda: letters(world) == [], "the end of the hold in the store")
    world.finish()


def test_a_dropped_row_lets_those_behind_it_go_on(world):
    daemons, clients = two_daemons(world)
    head = world.write(aggregate="a", payload="[1]", deliverable=False)
    held = [world.write(aggregate="a") for _ in range(2)]
    gone = world.write(aggregate="a", deliverable=False)
    held.append(world.write(aggregate="a"))
    wait_failed(world, "held", *held, gone)
    ids = {one["eventId"]: one["id"] for one in said(world, "dead-letters", "list")}
    said(world, "dead-letters", "drop", ids[gone])
    said(world, "dead-letters", "drop", ids[head])
    wait_shown(clients, *held)
    wait_until(lambda: daemons[0].metric(HELD_ROWS) == 0, "the gauge")
    world.finish()


def test_under_writers_nothing_of_a_held_aggregate_is_lost_or_out_of_order(world):
    """A row of an aggregate that eight writers write fails again and again, and is dropped."""
    daemons, _ = two_daemons(world)
    world.crowd.add("all", ["tenant:t1", "tenant:t2"], daemons, moves=True, drops_s=1)
    world.start_writers(aggregates=3, pause_ms=10, long_ms=100)
    wait_until(lambda: world.written() > 50, "the first rows")
    for round in range(3):
        bad = world.write("t1", f"a{round % 2}", payload="[1]", deliverable=False)
        wait_failed(world, "invalid", bad)
        before = world.written()
        wait_until(lambda: world.written() > before + 40, "rows behind it")
        if round == 1:
            daemons[0].kill()
            daemons[0].start().wait_ready()
        (letter,) = [one for one in said(world, "dead-letters", "list") if one["state"] == "dead"]
        said(world, "dead-letters", "drop", letter["id"])
    world.finish()
    wait_until(lambda: said(world, "status")[0]["heldRows"] == 0, "the end of every hold in the store")


@pytest.mark.parametrize("rows_max, reason", [(3, "held"), (2, "hold_full")])
def test_held_rows_are_bounded(world, rows_max, reason):
    two_daemons(world, held_rows_max=rows_max)
    world.write(aggregate="a", payload="[1]", deliverable=False)
    held = world.write(aggregate="a", deliverable=False)
    last = world.write(aggregate="a", deliverable=False)
    wait_failed(world, "held", held)
    wait_failed(world, reason, last)


def test_without_it_the_later_rows_go_on(world):
    _, clients = two_daemons(world, hold=["other.type"])
    world.write(aggregate="a", payload="[1]", deliverable=False)
    wait_shown(clients, world.write(aggregate="a"))
    world.finish()
