"""Starts nginx with one worker on a free port, which nginx itself cannot choose."""
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

with tempfile.TemporaryDirectory(prefix="ringcast-nchan.") as folder:
    conf = pathlib.Path(folder, "nginx.conf")
    conf.write_text((here / "nginx.conf").read_text().replace("PORT", str(port)).replace("FOLDER", str(here)))
    nginx = subprocess.Popen([here / "usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", conf])
    signal.signal(signal.SIGTERM, lambda *_: nginx.terminate())
    # Its worker belongs to what is measured.
    workers = pathlib.Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children")
    while nginx.poll() is None and not workers.read_text():
        time.sleep(0.01)
    if nginx.poll() is None:
        print(f"listening on http://127.0.0.1:{port}", flush=True)
    nginx.wait()
