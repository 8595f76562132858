"""One question about whole systems: starts each server anew for each run, one server after the other so that all of
them meet the same minutes, and writes every run and the medians to build/bench/QUESTION.json. scripts/bench calls it.

  fanout   the headline loads on Ringcast, io_uring and epoll
  peers    the same on Ringcast and on every peer of bench/peers
  demand   10,000 subscribers, larger payloads, idle connections and their arrival, SSE
  offered  latency by offered load
  shards   the headline loads on 1 to 8 shards, which share all CPUs with the generator
  flush    latency and CPU by offered load and flush_interval_ms
  deflate  JSON rows to plain clients and to clients with permessage-deflate"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys

import scenarios
import servers

QUESTIONS = {
    "fanout": (scenarios.HEADLINE + scenarios.SSE, "ringcast-io_uring ringcast-epoll", 7),
    "peers": (scenarios.HEADLINE, "*", 7),
    "demand": (scenarios.DEMAND, "ringcast-io_uring ringcast-epoll bun ws", 3),
    "shards": (scenarios.HEADLINE, "ringcast-io_uring ringcast-io_uring-2 ringcast-io_uring-4 ringcast-io_uring-8", 5),
    "flush": (scenarios.FLUSH, "ringcast-io_uring ringcast-io_uring-flush2 ringcast-io_uring-flush5 "
              "ringcast-io_uring-flush20", 1),
    "deflate": (scenarios.DEFLATE, "ringcast-io_uring-deflate ringcast-epoll-deflate", 2),
    "offered": (scenarios.OFFERED, "ringcast-io_uring ringcast-epoll bun ws", 3),
}
REFERENCES = ("ws", "bun", "ringcast-io_uring")
RUN_S_MAX = 180


def syscall_event():
    """The id of the tracepoint, from a private mount where nobody mounted tracefs; 0 where that is refused."""
    where = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id"
    script = f"test -e {where} || mount -t tracefs tracefs /sys/kernel/tracing; cat {where}"
    for command in (["cat", where], ["unshare", "-m", "sh", "-c", script]):
        try:
            return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        except (OSError, ValueError, subprocess.CalledProcessError):
            continue
    return 0


def machine():
    words = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {"kernel": platform.release(), "cpu": words[0] if words else platform.machine(), "cpus": os.cpu_count(),
            "date": datetime.date.today().isoformat()}


def measure(server, scenario, settings):
    """One run on a fresh server: its figures, or the error that it ended with."""
    pinned = len(os.sched_getaffinity(0)) > 1 and not settings.unpinned
    mine, its = (max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))) if pinned else (None, None)
    try:
        with servers.running(server, scenario.connections + 64, its) as (port, pids):
            command = [settings.load, "--port", str(port), *(word for pid in pids for word in ("--pid", str(pid))),
                       *scenario.arguments(server.protocol), "--syscall-event", str(settings.syscall_event)]
            if settings.small:
                command += ["--warm-up", "2", "--rounds", "2"]
            if pinned:
                command = ["taskset", "-c", str(mine), *command]
            done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    if done.returncode:
        return {"error": done.stderr.strip() or f"status {done.returncode}"}
    return json.loads(done.stdout)


def medians(runs):
    names = [name for name in runs[0] if isinstance(runs[0][name], (int, float))]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def ratios(mine, reference):
    """The median over the rounds in which both delivered everything of one's CPU to the other's in the same round."""
    both = [m["total_ns"] / r["total_ns"] for m, r in zip(mine, reference) if "total_ns" in m and "total_ns" in r]
    return statistics.median(both) if both else None


def summary(runs):
    """Per scenario and server: the medians, the ratios to the references, and how many runs failed."""
    table = {}
    for scenario, by_server in runs.items():
        table[scenario] = {}
        for name, all_runs in by_server.items():
            good = [run for run in all_runs if "error" not in run]
            entry = {"runs": len(all_runs), "failed": len(all_runs) - len(good)}
            if good:
                entry.update(medians(good))
            for reference in REFERENCES:
                if reference in by_server and good:
                    entry[f"ratio_{reference}"] = ratios(all_runs, by_server[reference])
            table[scenario][name] = entry
    return table


def installed(names, all_of_them):
    """Those that this machine can install; the others are named with the reason."""
    ready, missing = {}, {}
    for name in names:
        try:
            all_of_them[name].install()
            ready[name] = all_of_them[name].version()
        except (OSError, subprocess.CalledProcessError) as error:
            missing[name] = str(error)
            print(f"  {name} is left out: {error}", file=sys.stderr)
    return ready, missing


def show(scenario, name, run):
    line = run.get("error") or ", ".join(
        f"{key} {run[key]:,.3f}".rstrip("0").rstrip(".")
        for key in ("total_ns", "deliveries_per_s", "p50_ms", "p99_ms", "resident_bytes", "idle_cpu_us_per_s") if key in run)
    print(f"  {scenario.name:<18} {name:<18} {line}", flush=True)


def run_all(settings, all_of_them, names):
    wanted = [one for one in QUESTIONS[settings.question][0] if not settings.scenarios or one.name in settings.scenarios]
    runs, loads = {one.name: {name: [] for name in names} for one in wanted}, []
    for number in range(settings.rounds):
        loads.append(os.getloadavg()[0])
        print(f"round {number + 1} of {settings.rounds}, load {loads[-1]:.1f}", flush=True)
        for scenario in wanted:
            scenario = scenario.small() if settings.small else scenario
            for name in names if number % 2 == 0 else reversed(names):
                run = measure(all_of_them[name], scenario, settings)
                runs[scenario.name][name].append(run)
                show(scenario, name, run)
    return runs, loads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--build", default="build/release", help="where bin/ringcastd and bin/bench_load are")
    parser.add_argument("--rounds", type=int, help="runs of each server under each load; default by question")
    parser.add_argument("--servers", nargs="+", help="instead of the question's")
    parser.add_argument("--scenarios", nargs="+", help="instead of all of the question's")
    parser.add_argument("--unpinned", action="store_true", help="else the server has one CPU and the generator another")
    parser.add_argument("--small", action="store_true", help="counts of ten: whether it works, not what it costs")
    parser.add_argument("--out", type=pathlib.Path)
    settings = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that no server outlives this
    binaries = pathlib.Path(settings.build).resolve() / "bin"
    settings.unpinned = settings.unpinned or settings.question == "shards"
    settings.load = str(binaries / "bench_load")
    settings.syscall_event = syscall_event()
    settings.rounds = settings.rounds or QUESTIONS[settings.question][2]
    all_of_them = servers.all_servers(str(binaries / "ringcastd"))
    wanted = QUESTIONS[settings.question][1]
    names = settings.servers or ([name for name, server in all_of_them.items() if not server.variant] if wanted == "*"
                                 else wanted.split())
    versions, missing = installed(names, all_of_them)
    runs, loads = run_all(settings, all_of_them, list(versions))
    out = settings.out or servers.ROOT / f"build/bench/{settings.question}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(
        {"question": settings.question, "machine": machine(), "rounds": settings.rounds, "load": loads,
         "versions": versions, "missing": missing, "titles": {name: all_of_them[name].title for name in versions},
         "results": summary(runs), "runs": runs}, indent=1) + "\n")
    print(f"written: {out}")
    return any("error" in run for by_server in runs.values() for all_runs in by_server.values() for run in all_runs)


if __name__ == "__main__":
    sys.exit(main())
