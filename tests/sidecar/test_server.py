"""The server on real sockets: how it begins, who is answered, and how it ends."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from cmp.errors import ResolverError
from cmp.plugin import wire
from sidecar.protocol import Limits
from sidecar.resolver import Reply
from tests.servers.resolver import (
    Echo,
    ask,
    body_of,
    chunked,
    head_of,
    reply_in,
    request_of,
    send_raw,
    served,
    until,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.sock"


def test_a_request_is_answered_and_the_connection_ends(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            response = await send_raw(path, request_of(b"a: 1\n"))
            assert reply_in(response) == Reply(0, b"", b"a: 1\n")
            head = response.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
            assert b"connection: close" in head
            assert not any(line.startswith((b"server:", b"date:")) for line in head)
            assert server.meter.counts["retag_requests_total", wire.GENERATE, "ok"] == 1

    asyncio.run(run())


def test_what_is_in_flight_at_the_end_is_answered(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        echo.open.clear()
        async with served(path, echo) as server:
            asked = [asyncio.create_task(server.ask(b"%d" % number)) for number in range(20)]
            await echo.until_working(20)
            # This one is in the kernel's queue, or half read, when the end begins.
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(head_of())
            late = asyncio.create_task(_finish(reader, writer, path, echo))
        assert [reply.stdout for reply in await asyncio.gather(*asked)] == [
            b"%d" % number for number in range(20)
        ]
        assert (await late).stdout == b"late"

    asyncio.run(run())
    assert not path.exists()


async def _finish(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path, echo: Echo
) -> Reply:
    """Send the body when the socket is gone, then let all be answered."""
    await until(lambda: not path.exists())
    writer.write(chunked(body_of(b"late")))
    echo.open.set()
    response = await reader.read()
    writer.close()
    await writer.wait_closed()
    return reply_in(response)


def test_what_takes_longer_than_the_grace_gets_one_line(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        echo.open.clear()
        async with served(path, echo, grace=0.05) as server:
            working = asyncio.create_task(server.ask(b"a"))
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(head_of())
            await echo.until_working()
        reply = await working
        assert (reply.exit_code, reply.stdout) == (6, b"")
        assert reply.stderr.startswith(b"error: the resolver is being stopped; ")
        assert reply.stderr.endswith(b"[RT615]\n")
        assert reply_in(await reader.read()).exit_code == 6
        assert echo.cancelled == 1
        assert server.meter.counts["retag_requests_total", wire.GENERATE, "stopped"] == 2
        writer.close()

    asyncio.run(run())


def test_who_is_silent_at_the_end_does_not_hold_it_up_for_long(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo(), limits=Limits(head=0.05)):
            reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()

    asyncio.run(run())


def test_who_does_not_read_at_the_end_is_cut_off(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo(), grace=0.0) as server:
            reader, writer = await asyncio.open_unix_connection(path, limit=1)
            writer.write(request_of(bytes(4_000_000)))
            assert await reader.readexactly(9) == b"HTTP/1.1 "
        assert server.meter.counts["retag_connections_refused_total", "stopped"] == 1
        writer.transport.abort()

    asyncio.run(run())


def test_after_the_grace_the_head_that_comes_is_told_too(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        async with served(path, echo) as server:
            server.app.stop()
            assert (await ask(path, b"a")).exit_code == 6
        assert not echo.asked

    asyncio.run(run())


def test_two_on_one_path_are_one_too_many(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            with pytest.raises(ResolverError) as caught:
                async with served(path, Echo()):
                    pass
            assert caught.value.code == "RT611"
            assert (await server.ask(b"a")).stdout == b"a"
        async with served(path, Echo()) as server:
            assert (await server.ask(b"a")).stdout == b"a"

    asyncio.run(run())


def test_the_probes_port_being_taken_is_said(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            assert server.port is not None
            taken = ("127.0.0.1", server.port)
            with pytest.raises(ResolverError) as caught:
                async with served(path.with_name("other"), Echo(), probes=taken):
                    pass
            assert f"127.0.0.1:{server.port}" in str(caught.value)
            assert caught.value.code == "RT616"
        async with served(path, Echo(), probes=("", 0)) as server:
            assert await server.probe("/healthz") == (200, b"ok\n")

    asyncio.run(run())


def test_probes_can_be_nowhere(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo(), probes=None) as server:
            assert server.port is None
            assert (await server.ask(b"a")).stdout == b"a"

    asyncio.run(run())


def test_as_many_files_may_be_open_as_the_system_allows(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 512), hard))

    async def run() -> None:
        async with served(path, Echo()):
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)

    try:
        asyncio.run(run())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
