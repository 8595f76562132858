"""Who may connect, and what a token allows."""
import time

import jwt
import pytest

from support.http_client import RawConnection, encode_request
from support.native_client import ConnectionEnded, NativeClient
from support.tokens import SECRET, make_key, make_token, public_pem, while_it_lasts
from support.websocket_client import WebSocketRefused, handshake_headers

KEYS = {algorithm: make_key(algorithm) for algorithm in ("RS256", "ES256", "EdDSA")}
CONFIG = {"auth": {"hs256_secret": SECRET, "allow_anonymous": False, "audience": "rooms", "issuer": "app",
                   "leeway_s": 0, "public_keys": [public_pem(key) for key in KEYS.values()]}}


def token_for(user="alice", algorithm="HS256", key=None, **options):
    options.setdefault("aud", "rooms")
    options.setdefault("iss", "app")
    return make_token(user, algorithm=algorithm, key=key or KEYS.get(algorithm, SECRET), **options)


def refused(daemon, token, **options):
    with pytest.raises(WebSocketRefused) as refusal:
        NativeClient(daemon, token, **options)
    return refusal.value.response


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "EdDSA"])
def test_a_good_token_is_taken(daemon, connect, algorithm):
    key = KEYS["RS256"] if algorithm[:2] in ("RS", "PS") else None
    client = connect(token_for("alice", algorithm, key))
    assert client.hello["user"] == "alice"
    client.subscribed("project:7")


@pytest.mark.parametrize("how", ["header", "subprotocol", "query"])
def test_a_token_may_come_in_three_ways(daemon, connect, how):
    token = token_for("carol")
    if how == "header":
        client = connect(token)
    elif how == "subprotocol":
        client = connect(Sec_WebSocket_Protocol=f"ringcast.v1, ringcast.token.{token}")
        assert client.response.header("sec-websocket-protocol") == "ringcast.v1"
    else:
        client = connect(query=f"?token={token}")
    assert client.hello["user"] == "carol"


def test_the_token_is_never_chosen_as_sub_protocol(connect):
    client = connect(Sec_WebSocket_Protocol=f"ringcast.token.{token_for()}")
    assert client.response.header("sec-websocket-protocol") is None


def _unsigned(claims):
    return jwt.encode(claims, None, algorithm="none")


BAD = {
    "none": lambda: None,
    "empty": lambda: "",
    "garbage": lambda: "garbage",
    "two parts": lambda: "a.b",
    "another secret": lambda: token_for(key="another-secret-of-more-than-32-octets!"),
    "another RSA key": lambda: token_for(algorithm="RS256", key=make_key("RS256")),
    "another Ed25519 key": lambda: token_for(algorithm="EdDSA", key=make_key("EdDSA")),
    "algorithm none": lambda: _unsigned({"sub": "alice", "exp": int(time.time()) + 60, "aud": "rooms", "iss": "app"}),
    "cut signature": lambda: token_for()[:-2],
    "longer signature": lambda: token_for() + "A",
    "another payload": lambda: ".".join([token_for().split(".")[0], token_for("mallory").split(".")[1],
                                         token_for().split(".")[2]]),
    "expired": lambda: token_for(ttl_s=-1),
    "not yet": lambda: token_for(nbf=int(time.time()) + 600),
    "another audience": lambda: token_for(aud="other"),
    "no audience": lambda: token_for(aud=None),
    "another issuer": lambda: token_for(iss="other"),
    "no issuer": lambda: token_for(iss=None),
    "no user": lambda: token_for(sub=None),
    "user with a space": lambda: token_for("a b"),
    "user with a colon": lambda: token_for("a:b"),
    "empty user": lambda: token_for(""),
    "user of 121 characters": lambda: token_for("u" * 121),
    "pattern within a part": lambda: token_for(subscribe=["tenant:4*"]),
    "pattern in the middle": lambda: token_for(subscribe=["tenant:*:x"]),
    "rooms that are no object": lambda: token_for(rooms=["*"]),
    "subscribe that is no list": lambda: token_for(rooms={"subscribe": "*"}),
    "exp that is text": lambda: token_for(exp="never", ttl_s=None),
    "unknown crit": lambda: jwt.encode({"sub": "a", "exp": int(time.time()) + 60, "aud": "rooms", "iss": "app"}, SECRET,
                                       headers={"crit": ["x"], "x": 1}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_401_before_the_upgrade(daemon, name):
    token = BAD[name]()
    response = refused(daemon, token)
    assert (response.status, response.json()["error"]) == (401, "UNAUTHORIZED")
    if token:
        assert token not in response.text
        assert token not in daemon.log()


def test_a_public_key_is_no_secret(daemon):
    """RFC 8725 section 2.1: the algorithm is bound to the key, whatever the header says."""
    import base64
    import hashlib
    import hmac
    import json

    def part(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    for key in KEYS.values():
        claims = {"sub": "mallory", "exp": int(time.time()) + 60, "aud": "rooms", "iss": "app",
                  "rooms": {"subscribe": ["*"]}}
        text = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
        signature = hmac.new(public_pem(key).encode(), text.encode(), hashlib.sha256).digest()
        assert refused(daemon, f"{text}.{part(signature)}").status == 401


def test_the_limit_of_a_user_on_the_side_that_is_allowed(connect):
    assert connect(token_for("u" * 120)).hello["user"] == "u" * 120


def test_a_good_token_behind_a_bad_one_on_the_same_connection_is_judged_alone(daemon):
    """The identity of one request is never that of the next: proxies keep connections for many users."""
    with RawConnection(daemon.address) as connection:

        def ask(target, token, headers=None):
            every = {"Host": daemon.host, "Authorization": f"Bearer {token}", **(headers or {})}
            connection.send(encode_request("GET", target, every))
            return connection.read_response()

        alice, bob = token_for("alice", subscribe=["own:alice"]), token_for("bob", subscribe=["own:bob"])
        assert ask("/sse?room=own:bob", alice).status == 403
        assert ask("/sse?room=own:alice", bob).status == 403
        upgrade = handshake_headers(daemon.host, Authorization=f"Bearer {bob}")
        connection.send(encode_request("GET", "/ws", upgrade))
        assert connection.read_response().status == 101
        assert b'"user":"bob"' in connection.read_until(b"}")
    assert daemon.running()


# ---- grants ----
@pytest.mark.parametrize("patterns, allowed, denied", [
    (["*"], ["a", "tenant:42", "tenant:42:kitchen"], []),
    (["tenant:42:*"], ["tenant:42:kitchen", "tenant:42:a:b"], ["tenant:42", "tenant:421", "tenant:421:x", "tenant:4"]),
    (["tenant:42"], ["tenant:42"], ["tenant:42:kitchen", "tenant:4", "TENANT:42"]),
    (["project:7", "chat:*"], ["project:7", "chat:1"], ["project:70", "project:8", "chat", "chats:1"]),
    ([], [], ["a"]),
])
def test_grants_include_what_they_say_and_no_more(connect, patterns, allowed, denied):
    client = connect(token_for(subscribe=patterns))
    for room in allowed:
        client.subscribed(room)
    for room in denied:
        answer = client.subscribe(room)
        assert (answer["type"], answer["code"]) == ("error", "FORBIDDEN"), answer


def test_each_verb_has_its_own_grants(connect):
    client = connect(token_for(subscribe=["s:1"], publish=["p:1"], presence=["v:1"]))
    client.subscribed("s:1")
    assert client.publish("p:1")["type"] == "published"
    for answer in (client.subscribe("p:1"), client.subscribe("v:1"), client.publish("s:1"), client.publish("v:1"),
                   client.ask({"type": "presence", "action": "join", "room": "s:1"}),
                   client.ask({"type": "presence", "action": "list", "room": "p:1"})):
        assert answer["code"] == "FORBIDDEN"
    assert client.ask({"type": "presence", "action": "list", "room": "v:1"})["type"] == "presence:list"


def test_a_denied_room_tells_nothing_of_itself(daemon, connect):
    """Whether it exists, has events or viewers: the answer is the same."""
    daemon.publish("secret:1")
    owner = connect(token_for("owner"))
    owner.subscribed("secret:1")
    client = connect(token_for(subscribe=[]))

    def answer_for(room):
        answer = client.subscribe(room)
        return {key: value for key, value in answer.items() if key != "id"}, room

    real, imagined = answer_for("secret:1"), answer_for("secret:2")
    assert str(real[0]).replace("secret:1", "R") == str(imagined[0]).replace("secret:2", "R")
    daemon.publish("secret:1")
    assert client.drain() == []


# ---- expiry and renewal ----
EXPIRED = (WebSocketRefused, ConnectionEnded)
def test_a_token_that_expires_ends_the_connection_with_4001(connect):
    def subscribed(ttl_s):
        client = connect(token_for(ttl_s=ttl_s))
        client.subscribed("expiry:1")
        return client

    assert while_it_lasts(subscribed, EXPIRED).read_end()[0] == 4001


def test_auth_renews_before_the_end(daemon, connect):
    """The twin that does not renew shows that the first token's end has passed."""
    def both(ttl_s):
        short = token_for(ttl_s=ttl_s)
        renewed, twin = connect(short), connect(short)
        renewed.subscribed("expiry:2")
        return renewed, twin, renewed.ask({"type": "auth", "token": token_for(ttl_s=600)})

    renewed, twin, answer = while_it_lasts(both, EXPIRED)
    assert (answer["type"], answer["expiresAt"] > renewed.hello["expiresAt"]) == ("auth", True)
    assert twin.read_end()[0] == 4001
    daemon.publish("expiry:2")
    renewed.events(1)


@pytest.mark.parametrize("token, code", [
    (lambda: "garbage", "UNAUTHORIZED"),
    (lambda: token_for(ttl_s=-1), "UNAUTHORIZED"),
    (lambda: token_for(key="another-secret-of-more-than-32-octets!"), "UNAUTHORIZED"),
    (lambda: token_for("bob"), "FORBIDDEN"),
])
def test_a_bad_renewal_is_an_error_and_changes_nothing(daemon, connect, token, code):
    client = connect(token_for())
    client.subscribed("expiry:3")
    assert client.ask({"type": "auth", "token": token()})["code"] == code
    daemon.publish("expiry:3")
    client.events(1)


def test_a_renewal_with_fewer_grants_unsubscribes_and_says_why(daemon, connect):
    client = connect(token_for(subscribe=["keep:*", "lose:*"], presence=["lose:*"]))
    viewer = connect(token_for("viewer"))
    client.subscribed("keep:1")
    client.subscribed("lose:1")
    viewer.subscribed("lose:1")
    client.presence("join", "lose:1")
    assert viewer.receive("presence:update")["users"] == ["alice"]
    assert client.ask({"type": "auth", "token": token_for(subscribe=["keep:*"])})["type"] == "auth"
    gone = client.receive("unsubscribed")
    assert gone["room"] == "lose:1" and gone["reason"]
    assert viewer.receive("presence:update")["left"] == ["alice"]
    daemon.publish("lose:1")
    daemon.publish("keep:1")
    assert client.events(1)[0]["room"] == "keep:1"
    assert client.subscribe("lose:1")["code"] == "FORBIDDEN"
    assert [message["type"] for message in client.drain() if message.get("room") == "lose:1"
            and message["type"] == "note"] == []


def test_a_renewal_with_more_grants_opens_rooms(connect):
    client = connect(token_for(subscribe=["a:1"]))
    assert client.subscribe("b:1")["code"] == "FORBIDDEN"
    client.ask({"type": "auth", "token": token_for(subscribe=["a:1", "b:1"])})
    client.subscribed("b:1")


def test_no_token_is_in_the_log(daemon, connect):
    token = token_for("logged")
    connect(query=f"?token={token}")
    connect(Sec_WebSocket_Protocol=f"ringcast.v1, ringcast.token.{token}")
    client = connect(token)
    client.ask({"type": "auth", "token": token})
    daemon.get(f"/nothing?token={token}")
    log = daemon.log()
    assert token not in log and SECRET not in log


def test_hundreds_of_bad_tokens_do_not_disturb_a_client(daemon, connect):
    client = connect(token_for())
    client.subscribed("flood:1")
    before = daemon.metric("ringcast_upgrades_refused_total")
    for _ in range(100):
        refused(daemon, token_for(key="another-secret-of-more-than-32-octets!"))
    assert daemon.metric("ringcast_upgrades_refused_total") - before == 100
    daemon.publish("flood:1")
    client.events(1)


def test_a_daemon_without_anonymous_clients_refuses_sse_too(daemon):
    response = daemon.get("/sse?room=a")
    assert (response.status, response.json()["error"]) == (401, "UNAUTHORIZED")


def test_an_anonymous_client_may_only_subscribe(make_daemon):
    daemon = make_daemon({"auth": {"allow_anonymous": True}})
    with NativeClient(daemon) as client:
        client.subscribed("anonymous:1")
        assert client.publish("anonymous:1")["code"] == "FORBIDDEN"
        for action in ("join", "list"):
            answer = client.ask({"type": "presence", "action": action, "room": "anonymous:1"})
            assert answer["code"] == "FORBIDDEN"
