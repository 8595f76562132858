"""Writers: an application that changes its own rows and records events in the same transaction.

As a program (`python -m outbox.writer`, settings as JSON in the first line of standard input) it
runs several writer threads until standard input ends, and then until they have ended their
transactions. Each thread keeps a log of what it wrote, one JSON object a line."""
import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import threading
import time

from outbox.checker import Row
from outbox.stores import session_for
from support.waiting import DEADLINE_S

E2E = pathlib.Path(__file__).resolve().parents[1]
MODULES = ("alpha", "beta")


@dataclasses.dataclass
class Settings:
    url: str
    log: str  # path; a thread's number is appended
    seed: int = 1
    threads: int = 4
    tenants: tuple = ("t1", "t2")
    aggregates: int = 4  # a tenant
    prefix: str = ""  # of the aggregates' names
    rows_max: int = 0  # a thread; 0: until told to stop
    pause_ms: int = 20  # between transactions, at most
    long_ms: int = 400  # what a long transaction sits before its commit, at most
    exclude_user: str = ""  # of a tenth of the rows


class Writer(threading.Thread):
    """One connection, one transaction after the other, all of them seeded."""

    def __init__(self, settings, number, stop):
        super().__init__(name=f"writer {number}", daemon=True)
        self.settings = settings
        self.random = random.Random(settings.seed * 1000 + number)
        self.path = f"{settings.log}.{number}"
        self.stop = stop
        self.written = 0

    def run(self):
        session = session_for(self.settings.url)
        with open(self.path, "a", encoding="utf-8") as log:
            while not self.stop.is_set() and not 0 < self.settings.rows_max <= self.written:
                rows, committed = self.transaction(session)
                for row in rows:
                    row["committed"] = row["committed"] and committed
                    row["at"] = time.monotonic()
                    log.write(json.dumps(row) + "\n")
                log.flush()
                self.written += sum(row["committed"] for row in rows)
                self.stop.wait(self.random.uniform(0, self.settings.pause_ms / 1000))
        session.close()

    def transaction(self, session):
        """(rows, whether it was committed); a row that a savepoint took back is none already."""
        choose = self.random
        tenant = choose.choice(self.settings.tenants)
        names = choose.sample(range(self.settings.aggregates), choose.choice((1, 1, 1, 2, 3)))
        rows = []
        session.begin()
        # Always in the same order, so that two writers never wait for each other.
        for name in sorted(names):
            if choose.random() < 0.1:
                session.savepoint()
                rows.append(self.insert(session, tenant, f"{self.settings.prefix}a{name}", committed=False))
                session.rollback_to_savepoint()
            rows.append(self.insert(session, tenant, f"{self.settings.prefix}a{name}"))
        kind = choose.random()
        if kind < 0.1:
            time.sleep(choose.uniform(0, self.settings.long_ms / 1000))
        if 0.05 < kind < 0.2:
            session.rollback()
            return rows, False
        session.commit()
        return rows, True

    def insert(self, session, tenant, aggregate, committed=True):
        sequence = session.next_sequence(f"{tenant}/{aggregate}")
        module = self.random.choice(MODULES)
        exclude = self.settings.exclude_user if self.random.random() < 0.1 else ""
        id = session.insert(tenant, aggregate, f"{module}.thing.changed", {"sequence": sequence},
                            exclude_user=exclude or None,
                            lock_aggregate=self.random.random() < 0.5)
        return {"tenant": tenant, "aggregate": aggregate, "sequence": sequence, "id": id,
                "committed": committed, "module": module, "exclude_user": exclude}


class WriterProcess:
    """Writer threads in a process of their own. stop() -> rows; `committed_at`: id -> time."""

    def __init__(self, settings):
        self.settings = settings
        self.committed_at = {}
        self.process = subprocess.Popen([sys.executable, "-m", "outbox.writer"], cwd=E2E,
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(dataclasses.asdict(settings)) + "\n")
        self.process.stdin.flush()

    def stop(self):
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0 and not errors, errors
        return self.logged()

    def kill(self):
        """kill -9; a commit whose line was not written yet is in the store alone."""
        self.process.kill()
        self.process.communicate()
        return self.logged()

    def logged(self):
        rows = []
        for number in range(self.settings.threads):
            for line in open(f"{self.settings.log}.{number}", encoding="utf-8"):
                if not line.endswith("\n"):
                    break  # killed while it wrote
                fields = json.loads(line)
                at = fields.pop("at")
                rows.append(Row(**fields))
                if rows[-1].committed:
                    self.committed_at[rows[-1].id] = at
        return rows

    def lines(self):
        """How many rows the logs have by now."""
        paths = [pathlib.Path(f"{self.settings.log}.{n}") for n in range(self.settings.threads)]
        return sum(path.read_bytes().count(b"\n") for path in paths if path.exists())


def main():
    settings = Settings(**json.loads(sys.stdin.readline()))
    stop = threading.Event()
    writers = [Writer(settings, number, stop) for number in range(settings.threads)]
    for writer in writers:
        writer.start()
    sys.stdin.read()
    stop.set()
    for writer in writers:
        writer.join()


if __name__ == "__main__":
    main()
