"""The scripts of docs/python.md, each in a process of its own, against a daemon on a unix socket."""
import os
import signal
import subprocess
import sys

import pytest

from readme.snippets import snippet
from support.daemon import API_KEY, ROOT
from support.native_client import NativeClient
from support.waiting import DEADLINE_S

DJANGO = """
import django
from django.conf import settings
from django.test import Client
settings.configure(ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], DATABASES={
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()
client = Client()
print(client.post("/orders/7/pay").json(), client.post("/orders/7/pay").json())
"""
FLASK = """
import shop
client = shop.app.test_client()
print(client.post("/orders/7/pay").json["event"])
"""
CELERY = "import shop\nfor number in (7, 7, 8): shop.report.delay(number)\n"


@pytest.fixture
def daemon(make_daemon, tmp_path):
    return make_daemon({"listen": {"unix": str(tmp_path / "ringcast.sock")}})


@pytest.fixture
def client(daemon):
    one = NativeClient(daemon)
    one.subscribed("order:7")
    yield one
    one.close()


@pytest.fixture(params=["unix", "http"])
def url(request, daemon):
    return f"unix:{daemon.config['listen']['unix']}" if request.param == "unix" else daemon.url


def environment(url, folder):
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'python'}{os.pathsep}{folder}",
            "REALTIME_URL": url, "REALTIME_KEY": API_KEY}


def python(text, url, folder, *arguments, **more):
    done = subprocess.run([sys.executable, "-c", text, *arguments], timeout=DEADLINE_S,
                          capture_output=True, text=True, cwd=folder,
                          env={**environment(url, folder), **more})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_publishes(client, url, tmp_path):
    out = python(snippet("python-publisher"), url, tmp_path, url, API_KEY).split()
    paid, packed = client.events(2)
    assert (paid["type"], paid["data"]) == ("order.paid", {"state": "paid"})
    assert out[:3] == [paid["id"], str(paid["offset"]), packed["id"]] and len(out) == 4


@pytest.mark.parametrize("name, use", [("django", DJANGO), ("flask", FLASK)])
def test_a_web_application_publishes(client, url, tmp_path, name, use):
    (tmp_path / "shop.py").write_text(snippet(f"python-{name}"))
    out = python(use, url, tmp_path)
    (event,) = client.events(1)
    assert event["type"] == "order.paid" and event["data"] == {"state": "paid"}
    assert "True" in out if name == "django" else event["id"] in out
    assert client.drain() == [], "the second request of Django has the same key"


def test_a_celery_task_publishes_from_a_forked_worker(client, url, tmp_path):
    (tmp_path / "shop.py").write_text(snippet("python-celery"))
    queue = tmp_path / "queue"
    queue.mkdir()
    # Where a broker that needs no server keeps its messages.
    (tmp_path / "celeryconfig.py").write_text(
        "broker_transport_options = dict(data_folder_in='queue', data_folder_out='queue',"
        " control_folder='queue')\n")
    with (tmp_path / "shop.py").open("a") as shop:
        shop.write("\napp.config_from_object('celeryconfig')\n")
    more = {"BROKER_URL": "filesystem://"}
    python(CELERY, url, tmp_path, **more)
    with open(tmp_path / "worker.log", "w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "shop", "worker", "--pool", "prefork", "-c", "2",
             "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=tmp_path, env={**environment(url, tmp_path), **more}, stdout=log, stderr=log)
    try:
        (event,) = client.events(1)
        assert event["type"] == "order.reported"
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(DEADLINE_S)
    assert client.drain() == [], "the repeated task has the same key"
    assert "Traceback" not in (tmp_path / "worker.log").read_text()
