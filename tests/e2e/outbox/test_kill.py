"""kill -9 of either daemon at random. RINGCAST_KILL_ROUNDS and RINGCAST_KILL_SEED are set by
scripts/kill, which asks for RINGCAST_KILL_REPORT: a file that gets the report as a line of JSON."""
import json
import os
import time

import pytest

from outbox.kill_loop import kill_rounds

# What a daemon replays at its start grows with the rows, and one that is killed during each start gets nowhere.
ROUNDS_OF_A_STORE = 100
ROUNDS = int(os.environ.get("RINGCAST_KILL_ROUNDS", 10))
SEED = int(os.environ.get("RINGCAST_KILL_SEED", time.time_ns() % 1_000_000))


@pytest.mark.kill
@pytest.mark.timeout(240 + 15 * ROUNDS_OF_A_STORE)
@pytest.mark.parametrize("first", range(0, ROUNDS, ROUNDS_OF_A_STORE))
def test_no_row_is_lost_or_shown_twice_when_daemons_are_killed(world, first):
    rounds = min(ROUNDS_OF_A_STORE, ROUNDS - first)
    report = kill_rounds(world, rounds, SEED + first)
    print(json.dumps(report, indent=1))
    if path := os.environ.get("RINGCAST_KILL_REPORT"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")
    assert not report["violations"], report["violations"][:5]
    assert not report["errors"], report["errors"][:5]
    # The history holds everything, so nobody may be told that something is missing.
    assert report["not_recovered"] == 0 and report["rows_in_announced_gaps"] == 0
    assert report["quarantined"] <= 1, "chance takes about one row in a thousand kills"
    # A daemon that ends at once has not let anybody come back.
    assert report["recovered"] >= rounds // 3
