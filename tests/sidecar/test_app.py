"""Requests of the plugin: when look-ups begin, what is refused, and who goes away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from itertools import repeat
from pathlib import Path

import pytest
from starlette.types import Message

from cmp.meter import Unmetered
from cmp.plugin import wire
from sidecar.admission import LARGEST, Admission
from sidecar.app import App
from tests.servers.resolver import (
    ENVIRONMENT,
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

PATHS = [wire.GENERATE, wire.PARAMETERS, wire.EXPLAIN]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.sock"


@pytest.mark.parametrize("asked", PATHS)
def test_environment_and_manifests_come_to_the_resolver(path: Path, asked: str) -> None:
    async def run() -> None:
        echo = Echo()
        async with served(path, echo) as server:
            assert (await server.ask(b"a: 1\n", asked)).stdout == b"a: 1\n"
            assert server.meter.counts["seconds observed", asked] == 1
            assert server.meter.counts["retag_requests_total", asked, "ok"] == 1
            assert server.meter.gauges["retag_requests_in_flight"] == 0
        assert echo.asked == [(asked, ENVIRONMENT, b"a: 1\n")]
        assert echo.begun == [ENVIRONMENT]

    asyncio.run(run())


def test_look_ups_begin_before_the_manifests_are_there(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        async with served(path, echo):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(head_of() + chunked(body_of(b""))[:-5])
            await until(lambda: echo.begun == [ENVIRONMENT])
            assert not echo.asked
            writer.write(chunked(b"late"))
            assert reply_in(await reader.read()).stdout == b"late"
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_it_does_not_matter_how_a_body_is_cut(path: Path, size: int) -> None:
    async def run() -> None:
        echo = Echo()
        body = body_of(b"a: 1\n" * 20, {"ARGOCD_APP_NAME": "web", "KUBE_VERSION": "1.34.0"})
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        async with served(path, echo):
            response = await send_raw(path, head_of() + chunked(*pieces))
            assert reply_in(response).stdout == b"a: 1\n" * 20
        assert len(echo.begun) == 1

    asyncio.run(run())


def test_a_body_with_a_length_will_do(path: Path) -> None:
    async def run() -> None:
        body = body_of(b"a: 1\n")
        head = b"POST /v1/generate HTTP/1.1\r\nHost: retag\r\nContent-Length: %d\r\n\r\n" % len(
            body
        )
        async with served(path, Echo()):
            assert reply_in(await send_raw(path, head + body)).stdout == b"a: 1\n"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", b"it ends within the environment", id="nothing"),
        pytest.param(b"retag", b"it ends within the environment", id="a beginning"),
        pytest.param(b"retag 1 9\nA=B", b"it ends within the environment", id="half a one"),
        pytest.param(b"retag 2 0\n", b"it does not begin as it should", id="another version"),
        pytest.param(b'{"a": 1}\n', b"it does not begin as it should", id="JSON"),
        pytest.param(b"retag 1 x\n", b"its first line is another", id="no number"),
        pytest.param(b"retag 1 2\nA\0", b"an environment that is none", id="no value"),
        pytest.param(b"retag 1 99999999\n", b"an environment of more than", id="a huge one"),
    ],
)
def test_what_the_plugin_does_not_send_is_refused_in_one_line(
    path: Path, body: bytes, why: bytes
) -> None:
    async def run() -> None:
        echo = Echo()
        async with served(path, echo) as server:
            reply = reply_in(await send_raw(path, head_of() + chunked(body)))
            assert reply.exit_code == 6
            assert reply.stderr.startswith(b"error: the request is none of this version's plugin")
            assert why in reply.stderr
            assert reply.stderr.endswith(b" [RT613]\n")
            assert server.meter.counts["retag_requests_total", wire.GENERATE, "refused"] == 1
        assert not echo.asked

    asyncio.run(run())


def test_what_is_no_text_in_the_environment_is_replaced(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        packed = wire.pack_environment({b"ARGOCD_APP_NAME": b"we\xffb"})
        async with served(path, echo):
            await send_raw(path, head_of() + chunked(packed))
        assert echo.begun == [{"ARGOCD_APP_NAME": "we\ufffdb"}]

    asyncio.run(run())


def test_more_than_argo_cd_takes_is_refused_as_soon_as_it_is_seen(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        async with served(path, echo) as server:
            reply = reply_in(await asyncio.to_thread(_send_without_end, path))
            assert reply.stderr.startswith(b"error: the manifests are longer than 104857600 bytes")
            assert reply.stderr.endswith(b" [RT612]\n")
            assert server.meter.counts["retag_requests_total", wire.GENERATE, "refused"] == 1
        assert not echo.asked

    asyncio.run(run())


def _send_without_end(path: Path) -> bytes:
    """What is answered to one who sends until that fails, as the plugin does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        client.sendall(head_of() + b"%x\r\n" % (1 << 40) + body_of(b""))
        pieces = repeat(bytes(1 << 20))
        with pytest.raises(BrokenPipeError):
            deque(map(client.sendall, pieces), maxlen=0)
        response = b""
        with contextlib.suppress(ConnectionResetError):
            while received := client.recv(1 << 16):
                response += received
        return response


GONE = [
    pytest.param(b"", id="before anything"),
    pytest.param(head_of()[:40], id="within the head"),
    pytest.param(head_of(), id="before the body"),
    pytest.param(head_of() + chunked(body_of(b""))[:10], id="within the environment"),
    pytest.param(head_of() + chunked(body_of(b""))[:-5], id="while it renders"),
    pytest.param(head_of() + chunked(body_of(b"a" * 100))[:-20], id="within the manifests"),
    pytest.param(request_of(b"a"), id="while it is answered"),
    pytest.param(request_of(b"a" * 5_000_000), id="while a large one is read or answered"),
]


@pytest.mark.parametrize("sent", GONE)
def test_who_goes_away_is_forgotten(path: Path, sent: bytes) -> None:
    async def run() -> None:
        echo = Echo()
        echo.open.clear()
        async with served(path, echo) as server:
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(sent)
            await until(lambda: server.meter.gauges.get("retag_connections") == 1)
            if sent == request_of(b"a"):
                await echo.until_working()
            writer.transport.abort()
            await until(lambda: server.meter.gauges["retag_connections"] == 0)
            await until(lambda: not server.meter.gauges.get("retag_requests_in_flight"))
            assert echo.cancelled == len(echo.asked)
            echo.open.set()
            assert (await server.ask(b"next")).stdout == b"next"
            counted = server.meter.counts["retag_requests_total", wire.GENERATE, "gone"]
            assert counted in {0, 1}

    asyncio.run(run())


def test_who_goes_away_while_the_reply_is_sent_is_forgotten(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            reader, writer = await asyncio.open_unix_connection(path, limit=1)
            writer.write(request_of(bytes(5_000_000)))
            assert await reader.readexactly(9) == b"HTTP/1.1 "
            writer.transport.abort()
            await until(lambda: server.meter.gauges["retag_connections"] == 0)
            await until(lambda: server.meter.gauges["retag_requests_in_flight"] == 0)

    asyncio.run(run())


def test_who_waits_too_long_for_a_place_is_told(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        echo.open.clear()
        async with served(path, echo, admission=Admission(requests=1), patience=0.0) as server:
            first = asyncio.create_task(server.ask(b"first"))
            await echo.until_working()
            reply = await server.ask(b"second")
            assert (reply.exit_code, reply.stdout) == (6, b"")
            assert reply.stderr.startswith(b"error: the resolver has too much to do; ")
            assert server.meter.counts["retag_requests_total", wire.GENERATE, "busy"] == 1
            echo.open.set()
            assert (await first).stdout == b"first"

    asyncio.run(run())


def test_who_dawdles_with_a_large_body_is_told_and_others_get_its_room(path: Path) -> None:
    async def run() -> None:
        admission = Admission(small=100_000, large=LARGEST)
        async with served(path, Echo(), admission=admission, rush=0.05) as server:
            reader, writer = await asyncio.open_unix_connection(path)
            whole = request_of(bytes(3_000_000))
            writer.write(whole[: len(whole) // 2])
            told = await reader.read()
            assert b"a large body comes too slowly" in told
            assert told.endswith(b"retag end\n")
            writer.close()
            assert (await server.ask(bytes(200_000))).exit_code == 0

    asyncio.run(run())


def test_large_ones_wait_unread_and_small_ones_do_not_wait(path: Path) -> None:
    async def run() -> None:
        echo = Echo()
        echo.open.clear()
        large = bytes(3_000_000)
        admission = Admission(small=100_000, large=LARGEST)
        async with served(path, echo, admission=admission) as server:
            first = asyncio.create_task(server.ask(large))
            await echo.until_working()
            second = asyncio.create_task(server.ask(large))
            small = [asyncio.create_task(server.ask(b"%d" % number)) for number in range(20)]
            await echo.until_working(21)
            assert sum(len(manifests) == len(large) for *_, manifests in echo.asked) == 1
            echo.open.set()
            assert [len((await each).stdout) for each in (first, second)] == [len(large)] * 2
            assert [(await each).stdout for each in small] == [b"%d" % n for n in range(20)]

    asyncio.run(run())


def test_replies_are_what_the_wire_says(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()):
            response = await send_raw(path, request_of(json.dumps({"a": "ä"}).encode()))
            _, _, body = response.partition(b"\r\n\r\n")
            assert wire.unpack_reply(body) == (0, b"", b'{"a": "\\u00e4"}')
            assert b"content-length: %d" % len(body) in response

    asyncio.run(run())


def test_a_request_ends_with_the_loop_that_it_is_in() -> None:
    async def run() -> None:
        async def receive() -> Message:
            await asyncio.Event().wait()
            return {}

        async def send(_message: Message) -> None:
            sent.append(_message)

        sent: list[Message] = []
        app = App(Echo(), Admission(), meter=Unmetered(), observe=lambda _path, _seconds: None)
        scope = {"type": "http", "path": wire.GENERATE, "method": "POST", "headers": []}
        task = asyncio.create_task(app.respond(scope, receive, send))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not sent

    asyncio.run(run())
