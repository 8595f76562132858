"""Order, seed after seed: eight writers at once on the same aggregates, rows that commit behind
later ones, rollbacks, transactions that stay open elsewhere, two daemons with windows of different
sizes. What the subscribers were shown is judged at the end, and told by seed.

Used by test_order.py, and by scripts/order, which runs more seeds and writes a report."""
import collections
import dataclasses
import random
import time

from support.waiting import wait_until

ROOMS = ["tenant:t1", "tenant:t2", "tenant:t1:alpha"]
ROWS = 150  # of a seed, besides those of its late and large transactions
LATE = 3


class Elsewhere:
    """Transactions that write nothing of the outbox and stay open: one keeps its number, another
    its snapshot. In SQLite, where only one may write, a reader keeps its snapshot."""

    def __init__(self, world):
        self.sessions = [world.store.session()]
        if world.store.kind == "sqlite":
            self.sessions[0].execute("begin")
        else:
            self.sessions.append(world.store.session())
            self.sessions[0].begin()
            self.sessions[0].next_sequence("elsewhere")
            self.sessions[1].execute("begin isolation level repeatable read")
        self.sessions[-1].execute("select count(*) from app_aggregate").fetchall()

    def end(self, choose):
        for session in self.sessions:
            choose.choice((session.commit, session.rollback))()
            session.close()


class Late:
    """A transaction whose row has its id now and is committed, or rolled back, behind others."""

    def __init__(self, world, aggregate, choose):
        self.world = world
        self.session = world.store.session()
        self.session.begin()
        self.rows = []
        for _ in range(choose.randint(1, 3)):
            world.write_through(self.session, choose.choice(("t1", "t2")), aggregate)
            self.rows.append(len(world.rows) - 1)
        self.commits = choose.random() < 0.7

    def end(self):
        if self.commits:
            self.session.commit()
        else:
            self.session.rollback()
            for at in self.rows:
                self.world.rows[at] = dataclasses.replace(self.world.rows[at], committed=False)
        self.session.close()


def one_seed(world, seed):
    choose = random.Random(seed)
    elsewhere = Elsewhere(world)
    waiting = []
    world.start_writers(seed=seed, prefix=f"seed {seed} ", aggregates=3,
                        pause_ms=choose.choice((1, 5, 20)), long_ms=choose.choice((20, 100, 400)))
    for step in range(1, 2 * LATE + 1):
        wait_until(lambda: world.written() > ROWS * step / (2 * LATE), "rows")
        # The other store has one writer at a time: what is late there holds up all others.
        if world.store.kind != "sqlite" and step <= LATE:
            waiting.append(Late(world, f"seed {seed} late {step}", choose))
        elif waiting:
            waiting.pop(choose.randrange(len(waiting))).end()
        if choose.random() < 0.2:
            world.write_bulk(choose.randint(10, 60), aggregates=4, prefix=f"seed {seed} ")
    world.stop_writers()
    elsewhere.end(choose)


def order_seeds(world, seeds, settle_s=180):
    """Returns the report of one store; violations are in it and are the caller's to judge."""
    begin = time.monotonic()
    first, second = world.daemon({"outbox": {"batch_max": 20}}), world.daemon()
    world.crowd.add("at the first", ROOMS, [first])
    world.crowd.add("at the second", ROOMS, [second])
    world.crowd.add("moves", ROOMS, [second, first], moves=True, drops_s=1.0, seed=seeds[0])
    world.crowd.wait_live()
    for seed in seeds:
        one_seed(world, seed)
    unsettled = world.unsettled(settle_s)
    violations = world.verdict()
    aggregate_of = {row.id: row.aggregate for row in world.rows}
    by_seed = collections.Counter(" ".join(aggregate_of.get(one.id, "").split()[:2])
                                  for one in violations)
    return {
        "store": world.store.kind, "seeds": len(seeds), "first_seed": seeds[0],
        "seconds": round(time.monotonic() - begin, 1), "writers": 8,
        "rows": sum(row.committed for row in world.rows),
        "rows_rolled_back": sum(not row.committed for row in world.rows),
        "events_shown": sum(len(log.entries) for log in world.crowd.logs()),
        "recovered": world.crowd.total("recovered"),
        "not_recovered": world.crowd.total("not recovered"),
        "rows_in_announced_gaps": world.gaps(),
        "errors": unsettled + [f"{one.name}: {error}" for one in world.crowd.all
                               for error in one.errors],
        "violations_by_seed": dict(by_seed),
        "violations": [str(violation) for violation in violations[:1000]],
    }
