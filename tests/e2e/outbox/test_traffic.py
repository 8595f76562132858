"""Eight writers, two daemons, subscribers that come and go: everybody sees the same."""
from support.tokens import SECRET, make_token
from support.waiting import wait_until

CONFIG = {"auth": {"hs256_secret": SECRET}}
ROWS = 600
KILLS = 4


def sit_in_transaction(world):
    """A session that got its row's number before all others and commits it behind them. SQLite has
    one writer at a time, so nobody can sit there."""
    if world.store.kind == "sqlite":
        return None
    session = world.store.session()
    session.begin()
    world.write_through(session, "t1", "sits")
    return session


def test_each_subscriber_is_shown_exactly_what_was_committed(world):
    first, second = world.daemon(), world.daemon()
    both = [first, second]
    add = world.crowd.add
    add("stays at the first", ["tenant:t1", "tenant:t2"], [first])
    add("stays at the second", ["tenant:t2", "tenant:t1:alpha"], [second])
    add("moves", ["tenant:t1"], both, moves=True, drops_s=0.8)
    add("moves too", ["tenant:t2:beta", "tenant:t1"], both[::-1], moves=True, drops_s=1.5)
    add("comes back", ["tenant:t1:alpha", "tenant:t1:beta"], [second], drops_s=0.5)
    add("alice", ["tenant:t1"], both, user="alice", token=make_token("alice"), moves=True,
        drops_s=1)
    world.crowd.wait_live()
    sits = sit_in_transaction(world)
    world.start_writers(exclude_user="alice", pause_ms=40)
    wait_until(lambda: world.written() > ROWS, "rows")
    if sits:
        sits.commit()
        sits.close()
    world.finish()
    assert all(log.entries for log in world.crowd.logs())
    assert world.crowd.total("recovered") >= 5


def test_a_killed_application_takes_its_open_transactions_with_it(world):
    first, second = world.daemon(), world.daemon()
    world.crowd.add("at the first", ["tenant:t1", "tenant:t2"], [first])
    world.crowd.add("at the second", ["tenant:t1:alpha"], [second])
    world.crowd.wait_live()
    for seed in range(KILLS):
        # Many long transactions, so that some are open whenever the kill comes.
        world.start_writers(1, seed=seed, pause_ms=5, long_ms=2000)
        wait_until(lambda: world.written() > 20, "rows")
        world.kill_writers()
    world.finish()
