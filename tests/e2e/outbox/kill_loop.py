"""Daemons end at random moments under traffic, by kill -9 or of themselves at a step of a row's way
(support/failpoints.py); they start again at once, on the same port and store.

Used by the tests marked `kill` and by scripts/kill, which runs more rounds and writes a report."""
import random
import time

from support import failpoints
from support.waiting import wait_until

BURST_ROWS = 300
ROOMS = ["tenant:t1", "tenant:t2", "tenant:t1:alpha", "tenant:t2:beta"]


def subscribers(world, seed):
    first, second = world.daemons
    add = world.crowd.add
    add("stays at the first", ROOMS[:2], [first], seed=seed)
    add("stays at the second", [ROOMS[1], ROOMS[2]], [second], seed=seed)
    add("moves", ROOMS[:1], [first, second], moves=True, seed=seed)
    add("moves back", [ROOMS[3], ROOMS[0]], [second, first], moves=True, seed=seed)
    add("drops", [ROOMS[2], ROOMS[1]], [first, second], moves=True, drops_s=1.0, seed=seed)
    add("drops too", ROOMS[:1], [second], drops_s=0.6, seed=seed)
    world.crowd.wait_live()


def chosen_failpoint(choose):
    """Most starts get one: a step, and the how manieth time that it ends the process."""
    if choose.random() < 0.25:
        return {}
    step = choose.choice(failpoints.STEPS)
    # Within the time that a daemon mostly has: what is replayed counts only as handed over and
    # published, windows are few, a position is noted once a second.
    most = {"read": 1.5, "record": 0.8, "deliver": 1.5, "settle": 0}.get(step, 3)
    # Beyond the first few, or one start after the other would end at the same row as if of poison.
    least = {"deliver": 0.5, "publish": 0.5, "hand_over": 0.5}.get(step, 0)
    return failpoints.at_hit(step, int(10 ** choose.uniform(least, most)))


class Kills:
    """Ends daemons, and starts them with a failpoint or without; counts by what did it."""

    def __init__(self, choose):
        self.choose = choose
        self.armed = failpoints.in_binary()
        self.steps = {}  # daemon: where it is to end
        self.count = dict.fromkeys(("kill -9", *failpoints.STEPS), 0)

    def end(self, daemon):
        daemon.kill()
        step = self.steps.get(daemon) if failpoints.aborted(daemon) else None
        self.count[step or "kill -9"] += 1

    def start(self, daemon):
        environment = chosen_failpoint(self.choose) if self.armed else {}
        self.steps[daemon] = next(iter(environment.values()), ":").split(":")[0]
        if not failpoints.start(daemon, environment):
            self.count[self.steps[daemon]] += 1
            self.start(daemon)


def kill_rounds(world, rounds, seed, pause_ms=60, settle_s=180):
    """Returns the report of one store; violations are in it and are the caller's to judge."""
    choose = random.Random(seed)
    begin = time.monotonic()
    # Windows of different sizes, so that one reads what the other has recorded otherwise.
    world.daemon({"outbox": {"batch_max": 20}})
    world.daemon()
    subscribers(world, seed)
    world.start_writers(seed=seed, pause_ms=pause_ms)
    wait_until(lambda: world.written() > 20, "the first rows")
    kills = Kills(choose)
    for _ in range(rounds):
        # Mostly one, while the other goes on; sometimes the second falls in the first's start.
        time.sleep(choose.uniform(0.02, 0.6))
        if choose.random() < 0.3:
            # Enough for several windows: the kill falls between the first and the last of them.
            world.write_bulk(BURST_ROWS, tenant=choose.choice(("t1", "t2")))
            time.sleep(choose.uniform(0, 0.05))
        victims = choose.sample(world.daemons, 2 if choose.random() < 0.2 else 1)
        for victim in victims:
            kills.end(victim)
        for victim in victims:
            kills.start(victim)
    for one in world.daemons:
        # Whatever is still armed must not end what is to be judged.
        kills.end(one)
        one.start()
    unsettled = world.unsettled(settle_s)
    # By chance three kills in a row meet the same row: a dead letter then, and not shown to whoever has not seen it.
    quarantined = world.store.quarantined()
    violations = [one for one in world.verdict() if one.id not in quarantined]
    for one in world.daemons:
        one.check_log()
    return {
        "store": world.store.kind, "rounds": rounds, "seed": seed,
        "seconds": round(time.monotonic() - begin, 1), "kills": sum(kills.count.values()), "kills_by": kills.count,
        "rows": sum(row.committed for row in world.rows),
        "rows_rolled_back": sum(not row.committed for row in world.rows),
        "events_shown": sum(len(log.entries) for log in world.crowd.logs()),
        "connections": world.crowd.total("connections"),
        "recovered": world.crowd.total("recovered"),
        "not_recovered": world.crowd.total("not recovered"),
        "redeliveries_dropped": world.crowd.total("redelivered"),
        "subscribes_unavailable": world.crowd.total("unavailable"),
        "rows_in_announced_gaps": world.gaps(),
        "quarantined": len(quarantined),
        "errors": unsettled + [f"{one.name}: {error}" for one in world.crowd.all
                               for error in one.errors],
        "violations": [str(violation) for violation in violations],
    }
