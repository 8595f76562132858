"""scripts/bench python in small: every load works, and a server that does not keep its word gives no figure."""
import json
import pathlib
import subprocess

import pytest

from support.daemon import BINARY, ROOT

BUILD = pathlib.Path(BINARY).resolve().parents[1]
# The other peers are installed where the benchmark was run: none of them is needed to know that this works.
SERVERS = ["ringcast-asyncio", "ringcast-uvloop", "websockets-asyncio", "ringcastd"]
LIAR = """
import asyncio, sys
from websockets.asyncio.server import serve

async def handle(connection):
    count = 0
    async for text in connection:
        count += 1
        if count % 7:
            await connection.send(text)
        elif sys.argv[1] == "other":
            await connection.send(text.replace("x", "y"))

async def main():
    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


def test_every_load_works(tmp_path):
    out = tmp_path / "python.json"
    done = subprocess.run([ROOT / "scripts/python", ROOT / "bench/python/suite.py", "--small", "--rounds", "1", "--build", BUILD,
                           "--out", out, "--servers", *SERVERS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = json.loads(out.read_text())
    for load, by_server in asked["results"].items():
        assert set(by_server) == set(SERVERS) - ({"ringcastd"} if load.startswith("echo") else set())
        assert all(entry["per_cpu_s"] > 0 and entry["failed"] == 0 for entry in by_server.values())
    for loop in ("asyncio", "uvloop"):
        made = asked["bridge"][loop]
        assert all(ns > 0 for ns in made["publish_ns"].values())
        assert set(made["message_ns"]) == {"callback", "async for", "batches"}
        assert asked["idle"][f"ringcast-{loop}"]["connections"] == 20


@pytest.mark.parametrize("kind", ["other", "lost"])
def test_an_answer_that_is_wrong_or_missing_gives_no_figure(kind, tmp_path):
    server = subprocess.Popen([ROOT / "build/venv/bin/python", "-c", LIAR, kind], stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        done = subprocess.run([ROOT / "build/venv/bin/python", ROOT / "bench/python/load.py", "raw", port, str(server.pid),
                               "echo", "2", "3", "10", "2"], capture_output=True, text=True)
        assert done.returncode != 0 and not done.stdout
        assert "another answer than before" in done.stderr or "TimeoutError" in done.stderr, done.stderr
    finally:
        server.kill()
        server.communicate()
