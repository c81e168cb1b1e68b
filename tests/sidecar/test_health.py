"""Probes: alive is the event loop, ready is the socket, which is there once all is read."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.servers.resolver import Echo, served


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.sock"


def test_it_is_alive_and_ready_and_counts(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            assert await server.probe("/healthz") == (200, b"ok\n")
            assert await server.probe("/readyz") == (200, b"ok\n")
            await server.ask(b"a")
            status, text = await server.probe("/metrics")
            assert status == 200
            assert b"('retag_requests_total', '/v1/generate', 'ok')" in text
            assert (await server.probe("/v1/generate"))[0] == 404

    asyncio.run(run())


def test_it_is_not_ready_where_its_socket_was_taken_away(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            os.unlink(path)  # noqa: PTH108  # pathlib's may not be called where asyncio runs
            assert await server.probe("/readyz") == (503, b"the socket does not answer\n")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                other.bind(os.fsencode(path))
                other.listen()
                assert await server.probe("/readyz") == (503, b"the socket does not answer\n")
            assert await server.probe("/healthz") == (200, b"ok\n")

    asyncio.run(run())


def test_probing_costs_no_refusal_of_others(path: Path) -> None:
    async def run() -> None:
        async with served(path, Echo()) as server:
            for _ in range(5):
                assert await server.probe("/readyz") == (200, b"ok\n")
            assert not server.meter.counts

    asyncio.run(run())
