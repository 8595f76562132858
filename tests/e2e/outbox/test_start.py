"""What a PostgreSQL outbox can not work on is refused at start, and what it can work on worse is said."""
import shutil
import subprocess
import tempfile

import psycopg
import pytest

from outbox.stores import PostgresStore, admin_url, session_for
from outbox.world import free_port
from support.daemon import ROOT
from support.waiting import wait_until

STORES = ("postgres",)
SCRIPT = str(ROOT / "scripts/postgres")


def as_owner(*command):
    """As the user whom the server belongs to: neither it nor a pooler runs as root."""
    subprocess.run(["runuser", "-u", "postgres", "--", *map(str, command)], check=True, cwd="/",
                   stdout=subprocess.DEVNULL)


@pytest.fixture
def cluster():
    """(folder, URL of its administrator)"""
    if not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    if shutil.which("runuser") is None:
        pytest.skip("needs runuser")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True,
                                 check=True)
        try:
            yield folder, started.stdout.strip()
        finally:
            subprocess.run([SCRIPT, "stop", folder], check=True)


def test_a_standby_is_refused_until_it_is_promoted(cluster, make_daemon):
    folder, admin = cluster
    store = PostgresStore(admin)
    with psycopg.connect(admin) as session:
        (binaries,) = session.execute("select setting from pg_config where name = 'BINDIR'").fetchone()
    control = (f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-w")
    as_owner(*control, "-m", "fast", "stop")
    as_owner("touch", f"{folder}/data/standby.signal")
    as_owner(*control, "-l", f"{folder}/data/server.log", "start")
    daemon = make_daemon({"store": {"url": store.url}})
    wait_until(lambda: "a primary is needed" in daemon.log(), "the refusal")
    assert daemon.get("/readyz").status == 503
    with psycopg.connect(admin, autocommit=True) as session:
        session.execute("select pg_promote()")
    daemon.wait_ready()


def test_behind_a_pooler_of_transactions_the_poll_remains_and_a_warning_says_so(
        cluster, make_daemon, connect):
    if shutil.which("pgbouncer") is None:
        pytest.skip("needs pgbouncer")
    folder, admin = cluster
    store = PostgresStore(admin)
    with psycopg.connect(admin) as session:
        port, user = session.info.port, session.info.user
    pooled = free_port()
    with tempfile.TemporaryDirectory() as own:
        with open(f"{own}/pgbouncer.ini", "w") as file:
            file.write(f"[databases]\n* = host=127.0.0.1 port={port} user={user}\n"
                       f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {pooled}\n"
                       f"unix_socket_dir =\nauth_type = any\npool_mode = transaction\n")
        shutil.chown(own, "postgres")
        pooler = subprocess.Popen(["runuser", "-u", "postgres", "--", "pgbouncer",
                                   f"{own}/pgbouncer.ini"], stderr=subprocess.DEVNULL)
        try:
            url = store.url.replace(f":{port}/", f":{pooled}/")
            daemon = make_daemon({"store": {"url": url}}).wait_ready()
            wait_until(lambda: "a pooler of transactions" in daemon.log(), "the warning")
            client = connect(daemon=daemon)
            client.subscribed("tenant:42")
            for number in range(3):
                session = session_for(store.url)
                id = session.insert("42", "a", "test.thing.done", {"n": number})
                session.close()
                (event,) = client.events(1)
                assert event["id"] == id
            daemon.stop()
        finally:
            pooler.terminate()
            pooler.wait()


def test_a_sequence_with_a_cache_is_refused_until_the_sentence_is_followed(world):
    daemon = world.daemon()
    daemon.stop()
    world.store.run("alter sequence ringcast.outbox_id cache 10")
    daemon.start()
    sentence = "alter sequence ringcast.outbox_id increment 1 cache 1 no cycle"
    wait_until(lambda: sentence in daemon.log(), "the refusal")
    assert daemon.get("/readyz").status == 503
    world.store.run(sentence)
    daemon.wait_ready()


def test_a_missing_index_is_named(world):
    daemon = world.daemon()
    daemon.stop()
    world.store.run("drop index ringcast.outbox_xid_id")
    daemon.start()
    daemon.wait_ready()
    assert "each partition needs its indexes on (id) and on (xid, id)" in daemon.log()
