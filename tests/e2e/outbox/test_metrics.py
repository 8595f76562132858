"""What /metrics says of the source."""
from support.waiting import wait_until

POLLS = 'ringcast_outbox_polls_total{found="%s"}'


def figures(daemon):
    metrics = daemon.metrics()
    return {"rows": metrics["ringcast_outbox_rows_total"], "replayed": metrics["ringcast_outbox_replayed_total"],
            "lag": metrics["ringcast_outbox_lag_seconds"]}


def test_looks_at_the_store_replayed_rows_and_lag_are_counted(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    # The source reports behind each of its turns, so its figures follow what clients have seen.
    wait_until(lambda: daemon.metric(POLLS % "nothing") >= 1, "looks that found nothing")
    assert daemon.metric(POLLS % "rows") == 0
    ids = [world.write() for _ in range(3)]
    wait_until(lambda: client.shown == ids, "the rows")
    wait_until(lambda: figures(daemon) == {"rows": 3, "replayed": 0, "lag": 0}, "their figures")
    wait_until(lambda: 1 <= daemon.metric(POLLS % "rows") <= 3, "looks that found them")

    second = world.daemon()
    wait_until(lambda: second.metric("ringcast_outbox_ready") == 1, "the replay")
    wait_until(lambda: figures(second) == {"rows": 3, "replayed": 3, "lag": 0}, "its figures")


def test_commit_to_socket_begins_with_the_insert_not_with_what_the_application_says(world):
    daemon = world.daemon()
    client = world.crowd.add("reads", ["tenant:t1"], [daemon])
    world.crowd.wait_live()
    session = world.store.session()
    table = "ringcast_outbox" if world.store.kind == "sqlite" else "ringcast.outbox"
    session.execute(f"insert into {table}(tenant_id, aggregate_type, aggregate_id, event_type,"
                    " payload, occurred_at) values('t1', 'Thing', 'a', 'alpha.thing.changed',"
                    " '{}', '2020-01-01T00:00:00Z')")
    session.close()
    name = "ringcast_commit_to_socket_seconds"
    wait_until(lambda: client.shown, "the event")
    wait_until(lambda: daemon.metric(f"{name}_count") == 1, "its measurement")
    assert 0 <= daemon.metric(f"{name}_sum") < 86_400


def test_dead_letters_are_counted_by_reason_and_do_not_degrade_the_daemon(world):
    daemon = world.daemon()
    world.write(payload="[1]", deliverable=False)
    world.write(room="chat:1", deliverable=False)
    wait_until(lambda: daemon.metric("ringcast_outbox_dead_letters") == 2, "two dead letters")
    failed = 'ringcast_outbox_rows_failed_total{reason="%s"}'
    for reason in ("invalid", "wrong_namespace"):
        wait_until(lambda: daemon.metric(failed % reason) == 1, f"the count of {reason}")
    assert daemon.metric(failed % "too_large") == 0
    assert daemon.get("/readyz").status == 200


NEWER_ON_SQLITE = "update ringcast_meta set value = '99' where key = 'schema_version'"
NEWER_ON_POSTGRES = ("insert into ringcast.schema_migration(version, name, checksum)"
                     " values(99, 'newer', '')")


def test_readyz_says_degraded_and_why_while_the_store_is_refused_or_away(world):
    daemon = world.daemon()
    daemon.stop()
    session = world.store.session()
    session.execute(NEWER_ON_SQLITE if world.store.kind == "sqlite" else NEWER_ON_POSTGRES)
    session.close()
    daemon.start()
    said = wait_until(lambda: (answer := daemon.get("/readyz")).json()["status"] == "degraded"
                      and answer.json()["reasons"][0].startswith("store is refused: ") and answer, "a refusal")
    assert said.status == 503
    assert "99" in said.json()["reasons"][0]
    world.store.make_again()
    daemon.wait_ready()
    if world.store.kind == "sqlite":
        return  # a file that is removed is made again
    world.store.remove()
    wait_until(lambda: (answer := daemon.get("/readyz").json())["status"] == "degraded"
               and answer["reasons"][0].startswith("store is away: "), "the reason")
    assert daemon.get("/healthz").status == 200
