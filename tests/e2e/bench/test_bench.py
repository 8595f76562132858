"""The benchmark in small: every load works on Ringcast, the peers' start files work, and the generator gives
no figure for a server that loses an event, sends it twice, or sends it to somebody else."""
import json
import pathlib
import subprocess
import sys

import pytest

from support.daemon import BINARY, ROOT

BUILD = pathlib.Path(BINARY).resolve().parents[1]
# The others are installed from package registries, which takes minutes: tried where a benchmark has installed them.
PEERS = ["ws", "websockets"] + [path.name for path in sorted((ROOT / "build/peers").glob("*"))
                                if path.name not in ("ws", "websockets")]


def suite(out, question, *arguments):
    done = subprocess.run([sys.executable, ROOT / "bench/suite.py", question, "--small", "--rounds", "1", "--build", BUILD,
                           "--out", out, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


def check(asked, servers):
    for by_server in asked["runs"].values():
        assert sorted(by_server) == sorted(servers)
        for run in (run for runs in by_server.values() for run in runs):
            assert run["connections"] > 0
            assert "idle_cpu_us_per_s" in run or run["deliveries"] > 0 and run["p99_ms"] >= run["p50_ms"] > 0


@pytest.mark.parametrize("question", ["fanout", "demand"])
@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_every_load_works_on_ringcast(question, backend, tmp_path):
    name = f"ringcast-{backend}"
    check(suite(tmp_path / "out.json", question, "--servers", name), [name])


def test_an_interval_puts_more_into_a_send(tmp_path):
    at_once, held = "ringcast-io_uring", "ringcast-io_uring-flush20"
    # The medians of five: where the machine stands still in one of them, events that wait go out together anyway.
    asked = suite(tmp_path / "out.json", "flush", "--servers", at_once, held, "--scenarios", "flush-200", "--rounds", "5")
    check(asked, [at_once, held])
    sends = {name: asked["results"]["flush-200"][name]["sends"] for name in (at_once, held)}
    assert 0 < 2 * sends[held] < sends[at_once]


def test_compressed_deliveries_are_verified_and_have_fewer_octets(tmp_path):
    name = "ringcast-epoll-deflate"
    asked = suite(tmp_path / "out.json", "deflate", "--servers", name)
    check(asked, [name])
    for size in ("1024-w1", "1024-w16", "16384-w1"):
        plain, compressed = (asked["results"][f"{protocol}-{size}"][name] for protocol in ("native", "native-deflate"))
        assert compressed["octets"] < 0.7 * plain["octets"]


def test_clients_that_want_compression_take_nothing_less(tmp_path):
    out = tmp_path / "out.json"
    done = subprocess.run([sys.executable, ROOT / "bench/suite.py", "deflate", "--small", "--rounds", "1", "--build", BUILD, "--out", out,
                           "--servers", "ringcast-epoll", "--scenarios", "native-deflate-1024-w1"], capture_output=True, text=True)
    assert done.returncode == 1 and "does not agree to permessage-deflate" in done.stdout


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_starts_and_delivers(peer, tmp_path):
    asked = suite(tmp_path / "out.json", "peers", "--servers", peer, "--scenarios", "room-1000-w16", "chat-1000")
    check(asked, [peer])
    assert asked["versions"][peer]


def test_every_load_works_in_process(tmp_path):
    out = tmp_path / "out.json"
    subprocess.run([BUILD / "bin/bench_inprocess", "--small", f"--benchmark_out={out}", "--benchmark_out_format=json"],
                   check=True, capture_output=True)
    runs = {run["name"].split("/iterations")[0]: run for run in json.loads(out.read_text())["benchmarks"]}
    deliveries = {"idle": None, "one-room-w1": 2 * 10, "one-room-w16": 2 * 16 * 10, "rooms-of-10-w64": 2 * 64 * 10}
    assert {f"{load}/{backend}" for load in deliveries for backend in ("io_uring", "epoll")} == set(runs)
    for name, run in runs.items():
        wanted = deliveries[name.split("/")[0]]
        assert run["connections"] > 0
        assert "malloc_bytes" in run and "resident_bytes" in run if wanted is None else run["deliveries"] == wanted


@pytest.mark.parametrize("fault, said", [("lost", "event 4 came where 3 was due"), ("twice", "event 3 came where 4 was due"),
                                         ("elsewhere", "an event of source 1 came to room 0")])
def test_a_broken_promise_gives_no_figure(fault, said):
    server = subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("lossy_server.py"), fault],
                              stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        done = subprocess.run([BUILD / "bin/bench_load", "--port", port, "--pid", str(server.pid), "--protocol", "topic",
                               "--rooms", "2", "--per-room", "3", "--window", "16", "--seconds", "0.1"],
                              capture_output=True, text=True)
        assert done.returncode == 1 and said in done.stderr
        assert not done.stdout
    finally:
        server.kill()
        server.communicate()
