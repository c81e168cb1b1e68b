from __future__ import annotations

import asyncio

import pytest

from cmp import __version__
from cmp.errors import BadReplyError
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from tests.registry.http.clients import a_client, at, exchanged
from tests.registry.http.rawserver import RawServer, reply, serving

# What comes back


def test_a_response_comes_back_whole() -> None:
    response = exchanged(reply(b"[]", "X-Two: 1", "X-Two: 2", "Content-Type: application/json"))

    assert response == HttpResponse(
        200,
        (
            ("content-length", "2"),
            ("x-two", "1"),
            ("x-two", "2"),
            ("content-type", "application/json"),
        ),
        b"[]",
        seconds=1.0,
        tls="",
    )


def test_a_body_in_chunks_comes_back_whole() -> None:
    chunks = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )

    assert exchanged(chunks).body == b"abc"


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    assert exchanged(b"HTTP/1.0 200 OK\r\n\r\nabc").body == b"abc"


def test_a_body_as_large_as_allowed_comes_back() -> None:
    assert exchanged(reply(b"abc"), HttpRequest("GET", "/", limit=3)).body == b"abc"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", id="HEAD"),
        pytest.param(
            "HEAD",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\n",
            id="HEAD of what would be compressed",
        ),
        pytest.param("GET", b"HTTP/1.1 304 No\r\nContent-Length: 99999999\r\n\r\n", id="304"),
        pytest.param("GET", b"HTTP/1.1 204 No\r\n\r\n", id="204"),
    ],
)
def test_nobody_waits_for_a_body_that_there_is_not(method: str, answer: bytes) -> None:
    assert exchanged(answer, HttpRequest(method, "/", limit=3)).body == b""


def test_redirects_and_failures_are_responses_like_others() -> None:
    moved = exchanged(reply(b"", "Location: http://192.0.2.1/", status="307 Moved"))

    assert (moved.status, moved.header("location")) == (307, "http://192.0.2.1/")
    assert exchanged(reply(b"oops", status="500 Oops")).status == 500
    assert exchanged(reply(b"bad", status="400 Bad")).body == b"bad"


def test_informational_responses_are_passed_over() -> None:
    assert exchanged(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + reply(b"ok")).body == b"ok"


# What is sent


def head_of(request: HttpRequest) -> list[str]:
    """The lines that a server sees of *request*, without that of its own host."""

    async def run() -> list[str]:
        server = RawServer()
        async with serving(server, server.says(reply())), a_client() as client:
            await client(at(server, request), seconds=5)
            return server.heads[0].replace(server.host, "HOST").rstrip().splitlines()

    return asyncio.run(run())


def test_a_request_says_who_asks_and_wants_nothing_compressed() -> None:
    request = HttpRequest(
        "GET",
        "/v2/demo/app/tags/list?n=1&last=a%2Fb",
        {"Accept": "a/b, c/d", "Authorization": "Bearer made-up", "accept-encoding": "gzip"},
    )

    assert head_of(request) == [
        "GET /v2/demo/app/tags/list?n=1&last=a%2Fb HTTP/1.1",
        "Host: HOST",
        "Accept: a/b, c/d",
        "Authorization: Bearer made-up",
        f"User-Agent: retag/{__version__}",
        "Accept-Encoding: identity",
    ]


def test_a_body_is_sent_with_its_length() -> None:
    async def run() -> bytes:
        got = bytearray()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await server.head(reader)
            assert "Content-Length: 4\r\n" in head
            got.extend(await reader.readexactly(4))
            writer.write(reply())
            await writer.drain()

        server = RawServer()
        async with serving(server, handle), a_client() as client:
            await client(at(server, HttpRequest("POST", "/", body=b"a=b&")), seconds=5)
        return bytes(got)

    assert asyncio.run(run()) == b"a=b&"


def test_an_entity_tag_that_is_not_ascii_is_sent_back_as_it_came() -> None:
    assert 'If-None-Match: "\xe4"' in head_of(HttpRequest("GET", "/", {"If-None-Match": '"ä"'}))


def test_cookies_and_logins_in_urls_are_never_sent() -> None:
    async def run() -> list[str]:
        server = RawServer()
        handle = server.says(reply(b"", "Set-Cookie: session=x; Path=/"), reply())
        async with serving(server, handle), a_client() as client:
            for _ in range(2):
                url = f"http://someone:secret@{server.host}/v2/"
                await client(HttpRequest("GET", url), seconds=5)
        return server.heads

    for head in asyncio.run(run()):
        assert "cookie" not in head.lower()
        assert "authorization" not in head.lower()
        assert "someone" not in head


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(HttpRequest("GET", "ftp://192.0.2.1/"), id="another scheme"),
        pytest.param(HttpRequest("GET", "/v2/"), id="no host"),
        pytest.param(HttpRequest("GET", "http:///v2/"), id="an empty host"),
        pytest.param(HttpRequest("GET", "http://127.0.0.1:x/secret"), id="no port"),
        pytest.param(HttpRequest("GET", "http://127.0.0.1/\0secret"), id="a control character"),
        pytest.param(HttpRequest("GET", "http://a..b\udcff/secret"), id="half a character"),
        pytest.param(
            HttpRequest("GET", "http://127.0.0.1/", {"Authorization": "secret\u20ac"}),
            id="a header that is not latin-1",
        ),
        pytest.param(
            HttpRequest("GET", "http://127.0.0.1:PORT/", {"X": "secret\r\nHost: b"}),
            id="a header of two lines",
        ),
        pytest.param(HttpRequest("GET /secret", "http://127.0.0.1:PORT/"), id="no method"),
    ],
)
def test_what_cannot_be_asked_is_one_line_without_its_secrets(request_: HttpRequest) -> None:
    async def run() -> int:
        server = RawServer()
        async with serving(server, server.says(reply())), a_client() as client:
            url = request_.url.replace("PORT", str(server.port))
            broken = HttpRequest(request_.method, url, request_.headers)
            with pytest.raises(BadReplyError) as error:
                await client(broken, seconds=5)
        assert error.value.code == "RT547"
        assert "secret" not in str(error.value)
        return len(server.heads)

    assert asyncio.run(run()) == 0
