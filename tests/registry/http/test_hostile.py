from __future__ import annotations

import asyncio
import gzip

import pytest

from cmp.errors import BadReplyError, RegistryError, UnreachableError
from cmp.registry.http.exchange import HttpRequest
from tests.registry.http.clients import a_client, at, exchanged
from tests.registry.http.rawserver import Handler, RawServer, reply, serving

# Hostile replies


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "that is not HTTP/1.1", id="SSH"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x46", "not HTTP/1.1", id="an alert of TLS"),
        pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", "that is not HTTP/1.1", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n", "is not HTTP/1.1", id="no header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", "is not HTTP/1.1", id="NUL"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "is not HTTP/1.1",
            id="two lengths",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "is not HTTP/1.1", id="negative"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % (b"9" * 5000),
            "is not HTTP/1.1",
            id="a length of 5,000 digits",
        ),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", "is not HTTP/1.1", id="101"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 60_000, "is not HTTP/1.1", id="endless headers"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nA: " + b"b" * 300_000, "is not HTTP/1.1", id="an endless header"
        ),
    ],
)
def test_what_is_not_http_is_a_bad_reply(answer: bytes, said: str) -> None:
    with pytest.raises(BadReplyError, match=said) as error:
        exchanged(answer)

    assert error.value.code == "RT544"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(reply(b"abcd"), "larger than the 3 bytes", id="a length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "larger than the 3 bytes",
            id="a length of which nothing comes",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\nab\r\n" * 9,
            "larger than the 3 bytes",
            id="chunks without an end",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nabcd", "larger than the 3 bytes", id="no length"),
        pytest.param(
            reply(gzip.compress(b""), "Content-Encoding: gzip"), "compressed answer", id="gzip"
        ),
        pytest.param(reply(b"", "Content-Encoding: br"), "compressed answer", id="Brotli"),
    ],
)
def test_what_is_too_large_or_compressed_is_a_bad_reply(answer: bytes, said: str) -> None:
    with pytest.raises(BadReplyError, match=said) as error:
        exchanged(answer, HttpRequest("GET", "/", limit=3))

    assert error.value.code == "RT545"


def test_an_answer_that_says_it_is_not_compressed_is_read() -> None:
    assert exchanged(reply(b"ok", "Content-Encoding: identity")).body == b"ok"


def test_an_endless_body_is_left_at_the_limit() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            sent += 65536

    with pytest.raises(BadReplyError, match="larger than the 1000000 bytes"):
        exchanged(pour, HttpRequest("GET", "/", limit=1_000_000))

    # What the system's buffers swallowed besides is far from endless.
    assert sent < 50_000_000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 O", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", id="half a body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            id="half the chunks",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", id="no chunks"
        ),
    ],
)
def test_an_answer_that_breaks_off_may_come_whole_another_time(answer: bytes) -> None:
    with pytest.raises(UnreachableError, match="the connection broke off") as error:
        exchanged(answer)

    assert error.value.code == "RT540"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"Client sent an HTTP request to an HTTPS server.\n", id="Go"),
        pytest.param(b"The plain HTTP request was sent to HTTPS port", id="nginx"),
        pytest.param(b"speaking plain HTTP to an SSL-enabled server port", id="Apache"),
    ],
)
def test_plain_http_at_a_port_of_tls_is_told(words: bytes) -> None:
    with pytest.raises(BadReplyError, match="it speaks TLS there; write https:// in api_url"):
        exchanged(b"HTTP/1.0 400 Bad Request\r\n\r\n" + words)


# Time


async def _timed_out(handle: Handler, seconds: float = 0.1) -> RegistryError:
    async with serving(RawServer(), handle) as server, a_client() as client:
        with pytest.raises(UnreachableError) as error:
            await client(at(server, HttpRequest("GET", "/?token=secret")), seconds=seconds)
        assert str(error.value) == (
            f"http://{server.host}: it did not answer whole in time; "
            "look at its load, and at what is on the way [RT540]"
        )
        return error.value


async def _silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.001)


async def _drip_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nA: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.001)


async def _hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    while True:
        writer.write(b"HTTP/1.1 103 Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "handle",
    [
        pytest.param(_silence, id="silence"),
        pytest.param(_drip, id="a slow drip"),
        pytest.param(_drip_head, id="a slow drip of a header"),
        pytest.param(_hints, id="endless hints"),
    ],
)
def test_what_does_not_end_is_left_in_time(handle: Handler) -> None:
    assert asyncio.run(_timed_out(handle)).code == "RT540"


def test_those_who_were_left_in_time_hold_no_connections() -> None:
    async def run() -> int:
        server = RawServer()

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.head(reader)
            if len(server.heads) <= 40:
                await asyncio.Event().wait()
            writer.write(reply(b"ok"))
            await writer.drain()

        async with serving(server, once), a_client() as client:
            request = at(server, HttpRequest("GET", "/"))
            hung = [client(request, seconds=0.5) for _ in range(40)]
            outcomes = await asyncio.gather(*hung, return_exceptions=True)
            assert all(isinstance(each, UnreachableError) for each in outcomes)
            server.heads.extend([""] * 40)
            return (await client(request, seconds=5)).status

    assert asyncio.run(run()) == 200
