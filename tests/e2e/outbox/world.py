"""A store, daemons on it, writers, subscribers; and the verdict at the end."""
import json
import pathlib

from outbox.checker import Row, check, in_gaps
from outbox.stores import event_id
from outbox.subscriber import Crowd
from outbox.writer import Settings, WriterProcess
from support.daemon import Daemon, merged
from support.waiting import DEADLINE_S, wait_until

# A history that holds whatever a test writes, so that `recovered: false` is never an excuse.
NAMESPACE = {"name": "tenant", "history": "store", "history_size": 1_000_000, "history_ttl_s": 3600,
             "recover_max": 1_000_000, "send_queue_bytes_max": 256 << 20}
CONFIG = {"engine": {"shards": 2, "pinned_bytes_max": 1 << 30}, "log": {"level": "info"},
          "limits": {"ping_interval_s": 1, "pong_timeout_s": 30, "write_stall_s": 60},
          "namespace": [NAMESPACE]}


def namespace(**fields):
    return {"namespace": [{**NAMESPACE, **fields}]}





class World:
    def __init__(self, store, folder, config=None):
        self.store = store
        self.folder = pathlib.Path(folder)
        of_store = merged(store.config, {"store": {"url": store.url}})
        self.config = merged(merged(CONFIG, of_store), config)
        self.daemons = []
        self.crowd = Crowd()
        self.writers = []
        self.logs = 0  # of writers, so far
        self.rows = []
        self.committed_at = {}

    # ---- daemons ----
    def daemon(self, config=None, ready=True, start=True):
        one = Daemon(self.folder / f"daemon{len(self.daemons)}", merged(self.config, config))
        self.daemons.append(one)
        if start:
            one.start()
            if ready:
                one.wait_ready()
                self.store.prepare()
        return one

    # ---- rows ----
    def write_through(self, session, tenant, aggregate, *, module="alpha", exclude_user="",
                      deliverable=True, payload=None, **fields):
        """One row, with its sequence number, in the session's transaction."""
        sequence = session.next_sequence(f"{tenant}/{aggregate}")
        if not isinstance(payload, str):
            payload = {"sequence": sequence, **(payload or {})}
        id = session.insert(tenant, aggregate, fields.pop("event_type", f"{module}.thing.changed"),
                            payload, exclude_user=exclude_user or None, **fields)
        self.rows.append(Row(tenant, aggregate, sequence, id, True, module, exclude_user,
                             deliverable))
        return id

    def write(self, tenant="t1", aggregate="a", **fields):
        """One row in a transaction of its own; returns its id."""
        session = self.store.session()
        session.begin()
        id = self.write_through(session, tenant, aggregate, **fields)
        session.commit()
        session.close()
        return id

    def write_on_day(self, days, tenant="t1", aggregate="a"):
        """A row that looks as if it was written so many days from today; its id."""
        self.store.make_day(days)
        session = self.store.session()
        session.begin()
        id = self.write_through(session, tenant, aggregate)
        self.store.move_to_day(session, id, days)
        session.commit()
        session.close()
        return id

    def write_bulk(self, count, tenant="t1", aggregates=8, pad=0, prefix=""):
        """Many rows in one transaction; returns the last one's id."""
        sequences = {}
        made = []
        session = self.store.session()
        first = len(self.rows)
        for number in range(count):
            aggregate = f"{prefix}bulk{first}-{number % aggregates}"
            sequences[aggregate] = sequences.get(aggregate, 0) + 1
            made.append((tenant, aggregate, "alpha.thing.changed",
                         {"sequence": sequences[aggregate], "pad": "x" * pad}, event_id()))
            self.rows.append(Row(tenant, aggregate, sequences[aggregate], made[-1][4], True,
                                 "alpha"))
        session.insert_many(made)
        session.close()
        return made[-1][4]

    def start_writers(self, processes=2, **settings):
        """Two processes of four threads each, until finish()."""
        seed = settings.pop("seed", 1)
        for number in range(processes):
            self.logs += 1
            self.writers.append(WriterProcess(Settings(
                self.store.url, str(self.folder / f"writers{self.logs}"),
                seed=seed * 10 + number, **settings)))

    def written(self):
        return sum(writer.lines() for writer in self.writers)

    def kill_writers(self):
        """kill -9 in mid-transaction; what they committed is then known from the store alone."""
        for writer in self.writers:
            self.rows += writer.kill()
        self.writers = []
        known = {row.id for row in self.rows}
        for id, tenant, aggregate, event_type, payload in self.store.contents():
            if id not in known:
                self.rows.append(Row(tenant, aggregate, json.loads(payload)["sequence"], id, True,
                                     event_type.split(".")[0]))

    def stop_writers(self):
        for writer in self.writers:
            self.rows += writer.stop()
            self.committed_at.update(writer.committed_at)
        self.writers = []

    # ---- the verdict ----
    def settle(self, deadline_s=DEADLINE_S):
        """A last row for each room in use; returns when every subscriber was shown its own.

        The writers have committed before it, so it is the last that any store delivers."""
        self.stop_writers()
        last = []
        for room in sorted({name for one in self.crowd.all for name in one.rooms}):
            _, tenant, *module = room.split(":")
            self.write(tenant, f"last {room}", module=module[0] if module else "alpha")
            last.append(self.rows[-1])

        def done():
            return all(row.id in room.epoch_of for one in self.crowd.all
                       for name, room in one.rooms.items() for row in last if name in row.rooms())

        wait_until(done, "the last row at every subscriber", deadline_s)

    def unsettled(self, deadline_s):
        """The same, and what did not come is for the report: the verdict says which rows are lost."""
        try:
            self.settle(deadline_s)
        except AssertionError as problem:
            return [str(problem)]
        return []

    def verdict(self):
        """Stops the subscribers and returns the checker's violations."""
        self.crowd.stop()
        written = {row.id for row in self.rows if row.committed}
        stored = self.store.ids()
        assert written == stored, (
            f"the writers' own log is wrong: {len(written - stored)} rows of it are not in the "
            f"store, {len(stored - written)} of the store are not in it")
        return check(self.rows, self.crowd.logs(), self.store.positions())

    def finish(self, gaps_allowed=False, deadline_s=DEADLINE_S):
        """Settles, judges, and fails on whatever is wrong."""
        self.settle(deadline_s)
        violations = self.verdict()
        assert not violations, f"{len(violations)} violations, first {violations[:5]}"
        errors = {one.name: one.errors[:3] for one in self.crowd.all if one.errors}
        assert not errors, errors
        if not gaps_allowed:
            assert self.crowd.total("not recovered") == 0
            assert self.gaps() == 0
        return self

    def gaps(self):
        return in_gaps(self.rows, [log for log in self.crowd.logs()], self.store.positions())

    def close(self):
        """Everything ends, also after a failure; fails if a daemon did not end well."""
        self.crowd.stop()
        for writer in self.writers:
            writer.process.kill()
            writer.process.communicate()
        problems = []
        for one in self.daemons:
            try:
                one.stop()
            except AssertionError as problem:
                one.kill()
                problems.append(str(problem))
        self.store.remove()
        assert not problems, "\n".join(problems)
