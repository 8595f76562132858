"""bench_outbox in small: every question finds its figures, and rows in another order give none."""
import json
import os
import pathlib
import subprocess
import uuid

import psycopg
import pytest

from support.daemon import BINARY, ROOT

BIN = pathlib.Path(BINARY).resolve().parent


@pytest.fixture
def database():
    admin = os.environ.get("RINGCAST_TEST_PG")
    if not admin:
        pytest.skip("needs PostgreSQL: scripts/postgres run -- pytest ...")
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield admin.rpartition("/")[0] + "/" + name
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def ask(question, store, out, *arguments):
    return subprocess.run([BIN / "bench_outbox", question, "--server", BINARY, "--store", store, "--out", out,
                           "--repetitions", "1", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("question, arguments, expected", [
    ("drain", ("--rows", "50000"), {"limit", "no subscriber", "one subscriber"}),
    ("latency", ("--seconds", "0.2"), {"bare", "ringcast", "ringcast, SQLite"}),
    ("writers", ("--seconds", "0.2"), {"1 writer", "8 writers", "24 writers"}),
    ("snapshot", ("--rows", "5000", "--seconds", "0.2"), {"ringcast", "SKIP LOCKED"}),
    ("peers", ("--rows", "5000"), {"ringcast", "bare", "SKIP LOCKED, 100", "SKIP LOCKED, 1000"}),
])
def test_every_question_finds_its_figures(question, arguments, expected, database, tmp_path):
    done = ask(question, database, tmp_path / "out.json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert set(results) == expected
    assert all(column["all"] for row in results.values() for column in row.values())


def test_a_backlog_of_sqlite_is_drained(tmp_path):
    done = ask("drain", f"sqlite:{tmp_path}/drain.db", tmp_path / "out.json", "--rows", "50000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(json.loads((tmp_path / "out.json").read_text())["results"]) == {"limit", "no subscriber"}


@pytest.mark.parametrize("change, said", [
    ("update ringcast.outbox set payload = convert_to('{\"bn\":4000}', 'UTF8') where aggregate_id = 'task-300'",
     "row 4000 came where 300 was due"),
    ("update ringcast.outbox set tenant_id = 't1' where aggregate_id = 'task-300'", "row 400 came where 300 was due"),
])
def test_rows_that_are_lost_or_out_of_order_give_no_figure(change, said, database, tmp_path):
    out = tmp_path / "out.json"
    assert ask("drain", database, out, "--rows", "50000").returncode == 0
    out.unlink()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change)
    done = ask("drain", database, out, "--rows", "50000", "--keep")
    assert done.returncode == 1 and said in done.stderr
    assert not out.exists()
