from __future__ import annotations

import asyncio

import pytest

from cmp.errors import UnreachableError
from cmp.registry.http.exchange import HttpRequest
from tests.registry.http.clients import a_client, at
from tests.registry.http.rawserver import Handler, RawServer, reply, serving

# Connections


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param("GET", reply(b"ok"), id="GET"),
        pytest.param("POST", reply(b"ok"), id="POST"),
        pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", id="HEAD"),
        pytest.param("GET", reply(status="404 No"), id="a failure"),
        pytest.param("GET", b"HTTP/1.1 304 No\r\n\r\n", id="nothing new"),
    ],
)
def test_connections_are_used_again(method: str, answer: bytes) -> None:
    async def run() -> tuple[int, int]:
        server = RawServer()
        async with serving(server, server.says(*[answer] * 5)), a_client() as client:
            for _ in range(5):
                await client(at(server, HttpRequest(method, "/")), seconds=5)
        return server.connections, len(server.heads)

    assert asyncio.run(run()) == (1, 5)


def test_what_is_asked_at_once_shares_a_bounded_number_of_connections() -> None:
    async def run() -> int:
        server = RawServer()
        async with serving(server, server.says(*[reply(b"ok")] * 60)), a_client() as client:
            request = at(server, HttpRequest("GET", "/"))
            await asyncio.gather(*(client(request, seconds=20) for _ in range(60)))
        return server.connections

    assert 1 < asyncio.run(run()) <= 32


def _dropping(server: RawServer) -> Handler:
    """Answer once on the first connection and drop it at its next request; then be good."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = server.connections == 1
        await server.head(reader)
        writer.write(reply())
        await writer.drain()
        if first:
            await server.head(reader)
            return
        await server.says(*[reply()] * 5)(reader, writer)

    return handle


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_that_meets_a_closing_connection_is_sent_on_a_new_one(method: str) -> None:
    async def run() -> tuple[int, int]:
        server = RawServer()
        async with serving(server, _dropping(server)), a_client() as client:
            for _ in range(2):
                request = HttpRequest(method, "/")
                assert (await client(at(server, request), seconds=5)).status == 200
        return server.connections, len(server.heads)

    assert asyncio.run(run()) == (2, 3)


def test_a_post_is_never_sent_twice() -> None:
    async def run() -> int:
        server = RawServer()
        async with serving(server, _dropping(server)), a_client() as client:
            await client(at(server, HttpRequest("GET", "/")), seconds=5)
            with pytest.raises(UnreachableError, match="the connection broke off"):
                await client(at(server, HttpRequest("POST", "/")), seconds=5)
        return len(server.heads)

    assert asyncio.run(run()) == 2


def test_a_request_that_fails_on_a_new_connection_is_not_sent_again() -> None:
    async def run() -> int:
        server = RawServer()
        async with serving(server, server.says(b"")), a_client() as client:
            with pytest.raises(UnreachableError):
                await client(at(server, HttpRequest("GET", "/")), seconds=5)
        return len(server.heads)

    assert asyncio.run(run()) == 1


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async def run() -> tuple[int, int]:
        server = RawServer()
        async with serving(server, server.says(reply(b"ok"))), a_client() as client:
            for _ in range(3):
                await client(at(server, HttpRequest("GET", "/")), seconds=5)
        return server.connections, len(server.heads)

    assert asyncio.run(run()) == (3, 3)


def test_a_body_where_none_may_be_spoils_no_later_answer() -> None:
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + reply(b"forged")

    async def run() -> list[bytes]:
        server = RawServer()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await server.head(reader)
            writer.write(smuggled[:60] if head.startswith("HEAD") else reply(b"true"))
            await writer.drain()

        async with serving(server, handle), a_client() as client:
            return [
                (await client(at(server, HttpRequest(method, "/")), seconds=5)).body
                for method in ("HEAD", "GET")
            ]

    assert asyncio.run(run()) == [b"", b"true"]


def test_a_client_can_be_closed_and_used_again() -> None:
    async def run() -> int:
        server = RawServer()
        async with serving(server, server.says(*[reply(b"ok")] * 5)), a_client() as client:
            for _ in range(2):
                await client(at(server, HttpRequest("GET", "/")), seconds=5)
                await client.aclose()
        return server.connections

    assert asyncio.run(run()) == 2
