"""Starts Centrifugo with its consumer of a PostgreSQL table, as its documentation sets it up, on a free port.
Arguments: the program, the URL of the database."""
import json
import os
import socket
import sys
import tempfile
import time

program, url = sys.argv[1:]
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

config = {
    "address": "127.0.0.1", "port": str(port), "client_insecure": True, "log_level": "error", "namespaces": [{"name": "tenant"}],
    "consumers": [{"name": "bench", "type": "postgresql", "postgresql": {
        "dsn": url, "outbox_table_name": "bench.centrifugo", "num_partitions": 1,
        "partition_select_limit": 100, "partition_notification_channel": "bench_centrifugo"}}]}
handle, path = tempfile.mkstemp(suffix=".json")
os.write(handle, json.dumps(config).encode())

if os.fork():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(program, [program, "--config", path])
for _ in range(1000):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        print(f"listening on http://127.0.0.1:{port}", flush=True)
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
os.unlink(path)
