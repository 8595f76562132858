"""`ringcast pub`, `ringcast sub` and `ringcast token` against a daemon."""
import json
import signal
import socket
import threading

import jwt
import pytest
from websockets.sync.server import serve

from support.daemon import API_KEY
from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S, wait_until

CLIENT_ENV = {"RINGCAST_API_KEY": API_KEY}
STORE = True
CONFIG = {"auth": {"hs256_secret": SECRET},
          "namespace": [{"name": "tenant", "history": "store"},
                        {"name": "plain", "history": "none"}]}


@pytest.fixture
def pub(ringcast, daemon):
    """pub(…, to=…) -> CompletedProcess; the key comes from the environment."""

    def make(*arguments, to=None, env=CLIENT_ENV, **options):
        return ringcast("pub", *arguments, "--url", (to or daemon).url, env=env, **options)

    return make


@pytest.fixture
def sub(spawn, daemon):
    """sub(ROOM, …) -> Running."""

    def make(*arguments, to=None, env=None):
        return spawn("sub", *arguments, "--url", (to or daemon).url, env=env)

    return make


def position(line):
    """EPOCH.OFFSET of a line of `ringcast sub`."""
    return line.split(" ")[1]


# ---- pub ----
def test_pub_prints_the_answer_and_sub_the_event(pub, sub):
    watching = sub("chat:round", "--count", 1)
    watching.wait_errors("chat:round: subscribed at ")
    done = pub("chat:round", "message", '{"text": "hello"}')
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert watching.ended() == 0
    assert watching.output == (f"chat:round {answer['epoch']}.{answer['offset']} message "
                               '{"text": "hello"}\n')


@pytest.mark.parametrize("arguments, input, data", [
    ((), "", "null"), (("1.50",), "", "1.50"), (("-",), '["in"]', '["in"]'),
    (("-",), '[1,\n 2]\n', "[1,2]"), (('"\u00e9 \u2028"',), "", '"\u00e9 \u2028"')])
def test_pub_sends_data_as_it_was_given(pub, sub, arguments, input, data):
    watching = sub("chat:data", "--count", 1)
    watching.wait_errors("subscribed")
    assert pub("chat:data", "t", *arguments, input=input).returncode == 0
    assert watching.ended() == 0
    assert watching.output.split(" ", 3)[3] == data + "\n"


def test_pub_with_the_same_id_or_idempotency_key_is_published_once(pub):
    number = "6f1c2ab0-9a3e-4a55-8f0c-7b1f0c5d1e2f"
    first, again = (pub("chat:once", "t", "1", "--id", number).stdout for _ in range(2))
    assert json.loads(first)["id"] == number and first == again
    first, again = (pub("chat:once", "t", "2", "--idempotency-key", "k").stdout for _ in range(2))
    assert first == again


def test_pub_leaves_out_the_excluded_user(pub, sub):
    alice, bob = (sub("chat:skip", "--count", 1, env={"RINGCAST_TOKEN": make_token(user)})
                  for user in ("alice", "bob"))
    for one in (alice, bob):
        one.wait_errors("subscribed")
    assert pub("chat:skip", "t", "1", "--exclude-user", "alice").returncode == 0
    assert pub("chat:skip", "t", "2").returncode == 0
    assert (alice.ended(), bob.ended()) == (0, 0)
    assert alice.output.endswith(" t 2\n") and bob.output.endswith(" t 1\n")


@pytest.mark.parametrize("arguments, complaint", [
    (("chat:1", "error", "1"), "400 VALIDATION_ERROR: type: 'error' is reserved"),
    (("a*", "t", "1"), "400 VALIDATION_ERROR: room"),
    (("chat:1", "t", "1", "--id", "7"), "400 VALIDATION_ERROR: id: is not a UUID"),
    (("chat:1", "t", "hello"), "DATA: not valid JSON"),
    (("chat:1", "t", "1", "--key", "wrong"), "401 UNAUTHORIZED: Authorization: unknown key (--key"),
    (("chat:1", "t", "1", "--key", "a b"), "--key: has characters that no key has"),
    (("chat:1", "t", "1", "--key", "a\r\nX: y"), "--key: has characters that no key has"),
])
def test_pub_says_why_it_was_refused(pub, arguments, complaint):
    done = pub(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(complaint)


def test_pub_says_why_an_event_that_is_too_large_was_refused(pub):
    done = pub("chat:1", "t", "-", input=json.dumps("x" * 2_000_000))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("413 PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("url, complaint", [
    ("https://127.0.0.1:1", "--url: this command speaks no TLS; run it on the daemon's own machine"),
    ("127.0.0.1:8800", "--url: expected http://HOST:PORT"),
    ("http://127.0.0.1:8800/path", "--url: expected http://HOST:PORT"),
    ("http://user@127.0.0.1:8800", "--url: expected http://HOST:PORT"),
    ("http://a b", "--url: expected http://HOST:PORT"),
    ("http://127.0.0.1:0", "--url: expected http://HOST:PORT"),
    ("http://127.0.0.1:1", "127.0.0.1:1: nothing listens there; is the daemon running?"),
    ("http://[::1]:1", "[::1]:1: "),
])
@pytest.mark.parametrize("command", [("pub", "chat:1", "t", "1"), ("sub", "chat:1")],
                         ids=["pub", "sub"])
def test_address_that_is_wrong_or_dead_is_named(ringcast, command, url, complaint):
    done = ringcast(*command, "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(complaint)


def answering(octets):
    """A server that says this to the first who asks, whatever the question."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(octets)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("octets, complaint", [
    (b"", "it ends too early"),
    (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP/1.1"),
    (b"\r\n\r\n", "no HTTP/1.1"),
    (b"HTTP/1.1 \r\n\r\n", "no HTTP/1.1"),
    (b"HTTP/1.1 2x0 OK\r\n\r\n", "no HTTP/1.1"),
    (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "a header without a colon"),
    (b"HTTP/1.1 200 OK\r\n\r\n", "it has no length that fits"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", "it has no length that fits"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n{", "it ends too early"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
     "it has no length that fits"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}", "it ends too early"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "its header block is too large"),
])
@pytest.mark.parametrize("command", [("pub", "chat:1", "t", "1"), ("sub", "chat:1")],
                         ids=["pub", "sub"])
def test_answer_that_is_not_of_a_daemon_is_an_error(ringcast, command, octets, complaint):
    done = ringcast(*command, "--url", answering(octets))
    assert (done.returncode, done.stdout) == (1, "")
    assert complaint in done.stderr


@pytest.mark.parametrize("head_bytes, code", [(65_536, 0), (65_537, 1)])
def test_header_block_of_an_answer_has_a_limit(ringcast, head_bytes, code):
    before, behind = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ", b"\r\n\r\n"
    filler = b"x" * (head_bytes - len(before) - len(behind))
    done = ringcast("pub", "a", "t", "--url", answering(before + filler + behind + b"{}"))
    assert (done.returncode, done.stdout) == (code, "" if code else "{}\n")


@pytest.mark.parametrize("octets, complaint", [
    (16 << 20, "413 PAYLOAD_TOO_LARGE"),  # taken here, refused there
    ((16 << 20) + 1, "standard input: more than 16777216 octets"),
])
def test_pub_reads_so_much_of_standard_input(pub, octets, complaint):
    done = pub("chat:1", "t", "-", input='"' + "x" * (octets - 2) + '"')
    assert done.returncode == 1
    assert done.stderr.startswith(complaint)


def test_sub_checks_the_answer_to_its_key(ringcast):
    done = ringcast("sub", "chat:1", "--url", answering(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
    assert done.returncode == 1
    assert "another Sec-WebSocket-Accept" in done.stderr


# ---- sub ----
def test_sub_follows_several_rooms_in_order(pub, sub):
    watching = sub("chat:a", "chat:b", "chat:a", "--count", 4)
    watching.wait_errors("subscribed", 2)
    shown = 0
    for number in range(2):
        for room in ("chat:a", "chat:b"):
            assert pub(room, "t", str(number)).returncode == 0
            # Rooms of two shards have an order only where the second waits for the first.
            shown += 1
            wait_until(lambda: watching.output.count("\n") == shown, "its line")
    assert watching.ended() == 0
    lines = watching.output.splitlines()
    assert [(line.split()[0], line.split()[3]) for line in lines] == [
        ("chat:a", "0"), ("chat:b", "0"), ("chat:a", "1"), ("chat:b", "1")]


def test_sub_shows_no_position_where_there_is_no_history(pub, sub):
    watching = sub("plain:1", "--count", 1)
    watching.wait_errors("plain:1: subscribed\n")
    pub("plain:1", "t", "1")
    assert watching.ended() == 0
    assert watching.output == "plain:1 - t 1\n"


def test_sub_begins_behind_a_position_that_it_printed(pub, sub):
    for number in range(5):
        assert pub("chat:back", "t", str(number)).returncode == 0
    epoch = json.loads(pub("chat:back", "t", "5").stdout)["epoch"]
    first = sub("chat:back", "--recover", f"{epoch}.2", "--count", 2)
    assert first.ended() == 0
    assert f"chat:back: recovered: all since {epoch}.2 follow" in first.errors
    lines = first.output.splitlines()
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["2", "3"]
    second = sub("chat:back", "--recover", position(lines[-1]), "--count", 2)
    assert second.ended() == 0
    assert [line.rsplit(" ", 1)[1] for line in second.output.splitlines()] == ["4", "5"]


def test_sub_says_that_nothing_was_recovered(sub):
    watching = sub("chat:other", "--recover", "another-epoch.3")
    watching.wait_errors("chat:other: not recovered: events may be missed; subscribed at ")


@pytest.mark.parametrize("text", ["", "17", ".17", "epoch.", "epoch.x", "epoch.-1",
                                  "epoch.9007199254740992"])
def test_sub_refuses_what_is_no_position(sub, text):
    if text:
        watching = sub("chat:1", "--recover", text)
        assert watching.ended() == 1
        assert watching.errors.startswith("--recover: expected EPOCH.OFFSET")


def test_sub_json_prints_the_daemons_messages(pub, sub):
    watching = sub("chat:json", "--json", "--count", 1)
    watching.wait_output("subscribed")
    number = json.loads(pub("chat:json", "t", "[1]").stdout)["id"]
    assert watching.ended() == 0
    joined, event = map(json.loads, watching.output.splitlines())
    assert (joined["type"], joined["room"]) == ("subscribed", "chat:json")
    assert (event["type"], event["id"], event["data"]) == ("t", number, [1])


def test_sub_escapes_what_would_move_the_cursor(pub, sub):
    watching = sub("chat:esc", "--count", 1)
    watching.wait_errors("subscribed")
    assert pub("chat:esc", "t", '"\u009b2J\x7f"').returncode == 0
    assert watching.ended() == 0
    assert watching.output.endswith(' t "\\u009b2J\\u007f"\n')


def test_sub_takes_a_large_event_and_the_deepest_that_may_be_published(pub, sub):
    watching = sub("chat:big", "--count", 2)
    watching.wait_errors("subscribed")
    large, deep = json.dumps("x" * 900_000), "[" * 31 + "]" * 31
    assert pub("chat:big", "t", "-", input=large).returncode == 0
    done = pub("chat:big", "t", deep)
    assert done.returncode == 0, done.stderr
    assert watching.ended() == 0
    assert [line.split(" ", 3)[3] for line in watching.output.splitlines()] == [large, deep]


def test_sub_shows_a_token_and_ends_where_it_is_refused(sub):
    refused = sub("chat:1", "--token", "not.a.token")
    assert refused.ended() == 1
    assert refused.errors.startswith("401 UNAUTHORIZED: token refused")
    broken = sub("chat:1", "--token", "a\r\nX: y")
    assert broken.ended() == 1
    assert broken.errors == "--token: has characters that no token has\n"


def test_sub_ends_where_a_room_is_forbidden(sub):
    watching = sub("chat:1", env={"RINGCAST_TOKEN": make_token(subscribe=["chat:2"])})
    assert watching.ended() == 1
    assert watching.errors.startswith("chat:1: FORBIDDEN: ")


@pytest.fixture
def play():
    """play(script) -> URL of a server that runs script(connection) for each WebSocket."""
    servers = []

    def make(script):
        server = serve(script, "127.0.0.1", 0, compression=None, subprotocols=["ringcast.v1"])
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.socket.getsockname()[1]}"

    yield make
    for server in servers:
        server.shutdown()


SUBSCRIBED = '{"type":"subscribed","room":"r","offset":0,"epoch":"e","id":1}'


def event(offset, data="1"):
    return (f'{{"type":"t","room":"r","offset":{offset},"id":"x","time":"2026-01-01T00:00:00Z",'
            f'"data":{data}}}')


def test_sub_answers_pings_and_joins_pieces(play, spawn):
    pongs = []

    def script(connection):
        connection.recv()
        connection.send([SUBSCRIBED[:20], SUBSCRIBED[20:]])
        pongs.append(connection.ping("a payload").wait(DEADLINE_S))
        connection.send(event(1))

    watching = spawn("sub", "r", "--url", play(script), "--count", 1)
    assert watching.ended() == 0
    assert pongs == [True]
    assert watching.output == "r e.1 t 1\n"


def test_sub_prints_what_comes_twice_once_and_moves_with_positions_and_gaps(play, spawn):
    asked = []

    def script(connection):
        asked.append(json.loads(connection.recv()))
        if len(asked) == 1:
            connection.send(SUBSCRIBED)
            for offset in (3, 2, 3):
                connection.send(event(offset, str(offset)))
            connection.send('{"type":"gap","room":"r","from":3,"to":5,"reason":"overflow"}')
        elif len(asked) == 2:
            connection.send('{"type":"subscribed","room":"r","offset":5,"epoch":"e",'
                            '"recovered":true,"id":1}')
            connection.send('{"type":"position","epoch":"e","offset":8}')
            connection.send('{"type":"position","epoch":"another","offset":99}')
        else:
            connection.send(SUBSCRIBED.replace(':0,"epoch":"e"', ':2,"epoch":"new"'))
            connection.send(event(3, '"last"'))
            return
        connection.close(1012, "server restarts")

    watching = spawn("sub", "r", "--url", play(script), "--count", 2)
    assert watching.ended() == 0
    assert watching.output == 'r e.3 t 3\nr new.3 t "last"\n'
    assert [one.get("recover") for one in asked] == [
        None, {"offset": 5, "epoch": "e"}, {"offset": 8, "epoch": "e"}]
    notes = watching.errors
    for note in ("r: gap from 3 to 5: overflow\n", "closed by the daemon: 1012 server restarts\n",
                 "r: recovered: all since e.5 follow\n",
                 "r: not recovered: events may be missed; subscribed at new.2\n"):
        assert note in notes


@pytest.mark.parametrize("code", [1000, 1002, 1008, 4002, 4007])
def test_sub_ends_where_coming_back_makes_no_sense(play, spawn, code):
    watching = spawn("sub", "r", "--url", play(lambda one: one.close(code, "because")))
    assert watching.ended() == 1
    assert watching.errors.endswith(f"closed by the daemon: {code} because\n")


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4001, 4004, 4999])
def test_sub_tries_again_where_it_does(play, spawn, code):
    watching = spawn("sub", "r", "--url", play(lambda one: one.close(code, "because")))
    watching.wait_errors(f"closed by the daemon: {code} because\ntrying again in ", 2)


@pytest.mark.parametrize("script, note", [
    (lambda one: one.send(b"binary"), "the daemon broke the WebSocket protocol: a binary message"),
    (lambda one: one.socket.sendall(b"\x81\x81...."), "WebSocket protocol: a frame is masked"),
    (lambda one: one.socket.sendall(b"\x80\x00"), "pieces of a message are out of order"),
    (lambda one: one.socket.sendall(b"\x81\x7f\x00\x00\x00\x00\x10\x00\x00\x00"),
     "a frame is too large"),
    (lambda one: one.socket.shutdown(socket.SHUT_RDWR), "the connection ended without a word"),
    (lambda one: (one.recv(), one.send(
        '{"type":"error","code":"UNAVAILABLE","message":"later","id":1}'), one.recv()),
     "r: UNAVAILABLE: later"),
])
def test_sub_tries_again_after_what_no_daemon_says(play, spawn, script, note):
    watching = spawn("sub", "r", "--url", play(script))
    watching.wait_errors(note, 2)


@pytest.mark.parametrize("text", ["nonsense", "[1]", "{}", '{"type":7,"room":"r"}', '{"data":1}',
                                  '{"type":"subscribed","room":"r","offset":-1,"epoch":5}'])
def test_sub_goes_on_after_a_message_that_it_does_not_understand(play, spawn, text):
    def script(connection):
        connection.recv()
        for one in (SUBSCRIBED, text, SUBSCRIBED, event(1)):
            connection.send(one)

    assert spawn("sub", "r", "--url", play(script), "--count", 1).ended() == 0


def test_sub_ends_when_its_last_room_was_taken_away(play, spawn):
    def script(connection):
        connection.recv(), connection.recv()
        for room in ("r", "s"):
            connection.send(f'{{"type":"unsubscribed","room":"{room}","reason":"no grant"}}')
        connection.recv()

    watching = spawn("sub", "r", "s", "--url", play(script))
    assert watching.ended() == 1
    assert "s: unsubscribed by the daemon: no grant\n" in watching.errors


def test_sub_gives_up_a_daemon_that_is_silent_for_longer_than_its_pings(play, spawn):
    silent = threading.Event()

    def script(connection):
        connection.send('{"type":"connected","protocol":"ringcast.v1","pingIntervalMs":1}')
        silent.wait(30)

    watching = spawn("sub", "r", "--url", play(script))
    watching.wait_errors("no answer in time")
    silent.set()


def test_sub_comes_back_after_a_restart_and_misses_nothing(make_daemon, sub, pub, tmp_path):
    daemon = make_daemon({**CONFIG, "store": {"url": f"sqlite:{tmp_path / 's.db'}"}}).wait_ready()
    watching = sub("tenant:1", "--count", 5, to=daemon)
    watching.wait_errors("tenant:1: subscribed at ")
    for number in range(2):
        assert pub("tenant:1", "t", str(number), to=daemon).returncode == 0
    watching.wait_output(" t 1\n")
    daemon.signal(signal.SIGTERM)
    daemon.join()
    watching.wait_errors("nothing listens there")
    daemon.start()
    daemon.wait_ready()
    # Published before or after it is back: it gets each once.
    for number in range(2, 5):
        assert pub("tenant:1", "t", str(number), to=daemon).returncode == 0
    assert watching.ended() == 0
    assert [line.rsplit(" ", 1)[1] for line in watching.output.splitlines()] == list("01234")
    assert "closed by the daemon: 1001 server stops" in watching.errors
    assert "tenant:1: recovered: all since " in watching.errors


def test_sub_comes_back_after_a_crash(make_daemon, sub, pub, tmp_path):
    daemon = make_daemon({**CONFIG, "store": {"url": f"sqlite:{tmp_path / 's.db'}"}}).wait_ready()
    watching = sub("tenant:1", "--count", 2, to=daemon)
    watching.wait_errors("subscribed at ")
    assert pub("tenant:1", "t", "0", to=daemon).returncode == 0
    watching.wait_output(" t 0\n")
    daemon.kill()
    daemon.start()
    daemon.wait_ready()
    assert pub("tenant:1", "t", "1", to=daemon).returncode == 0
    assert watching.ended() == 0
    assert [line.rsplit(" ", 1)[1] for line in watching.output.splitlines()] == ["0", "1"]


# ---- token ----
def test_token_is_taken_by_the_daemon_and_by_other_libraries(ringcast, sub):
    done = ringcast("token", "--user", "alice", "--subscribe", "chat:*", "--subscribe", "a:1",
                    "--publish", "a:2", "--presence", "a:3", "--ttl", "60", "--issuer", "me",
                    "--audience", "you", "--secret-env", "S", env={"S": SECRET})
    assert (done.returncode, done.stderr) == (0, "")
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"], audience="you",
                        issuer="me")
    assert claims["sub"] == "alice" and claims["exp"] - claims["iat"] == 60
    assert claims["rooms"] == {"subscribe": ["chat:*", "a:1"], "publish": ["a:2"],
                               "presence": ["a:3"]}
    watching = sub("chat:token", env={"RINGCAST_TOKEN": done.stdout.strip()})
    watching.wait_errors("chat:token: subscribed")


@pytest.mark.parametrize("ttl", ["1", "315360000"])
def test_token_lives_for_one_second_to_ten_years(ringcast, ttl):
    done = ringcast("token", "--user", "u", "--ttl", ttl, "--secret-env", "S", env={"S": SECRET})
    claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == int(ttl)


@pytest.mark.parametrize("arguments, env, code, complaint", [
    ((), {}, 1, "--secret-env: there is no variable S; it holds the value of auth.hs256_secret"),
    ((), {"S": "planted-short"}, 1, "hs256_secret: has 13 octets, expected at least 32"),
    (("--subscribe", "tenant:4*"), {"S": SECRET}, 1, "--subscribe: '*' stands only"),
    (("--user", "a:b"), {"S": SECRET}, 1, "user"),
    (("--ttl", "0"), {"S": SECRET}, 2, "--ttl: Value 0 not in range"),
    (("--ttl", "315360001"), {"S": SECRET}, 2, "--ttl: Value 315360001 not in range"),
])
def test_token_that_nobody_would_take_is_not_made(ringcast, arguments, env, code, complaint):
    user = () if "--user" in arguments else ("--user", "u")
    done = ringcast("token", *user, *arguments, "--secret-env", "S", env=env)
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr
    assert "planted" not in done.stderr
