"""Clients of raw servers, for the tests of the client."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cmp.registry.http.client import HttpClient
from cmp.registry.http.connect import Resolve, resolve_host
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from tests.registry.http.rawserver import Handler, RawServer, serving


def no_tls(*, login: bool) -> Any:
    raise AssertionError(f"nobody speaks TLS here, with a login or not ({login})")


@asynccontextmanager
async def a_client(resolve: Resolve = resolve_host) -> AsyncIterator[HttpClient]:
    """A client without TLS or proxies; between two looks at its clock passes a second."""
    ticks = itertools.count(100.0)
    client = HttpClient(
        no_tls,
        listed=frozenset({"127.0.0.1", "registry.example.com"}),
        environment={},
        clock=lambda: next(ticks),
        resolve=resolve,
    )
    try:
        yield client
    finally:
        await client.aclose()


def exchanged(answer: bytes | Handler, request: HttpRequest | None = None) -> HttpResponse:
    """What the client makes of a server that says *answer* to *request* (by default a GET)."""
    wanted = request or HttpRequest("GET", "/v2/")

    async def run() -> HttpResponse:
        server = RawServer()
        handle = server.says(answer) if isinstance(answer, bytes) else answer
        async with serving(server, handle), a_client() as client:
            return await client(at(server, wanted), seconds=5)

    return asyncio.run(run())


def at(server: RawServer, request: HttpRequest) -> HttpRequest:
    """*request*, whose URL is a path, of *server*."""
    return HttpRequest(
        request.method,
        f"http://{server.host}{request.url}",
        request.headers,
        request.body,
        request.limit,
    )
