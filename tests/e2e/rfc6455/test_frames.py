"""RFC 6455 sections 5 to 8, case by case, against /debug/echo."""
import os
import struct

import pytest

from support.http_client import Closed
from support.websocket_client import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame,
                                      RawWebSocket, encode_frame)

BOTH_ENGINES = True
MESSAGE_MAX, FRAGMENTS_MAX = 70_000, 100
CONFIG = {"limits": {"message_bytes_max": MESSAGE_MAX, "fragments_max": FRAGMENTS_MAX}}
NORMAL, PROTOCOL_ERROR, INVALID_UTF8, TOO_LARGE = 1000, 1002, 1007, 1009


@pytest.fixture
def echo(daemon):
    with RawWebSocket(daemon.address, "/debug/echo") as client:
        yield client


def expect_echo(client, opcode, payload):
    assert client.read_frame() == Frame(True, 0, opcode, payload)


def expect_close(client, code):
    """The close frame with this code, then the end of the stream."""
    frame = client.read_frame()
    assert frame.opcode == CLOSE, frame
    assert frame.close_code == code, frame
    assert client.read_to_end() == b""


# ---- section 5.2: lengths ----
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 128, 65_535, 65_536, MESSAGE_MAX])
def test_a_message_of_this_size_comes_back(echo, opcode, size):
    payload = b"*" * size if opcode == TEXT else os.urandom(size)
    echo.send_frame(opcode, payload)
    expect_echo(echo, opcode, payload)


@pytest.mark.parametrize("size", [0, 1, 126, 1000])
def test_a_message_may_come_octet_by_octet(echo, size):
    payload = b"x" * size
    echo.send_split(encode_frame(TEXT, payload))
    expect_echo(echo, TEXT, payload)


@pytest.mark.parametrize("size, octets", [(0, 2), (125, 2), (125, 8), (65_535, 8), (0, 8)])
def test_a_length_in_a_longer_form_than_need_be_is_refused(echo, size, octets):
    echo.send_until_refused(encode_frame(TEXT, b"x" * size, length_octets=octets))
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1])
def test_a_length_with_the_top_bit_is_refused(echo, length):
    echo.send_until_refused(encode_frame(BINARY, b"", length=length, length_octets=8))
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [MESSAGE_MAX + 1, 1 << 32, (1 << 63) - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_too_large_is_1009_before_it_comes(echo, opcode, length):
    echo.send(encode_frame(opcode, b"", length=length, length_octets=8))
    expect_close(echo, TOO_LARGE)


def test_fragments_that_add_up_to_too_much_are_1009(echo):
    half = b"x" * (MESSAGE_MAX // 2)
    echo.send_frame(TEXT, half, fin=False)
    echo.send_frame(CONTINUATION, half, fin=False)
    echo.send_frame(CONTINUATION, b"x")
    expect_close(echo, TOO_LARGE)


def test_fragments_that_add_up_to_the_limit_come_back(echo):
    half = b"x" * (MESSAGE_MAX // 2)
    echo.send_frame(TEXT, half, fin=False)
    echo.send_frame(CONTINUATION, half)
    expect_echo(echo, TEXT, half + half)


# ---- section 5.1, 5.2: masks, reserved bits, opcodes ----
@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
def test_every_mask_is_taken(echo, key):
    echo.send_frame(TEXT, "Größe €".encode(), key=key)
    expect_echo(echo, TEXT, "Größe €".encode())


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_a_frame_without_a_mask_is_refused(echo, opcode):
    echo.send_until_refused(encode_frame(opcode, b"", key=None))
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("rsv", range(1, 8))
def test_reserved_bits_are_refused(echo, rsv):
    echo.send_until_refused(encode_frame(TEXT, b"x", rsv=rsv))
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [PING, CLOSE])
def test_reserved_bits_in_control_frames_are_refused(echo, opcode):
    echo.send_until_refused(encode_frame(opcode, b"", rsv=4))
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_are_refused(echo, opcode):
    echo.send_until_refused(encode_frame(opcode, b"x"))
    expect_close(echo, PROTOCOL_ERROR)


def test_a_wrong_frame_behind_a_good_one_does_not_take_its_echo(echo):
    echo.send_until_refused(encode_frame(TEXT, b"good") + encode_frame(3, b"bad") +
                            encode_frame(TEXT, b"never"))
    expect_echo(echo, TEXT, b"good")
    expect_close(echo, PROTOCOL_ERROR)


# ---- section 5.4: fragmentation ----
@pytest.mark.parametrize("pieces", [
    [b"a", b"b"], [b"", b"ab"], [b"ab", b""], [b"", b""], [b"a", b"", b"b", b"", b"c"],
    [bytes([97 + at % 26]) for at in range(FRAGMENTS_MAX)],
])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_put_together(echo, opcode, pieces):
    for at, piece in enumerate(pieces):
        echo.send_frame(CONTINUATION if at else opcode, piece, fin=at == len(pieces) - 1)
    expect_echo(echo, opcode, b"".join(pieces))


def test_fragments_may_come_octet_by_octet(echo):
    echo.send_split(encode_frame(TEXT, b"frag", fin=False) + encode_frame(CONTINUATION, b"ment"))
    expect_echo(echo, TEXT, b"fragment")


def test_more_fragments_than_fragments_max_are_refused(echo):
    echo.send_frame(TEXT, b"x", fin=False)
    for _ in range(FRAGMENTS_MAX):
        echo.send_until_refused(encode_frame(CONTINUATION, b"x", fin=False))
    frame = echo.read_frame()
    assert (frame.opcode, frame.close_code) == (CLOSE, 1008)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_continuation_of_nothing_is_refused(echo, fin, payload):
    echo.send_until_refused(encode_frame(CONTINUATION, payload, fin=fin))
    expect_close(echo, PROTOCOL_ERROR)


def test_a_continuation_behind_a_whole_message_is_refused(echo):
    echo.send_frame(TEXT, b"whole")
    echo.send_until_refused(encode_frame(CONTINUATION, b"more"))
    expect_echo(echo, TEXT, b"whole")
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_a_message_inside_of_another_is_refused(echo, opcode, fin):
    echo.send_frame(TEXT, b"a", fin=False)
    echo.send_until_refused(encode_frame(opcode, b"b", fin=fin))
    expect_close(echo, PROTOCOL_ERROR)


def test_control_frames_may_stand_between_fragments(echo):
    echo.send_frame(TEXT, b"a", fin=False)
    echo.send_frame(PING, b"one")
    echo.send_frame(CONTINUATION, b"b", fin=False)
    echo.send_frame(PONG, b"unasked")
    echo.send_frame(PING, b"two")
    echo.send_frame(CONTINUATION, b"c")
    expect_echo(echo, PONG, b"one")
    expect_echo(echo, PONG, b"two")
    expect_echo(echo, TEXT, b"abc")


def test_a_close_between_fragments_ends_it(echo):
    echo.send_frame(TEXT, b"a", fin=False)
    echo.send_close(NORMAL)
    expect_close(echo, NORMAL)


# ---- section 5.5: control frames ----
@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_is_answered_with_its_payload(echo, size):
    payload = os.urandom(size)
    echo.send_frame(PING, payload)
    expect_echo(echo, PONG, payload)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("size", [126, 200])
def test_a_control_frame_above_125_octets_is_refused(echo, opcode, size):
    echo.send_until_refused(encode_frame(opcode, b"\x03\xe8" + b"x" * (size - 2)))
    expect_close(echo, PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_fragmented_control_frame_is_refused(echo, opcode):
    echo.send_until_refused(encode_frame(opcode, b"", fin=False))
    expect_close(echo, PROTOCOL_ERROR)


def test_pings_come_back_in_their_order(echo):
    echo.send(b"".join(encode_frame(PING, b"%d" % n) for n in range(50)))
    for n in range(50):
        expect_echo(echo, PONG, b"%d" % n)


@pytest.mark.parametrize("payload", [b"", b"x" * 125])
def test_a_pong_that_nobody_asked_for_is_passed_over(echo, payload):
    echo.send_frame(PONG, payload)
    echo.send_frame(TEXT, b"next")
    expect_echo(echo, TEXT, b"next")


# ---- sections 5.5.1 and 7.4: close ----
@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
                                  1014, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_with_its_code(echo, code):
    echo.send_close(code, "because")
    expect_close(echo, code)


def test_a_close_without_a_code_is_answered_without_one(echo):
    echo.send_close()
    frame = echo.read_frame()
    assert (frame.opcode, frame.payload) == (CLOSE, b"")
    assert echo.read_to_end() == b""


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000,
                                  65_535])
def test_a_code_that_may_not_be_sent_is_refused(echo, code):
    echo.send_close(code)
    expect_close(echo, PROTOCOL_ERROR)


def test_a_close_of_one_octet_is_refused(echo):
    echo.send_frame(CLOSE, b"\x03")
    expect_close(echo, PROTOCOL_ERROR)


def test_the_longest_reason_is_taken(echo):
    echo.send_close(NORMAL, "x" * 123)
    expect_close(echo, NORMAL)


@pytest.mark.parametrize("reason", [b"\xff", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80",
                                    b"\xe2\x82"])
def test_a_reason_that_is_not_utf8_is_refused(echo, reason):
    echo.send_frame(CLOSE, struct.pack("!H", NORMAL) + reason)
    assert echo.read_frame().close_code in (PROTOCOL_ERROR, INVALID_UTF8)
    assert echo.read_to_end() == b""


@pytest.mark.parametrize("behind", [encode_frame(TEXT, b"x"), encode_frame(PING, b"x"),
                                    encode_frame(CLOSE), encode_frame(3, b"x")])
def test_nothing_behind_a_close_is_answered(echo, behind):
    echo.send_until_refused(encode_frame(CLOSE, struct.pack("!H", NORMAL)) + behind)
    expect_close(echo, NORMAL)


# ---- section 8.1: UTF-8 ----
VALID = ["", "κόσμε", "Größe", "\u0000", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000",
         "\ufffd", "\uffff", "\U00010000", "\U0010ffff", "€" * 1000]
INVALID = [b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf",
           b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80",
           b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
           b"\xc3(", b"\xe2(\xa1", b"\xf0(\x8c\xbc", b"a\xffb"]


@pytest.mark.parametrize("text", VALID)
def test_utf8_comes_back(echo, text):
    echo.send_frame(TEXT, text.encode())
    expect_echo(echo, TEXT, text.encode())


@pytest.mark.parametrize("text", ["κόσμε", "\U0010ffff€", "\ud7ff\ue000"])
def test_utf8_may_be_cut_between_any_two_octets(echo, text):
    octets = text.encode()
    for at in range(len(octets) + 1):
        echo.send_frame(TEXT, octets[:at], fin=False)
        echo.send_frame(CONTINUATION, octets[at:])
        expect_echo(echo, TEXT, octets)


@pytest.mark.parametrize("octets", INVALID, ids=lambda octets: octets.hex())
def test_what_is_not_utf8_is_1007(echo, octets):
    echo.send_frame(TEXT, octets)
    expect_close(echo, INVALID_UTF8)


@pytest.mark.parametrize("octets", [b"\xc0", b"\xed\xa0", b"\xf4\x90", b"\xf8", b"\xff"],
                         ids=lambda octets: octets.hex())
def test_what_can_not_become_utf8_fails_before_its_message_is_whole(echo, octets):
    """Frame and message are open: only a validation that goes along with the octets sees it."""
    echo.send(encode_frame(TEXT, b"good" + octets, length=60_000, length_octets=2))
    expect_close(echo, INVALID_UTF8)


def test_what_can_not_become_utf8_fails_in_a_later_fragment(echo):
    echo.send_frame(TEXT, b"\xf4", fin=False)
    echo.send(encode_frame(CONTINUATION, b"\x90", fin=False))
    expect_close(echo, INVALID_UTF8)


def test_a_message_that_ends_within_a_character_is_1007(echo):
    echo.send_frame(TEXT, b"\xe2\x82", fin=False)
    echo.send_frame(CONTINUATION, b"")
    expect_close(echo, INVALID_UTF8)


@pytest.mark.parametrize("octets", INVALID[:4], ids=lambda octets: octets.hex())
def test_binary_may_be_anything(echo, octets):
    echo.send_frame(BINARY, octets)
    expect_echo(echo, BINARY, octets)


# ---- many, and the end ----
def test_a_thousand_messages_in_one_write_come_back_in_order(echo):
    echo.send(b"".join(encode_frame(TEXT, b"message %d" % n) for n in range(1000)))
    for n in range(1000):
        expect_echo(echo, TEXT, b"message %d" % n)


def test_a_reset_in_the_middle_of_a_frame_harms_nobody(daemon, echo):
    for cut in (1, 2, 5, 6, 50):
        other = RawWebSocket(daemon.address, "/debug/echo")
        other.send(encode_frame(TEXT, b"x" * 100)[:cut])
        other.reset()
    echo.send_frame(TEXT, b"still here")
    expect_echo(echo, TEXT, b"still here")


def test_the_server_closes_first_and_then_reads_nothing_more(echo):
    """RFC 6455 section 7.1.1: after both close frames the server ends the TCP connection."""
    echo.send_close(NORMAL)
    expect_close(echo, NORMAL)
    with pytest.raises(Closed):
        echo.receive_some()


def test_ends_are_counted_by_reason(daemon):
    def counted(reason):
        return daemon.metric(f'ringcast_closed_by_reason_total{{reason="{reason}"}}')

    for octets, reason in [(encode_frame(3), "protocol error"), (encode_frame(TEXT, b"\xff"), "invalid UTF-8"),
                           (encode_frame(TEXT, length=MESSAGE_MAX + 1, length_octets=8), "message too large")]:
        before = counted(reason)
        with RawWebSocket(daemon.address, "/debug/echo") as client:
            client.send(octets)
            client.read_to_end()
        assert counted(reason) == before + 1
    assert "ended: protocol error" in daemon.log()
