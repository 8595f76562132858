"""What the engine costs inside a Python service, beside what a user would pick instead: scripts/bench python.

  bridge  one process: publish_nowait beside an empty pybind11 method; a message to a callback, `async for` and batches
          beside a bridge without an engine
  echo    WebSocket messages answered by a handler; 1 and 32 of each connection under way
  fanout  1 -> 100 subscribers, 1 and 16 published at a time, beside the engine without Python
  idle    how often the threads of a process with 200 connections wake up

Every server is started anew for each run, one after the other in each round, so that all meet the same minutes. Deliveries are
verified before there is a figure. Writes build/bench/python.json."""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import cpu  # noqa: E402
import servers  # noqa: E402
from suite import machine  # noqa: E402

LOADS = {  # connections, window, rounds
    "echo, 1 under way": ("echo", 64, 1, 1500),
    "echo, 32 under way": ("echo", 16, 32, 250),
    "fan-out, 1 at a time": ("fanout", 100, 1, 500),
    "fan-out, 16 at a time": ("fanout", 100, 16, 120),
}
SMALL = 50  # a load has so much fewer rounds where only whether it works is asked
RUN_S_MAX = 150
IDLE_CONNECTIONS, IDLE_S = 200, 5


class Subject:
    """A server of subjects.py on one of the two event loops."""
    protocol = "python"

    def __init__(self, name, loop, dialect):
        self.kind, self.loop, self.dialect = name, loop, dialect
        self.name = f"{name}-{loop}"
        self.loads = list(LOADS)

    def command(self, folder, connections):
        return [sys.executable, str(HERE / "subjects.py"), self.kind, self.loop], folder


class EngineItself(servers.Ringcast):
    """ringcastd, to which a client publishes what the others publish from Python."""
    dialect = "published"
    loads = [load for load in LOADS if load.startswith("fan-out")]


def subjects(binary):
    both = [Subject(name, loop, dialect)
            for name, dialect in (("ringcast", "native"), ("picows", "raw"), ("websockets", "raw"), ("socketio", "socketio"))
            for loop in ("asyncio", "uvloop")]
    engine = EngineItself("io_uring", binary)
    engine.name = "ringcastd"
    return {one.name: one for one in [*both, engine]}


def pins(unpinned):
    """The server's CPU and the generator's."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[-1]) if len(usable) > 1 and not unpinned else (None, None)


def load(subject, name, settings):
    kind, connections, window, rounds = LOADS[name]
    if settings.small:
        rounds = max(2, rounds // SMALL)
    its, mine = pins(settings.unpinned)
    try:
        with servers.running(subject, connections + 64, its) as (port, pids):
            command = [sys.executable, HERE / "load.py", subject.dialect, port, pids[0], kind, connections, window, rounds]
            if mine is not None:
                command = ["taskset", "-c", mine, *command]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=RUN_S_MAX)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout)


def bridge(loop, settings):
    rounds, count = (1, 256) if settings.small else (9, 4096)
    done = subprocess.run([sys.executable, HERE / "bridge.py", loop, str(rounds), str(count)], capture_output=True, text=True,
                          timeout=RUN_S_MAX)
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip().splitlines()[-1]}


def idle(subject, settings):
    """Wake-ups a second of all threads together, with connections that say nothing."""
    import asyncio

    from load import DIALECTS, connected

    async def count(port, pid):
        dialect = DIALECTS[subject.dialect]()
        held = [await connected(port, dialect) for _ in range(20 if settings.small else IDLE_CONNECTIONS)]
        await asyncio.sleep(2)
        before = cpu.switches(pid)
        await asyncio.sleep(1 if settings.small else IDLE_S)
        woken = cpu.switches(pid) - before
        return {"connections": len(held), "wakeups_per_s": woken / (1 if settings.small else IDLE_S)}

    with servers.running(subject, IDLE_CONNECTIONS + 64, None) as (port, pids):
        return asyncio.run(count(port, pids[0]))


def medians(runs):
    """Per load and server: medians, and the median over the rounds of the ratio to each other server."""
    table = {}
    for name, by_server in runs.items():
        table[name] = {}
        for server, every in by_server.items():
            good = [run["per_cpu_s"] for run in every if "error" not in run]
            entry = {"runs": len(every), "failed": len(every) - len(good)}
            if good:
                entry["per_cpu_s"] = statistics.median(good)
                entry["ratios"] = {}
            for other, others in by_server.items():
                both = [a["per_cpu_s"] / b["per_cpu_s"] for a, b in zip(every, others) if "error" not in a and "error" not in b]
                if both and other != server:
                    entry["ratios"][other] = statistics.median(both)
            table[name][server] = entry
    return table


def median_of(runs):
    """Of each figure in nested objects of the same shape."""
    if isinstance(runs[0], dict):
        return {name: median_of([run[name] for run in runs]) for name in runs[0]}
    return statistics.median(runs)


def ask(settings, every):
    runs = {name: {one.name: [] for one in every if name in one.loads} for name in LOADS}
    bridges, loads = {loop: [] for loop in ("asyncio", "uvloop")}, []
    for number in range(settings.rounds):
        loads.append(os.getloadavg()[0])
        print(f"round {number + 1} of {settings.rounds}, load {loads[-1]:.1f}", flush=True)
        for loop, made in bridges.items():
            made.append(bridge(loop, settings))
            print(f"  bridge, {loop}: {made[-1].get('error') or json.dumps(made[-1])}", flush=True)
        for name, by_server in runs.items():
            for one in every if number % 2 == 0 else reversed(every):
                if one.name in by_server:
                    run = load(one, name, settings)
                    by_server[one.name].append(run)
                    print(f"  {name:<22} {one.name:<20} {run.get('error') or format(run['per_cpu_s'], ',.0f')}", flush=True)
    return runs, bridges, loads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="where bin/ringcastd is")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", nargs="+", help="instead of all")
    parser.add_argument("--unpinned", action="store_true", help="else the server has one CPU and the generator another")
    parser.add_argument("--small", action="store_true", help="few of everything: whether it works, not what it costs")
    parser.add_argument("--out", type=pathlib.Path, default=servers.ROOT / "build/bench/python.json")
    settings = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that no server outlives this
    known = subjects(str(pathlib.Path(settings.build).resolve() / "bin/ringcastd"))
    every = [known[name] for name in settings.servers or known]
    runs, bridges, loads = ask(settings, every)
    good = {loop: [run for run in made if "error" not in run] for loop, made in bridges.items()}
    idles = {one.name: idle(one, settings) for one in every if one.name.startswith("ringcast-")}
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    settings.out.write_text(json.dumps(
        {"question": "python", "machine": machine(), "python": sys.version.split()[0], "rounds": settings.rounds, "load": loads,
         "date": time.strftime("%Y-%m-%d"), "idle": idles,
         "bridge": {loop: median_of(made) for loop, made in good.items() if made},
         "results": medians(runs), "runs": runs, "bridges": bridges}, indent=1) + "\n")
    print(f"written: {settings.out}")
    return any("error" in run for by_server in runs.values() for every in by_server.values() for run in every) or any(
        "error" in run for made in bridges.values() for run in made)


if __name__ == "__main__":
    sys.exit(main())
