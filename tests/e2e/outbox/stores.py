"""The stores as a test sees them: made, written to, looked into, dropped and made again.

A store's tables are made by the first daemon that opens it. prepare() adds what the writers'
application keeps there: the last sequence number of each aggregate."""
import json
import os
import pathlib
import sqlite3
import urllib.parse
import uuid

import psycopg

COUNTERS = "create table if not exists app_aggregate(name text primary key, n integer not null)"
# A writer waits so long for others; longer than any transaction of a test.
BUSY_TIMEOUT_S = 30


def event_id():
    return str(uuid.uuid4())


class SqliteSession:
    """A connection of an application to the file."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None,
                                          check_same_thread=False)

    def execute(self, sql, values=()):
        return self.connection.execute(sql, values)

    def begin(self):
        self.execute("begin immediate")

    def next_sequence(self, name):
        """Under the write lock, which in SQLite is the lock of every aggregate."""
        return self.execute(
            "insert into app_aggregate values(?1, 1) on conflict(name) do update set n = n + 1"
            " returning n", (name,)).fetchall()[0][0]

    def insert(self, tenant, aggregate, event_type, payload, *, id=None, room=None,
               exclude_user=None, version=1, lock_aggregate=False):
        id = id or event_id()
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.execute(
            "insert into ringcast_outbox(event_id, tenant_id, aggregate_type, aggregate_id,"
            " event_type, payload, room, exclude_user, version) values(?,?,?,?,?,?,?,?,?)",
            (id, tenant, "Thing", aggregate, event_type, text, room, exclude_user, version))
        return id

    def insert_many(self, rows):
        """(tenant, aggregate, event_type, payload, id), in one transaction."""
        self.begin()
        self.connection.executemany(
            "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type,"
            " payload, event_id) values(?, 'Thing', ?, ?, ?, ?)",
            [(t, a, e, json.dumps(p), i) for t, a, e, p, i in rows])
        self.commit()

    def savepoint(self):
        self.execute("savepoint s")

    def rollback_to_savepoint(self):
        self.execute("rollback to s")

    def commit(self):
        self.execute("commit")

    def rollback(self):
        self.execute("rollback")

    def close(self):
        self.connection.close()


class PostgresSession:
    """A connection of an application to the database."""

    def __init__(self, url):
        self.connection = psycopg.connect(url, autocommit=True)

    def execute(self, sql, values=()):
        return self.connection.execute(sql, values)

    def begin(self):
        self.execute("begin")

    def next_sequence(self, name):
        """Locks the aggregate's row until the end of the transaction."""
        return self.execute(
            "insert into app_aggregate as a values(%s, 1) on conflict(name)"
            " do update set n = a.n + 1 returning n", (name,)).fetchone()[0]

    def insert(self, tenant, aggregate, event_type, payload, *, id=None, room=None,
               exclude_user=None, version=1, lock_aggregate=False):
        id = id or event_id()
        if version != 1 or isinstance(payload, str):
            text = payload if isinstance(payload, str) else json.dumps(payload)
            self.execute(
                "insert into ringcast.outbox(event_id, tenant_id, aggregate_type, aggregate_id,"
                " event_type, payload, room, exclude_user, version)"
                " values(%s, %s, 'Thing', %s, %s, %s, %s, %s, %s)",
                (id, tenant, aggregate, event_type, text.encode(), room, exclude_user, version))
            return id
        self.execute(
            "select ringcast.create_outbox_event(%s, 'Thing', %s, %s, %s::jsonb, room => %s,"
            " event_id => %s::uuid, exclude_user => %s, lock_aggregate => %s)",
            (tenant, aggregate, event_type, json.dumps(payload), room, id, exclude_user,
             lock_aggregate))
        return id

    def insert_many(self, rows):
        """(tenant, aggregate, event_type, payload, id), in one transaction."""
        with self.connection.transaction(), self.connection.cursor() as cursor, cursor.copy(
                "copy ringcast.outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload,"
                " event_id) from stdin") as copy:
            for tenant, aggregate, event_type, payload, id in rows:
                copy.write_row((tenant, "Thing", aggregate, event_type,
                                json.dumps(payload).encode(), id))

    def savepoint(self):
        self.execute("savepoint s")

    def rollback_to_savepoint(self):
        self.execute("rollback to savepoint s")

    def commit(self):
        self.execute("commit")

    def rollback(self):
        self.execute("rollback")

    def close(self):
        self.connection.close()


def session_for(url):
    if url.startswith("sqlite:"):
        return SqliteSession(url.removeprefix("sqlite:"))
    return PostgresSession(url)


class Store:
    config = {}  # of its daemons

    def session(self):
        return session_for(self.url)

    def query(self, sql, values=()):
        session = self.session()
        try:
            return session.execute(sql, values).fetchall()
        finally:
            session.close()

    def run(self, sql):
        session = self.session()
        session.execute(sql)
        session.close()

    def prepare(self):
        session = self.session()
        session.execute(COUNTERS)
        session.close()

    def write(self, tenant, aggregate, event_type="test.thing.done", payload=None, **fields):
        """One row in a transaction of its own; returns its id."""
        session = self.session()
        try:
            return session.insert(tenant, aggregate, event_type, payload or {}, **fields)
        finally:
            session.close()


    def quarantined(self):
        """ids of rows that were begun three times by daemons that ended."""
        return {str(row[0]) for row in self.query(f"select event_id from {self.status_view} where reason = 'poison'")}


class SqliteStore(Store):
    status_view = "ringcast_outbox_status"
    kind = "sqlite"

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "store.db"
        self.url = f"sqlite:{self.path}"

    def remove(self):
        for suffix in ("", "-wal", "-shm", "-journal"):
            pathlib.Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def make_again(self):
        """An empty database, as one gets who restores from nothing; the daemon makes the tables."""
        self.remove()

    def ids(self):
        return {row[0] for row in self.query("select event_id from ringcast_outbox"
                                             " where event_type <> 'ringcast:withdrawn'")}

    def positions(self):
        """id -> [(epoch, offset)], by the store's own record."""
        epoch = self.query("select value from ringcast_meta where key = 'epoch'")[0][0]
        return {row: [(epoch, offset)]
                for row, offset in self.query("select event_id, id from ringcast_outbox")}

    def contents(self):
        """(id, tenant, aggregate, event type, payload) of every row."""
        return self.query("select event_id, tenant_id, aggregate_id, event_type, payload"
                          " from ringcast_outbox")

    def status(self, id):
        """(status, reason, error)"""
        return self.query("select status, reason, error from ringcast_outbox_status"
                          " where event_id = ?", (id,))[0]

    def make_day(self, days):
        """A place for rows of another day."""

    def move_to_day(self, session, id, days):
        session.execute("update ringcast_outbox set created_at_ms = created_at_ms + 86400000 *"
                        f" {days} where event_id = '{id}'")

    def age(self, seconds):
        """Makes every row so much older."""
        session = self.session()
        session.execute("update ringcast_outbox set created_at_ms = created_at_ms - ?",
                        (int(seconds * 1000),))
        session.close()


class PostgresStore(Store):
    status_view = "ringcast.outbox_status"
    kind = "postgres"

    def __init__(self, admin_url):
        self.admin_url = admin_url
        self.name = f"ringcast_{uuid.uuid4().hex[:12]}"
        parts = urllib.parse.urlsplit(admin_url)
        self.url = urllib.parse.urlunsplit(parts._replace(path=f"/{self.name}"))
        self._admin(f'create database "{self.name}"')

    def _admin(self, sql):
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(sql)

    def remove(self):
        self._admin(f'drop database if exists "{self.name}" with (force)')

    def make_again(self):
        self.remove()
        self._admin(f'create database "{self.name}"')

    def ids(self):
        return {str(row[0]) for row in self.query("select event_id from ringcast.outbox"
                                                  " where event_type <> 'ringcast:withdrawn'")}

    def positions(self):
        """id -> [(epoch, offset)], by the store's own record."""
        return {str(row): [(epoch, offset)] for row, epoch, offset in self.query(
            "select o.event_id, w.epoch,"
            " w.no * 8192 + row_number() over (partition by w.no order by o.id)"
            " from ringcast.reader_window w join ringcast.outbox o"
            " on o.id between w.id_from and w.id_to and pg_visible_in_snapshot(o.xid, w.snap_to)"
            " and not pg_visible_in_snapshot(o.xid, w.snap_from)")}

    def contents(self):
        return self.query("select event_id::text, tenant_id, aggregate_id, event_type,"
                          " convert_from(payload, 'UTF8') from ringcast.outbox")

    def status(self, id):
        return self.query("select status, reason, error from ringcast.outbox_status"
                          " where event_id = %s", (id,))[0]

    def make_day(self, days):
        self.run(f"""do $$ declare
            day date := (now() at time zone 'UTC')::date + {days};
            leaf text := 'outbox_' || to_char(day, 'YYYYMMDD');
          begin
            if to_regclass('ringcast.' || leaf) is not null then return; end if;
            execute format('create table ringcast.%%I (like ringcast.outbox including defaults'
                           ' including constraints)', leaf);
            execute format('create unique index on ringcast.%%I (id)', leaf);
            execute format('create index on ringcast.%%I (xid, id)', leaf);
            execute format('alter table ringcast.outbox attach partition ringcast.%%I for values'
                           ' from (%%L) to (%%L)', leaf, day::timestamp at time zone 'UTC',
                           (day + 1)::timestamp at time zone 'UTC');
          end $$""")

    def move_to_day(self, session, id, days):
        session.execute("update ringcast.outbox set created_at = now() + interval '1 day' *"
                        f" {days} where event_id = '{id}'")

    def age(self, seconds):
        session = self.session()
        session.execute("update ringcast.reader_window set at = at - make_interval(secs => %s)",
                        (seconds,))
        session.close()


class StatusStore(PostgresStore):
    """PostgreSQL in status mode; the words for a row are read in the row itself."""
    kind = "status"
    config = {"outbox": {"mode": "status"}}

    def positions(self):
        """id -> [(epoch, offset)], by the rows."""
        return {str(row): [(epoch, offset)] for row, epoch, offset in self.query(
            "select o.event_id, w.epoch, o.position from ringcast.outbox o"
            " join ringcast.reader_window w on w.no = o.position / 8192")}

    def status(self, id):
        return self.query("select status, reason, error from ringcast.outbox"
                          " where event_id = %s", (id,))[0]


def admin_url():
    return os.environ.get("RINGCAST_TEST_PG")


def make_store(kind, folder):
    if kind == "sqlite":
        return SqliteStore(folder)
    return {"postgres": PostgresStore, "status": StatusStore}[kind](admin_url())
