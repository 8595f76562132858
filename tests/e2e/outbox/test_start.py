"""What a PostgreSQL outbox can not work on is refused at start, and what it can work on worse is said."""
import re
import shutil
import subprocess
import tempfile

import psycopg
import pytest

from outbox.stores import PostgresStore, admin_url, session_for
from support.daemon import ROOT, free_port
from support.waiting import wait_until

STORES = ("postgres", "status")
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


def wait_refused(daemon, *texts):
    """The log says why it does not open its store, and so does /readyz."""
    wait_until(lambda: all(text in daemon.log() for text in texts), "the refusal in the log")
    wait_until(lambda: (answer := daemon.get("/readyz")).status == 503 and all(text in answer.text for text in texts),
               "the refusal in /readyz")


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
    wait_refused(daemon, "a primary is needed")
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
    wait_refused(daemon, sentence)
    world.store.run(sentence)
    daemon.wait_ready()


def test_a_read_only_server_is_refused_until_it_is_none(world):
    daemon = world.daemon()
    daemon.stop()
    name = world.store.name
    world.store.run(f'alter database "{name}" set default_transaction_read_only = on')
    daemon.start()
    wait_refused(daemon, "read-only: a primary is needed")
    with psycopg.connect(admin_url(), autocommit=True) as session:
        session.execute(f'alter database "{name}" reset default_transaction_read_only')
    daemon.wait_ready()


def test_a_newer_schema_is_refused_and_left_alone(world):
    daemon = world.daemon()
    daemon.stop()
    world.store.run("insert into ringcast.schema_migration(version, name, checksum)"
                    " values(99, 'later', '')")
    daemon.start()
    wait_refused(daemon, "has version 99", "run the newer program")
    world.store.run("delete from ringcast.schema_migration where version = 99")
    daemon.wait_ready()


def test_a_missing_right_is_refused_until_it_is_given(world):
    world.daemon().stop()
    role = f"{world.store.name}_role"
    world.store.run(f"create role {role} login")
    try:
        world.store.run(f"select ringcast.grant_daemon('{role}')")
        world.store.run(f"revoke insert on ringcast.failed from {role}")
        url = re.sub(r"//[^@]*@", f"//{role}@", world.store.url)
        daemon = world.daemon({"store": {"url": url}}, ready=False)
        wait_refused(daemon, "insert on ringcast.failed", "select ringcast.grant_daemon(")
        world.store.run(f"select ringcast.grant_daemon('{role}')")
        daemon.wait_ready()
        daemon.stop()
    finally:
        world.store.run(f"drop owned by {role}; drop role {role}")


def test_a_missing_index_is_named(world):
    daemon = world.daemon()
    daemon.stop()
    index = {"postgres": "outbox_xid_id", "status": "outbox_position"}[world.store.kind]
    world.store.run(f"drop index ringcast.{index}")
    daemon.start()
    daemon.wait_ready()
    wait_until(lambda: "each partition needs its indexes on (id) and on (xid, id)" in daemon.log(), "the warning")
