"""The checker turns red for each kind of fault, and stays green without one."""
import dataclasses

import pytest

from outbox.checker import Gap, Log, Row, Seen, check, in_gaps

ROOM = "tenant:t1"
ROWS = [
    Row("t1", "a", 1, "a1", True),
    Row("t1", "b", 1, "b1", True),
    Row("t1", "a", 2, "a2", True),
    Row("t1", "a", 3, "a3-undone", False),
    Row("t1", "b", 2, "b2", True, exclude_user="alice"),
    Row("t2", "a", 1, "other", True),
    Row("t1", "c", 1, "too-large", True, deliverable=False),
]
OFFSETS = {"a1": 10, "b1": 11, "a2": 12, "b2": 14, "a3-undone": 13, "other": 15, "too-large": 16}


def seen(row_id, epoch="e1", offset=None):
    row = next(row for row in ROWS if row.id == row_id)
    return Seen(row_id, epoch, OFFSETS[row_id] if offset is None else offset, row.aggregate,
                row.sequence)


def log_of(*ids, **fields):
    fields = {"subscriber": "s1", "room": ROOM, "epoch": "e1", "position": 99, **fields}
    return Log(entries=[one if isinstance(one, Seen) else seen(one) for one in ids], **fields)


WHOLE = ("a1", "b1", "a2", "b2")


def kinds(*logs, rows=ROWS, positions=None):
    return sorted({violation.kind for violation in check(rows, logs, positions)})


def test_is_green_for_exactly_the_committed_rows():
    assert kinds(log_of(*WHOLE)) == []


def test_another_order_across_aggregates_is_allowed():
    assert kinds(log_of(seen("b1", offset=1), seen("a1", offset=2), seen("b2", offset=3),
                        seen("a2", offset=4))) == []


def test_a_lost_row_that_another_subscriber_saw():
    assert kinds(log_of(*WHOLE), log_of("a1", "b1", subscriber="s2", position=11)) == ["lost"]


def test_a_lost_row_that_nobody_saw():
    assert kinds(log_of("a1", "b1", "a2", position=12)) == ["lost"]


def test_a_subscriber_that_saw_nothing():
    assert len(check(ROWS, [log_of()])) == 4


def test_a_gap_that_was_not_announced():
    assert kinds(log_of(*WHOLE), log_of("a1", "a2", "b2", subscriber="s2")) == ["gap not announced"]


def test_an_announced_gap_is_none():
    with_gap = log_of("a1", "a2", "b2", subscriber="s2", gaps=[Gap("e1", 10, 11)])
    assert kinds(log_of(*WHOLE), with_gap) == []
    assert in_gaps(ROWS, [log_of(*WHOLE), with_gap]) == 1


@pytest.mark.parametrize("gap", [Gap("e1", 11, 12), Gap("e1", 9, 10), Gap("e2", 10, 11)])
def test_a_gap_excuses_only_what_is_in_it(gap):
    with_gap = log_of("a1", "a2", "b2", subscriber="s2", gaps=[gap])
    assert kinds(log_of(*WHOLE), with_gap) == ["gap not announced"]


def test_a_gap_covers_a_row_that_nobody_saw_only_by_a_position_from_elsewhere():
    with_gap = log_of("a1", "a2", "b2", gaps=[Gap("e1", 10, 11)])
    assert kinds(with_gap) == ["lost"]
    assert kinds(with_gap, positions={"b1": [("e1", 11)]}) == []


def test_a_duplicate_visible_after_de_duplication():
    assert kinds(log_of("a1", "b1", "a2", "b2", seen("b2", offset=20))) == ["duplicate",
                                                                             "two positions"]
    assert kinds(log_of("a1", "b1", "a2", "b2", seen("b2", "e2", 3))) == ["duplicate"]


def test_wrong_order_within_an_aggregate():
    swapped = log_of(seen("a2", offset=10), "b1", seen("a1", offset=12), "b2")
    assert kinds(swapped) == ["order"]


def test_offsets_that_do_not_ascend():
    assert kinds(log_of("b1", "a1", "a2", "b2")) == ["offset"]


def test_an_event_of_a_rolled_back_transaction():
    assert kinds(log_of("a1", "b1", "a2", "a3-undone", "b2")) == ["rolled back"]


def test_an_event_of_a_foreign_tenant():
    assert kinds(log_of(*WHOLE, "other")) == ["foreign room", "order"]
    assert kinds(log_of(*WHOLE, dataclasses.replace(seen("other"), aggregate="z"))) == [
        "altered", "foreign room"]


def test_an_event_of_another_module():
    assert kinds(log_of(*WHOLE, room="tenant:t1:kitchen")) == ["foreign room"]


def test_an_event_that_nobody_wrote():
    assert kinds(log_of(*WHOLE, Seen("ghost", "e1", 30, "x", 1))) == ["never written"]


def test_a_row_that_had_to_fail():
    assert kinds(log_of(*WHOLE, "too-large")) == ["not deliverable"]


def test_altered_contents():
    assert kinds(log_of("a1", dataclasses.replace(seen("b1"), aggregate="d"), "a2", "b2")) == [
        "altered"]


def test_an_excluded_user_sees_all_but_what_it_is_excluded_from():
    assert kinds(log_of("a1", "b1", "a2", user="alice")) == []
    assert kinds(log_of(*WHOLE, user="alice")) == ["excluded"]
    assert kinds(log_of("a1", "b1", "a2", user="bob")) == ["lost"]


def test_two_daemons_that_number_differently():
    assert kinds(log_of(*WHOLE), log_of("a1", seen("b1", offset=11), seen("a2", offset=13), "b2",
                                        subscriber="s2")) == ["two positions"]
