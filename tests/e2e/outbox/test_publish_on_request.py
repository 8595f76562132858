"""POST /outbox/publish, with and without a continuous reader."""
from support.waiting import wait_until

CONFIG = {"outbox": {"continuous": False}}
PATH = "/outbox/publish"


def publish(daemon, limit=None):
    response = daemon.post(PATH + (f"?limit={limit}" if limit is not None else ""), b"")
    assert response.status == 200, response
    return response.json()


def counts(answer):
    return answer["published"], answer["failed"], answer["skipped"]


def test_without_the_right_token_nothing_happens(world):
    daemon = world.daemon()
    id = world.write()
    for key in (None, "", "wrong", "e2e-api-key-012345678", "e2e-api-key-01234567890"):
        response = daemon.post(PATH, b"", key=key)
        assert response.status == 401, key
        assert response.json()["error"] == "UNAUTHORIZED"
    assert world.store.status(id)[0] == "pending"


def test_it_is_the_only_publisher_where_nothing_is_continuous(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    ids = [world.write() for _ in range(5)]
    assert client.shown == []
    assert [world.store.status(id)[0] for id in ids] == ["pending"] * 5
    answer = publish(daemon, limit=2)
    assert counts(answer) == (2, 0, 0)
    assert answer["oldestPendingSeconds"] >= 0
    wait_until(lambda: client.shown == ids[:2], "the first two")
    wait_until(lambda: [world.store.status(id)[0] for id in ids] == ["published"] * 2 + ["pending"] * 3,
               "two of them")
    assert counts(publish(daemon)) == (3, 0, 0)
    wait_until(lambda: client.shown == ids, "the others")
    answer = publish(daemon)
    assert counts(answer) == (0, 0, 0) and answer["oldestPendingSeconds"] is None


def test_rows_that_fail_are_counted_as_failed(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    good = world.write()
    world.write(payload={"pad": "x" * (70 << 10)}, deliverable=False)
    also_good = world.write()
    assert counts(publish(daemon)) == (2, 1, 0)
    wait_until(lambda: client.shown == [good, also_good], "the good rows")


def test_what_another_daemon_recorded_is_skipped_or_delivered_already(world):
    first, second = world.daemon(), world.daemon()
    clients = [world.crowd.add(f"at {number}", ["tenant:t1"], [one])
               for number, one in enumerate((first, second))]
    world.crowd.wait_live()
    ids = [world.write() for _ in range(4)]
    assert counts(publish(first)) == (4, 0, 0)
    # The second sees the record by itself sooner or later; it has published nothing either way.
    published, failed, skipped = counts(publish(second))
    assert (published, failed) == (0, 0) and skipped in (0, 4)
    for client in clients:
        wait_until(lambda: client.shown == ids, f"the rows at {client.name}")
    assert clients[0].only.log.entries == clients[1].only.log.entries


def test_a_limit_that_is_none_is_an_error(world):
    daemon = world.daemon()
    for limit in ("0", "-1", "x", "8192000000000000000000"):
        response = daemon.post(f"{PATH}?limit={limit}", b"")
        assert response.status == 400, (limit, response)
        assert response.json()["error"] == "VALIDATION_ERROR"


def test_beside_a_continuous_reader_it_answers_and_repeats_nothing(make_world):
    world = make_world()
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    ids = [world.write() for _ in range(3)]
    wait_until(lambda: client.shown == ids, "the rows")
    assert counts(publish(daemon)) == (0, 0, 0)
    world.finish()
