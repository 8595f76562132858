"""The order of commits under many writers. RINGCAST_ORDER_SEEDS and RINGCAST_ORDER_SEED are set by
scripts/order, which asks for RINGCAST_ORDER_REPORT: a file that gets the report as a line of JSON."""
import json
import os
import time

import pytest

from outbox.order_loop import order_seeds

SEEDS = int(os.environ.get("RINGCAST_ORDER_SEEDS", 2))
SEED = int(os.environ.get("RINGCAST_ORDER_SEED", time.time_ns() % 1_000_000))


@pytest.mark.timeout(300 + 20 * SEEDS)
def test_rows_are_shown_in_the_order_of_their_commits(world):
    report = order_seeds(world, range(SEED, SEED + SEEDS))
    print(json.dumps(report, indent=1))
    if path := os.environ.get("RINGCAST_ORDER_REPORT"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")
    assert not report["violations"], (report["violations_by_seed"], report["violations"][:5])
    assert not report["errors"], report["errors"][:5]
    assert report["not_recovered"] == 0 and report["rows_in_announced_gaps"] == 0
    assert report["rows"] >= SEEDS * 100 and report["rows_rolled_back"] > 0
