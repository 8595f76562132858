"""What no client may do to the HTTP side: each row is answered as it deserves, the connection ends,
and others notice nothing."""
import pytest

from support.daemon import API_KEY
from support.http_client import RawConnection
from support.waiting import wait_until

BOTH_ENGINES = True
CONFIG = {"limits": {"header_bytes_max": 4096, "header_lines_max": 20, "target_bytes_max": 1024,
                     "body_bytes_max": 2048}}

HOST = b"Host: 127.0.0.1\r\n"
AUTHORIZATION = f"Authorization: Bearer {API_KEY}\r\n".encode()
BODY = b'{"room":"abuse:1","type":"note","data":1}'


def get(headers=HOST, target=b"/healthz", version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + headers + b"\r\n"


def post(headers, body=b"", host=HOST):
    return b"POST /api/publish HTTP/1.1\r\n" + host + AUTHORIZATION + headers + b"\r\n" + body


def chunked(body):
    return post(b"Transfer-Encoding: chunked\r\n", body)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"

ABUSE = {
    # Host: exactly one (RFC 9112 section 3.2).
    "no Host": (400, get(b"")),
    "two Hosts": (400, get(HOST + HOST)),
    "two Hosts that differ": (400, get(HOST + b"Host: other\r\n")),
    "Host with a space": (400, get(b"Host: a b\r\n")),
    "Host with a path": (400, get(b"Host: a/b\r\n")),
    "Host with user information": (400, get(b"Host: a@b\r\n")),
    "Host that is not the target's": (400, get(target=b"http://other/healthz")),
    # The body's end (RFC 9112 section 6).
    "two equal Content-Lengths": (400, post(b"Content-Length: 41\r\nContent-Length: 41\r\n", BODY)),
    "two Content-Lengths": (400, post(b"Content-Length: 41\r\nContent-Length: 0\r\n", BODY)),
    "a list of Content-Lengths": (400, post(b"Content-Length: 41, 41\r\n", BODY)),
    "Content-Length with a plus": (400, post(b"Content-Length: +41\r\n", BODY)),
    "Content-Length with a minus": (400, post(b"Content-Length: -1\r\n", BODY)),
    "Content-Length in hex": (400, post(b"Content-Length: 0x29\r\n", BODY)),
    "empty Content-Length": (400, post(b"Content-Length:\r\n", BODY)),
    "Content-Length with a letter": (400, post(b"Content-Length: 41a\r\n", BODY)),
    "Content-Length of 2^64 + 41": (413, post(b"Content-Length: 18446744073709551657\r\n", BODY)),
    "chunked and Content-Length": (400, post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                                             b"0\r\n\r\n" + SMUGGLED)),
    "Content-Length and chunked": (400, post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                             b"0\r\n\r\n" + SMUGGLED)),
    "Transfer-Encoding gzip": (400, post(b"Transfer-Encoding: gzip\r\n", SMUGGLED)),
    "Transfer-Encoding chunked, chunked": (400, post(b"Transfer-Encoding: chunked, chunked\r\n",
                                                     b"0\r\n\r\n" + SMUGGLED)),
    "Transfer-Encoding gzip, chunked": (400, post(b"Transfer-Encoding: gzip, chunked\r\n", SMUGGLED)),
    "Transfer-Encoding chunked, gzip": (400, post(b"Transfer-Encoding: chunked, gzip\r\n", SMUGGLED)),
    "Transfer-Encoding twice": (400, post(b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n")),
    "Transfer-Encoding xchunked": (400, post(b"Transfer-Encoding: xchunked\r\n", SMUGGLED)),
    "Transfer-Encoding identity": (400, post(b"Transfer-Encoding: identity\r\n", SMUGGLED)),
    "empty Transfer-Encoding": (400, post(b"Transfer-Encoding:\r\n", SMUGGLED)),
    "quoted Transfer-Encoding": (400, post(b'Transfer-Encoding: "chunked"\r\n', SMUGGLED)),
    "chunked in HTTP/1.0": (400, b"POST /api/publish HTTP/1.0\r\n" + HOST +
                            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "space before the colon": (400, post(b"Transfer-Encoding : chunked\r\n", SMUGGLED)),
    "tab before the colon": (400, post(b"Content-Length\t: 41\r\n", BODY)),
    # Chunks (RFC 9112 section 7.1).
    "chunk size with 0x": (400, chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a plus": (400, chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a minus": (400, chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    "chunk size with a space": (400, chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    "chunk size that is empty": (400, chunked(b"\r\nhello\r\n0\r\n\r\n")),
    "chunk size of 2^64": (413, chunked(b"10000000000000000\r\nhello\r\n0\r\n\r\n")),
    "chunk longer than it says": (400, chunked(b"4\r\nhello\r\n0\r\n\r\n")),
    "chunk line with LF alone": (400, chunked(b"5\nhello\r\n0\r\n\r\n")),
    "chunk end with LF alone": (400, chunked(b"5\r\nhello\n0\r\n\r\n")),
    "LF in a chunk extension": (400, chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    "CR in a chunk extension": (400, chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    "chunk extension of 100 kB": (400, chunked(b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n")),
    "chunk extensions without end": (400, chunked(b"1;" + b"x" * 200 + b"\r\na\r\n" +
                                                  (b"1;" + b"x" * 200 + b"\r\na\r\n") * 50)),
    "folded trailer": (400, chunked(b"0\r\nA: b\r\n c\r\n\r\n")),
    "endless trailers": (431, chunked(b"0\r\n" + b"A: b\r\n" * 21)),
    "trailers of too many octets": (431, chunked(b"0\r\n" + b"A: " + b"b" * 5000 + b"\r\n\r\n")),
    # Lines and headers (RFC 9112 sections 2.2, 3, 5).
    "LF alone ends the request line": (400, b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n"),
    "LF alone ends a header": (400, b"GET /healthz HTTP/1.1\r\nHost: a\n\r\n"),
    "folded header": (400, get(HOST + b"A: b\r\n c\r\n")),
    "folded first header": (400, b"GET /healthz HTTP/1.1\r\n A: b\r\n" + HOST + b"\r\n"),
    "header without a colon": (400, get(HOST + b"nonsense\r\n")),
    "header without a name": (400, get(HOST + b": value\r\n")),
    "header name with a space": (400, get(HOST + b"A B: c\r\n")),
    "header name that is not ASCII": (400, get(HOST + b"\xc3\xa4: c\r\n")),
    "NUL in a header": (400, get(HOST + b"A: b\0c\r\n")),
    "CR in a header": (400, get(HOST + b"A: b\rc\r\n")),
    "two empty lines before": (400, b"\r\n\r\n" + get()),
    "no method": (400, b" /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "request line with one part": (400, b"GET\r\n\r\n"),
    "request line with two spaces": (400, b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "method that is no token": (400, b"G(T /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "method that is not known": (501, b"BREW /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "method in small letters": (501, b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT": (501, b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "version 2.0": (505, get(version=b"HTTP/2.0")),
    "version 1.2": (505, get(version=b"HTTP/1.2")),
    "version 0.9": (505, get(version=b"HTTP/0.9")),
    "version in small letters": (400, get(version=b"http/1.1")),
    "HTTP/2 preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS hello": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "target without a slash": (400, get(target=b"healthz")),
    "asterisk with GET": (400, get(target=b"*")),
    "target with a fragment": (400, get(target=b"/healthz#x")),
    "target that is not ASCII": (400, get(target=b"/h\xc3\xa4")),
    "target with a broken escape": (400, get(target=b"/%zz")),
    "target with a cut escape": (400, get(target=b"/%2")),
    "target with an encoded NUL": (400, get(target=b"/%00")),
    "target with an encoded CR LF": (400, get(target=b"/a%0d%0aX:1")),
    "target with invalid UTF-8": (400, get(target=b"/%ff")),
    # Limits.
    "target too long": (414, get(target=b"/" + b"x" * 1024)),
    "request line without end": (414, b"GET /" + b"x" * 8000),
    "method without end": (414, b"G" * 8000),
    "one header too many": (431, get(HOST + b"A: b\r\n" * 20)),
    "2000 headers": (431, get(HOST + b"A: b\r\n" * 2000)),
    "header without end": (431, b"GET /healthz HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 8000),
    "headers of too many octets": (431, get(HOST + b"A: " + b"x" * 4096 + b"\r\n")),
    "body of one octet too many": (413, post(b"Content-Length: 2049\r\n")),
    "chunks of one octet too many": (413, chunked(b"400\r\n" + b"x" * 1024 + b"\r\n400\r\n" + b"x" * 1024 +
                                                  b"\r\n1\r\nx\r\n0\r\n\r\n")),
}


@pytest.mark.parametrize("name", ABUSE)
def test_is_refused_and_the_connection_ends(daemon, name):
    status, octets = ABUSE[name]
    with RawConnection(daemon.address) as connection:
        connection.send_until_refused(octets)
        response = connection.read_response()
        rest = connection.read_to_end()
    assert response.status == status, response
    error = response.json()
    assert error["message"] and error["correlationId"]
    assert error["error"] == ("PAYLOAD_TOO_LARGE" if status in (413, 414, 431) else "VALIDATION_ERROR")
    assert response.header("connection") == "close"
    assert rest == b"", "something behind the refused request was answered"


@pytest.mark.parametrize("name", ["Transfer-Encoding gzip", "two Hosts", "folded header",
                                  "chunk size with 0x", "LF alone ends a header"])
def test_is_refused_however_it_is_cut(daemon, name):
    status, octets = ABUSE[name]
    for cut in range(1, len(octets), 11):
        with RawConnection(daemon.address) as connection:
            connection.send(octets[:cut])
            connection.send_until_refused(octets[cut:])
            assert connection.read_response().status == status


ALLOWED = {
    "target of the limit": get(target=b"/healthz?" + b"x" * (1024 - 9)),
    "headers of the limit": get(HOST + b"A: b\r\n" * 19),
    "header octets below the limit": get(HOST + b"A: " + b"x" * 4000 + b"\r\n"),
    "body of the limit": post(b"Content-Length: 2048\r\n", BODY + b" " * (2048 - len(BODY))),
    "chunks of the limit": chunked(b"29;x=y\r\n" + BODY + b"\r\n7d7\r\n" + b" " * 2007 + b"\r\n0\r\n\r\n"),
    "chunk size with zeros": chunked(b"00029\r\n" + BODY + b"\r\n000\r\n\r\n"),
    "chunked in capitals": post(b"Transfer-Encoding: CHUNKED\r\n", b"29\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "spaces around a value": post(b"Content-Length: \t 41 \t\r\n", BODY),
    "a value that is not ASCII": get(HOST + b"A: \xc3\xa4\r\n"),
    "an IPv6 Host": get(b"Host: [::1]:80\r\n"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_is_allowed(daemon, name):
    with RawConnection(daemon.address) as connection:
        connection.send(ALLOWED[name] + get())
        assert connection.read_response().status == 200
        assert connection.read_response().json() == {"status": "ok"}


def test_refusals_are_counted_and_nobody_else_notices(daemon):
    with RawConnection(daemon.address) as other:
        other.send(get())
        assert other.read_response().status == 200
        before = daemon.metric("ringcast_http_refused_total")
        for _, octets in ABUSE.values():
            with RawConnection(daemon.address) as connection:
                connection.send_until_refused(octets)
                connection.read_response()
        assert daemon.metric("ringcast_http_refused_total") - before == len(ABUSE)
        lines = [line for line in daemon.log().splitlines() if "request refused: " in line]
        assert 0 < len(lines) < len(ABUSE), "a log that anybody can fill"
        other.send(get())
        assert other.read_response().status == 200
    assert daemon.running()


def test_resets_in_the_middle_leave_no_descriptor(daemon):
    before = daemon.descriptors()
    for cut in range(1, 40):
        connection = RawConnection(daemon.address)
        connection.send(post(b"Content-Length: 41\r\n", BODY)[:cut * 3])
        connection.reset()
    wait_until(lambda: daemon.descriptors() <= before, "the descriptors of the reset connections")
