"""kill -9 of daemons at random moments under traffic; they start again at once, on the same port
and store.

Used by the tests marked `kill` and by scripts/kill, which runs more rounds and writes a report."""
import random
import time

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


def kill_rounds(world, rounds, seed, pause_ms=60, settle_s=60):
    """Returns the report of one store; violations are in it and are the caller's to judge."""
    choose = random.Random(seed)
    begin = time.monotonic()
    # Windows of different sizes, so that one reads what the other has recorded otherwise.
    world.daemon({"outbox": {"batch_max": 20}})
    world.daemon()
    subscribers(world, seed)
    world.start_writers(seed=seed, pause_ms=pause_ms)
    wait_until(lambda: world.written() > 20, "the first rows")
    both_at_once = 0
    for _ in range(rounds):
        # Mostly one, while the other goes on; sometimes the second falls in the first's start.
        time.sleep(choose.uniform(0.02, 0.6))
        if choose.random() < 0.3:
            # Enough for several windows: the kill falls between the first and the last of them.
            world.write_bulk(BURST_ROWS, tenant=choose.choice(("t1", "t2")))
            time.sleep(choose.uniform(0, 0.05))
        victims = choose.sample(world.daemons, 2 if choose.random() < 0.2 else 1)
        both_at_once += len(victims) - 1
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.start()
    unsettled = []
    try:
        world.settle(settle_s)
    except AssertionError as problem:
        unsettled = [str(problem)]  # the verdict says which rows are lost
    violations = world.verdict()
    for one in world.daemons:
        one.check_log()
    return {
        "store": world.store.kind, "rounds": rounds, "seed": seed,
        "seconds": round(time.monotonic() - begin, 1), "kills": rounds + both_at_once,
        "rows": sum(row.committed for row in world.rows),
        "rows_rolled_back": sum(not row.committed for row in world.rows),
        "events_shown": sum(len(log.entries) for log in world.crowd.logs()),
        "connections": world.crowd.total("connections"),
        "recovered": world.crowd.total("recovered"),
        "not_recovered": world.crowd.total("not recovered"),
        "redeliveries_dropped": world.crowd.total("redelivered"),
        "subscribes_unavailable": world.crowd.total("unavailable"),
        "rows_in_announced_gaps": world.gaps(),
        "errors": unsettled + [f"{one.name}: {error}" for one in world.crowd.all
                               for error in one.errors],
        "violations": [str(violation) for violation in violations],
    }
