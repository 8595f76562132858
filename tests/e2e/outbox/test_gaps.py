"""Rows that are gone before a daemon has read them."""
import signal

import pytest

from support.native_client import NativeClient
from support.waiting import wait_until

# SQLite's rows are read under the lock that deletes them, and offsets have no record of their own.
STORES = ("postgres", "status")


@pytest.mark.parametrize("kept", [0, 1])
def test_rows_deleted_before_a_daemon_read_them_are_announced_as_expired(world, kept):
    going, still = world.daemon(), world.daemon()
    with NativeClient(going) as witness, NativeClient(still) as client:
        for one in (witness, client):
            one.subscribed("tenant:t1")
        world.write()
        first = [one.events(1)[0]["offset"] for one in (witness, client)]
        assert first[0] == first[1]
        still.signal(signal.SIGSTOP)
        transaction = world.store.session()
        transaction.begin()
        *rest, lost = [world.write_through(transaction, "t1", f"row {n}") for n in range(kept + 1)]
        transaction.commit()
        transaction.close()
        missed = witness.events(kept + 1)[-1]
        assert missed["id"] == lost
        session = world.store.session()
        session.execute("delete from ringcast.outbox where event_id = %s", (lost,))
        session.close()
        still.signal(signal.SIGCONT)
        last = world.write()
        events = client.events(kept + 1)
        assert [event["id"] for event in events] == [*rest, last]
        gap = client.receive("gap")
        assert (gap["room"], gap["reason"]) == ("tenant:t1", "expired")
        assert gap["from"] >= first[0] and gap["from"] < missed["offset"] <= gap["to"]
        assert events[-1]["offset"] > gap["to"]
        wait_until(lambda: still.metric('ringcast_gaps_total{reason="expired"}') == 1, "its count")
