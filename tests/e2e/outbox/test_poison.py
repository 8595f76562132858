"""Rows that end the process, wherever they do it, and what becomes of their neighbours."""
import signal

import pytest

from support.failpoints import aborted, in_binary, start, where
from support.waiting import wait_until

MARKER = "this-row-is-poison"
# Of daemons that die of one row: in one window with it, in the window alone, thrice in the row.
STARTS_MAX = 6

pytestmark = pytest.mark.skipif(not in_binary(), reason="needs a build with RINGCAST_FAILPOINTS")


def starts_until_it_is_quarantined(world, daemon, poison, step):
    for count in range(1, 20):
        if start(daemon, where(step, MARKER)):
            wait_until(lambda: not daemon.running() or world.store.status(poison)[0] == "failed",
                       "the end of the daemon or of its row")
            if daemon.running():
                return count
            daemon.kill()
            assert aborted(daemon)
    raise AssertionError("it never got past the row")


@pytest.mark.parametrize("step", ("hand_over", "publish"))
def test_a_row_that_ends_the_process_is_quarantined_and_its_neighbours_go_on(world, step):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    before = [world.write() for _ in range(5)]
    wait_until(lambda: client.shown == before, "the rows before")
    daemon.stop()
    neighbours = [world.write(aggregate=f"a{n}") for n in range(20)]
    poison = world.write(payload={"text": MARKER}, deliverable=False)
    neighbours += [world.write(aggregate=f"b{n}") for n in range(20)]
    assert starts_until_it_is_quarantined(world, daemon, poison, step) <= STARTS_MAX
    wait_until(lambda: client.shown == before + neighbours, "the neighbours, in order")
    assert world.store.status(poison)[:2] == ("failed", "poison")
    wait_until(lambda: daemon.metric('ringcast_outbox_rows_failed_total{reason="poison"}') == 1, "its count")
    wait_until(lambda: daemon.metric("ringcast_outbox_dead_letters") == 1, "the dead letter")
    # It is skipped from now on, also where it stands within the history.
    daemon.stop()
    assert start(daemon, where(step, MARKER))
    daemon.wait_ready()
    world.finish()


def test_a_good_row_is_not_quarantined_by_kills_and_clean_stops(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    ids = [world.write(aggregate=f"a{n}") for n in range(200)]
    for number in range(12):
        ids.append(world.write(aggregate=f"later{number}"))
        if number % 2:
            daemon.signal(signal.SIGTERM)
            daemon.join()
        else:
            daemon.kill()
        daemon.start()
    daemon.wait_ready()
    wait_until(lambda: client.shown == ids, "every row, in order")
    assert daemon.metric("ringcast_outbox_dead_letters") == 0
    world.finish()
