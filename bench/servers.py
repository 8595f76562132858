"""The servers under test: ringcastd with each backend, and one folder of bench/peers each for what a user
would pick instead. All of them print `listening on http://127.0.0.1:PORT` when they are ready."""
import contextlib
import hashlib
import os
import pathlib
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEERS = ROOT / "bench/peers"
INSTALLED = ROOT / "build/peers"
READY_S = 30

# How a folder is made ready to start; each runs in its copy under build/peers.
INSTALL = {
    "npm": [["npm", "ci", "--no-audit", "--no-fund"]],
    "pip": [[sys.executable, "-m", "venv", "venv"], ["venv/bin/pip", "install", "-q", "-r", "requirements.txt"]],
    "go": [["go", "build", "-o", "peer", "."]],
    # Unpacked, not installed: no service is started and nothing needs root. `packages` has one name a line.
    "deb": [["sh", "-c", "apt-get download -q $(cat packages) && for one in *.deb; do dpkg -x $one .; done"]],
}


class Ringcast:
    """`backend` is io_uring or epoll; one shard, because the server gets one CPU, unless the question is about shards.
    `variant` is a part of a name, a title, and what is set; only questions about it ask for one."""
    protocol = "native"

    def __init__(self, backend, binary, shards=1, variant=None):
        self.name, self.title = f"ringcast-{backend}", f"Ringcast, {backend}"
        if shards > 1:
            variant = str(shards), f"{shards} shards", []
        if variant:
            self.name, self.title = f"{self.name}-{variant[0]}", f"{self.title}, {variant[1]}"
        self.backend, self.binary, self.shards, self.variant = backend, binary, shards, variant

    def install(self):
        pass

    def version(self):
        return self.run_once([self.binary, "--version"])

    @staticmethod
    def run_once(command, cwd=None):
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()

    def command(self, folder, connections):
        return [self.binary, "dev", "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder}/bench.db", "--log-level",
                "error", "--engine", self.backend, "--shards", str(self.shards), "--set", "limits.ping_interval_s=600",
                "--set", f"listen.connections_max={connections}",
                "--set", f"listen.connections_per_address_max={connections}",
                *(word for one in (self.variant or ("", "", []))[2] for word in ("--set", one))], folder


class Peer(Ringcast):
    """A folder of bench/peers; peer.toml says how it is installed and started and what it speaks."""

    def __init__(self, folder):
        self.folder, self.name = folder, folder.name
        about = tomllib.loads((folder / "peer.toml").read_text())
        self.title, self.protocol, self.about = about["title"], about["protocol"], about
        self.home = INSTALLED / folder.name
        self.variant = None

    def install(self):
        content = b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file())
        stamp, digest = self.home / ".installed", hashlib.sha256(content).hexdigest()
        if stamp.exists() and stamp.read_text() == digest:
            return
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.folder, self.home)
        for command in INSTALL[self.about["install"]]:
            subprocess.run(command, cwd=self.home, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        stamp.write_text(digest)

    def version(self):
        return self.run_once(self.about["version"], self.home)

    def command(self, folder, connections):
        return self.about["start"], self.home


def all_servers(binary):
    peers = [Peer(path.parent) for path in sorted(PEERS.glob("*/peer.toml"))]
    ours = [Ringcast("io_uring", binary), Ringcast("epoll", binary)]
    more = [Ringcast("io_uring", binary, shards) for shards in (2, 4, 8)]
    more += [Ringcast("io_uring", binary, variant=(f"flush{ms}", f"{ms} ms", [f"namespace.bench.flush_interval_ms={ms}"]))
             for ms in (2, 5, 20)]
    more += [Ringcast(backend, binary, variant=("deflate", "compression", ["listen.compression=true"]))
             for backend in ("io_uring", "epoll")]
    return {server.name: server for server in [*ours, *more, *peers]}


def family(pid):
    """A process and its descendants."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [member for child in children for member in family(int(child))]


@contextlib.contextmanager
def running(server, connections, cpu):
    """Yields (port, process ids) of a freshly started server, pinned on one CPU unless `cpu` is None."""
    soft_to_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def prepare():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft_to_hard, soft_to_hard))
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    with tempfile.TemporaryDirectory(prefix="ringcast-bench.") as folder:
        command, home = server.command(folder, connections)
        process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True, preexec_fn=prepare)
        try:
            ready, _, _ = select.select([process.stdout], [], [], READY_S)
            line = process.stdout.readline() if ready else "nothing on standard output"
            port = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if not port:
                raise RuntimeError(f"{server.name} did not start: {line!r}")
            yield int(port[1]), family(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(READY_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
