"""`engine.pin`: each shard stays on one of the CPUs that the process may use."""
import os
import pathlib

import pytest

BOTH_ENGINES = True


def cpus_of_threads(daemon):
    """thread id -> Cpus_allowed_list"""
    found = {}
    for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
        try:
            status = (task / "status").read_text()
        except FileNotFoundError:  # ended meanwhile
            continue
        found[int(task.name)] = next(line.split()[1] for line in status.splitlines()
                                     if line.startswith("Cpus_allowed_list:"))
    return found


@pytest.fixture
def on_cpus():
    """on_cpus({…}): what is started from now on may use these alone."""
    before = os.sched_getaffinity(0)
    yield lambda cpus: os.sched_setaffinity(0, cpus)
    os.sched_setaffinity(0, before)


def test_off_by_default(make_daemon):
    daemon = make_daemon({"engine": {"shards": 2}})
    assert len(set(cpus_of_threads(daemon).values())) == 1
    assert "pinned" not in daemon.log()


def test_each_shard_has_a_cpu_and_other_threads_have_all(make_daemon):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("there is one CPU")
    daemon = make_daemon({"engine": {"shards": 2, "pin": True}})
    threads = cpus_of_threads(daemon)
    single = sorted(int(text) for text in threads.values() if text.isdigit())
    assert set(single) == set(cpus[:2])
    assert not threads[daemon.process.pid].isdigit(), "main waits for signals wherever it likes"
    assert f"shards are pinned to CPUs {cpus[0]}, {cpus[1]}" in daemon.log()


def test_cpus_are_those_of_the_affinity_mask_and_shared_by_more_shards(make_daemon, on_cpus):
    last = max(os.sched_getaffinity(0))
    on_cpus({last})
    daemon = make_daemon({"engine": {"shards": 2, "pin": True}})
    assert set(cpus_of_threads(daemon).values()) == {str(last)}
    assert f"shards are pinned to CPUs {last}, {last}" in daemon.log()
    assert daemon.get("/healthz").status == 200
