"""Every marked snippet of README.md and docs/ does what is said beside it."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import jwt
import psycopg
import pytest

from outbox.stores import PostgresStore, SqliteStore, admin_url
from readme.snippets import read_all, snippet
from support.daemon import BINARY, ROOT
from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S, wait_until

MODE = "dev"
STORE = True
# name -> the test that runs it; `subscribe` needs a browser: chromium/test_readme.py; `write-…` are
# in test_writing_rows.py, `python-…` in test_python.py, but those of an embedded engine in
# tests/python/engine/test_docs.py, and `python-run` in tests/python/test_run.py.
TESTED = {"scripts", "insert", "insert-postgres", "publish", "subscribe", "claims", "pub", "token",
          "dev", "outbox-status", "outbox-dead-letters", "outbox-archive", "outbox-rights",
          "write-sqlite3", "write-psycopg", "write-asyncpg", "write-sqlalchemy",
          "python-asyncio", "python-tested", "python-testing",
          "write-sqlalchemy-async", "write-many", "write-sql", "typed-events", "server-api",
          "python-publisher", "python-run", "python-embedded", "python-handlers", "python-django", "python-flask", "python-celery"}


def shell(text, folder, **environment):
    path = f"{pathlib.Path(BINARY).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["bash", "-euc", text], cwd=folder, capture_output=True, text=True,
                          timeout=DEADLINE_S, env={**os.environ, "PATH": path, **environment})


def run(text, folder, **environment):
    done = shell(text, folder, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_marked_snippet_is_tested():
    assert set(read_all()) == TESTED


def test_every_request_of_the_server_api_is_answered(daemon, tmp_path):
    answers = [json.loads(line) for line in run(snippet("server-api", daemon), tmp_path).splitlines()]
    assert [answer for answer in answers if "error" in answer] == []
    published, broadcast, batch, history, rooms, *_, info = answers
    assert [event["id"] for event in history["events"]] == [
        published["id"], broadcast["answers"][0]["id"], batch["answers"][0]["id"]]
    assert [row["room"] for row in rooms["rooms"]] == ["chat:1", "chat:2"]
    assert info["ready"] and len(answers) == 9


def test_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"\]\(([^)#:]+)[^)]*\)", (ROOT / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_scripts_are_there_and_can_be_run():
    commands = [line.split()[0] for line in snippet("scripts").splitlines()]
    assert commands == ["scripts/demo", "scripts/test"]
    for command in commands:
        assert os.access(ROOT / command, os.X_OK)
        subprocess.run(["bash", "-n", ROOT / command], check=True)


def test_a_row_inserted_from_python_arrives(daemon, connect, tmp_path):
    store = re.search(r"sqlite:(\S+\.db)", daemon.log())[1]  # "that the first log lines name"
    client = connect()
    client.subscribed("tenant:42")
    script = tmp_path / "insert.py"
    script.write_text(snippet("insert"))
    subprocess.run([sys.executable, script, store], check=True, timeout=DEADLINE_S)
    (event,) = client.events(1)
    assert event["type"] == "kitchen.task.claimed"
    assert event["data"]["payload"] == {"taskId": 7, "employeeId": "ann"}


def test_a_row_inserted_in_postgresql_arrives(make_daemon, connect):
    if not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    store = PostgresStore(admin_url())
    try:
        daemon = make_daemon(mode="dev", arguments=["--store", store.url]).wait_ready()
        client = connect(daemon=daemon)
        client.subscribed("tenant:42")
        store.query(snippet("insert-postgres"))
        (event,) = client.events(1)
        assert event["data"]["payload"] == {"taskId": 7, "employeeId": "ann"}
        daemon.stop()
    finally:
        store.remove()


def test_an_event_published_by_curl_arrives(daemon, connect, tmp_path):
    client = connect()
    client.subscribed("chat:1")
    answer = json.loads(run(snippet("publish", daemon), tmp_path))
    (event,) = client.events(1)
    assert (event["type"], event["data"]) == ("message:new", {"text": "hello"})
    assert event["id"] == answer["id"]


def test_an_event_published_by_the_command_line_arrives(daemon, connect, tmp_path):
    client = connect()
    client.subscribed("chat:1")
    run(f"{snippet('pub').strip()} --url {daemon.url}", tmp_path)
    (event,) = client.events(1)
    assert (event["type"], event["data"]) == ("message", {"text": "hello"})


def test_the_token_grants_what_its_flags_say(tmp_path):
    token = run(snippet("token"), tmp_path, RINGCAST_AUTH_HS256_SECRET=SECRET).strip()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims["sub"] == "alice"
    assert claims["rooms"]["subscribe"] == ["tenant:42:*"]
    assert claims["rooms"]["publish"] == ["chat:1"]


def test_the_claims_grant_what_the_page_says(make_daemon, connect):
    claims = json.loads(snippet("claims"))
    rooms = claims.pop("rooms")
    user = claims.pop("sub")
    daemon = make_daemon({"auth": {"hs256_secret": SECRET, "allow_anonymous": False}})
    client = connect(make_token(user, **rooms, **claims), daemon=daemon)
    assert client.hello["user"] == "ann"
    for room in ("project:7", "tenant:42:kitchen"):
        client.subscribed(room)
    # "tenant:42:* does not include tenant:42"
    for room in ("tenant:42", "project:8", "chat:1"):
        assert client.subscribe(room)["code"] == "FORBIDDEN"
    assert client.publish("chat:9")["type"] == "published"
    assert client.publish("project:7")["code"] == "FORBIDDEN"


def test_the_daemon_starts_as_the_page_says(tmp_path):
    command = snippet("dev").strip().replace("/tmp/try.db", str(tmp_path / "try.db"))
    words = command.split()
    assert words[0] == "ringcastd"
    with open(tmp_path / "out", "w") as out, open(tmp_path / "err", "w") as err:
        daemon = subprocess.Popen([BINARY, *words[1:]], stdout=out, stderr=err, cwd=tmp_path)
    try:
        wait_until(lambda: (tmp_path / "out").read_text().startswith("listening on http://127.0.0.1:"),
                   "the first line")
        wait_until(lambda: (tmp_path / "try.db").exists(), "the store")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(DEADLINE_S) == 0
    finally:
        daemon.kill()
        daemon.wait()


def test_an_operator_sees_and_redrives_a_dead_letter(make_daemon, tmp_path):
    daemon = make_daemon({"store": {"url": f"sqlite:{tmp_path / 'app.db'}"}}).wait_ready()
    store = SqliteStore(tmp_path)
    store.path = tmp_path / "app.db"
    store.url = f"sqlite:{store.path}"
    id = store.write("42", "7", payload="[1]")
    wait_until(lambda: store.status(id)[0] == "failed", "the dead letter")
    assert "dead         1 letters" in run(snippet("outbox-status"), tmp_path)
    said = run(snippet("outbox-dead-letters"), tmp_path)
    assert "payload: " in said and "[1]" in said and "1 redriven as 2" in said
    wait_until(lambda: store.query("select count(*) from ringcast_failed") == [(2,)], "the next")
    daemon.stop()


def test_an_operator_archives(make_daemon, tmp_path):
    make_daemon({"store": {"url": f"sqlite:{tmp_path / 'app.db'}"}}).wait_ready()
    assert "0 rows written to old.jsonl" in run(snippet("outbox-archive"), tmp_path)


def test_the_rights_of_the_page_suffice(make_daemon, connect):
    """The owner makes the tables and gives the rights; daemon and application have no more."""
    if not admin_url():
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    store = PostgresStore(admin_url())
    names = ("ringcast_daemon", "kitchen_app")
    urls = [re.sub(r"//[^@]*@", f"//{name}@", store.url) for name in names]
    try:
        owner = make_daemon({"store": {"url": store.url}}).wait_ready()
        owner.stop()
        store.run(snippet("outbox-rights"))
        daemon = make_daemon({"store": {"url": urls[0]}}).wait_ready()
        client = connect(daemon=daemon)
        client.subscribed("tenant:42")
        with psycopg.connect(urls[1]) as application:
            application.execute("select ringcast.create_outbox_event('42', 'Task', '7',"
                                " 'kitchen.task.made', '{}')")
            application.commit()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute("delete from ringcast.outbox")
        client.events(1)
        assert "WARN" not in daemon.log().upper().replace("ENVELOPE_BYTES_WARN", "")
        daemon.stop()
    finally:
        for name in names:
            store.run(f"do $$ begin if to_regrole('{name}') is not null then"
                      f" drop owned by {name}; drop role {name}; end if; end $$")
        store.remove()
