"""Connections on a real socket: who may, how long, how many, and whatever bytes may come."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.admission import SMALL
from sidecar.protocol import Limits
from tests.servers.resolver import (
    PATIENCE,
    Echo,
    body_of,
    chunked,
    head_of,
    reply_in,
    request_of,
    send_raw,
    served,
    until,
)

LARGE = chunked(body_of(b"", {"ARGOCD_APP_PARAMETERS": "x" * (SMALL + 1)})[:-1])[:-5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.sock"


def test_silent_connections_make_room_for_one_that_speaks(path: Path) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(
                served(path, Echo(), limits=Limits(head=PATIENCE, connections=50))
            )
            writers = []
            for _ in range(300):
                _, writer = await asyncio.open_unix_connection(path)
                writers.append(writer)
            assert (await server.ask(b"a: 1\n")).stdout == b"a: 1\n"
            await server.until_counted("retag_connections_refused_total", "limit", times=251)
            for writer in writers:
                writer.close()
            ends = (writer.wait_closed() for writer in writers)
            await asyncio.gather(*ends, return_exceptions=True)  # most were cut

    asyncio.run(run())


def test_at_the_limit_who_renders_stays_and_who_sent_no_environment_makes_room(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        limits = Limits(head=PATIENCE, body=PATIENCE, connections=4)
        async with served(path, echo, limits=limits) as server:
            connections = []
            whole = chunked(body_of(b"a: 1\n"))
            for begun in (whole[:-5], b"", whole[:9], None):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(head_of() + begun if begun is not None else head_of()[:-2])
                connections.append((reader, writer))
                await until(
                    lambda: server.meter.gauges.get("retag_connections", 0) == len(connections)
                )
            await until(lambda: len(echo.begun) == 1)
            await until(lambda: server.meter.gauges.get("retag_requests_in_flight") == 3)
            held = []
            for cut in (3, 1, 2):  # no head; no environment, the one that came first
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(head_of() + whole[:-5])
                held.append((reader, writer))
                await until(lambda: len(echo.begun) == 1 + len(held))
                assert await _end_of(connections[cut][0]) == b""
            assert await send_raw(path, request_of(b"b: 1\n")) == b""  # now all of them render
            for reader, writer in (connections[0], *held):
                writer.write(b"0\r\n\r\n")
                assert reply_in(await reader.read()).stdout == b"a: 1\n"
            for _, writer in (*connections, *held):
                writer.close()
            ends = (writer.wait_closed() for _, writer in (*connections, *held))
            await asyncio.gather(*ends, return_exceptions=True)  # some were cut

    asyncio.run(run())


async def _end_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends; b"" where it is cut."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_where_all_connections_are_at_work_another_is_closed_at_once(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        echo.open.clear()
        async with served(path, echo, limits=Limits(connections=2)) as server:
            first = [asyncio.create_task(server.ask(b"%d" % number)) for number in range(2)]
            await echo.until_working(2)
            assert await send_raw(path, request_of(b"3")) == b""
            assert server.meter.counts["retag_connections_refused_total", "limit"] == 1
            echo.open.set()
            assert [reply.stdout for reply in await asyncio.gather(*first)] == [b"0", b"1"]

    asyncio.run(run())


def test_a_uid_that_is_not_listed_is_cut_off(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo(), uids=frozenset({12345})) as server:
            assert await send_raw(path, request_of(b"a: 1\n")) == b""
            assert await send_raw(path, request_of(b"a: 1\n")) == b""
            assert server.meter.counts["retag_connections_refused_total", "uid"] == 2
            assert "retag_requests_total" not in {name for name, *_ in server.meter.counts}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(b"", "head", id="nothing"),
        pytest.param(head_of()[:-2], "head", id="a head that does not end"),
        pytest.param(head_of(), "environment", id="no body"),
        pytest.param(head_of() + chunked(body_of(b"")[:-1])[:-5], "environment", id="part of it"),
        pytest.param(head_of() + chunked(body_of(b""))[:-5], "body", id="no manifests"),
        pytest.param(head_of() + chunked(body_of(b"a"))[:-2], "body", id="a body without end"),
        pytest.param(head_of() + LARGE[:-1], "body", id="an environment that may have to wait"),
    ],
)
def test_who_does_not_go_on_is_cut_off(path: Path, sent: bytes, reason: str) -> None:
    async def run() -> None:
        patient = Limits(head=PATIENCE, body=PATIENCE)
        short = replace(patient, body=0.05) if reason == "body" else replace(patient, head=0.05)
        async with served(path, Echo(), limits=short) as server:
            assert await send_raw(path, sent) == b""
            assert server.meter.counts["retag_connections_refused_total", reason] == 1

    asyncio.run(run())


def test_who_does_not_read_the_answer_is_cut_off(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo(), limits=Limits(answer=0.05)) as server:
            reader, writer = await asyncio.open_unix_connection(path, limit=1)
            writer.write(request_of(bytes(4_000_000)))
            await server.until_counted("retag_connections_refused_total", "answer")
            await until(lambda: server.meter.gauges["retag_requests_in_flight"] == 0)
            writer.close()
            del reader

    asyncio.run(run())


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n", id="long"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000 + b"\r\n", id="many"),
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", id="target"),
        pytest.param(head_of() + b"zz\r\nabc\r\n", id="a chunk of no size"),
        pytest.param(head_of() + b"-1\r\nabc\r\n", id="a chunk of a negative size"),
        pytest.param(head_of() + b"f" * 40 + b"\r\nabc\r\n", id="a chunk of endless size"),
        pytest.param(head_of() + b"3\r\nabcdef", id="a chunk longer than it says"),
        pytest.param(head_of() + b"1;" + b"x" * 100_000 + b"\r\na\r\n", id="a chunk's extension"),
        pytest.param(
            b"POST /v1/generate HTTP/1.1\r\nHost: r\r\nContent-Length: 1\r\nContent-Length: 2"
            b"\r\n\r\nab",
            id="two lengths",
        ),
        pytest.param(
            b"POST /v1/generate HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked, identity\r\n"
            b"\r\n0\r\n\r\n",
            id="two encodings",
        ),
        pytest.param(b"POST /v1/generate HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"POST /v1/generate HTTP/1.1\r\nHost : r\r\n\r\n", id="a blank in a name"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9 + b"\r\n", id="TLS"),
    ],
)
def test_nonsense_gets_no_answer_of_ours_and_harms_nobody(path: Path, sent: bytes) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            response = await send_raw(path, sent)
            # Who still sends when the connection ends may not get to read why.
            assert response[:10] in {b"HTTP/1.1 4", b""} or b"[RT613]" in response
            assert (await server.ask(b"a: 1\n")).stdout == b"a: 1\n"

    asyncio.run(run())


VALID = request_of(b"a: 1\n")


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda at, length, new: VALID[:at] + new + VALID[at + length :],
        st.integers(0, len(VALID)),
        st.integers(0, 20),
        st.binary(max_size=20),
    )
)
def test_whatever_is_sent_harms_nobody(sent: bytes) -> None:
    async def run(path: Path) -> None:
        faults: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: faults.append(context))
        async with served(path, Echo()) as server:
            await send_raw(path, sent, ends=True)
            assert (await server.ask(b"a: 1\n")).stdout == b"a: 1\n"
        assert not faults

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder, "r.sock")))


def test_a_uid_that_may_not_connect_is_told_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with served(path, Echo(), uids=frozenset()):
            for _ in range(3):
                await send_raw(path, request_of(b"a: 1\n"))

    asyncio.run(run())
    assert caplog.messages == [
        f"uid {os.getuid()} may not connect; --allow-uid lists who may",
    ]


def test_a_body_in_crumbs_is_cut_off(path: Path) -> None:
    """Else it would have the event loop for itself."""

    async def run() -> None:
        async with served(path, Echo()) as server:
            crumbs = b"1\r\na\r\n" * 100_000
            assert await send_raw(path, head_of() + chunked(body_of(b""))[:-5] + crumbs) == b""
            assert server.meter.counts["retag_connections_refused_total", "framing"] == 1
            pieces = chunked(*[body_of(b"a" * 1000)] + [b"a" * 1000] * 10_000)
            response = await send_raw(path, head_of() + pieces)
            assert len(reply_in(response).stdout) == 10_001_000

    asyncio.run(run())


def test_a_request_hidden_behind_another_is_never_read(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        async with served(path, echo):
            response = await send_raw(path, request_of(b"first") + request_of(b"second"))
            assert reply_in(response).stdout == b"first"
        assert len(echo.asked) == 1

    asyncio.run(run())


def test_a_length_beside_chunks_does_not_count(path: Path) -> None:
    """RFC 9112, 6.3: the encoding wins; what follows it is no request, as the connection ends."""

    async def run() -> None:
        async with served(path, Echo()):
            smuggled = head_of()[:-2] + b"Content-Length: 5\r\n\r\n" + chunked(body_of(b"a"))
            response = await send_raw(path, smuggled + request_of(b"second"))
            assert response.count(b"HTTP/1.1") == 1
            assert reply_in(response).stdout == b"a"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/generate HTTP/1.1\r\nHost: r\r\n\r\n", 405),
        (b"POST /v1/generate/ HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\nHost: r\r\n\r\n", 404),
        (b"POST //v1/generate HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n", 404),
    ],
)
def test_nothing_else_is_served(path: Path, sent: bytes, status: int) -> None:
    async def run() -> None:
        async with served(path, Echo()):
            assert (await send_raw(path, sent)).startswith(b"HTTP/1.1 %d " % status)

    asyncio.run(run())
