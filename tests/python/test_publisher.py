"""Publisher: synchronous, from any thread, in any process, to a real daemon that may go away."""
import http.server
import itertools
import multiprocessing
import os
import signal
import socket
import threading

import pytest

import ringcast
from ringcast import Publication, Publisher
from support.daemon import API_KEY, Daemon
from support.native_client import NativeClient
from support.waiting import DEADLINE_S, wait_until

ROOMS = itertools.count(1)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("publisher")
    one = Daemon(folder, {"listen": {"unix": str(folder / "ringcast.sock")},
                          "limits": {"publications_per_request_max": 10}})
    one.start()
    yield one
    one.stop()


@pytest.fixture(params=["unix", "http"])
def url(request, daemon):
    return f"unix:{daemon.config['listen']['unix']}" if request.param == "unix" else daemon.url


@pytest.fixture
def publisher(url):
    with Publisher(url, api_key=API_KEY) as one:
        yield one


@pytest.fixture
def room():
    return f"pub:{next(ROOMS)}"


@pytest.fixture
def watch(daemon, room):
    client = NativeClient(daemon)
    client.subscribed(room)
    yield client
    client.close()


def test_a_publish_returns_the_events_id_and_position(publisher, watch, room):
    done = publisher.publish(room, {"order": 7}, event="order.paid")
    (event,) = watch.events(1)
    assert (event["type"], event["data"]) == ("order.paid", {"order": 7})
    assert (event["id"], event["offset"]) == (done.id, done.offset)
    assert done.epoch


def test_all_options_arrive(publisher, watch, daemon, room):
    id = "0d9f6f5e-2a51-4c6b-9d5e-222222222222"
    first = publisher.publish(room, 1, id=id, key="k", exclude_user="ann")
    assert first.id == id
    assert publisher.publish(room, 1, id=id, key="k", exclude_user="ann") == first
    again = [publisher.publish(room, 2, idempotency_key="once") for _ in range(3)]
    assert len(set(again)) == 1
    assert [event["data"] for event in watch.events(2)] == [1, 2]


def test_many_are_answered_in_order_each_on_its_own(publisher, watch, room):
    answers = publisher.publish_many([Publication(room, "a", b"1"), Publication("bad:", "a", b"2"),
                                      Publication(room, "b", {"c": 3})])
    assert isinstance(answers[1], ringcast.ValidationError) and answers[1].fields.keys() == {"room"}
    assert [event["id"] for event in watch.events(2)] == [answers[0].id, answers[2].id]
    assert publisher.publish_many([]) == []
    with pytest.raises(ringcast.ValidationError, match="11 entries"):
        publisher.publish_many([Publication(room, "a", b"1")] * 11)
    assert len(publisher.publish_many([Publication(room, "a", b"1")] * 10)) == 10


@pytest.mark.parametrize("fields, field", [({"room": ""}, "room"), ({"event": "ping"}, "type"),
                                           ({"exclude_user": "a b"}, "excludeUser"),
                                           ({"id": "7"}, "id"), ({"data": object()}, "data"),
                                           ({"data": b"{"}, "data"), ({"data": b""}, "data"),
                                           ({"data": b'1,"excludeUser":"x"'}, "data"),
                                           ({"data": b'1},{"room":"other"'}, "data")])
def test_what_is_wrong_is_named(publisher, room, fields, field):
    with pytest.raises(ringcast.ValidationError) as raised:
        publisher.publish(**{"room": room, "data": 1, **fields})
    assert list(raised.value.fields) == [field]
    publisher.publish(room, "the connection is still good")


def test_other_answers_are_their_exceptions(publisher, room):
    publisher.publish(room, 1, idempotency_key="same")
    with pytest.raises(ringcast.Conflict) as raised:
        publisher.publish(room, 2, idempotency_key="same")
    assert raised.value.correlation_id
    with pytest.raises(ringcast.TooLarge):
        publisher.publish(room, "x" * (1 << 20))


def test_a_wrong_key_says_where_keys_come_from(url):
    with pytest.raises(ringcast.WrongKey, match="auth.api_keys"):
        Publisher(url, api_key="wrong").publish("r", 1)
    for key in ("a\nb", "", None):
        with pytest.raises(ringcast.ValidationError, match="api_key.*RINGCAST_API_KEY"):
            Publisher(url, api_key=key)


def test_what_is_not_given_is_taken_from_the_environment(url, watch, room, monkeypatch):
    with pytest.raises(ringcast.ValidationError, match="url.*RINGCAST_URL"):
        Publisher(api_key=API_KEY)
    monkeypatch.setenv("RINGCAST_URL", url)
    monkeypatch.setenv("RINGCAST_API_KEY", API_KEY)
    with Publisher() as publisher:
        publisher.publish(room, 1)
    with Publisher(url, api_key="wrong") as publisher, pytest.raises(ringcast.WrongKey):
        publisher.publish(room, 2)
    assert watch.events(1)[0]["data"] == 1


def test_wrong_addresses_say_what_to_do(tmp_path):
    for url, words in ((f"unix:{tmp_path}/none", "listen.unix"), ("http://nowhere.invalid", "host")):
        with pytest.raises(ringcast.WrongAddress, match=words):
            Publisher(url, api_key="k").publish("r", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ringcast.ConnectionLost, match="is ringcastd running"):
            Publisher(f"http://127.0.0.1:{unused.getsockname()[1]}", api_key="k").publish("r", 1)
    for url in ("ringcast.sock", "unix:relative", "http://", "http://h/path", "http://h:x",
                "ftp://h"):
        with pytest.raises(ringcast.ValidationError, match="url"):
            Publisher(url, api_key="k")


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Some other server; `answers` says what it does with each POST in turn."""

    protocol_version = "HTTP/1.1"
    answers = ()
    posts = 0

    def do_POST(self):
        answer = self.answers[min(type(self).posts, len(self.answers) - 1)]
        type(self).posts += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if answer == "hang":
            threading.Event().wait(600)
        if answer in ("hang", "close"):
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def elsewhere():
    servers = []

    def make(*answers):
        handler = type("Handler", (Elsewhere,), {"answers": answers})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", handler

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def test_another_server_there_is_named(elsewhere):
    url, _ = elsewhere(b"<html>")
    with pytest.raises(ringcast.WrongAddress, match="no ringcastd"):
        Publisher(url, api_key="k").publish("r", 1)


PUBLISHED = b'{"id":"x"}'


@pytest.mark.parametrize("fields", [{"idempotency_key": "k"}, {"id": "x"}])
def test_a_broken_connection_is_tried_once_more_where_that_is_safe(elsewhere, fields):
    url, handler = elsewhere("close", PUBLISHED)
    assert Publisher(url, api_key="k").publish("r", 1, **fields).id == "x"
    url, handler = elsewhere("close", "close", PUBLISHED)
    with pytest.raises(ringcast.ConnectionLost):
        Publisher(url, api_key="k").publish("r", 1, **fields)
    assert handler.posts == 2


def test_without_a_key_it_is_not_tried_again_and_says_so(elsewhere):
    url, handler = elsewhere("close", PUBLISHED)
    with pytest.raises(ringcast.ConnectionLost, match="idempotency_key"):
        Publisher(url, api_key="k").publish("r", 1)
    assert handler.posts == 1
    many = [Publication("r", "t", b"1", idempotency_key="k"), Publication("r", "t", b"1")]
    url, handler = elsewhere("close", b'{"answers":[]}')
    with pytest.raises(ringcast.ConnectionLost):
        Publisher(url, api_key="k").publish_many(many)
    url, handler = elsewhere("close", b'{"answers":[]}')
    Publisher(url, api_key="k").publish_many(many[:1])
    assert handler.posts == 2


def test_an_answer_that_does_not_come_is_a_timeout(elsewhere):
    url, _ = elsewhere("hang")
    with pytest.raises(ringcast.TimedOut, match="may have been done") as raised:
        Publisher(url, api_key="k").publish("r", 1, timeout=0.05)
    assert isinstance(raised.value, TimeoutError)


def test_threads_share_one_publisher(publisher, watch, room):
    failures = []

    def work(number):
        try:
            for i in range(50):
                publisher.publish(room, [number, i])
        except Exception as error:  # a thread has nobody who would see it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    seen = [event["data"] for event in watch.events(600)]
    for number in range(12):
        assert [i for of, i in seen if of == number] == list(range(50)), "order of each thread"


def test_a_connection_is_kept(publisher, daemon, room):
    publisher.publish(room, 1)
    before = daemon.metric("ringcast_connections_accepted_total")
    for _ in range(5):
        publisher.publish(room, 1)
    assert daemon.metric("ringcast_connections_accepted_total") - before <= 1, "that of /metrics"


def test_an_idle_connection_that_the_daemon_closed_is_no_error(tmp_path):
    daemon = Daemon(tmp_path, {"limits": {"idle_timeout_s": 1}}).start()
    publisher = Publisher(daemon.url, api_key=API_KEY)
    publisher.publish("r", 1)
    wait_until(lambda: daemon.metric("ringcast_connections") <= 1, "only that of /metrics")
    publisher.publish("r", 2)
    daemon.stop()


def test_a_restarted_daemon_is_found_again(tmp_path):
    daemon = Daemon(tmp_path).start()
    publisher = Publisher(daemon.url, api_key=API_KEY)
    publisher.publish("r", 1)
    daemon.kill()
    with pytest.raises(ringcast.ConnectionLost):
        publisher.publish("r", 2)
    daemon.start()
    publisher.publish("r", 3)
    daemon.stop()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_opens_its_own_connection(publisher, watch, room, method):
    publisher.publish(room, "before")
    context = multiprocessing.get_context(method)
    arguments = (publisher,) if method == "fork" else (None, publisher._http.address.url)
    child = context.Process(target=in_child, args=(room, *arguments))
    child.start()
    for number in range(20):
        publisher.publish(room, ["parent", number])
    child.join(DEADLINE_S)
    assert child.exitcode == 0
    seen = [event["data"] for event in watch.events(41)]
    for who in ("parent", "child"):
        assert [data[1] for data in seen if data[0] == who] == list(range(20))


def in_child(room, publisher, url=None):
    publisher = publisher or Publisher(url, api_key=API_KEY)
    for number in range(20):
        publisher.publish(room, ["child", number])


def test_fork_in_the_middle_of_a_request_harms_neither(publisher, watch, room):
    stop = threading.Event()
    failures = []

    def work():
        while not stop.is_set():
            try:
                publisher.publish(room, "parent")
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    children = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            signal.alarm(int(DEADLINE_S))
            try:
                publisher.publish(room, "child")
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    stop.set()
    thread.join()
    assert codes == [0] * 10 and not failures
