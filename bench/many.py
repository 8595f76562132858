"""As many connections as this machine lets several daemons have: each has as many as a process may open, its clients
are a process of their own. Prints what a connection costs the daemon and the kernel, as JSON; scripts/bench calls it."""
import argparse
import concurrent.futures
import contextlib
import json
import pathlib
import resource
import subprocess
import sys
import time

import servers
import suite

SPARE = 600  # descriptors of a process that are no connections, and those that it opens while it runs
HELD_S = 15


def kernel_bytes():
    """Slab and sockets' buffers: what the kernel holds for connections, and for little else that changes here."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.split(":")[0] in ("Slab", "KernelStack", "PageTables"))


def connections_now():
    """Both ends of each are here."""
    words = pathlib.Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("TCP:") + 2]) // 2


def load(settings, port, pids, connections):
    command = [settings.load, "--port", str(port), *(word for pid in pids for word in ("--pid", str(pid))), "--idle",
               "--per-room", str(connections), "--seconds", str(HELD_S + 15 * settings.daemons)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--daemons", type=int, default=5)
    parser.add_argument("--connections", type=int, help="of each; default: what a process may open")
    parser.add_argument("--out", type=pathlib.Path, default=servers.ROOT / "build/bench/many.json")
    settings = parser.parse_args()
    binaries = pathlib.Path(settings.build).resolve() / "bin"
    settings.load = str(binaries / "bench_load")
    connections = settings.connections or min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 100_000) - SPARE
    ringcast = servers.Ringcast("io_uring", str(binaries / "ringcastd"))
    before, most = kernel_bytes(), 0
    kernel = 0
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(settings.daemons) as pool:
        running = [stack.enter_context(servers.running(ringcast, connections + 64, None)) for _ in range(settings.daemons)]
        asked = [pool.submit(load, settings, port, pids, connections) for port, pids in running]
        while not all(one.done() for one in asked):
            if (now := connections_now()) > most:
                most, kernel = now, kernel_bytes() - before
            time.sleep(0.5)
        runs = [one.result() for one in asked]
    failed = [run["error"] for run in runs if "error" in run]
    if failed:
        sys.exit(f"many: {failed[0]}")
    result = {"machine": suite.machine(), "daemons": settings.daemons, "connections_each": connections,
              "connections_at_once": most, "kernel_bytes_both_ends": kernel / max(most, 1),
              "resident_bytes": [run["resident_bytes"] for run in runs],
              "connects_per_s": [run["connects_per_s"] for run in runs],
              "connect_cpu_ns": [run["connect_cpu_ns"] for run in runs],
              "idle_cpu_us_per_s": [run["idle_cpu_us_per_s"] for run in runs]}
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    settings.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
