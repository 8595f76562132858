"""Readers that are wrong in known ways, under the writers of the other tests: the checker says so.

Each reader takes rows straight from the database, as a daemon with that fault would."""
import psycopg

from outbox.checker import Log, Seen, check
from support.waiting import wait_until

STORES = ("postgres",)
ROWS = 400
COLUMNS = ("o.id, o.event_id::text, o.aggregate_id,"
           " (convert_from(o.payload, 'UTF8')::jsonb ->> 'sequence')::int")
FIRST = "1:1:"


def by_id(connection, state):
    """`id > last`: passes over what commits late."""
    last = state.get("last", 0)
    rows = connection.execute(f"select {COLUMNS} from ringcast.outbox o where o.tenant_id = 't1'"
                              " and o.id > %s order by o.id", (last,)).fetchall()
    if rows:
        state["last"] = rows[-1][0]
    return rows


def by_transaction(connection, state):
    """(xid, id) below the oldest open transaction: loses nothing, but breaks the order."""
    last = state.get("last", (0, 0))
    rows = connection.execute(
        f"select o.xid::text::bigint, {COLUMNS} from ringcast.outbox o where o.tenant_id = 't1' and"
        " o.xid < pg_snapshot_xmin(pg_current_snapshot())"
        " and (o.xid::text::bigint, o.id) > (%s, %s) order by 1, 2", last).fetchall()
    if rows:
        state["last"] = rows[-1][:2]
    return [row[1:] for row in rows]


def by_snapshot(connection, state):
    """What is visible now and was not before: what Ringcast does, so this one is right."""
    now = connection.execute("select pg_current_snapshot()::text").fetchone()[0]
    rows = connection.execute(
        f"select {COLUMNS} from ringcast.outbox o where o.tenant_id = 't1'"
        " and pg_visible_in_snapshot(o.xid, %s::pg_snapshot)"
        " and not pg_visible_in_snapshot(o.xid, %s::pg_snapshot) order by o.id",
        (now, state.get("last", FIRST))).fetchall()
    state["last"] = now
    return rows


def kinds_of(world, *readers):
    """reader -> kinds of violations, all of them under the same writers."""
    world.daemon()  # makes the tables
    world.start_writers(pause_ms=10, long_ms=300, aggregates=3, tenants=("t1",))
    logs = {reader: Log(reader.__name__, "tenant:t1", epoch="e") for reader in readers}
    states = {reader: {} for reader in readers}
    offsets = dict.fromkeys(readers, 0)

    def read(connection):
        for reader in readers:
            for _, id, aggregate, sequence in reader(connection, states[reader]):
                offsets[reader] += 1
                logs[reader].entries.append(Seen(id, "e", offsets[reader], aggregate, sequence))

    with psycopg.connect(world.store.url, autocommit=True) as connection:
        def enough():
            read(connection)
            return world.written() > ROWS

        wait_until(enough, "rows")
        world.stop_writers()
        read(connection)
    return {reader: {violation.kind for violation in check(world.rows, [logs[reader]])}
            for reader in readers}


def test_the_checker_sees_the_faults_of_other_cursors(world):
    kinds = kinds_of(world, by_id, by_transaction, by_snapshot)
    assert kinds[by_snapshot] == set()
    assert "lost" in kinds[by_id] or "gap not announced" in kinds[by_id], kinds
    assert "order" in kinds[by_transaction], kinds


def record_several(connection, snap_from, snap_to, batch, first_no):
    """The backlog between two snapshots as windows of `batch` rows, all in one statement."""
    connection.execute(
        "with d as (select id, (row_number() over (order by id) - 1) / %(batch)s as part"
        " from ringcast.outbox where pg_visible_in_snapshot(xid, %(to)s::pg_snapshot)"
        " and not pg_visible_in_snapshot(xid, %(from)s::pg_snapshot))"
        " insert into mutant_window select %(no)s + part, %(from)s::pg_snapshot,"
        " %(to)s::pg_snapshot, min(id), max(id) from d group by part on conflict do nothing",
        {"from": snap_from, "to": snap_to, "batch": batch, "no": first_no})


def test_the_checker_sees_several_windows_recorded_by_one_statement(world):
    """Two daemons with different snapshots and one backlog: the second's last windows fill numbers
    that the first did not need, with its own idea of where they begin."""
    world.daemon()
    world.write_bulk(250)
    with psycopg.connect(world.store.url, autocommit=True) as connection:
        connection.execute(
            "create table mutant_window(no bigint primary key, snap_from pg_snapshot,"
            " snap_to pg_snapshot, id_from bigint, id_to bigint)")
        def snapshot():
            return connection.execute("select pg_current_snapshot()::text").fetchone()[0]

        # A transaction that holds the first numbers and commits between the two snapshots.
        late = world.store.session()
        late.begin()
        for _ in range(60):
            world.write_through(late, "t1", "late")
        world.write_bulk(100)
        first = snapshot()
        late.commit()
        late.close()
        second = snapshot()
        record_several(connection, FIRST, first, 100, 1)
        record_several(connection, FIRST, second, 100, 1)
        log = Log("mutant", "tenant:t1", epoch="e")
        rows = connection.execute(
            f"select {COLUMNS} from mutant_window w join ringcast.outbox o"
            " on o.id between w.id_from and w.id_to and pg_visible_in_snapshot(o.xid, w.snap_to)"
            " and not pg_visible_in_snapshot(o.xid, w.snap_from) order by w.no, o.id").fetchall()
        for offset, (_, id, aggregate, sequence) in enumerate(rows):
            log.entries.append(Seen(id, "e", offset, aggregate, sequence))
    kinds = {violation.kind for violation in check(world.rows, [log])}
    assert kinds & {"lost", "gap not announced", "duplicate"}, kinds
