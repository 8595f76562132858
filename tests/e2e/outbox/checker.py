"""Judges delivery: what writers committed against what each subscriber was shown.

Writers give a Row for everything they wrote, rolled back or not. A subscriber gives a Log for each
room: what its client rules left after de-duplication, and what was announced to it as missing. The
de-duplicated log has to equal the committed rows of that room, in order within each aggregate, but
for rows in announced gaps. Pure: no clock, no network, no database.
"""
import collections
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    tenant: str
    aggregate: str
    sequence: int  # ascending within (tenant, aggregate), in the order of commits
    id: str
    committed: bool
    module: str = "test"
    exclude_user: str = ""
    deliverable: bool = True  # False: committed, but has to become `failed`

    def rooms(self):
        return {f"tenant:{self.tenant}", f"tenant:{self.tenant}:{self.module}"}


@dataclasses.dataclass(frozen=True)
class Seen:
    """An event as the subscriber's application got it."""
    id: str
    epoch: str
    offset: int
    aggregate: str
    sequence: int


@dataclasses.dataclass(frozen=True)
class Gap:
    """Announced as missing: positions above `after`, up to and including `to`."""
    epoch: str
    after: int
    to: int
    reason: str = ""


@dataclasses.dataclass
class Log:
    """One subscriber in one room."""
    subscriber: str
    room: str
    user: str = ""
    entries: list = dataclasses.field(default_factory=list)  # Seen, in the order of showing
    gaps: list = dataclasses.field(default_factory=list)
    # Where it stands at the end: everything up to here is said to be complete.
    epoch: str = ""
    position: int = 0


@dataclasses.dataclass(frozen=True)
class Violation:
    kind: str
    subscriber: str
    room: str
    id: str
    detail: str = ""


def _positions(logs, violations):
    """id -> (epoch, offset) per epoch; all subscribers of all daemons and rooms have to agree."""
    known = {}
    for log in logs:
        for seen in log.entries:
            first = known.setdefault((seen.id, seen.epoch), seen.offset)
            if first != seen.offset:
                violations.append(Violation("two positions", log.subscriber, log.room, seen.id,
                                            f"{first} elsewhere, {seen.offset} here"))
    by_id = collections.defaultdict(list)
    for (row, epoch), offset in known.items():
        by_id[row].append((epoch, offset))
    return by_id


def _check_entry(log, seen, rows, violations):
    def bad(kind, detail=""):
        violations.append(Violation(kind, log.subscriber, log.room, seen.id, detail))

    row = rows.get(seen.id)
    if row is None:
        return bad("never written")
    if not row.committed:
        bad("rolled back")
    elif not row.deliverable:
        bad("not deliverable")
    if log.room not in row.rooms():
        bad("foreign room", f"a row of tenant {row.tenant}, module {row.module}")
    if row.exclude_user and row.exclude_user == log.user:
        bad("excluded")
    if (row.aggregate, row.sequence) != (seen.aggregate, seen.sequence):
        bad("altered", f"{row.aggregate} {row.sequence} became {seen.aggregate} {seen.sequence}")
    return None


def _check_order(log, violations):
    last_sequence, shown = {}, set()
    last_offset = {}
    for seen in log.entries:
        if seen.id in shown:
            violations.append(Violation("duplicate", log.subscriber, log.room, seen.id))
            continue
        shown.add(seen.id)
        before = last_sequence.get(seen.aggregate, 0)
        if seen.sequence <= before:
            violations.append(Violation("order", log.subscriber, log.room, seen.id,
                                        f"{seen.aggregate}: {seen.sequence} after {before}"))
        last_sequence[seen.aggregate] = max(before, seen.sequence)
        if seen.offset <= last_offset.get(seen.epoch, -1):
            violations.append(Violation("offset", log.subscriber, log.room, seen.id,
                                        f"{seen.offset} after {last_offset[seen.epoch]}"))
        last_offset[seen.epoch] = max(seen.offset, last_offset.get(seen.epoch, -1))
    return shown


def _announced(log, places):
    return any(gap.epoch == epoch and gap.after < offset <= gap.to
               for epoch, offset in places for gap in log.gaps)


def expected_ids(rows, log):
    """What this subscriber has to be shown, but for announced gaps."""
    return {row.id for row in rows if row.committed and row.deliverable and log.room in row.rooms()
            and not (row.exclude_user and row.exclude_user == log.user)}


def missing(rows, log, positions):
    """ids that this subscriber was neither shown nor told to be missing."""
    shown = {seen.id for seen in log.entries}
    return {row for row in expected_ids(rows, log) - shown
            if not _announced(log, positions.get(row, ()))}


def check(rows, logs, positions=None):
    """Every Violation. `positions`: id -> [(epoch, offset)] of rows that no subscriber has seen,
    where the test knows them (gaps are announced by position)."""
    violations = []
    by_id = {row.id: row for row in rows}
    assert len(by_id) == len(rows), "a writer has used an id twice"
    known = _positions(logs, violations)
    for row, places in (positions or {}).items():
        known[row] = list(places)
    for log in logs:
        for seen in log.entries:
            _check_entry(log, seen, by_id, violations)
        _check_order(log, violations)
        for row in sorted(missing(rows, log, known)):
            passed = any(epoch == log.epoch and offset <= log.position
                         for epoch, offset in known.get(row, ()))
            kind = "gap not announced" if passed else "lost"
            violations.append(Violation(kind, log.subscriber, log.room, row,
                                        f"at {known.get(row)}, the subscriber at {log.position}"))
    return violations


def in_gaps(rows, logs, positions=None):
    """How many deliveries were announced as missing: what a check that is green leaves open."""
    known = _positions(logs, [])
    for row, places in (positions or {}).items():
        known[row] = list(places)
    return sum(len(expected_ids(rows, log) - {seen.id for seen in log.entries}
                   - missing(rows, log, known)) for log in logs)
