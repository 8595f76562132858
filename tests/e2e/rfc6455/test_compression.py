"""permessage-deflate (RFC 7692): raw frames, npm's `ws` and Python's `websockets`."""
import json
import os
import zlib

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect as websockets_connect

from support.tokens import SECRET, make_token
from support.waiting import DEADLINE_S
from support.websocket_client import (CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, RawWebSocket,
                                      encode_frame)

from .test_real_clients import WsClient, needs_ws

BOTH_ENGINES = True
MESSAGE_MAX = 70_000
CONFIG = {"auth": {"hs256_secret": SECRET}, "listen": {"compression": True, "compress_bytes_min": 100},
          "limits": {"message_bytes_max": MESSAGE_MAX}}
ALWAYS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
RSV1 = 4
LONG = "Größe €, " * 200


def deflated(octets, window_bits=15):
    stream = zlib.compressobj(wbits=-window_bits)
    return (stream.compress(octets) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(octets, window_bits=12):
    stream = zlib.decompressobj(wbits=-window_bits)
    return stream.decompress(octets + b"\0\0\xff\xff")


def raw(daemon, target="/debug/echo", offer="permessage-deflate"):
    return RawWebSocket(daemon.address, target, Sec_WebSocket_Extensions=offer)


def expect_close(client, code):
    frame = client.read_frame()
    assert (frame.opcode, frame.close_code) == (CLOSE, code), frame
    assert client.read_to_end() == b""


@pytest.mark.parametrize("offer, answer", [
    ("permessage-deflate", ALWAYS),
    ("permessage-deflate; client_max_window_bits", ALWAYS),
    ("x-other, permessage-deflate; server_max_window_bits=9", f"{ALWAYS}; server_max_window_bits=9"),
    ("permessage-deflate; bad, permessage-deflate; server_no_context_takeover", ALWAYS),
    ("permessage-deflate; server_max_window_bits=7", None),
    ("permessage-deflate; client_no_context_takeover=1", None),
    ("nonsense;;;", None),
])
def test_an_offer_is_answered(daemon, offer, answer):
    with raw(daemon, offer=offer) as client:
        assert client.response.header("sec-websocket-extensions") == answer


def test_a_compressed_message_comes_back_compressed(daemon):
    with raw(daemon) as client:
        client.send_frame(TEXT, deflated(LONG.encode()), rsv=RSV1)
        frame = client.read_frame()
        assert (frame.fin, frame.rsv, frame.opcode) == (True, RSV1, TEXT)
        assert inflated(frame.payload).decode() == LONG
        assert len(frame.payload) < 100


def test_it_may_come_in_fragments_with_others_between(daemon):
    body = deflated(LONG.encode())
    with raw(daemon) as client:
        client.send_frame(TEXT, body[:10], fin=False, rsv=RSV1)
        client.send_frame(PING, b"p")
        client.send_frame(CONTINUATION, body[10:])
        assert client.read_frame() == Frame(True, 0, PONG, b"p")
        assert inflated(client.read_frame().payload).decode() == LONG
        client.send_text("short")
        assert client.read_frame() == Frame(True, 0, TEXT, b"short")


def test_who_asks_for_a_small_window_gets_plain_frames(daemon):
    with raw(daemon, offer="permessage-deflate; server_max_window_bits=10") as client:
        client.send_frame(TEXT, deflated(LONG.encode()), rsv=RSV1)
        assert client.read_frame() == Frame(True, 0, TEXT, LONG.encode())


@pytest.mark.parametrize("opcode, payload, rsv, code", [
    (PING, b"", RSV1, 1002),
    (TEXT, deflated(b"Hello"), RSV1 | 2, 1002),
    (TEXT, b"\x06", RSV1, 1007),
    (TEXT, deflated(b"\xff"), RSV1, 1007),
    (TEXT, deflated(b"Hello")[:-3], RSV1, 1007),
    (TEXT, deflated(b"x" * (MESSAGE_MAX + 1)), RSV1, 1009),
    (TEXT, deflated(b"x" * 60_000_000), RSV1, 1009),
])
def test_what_is_wrong_ends_with_its_code(daemon, opcode, payload, rsv, code):
    with raw(daemon) as client:
        client.send_until_refused(encode_frame(opcode, payload, rsv=rsv))
        expect_close(client, code)


def test_a_message_of_the_limit_is_taken(daemon):
    with raw(daemon) as client:
        client.send_frame(TEXT, deflated(b"x" * MESSAGE_MAX), rsv=RSV1)
        assert inflated(client.read_frame().payload) == b"x" * MESSAGE_MAX


def test_rsv1_without_an_agreement_is_refused(daemon):
    with RawWebSocket(daemon.address, "/debug/echo") as client:
        client.send_until_refused(encode_frame(TEXT, deflated(b"Hello"), rsv=RSV1))
        expect_close(client, 1002)


@needs_ws
def test_ws_reads_and_writes_compressed_messages(daemon):
    with WsClient(f"{daemon.ws_url}/debug/echo") as client:
        assert client.next()["extensions"] == "permessage-deflate"
        for text in (LONG, "x" * 60_000, "short", os.urandom(30_000).hex()):
            client.do(text=text)
            assert client.next("text") == {"text": text}
        client.do(fragments=[LONG, "", LONG])
        assert client.next("text") == {"text": LONG + LONG}


@pytest.mark.parametrize("factory", [
    None,
    ClientPerMessageDeflateFactory(),
    ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9),
    ClientPerMessageDeflateFactory(True, True, 15, 15),
], ids=["default", "no limits", "9", "15"])
def test_websockets_reads_and_writes_compressed_messages(daemon, factory):
    how = {"extensions": [factory], "compression": None} if factory else {"compression": "deflate"}
    with websockets_connect(f"{daemon.ws_url}/debug/echo", **how) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        for message in ("", LONG, "x" * 65_536, b"", os.urandom(60_000), os.urandom(5_000) * 5):
            client.send(message)
            assert client.recv(DEADLINE_S) == message
        client.send(iter(["frag" * 100, "", "ments"]))
        assert client.recv(DEADLINE_S) == "frag" * 100 + "ments"


@needs_ws
def test_one_room_serves_clients_with_and_without(daemon):
    """Events, exclusion and recovery are the same for all; only the octets differ."""
    url, room = f"{daemon.ws_url}/ws", "mixed:1"
    headers = {"additional_headers": {"Authorization": f"Bearer {make_token('ada', publish=['*'])}"}}
    events = [{"n": n, "text": LONG[:100 * n]} for n in range(12)]
    before = daemon.metric("ringcast_frames_compressed_total")
    with websockets_connect(url, **headers) as packed, websockets_connect(url, compression=None) as plain, \
            WsClient(url, make_token("bob", publish=["*"])) as ws:
        ws.next("open")
        ask = json.dumps({"type": "subscribe", "room": room})
        for client in (packed, plain):
            client.recv(DEADLINE_S)
            client.send(ask)
            answer = json.loads(client.recv(DEADLINE_S))
            assert answer["type"] == "subscribed"
        ws.next("text")
        ws.do(text=ask)
        ws.next("text")
        for event in events:
            excluded = {"excludeUser": "ada"} if event["n"] % 3 == 0 else {}
            daemon.publish(room, "row", event, **excluded)
        assert [json.loads(plain.recv(DEADLINE_S))["data"] for _ in events] == events
        assert [json.loads(ws.next("text")["text"])["data"] for _ in events] == events
        for_ada = [event for event in events if event["n"] % 3 != 0]
        assert [json.loads(packed.recv(DEADLINE_S))["data"] for _ in for_ada] == for_ada
    # Once a shard, not once a client.
    assert 0 < daemon.metric("ringcast_frames_compressed_total") - before <= 2 * len(events)
    with websockets_connect(url, **headers) as back:
        back.recv(DEADLINE_S)
        back.send(json.dumps({"type": "subscribe", "room": room,
                              "recover": {"offset": 0, "epoch": answer["epoch"]}}))
        assert json.loads(back.recv(DEADLINE_S))["recovered"] is True
        assert [json.loads(back.recv(DEADLINE_S))["data"] for _ in for_ada] == for_ada
