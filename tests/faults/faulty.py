"""A registry on a real socket whose answers go wrong in ways that HTTP servers avoid."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from tests.servers.loopback import PATIENCE

_SLOW = 0.2  # seconds between two bytes
_NEVER_SENT = 10_000  # bytes that a body shall have
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"


class FaultyRegistry:
    """Lists *tags* for every repository, until it gets a *fault*; a context manager.

    *requests* are the targets that were asked for.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tags
        self.requests: list[str] = []
        self.url = ""
        self._fault = ""
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(PATIENCE):
            raise TimeoutError("the registry does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end.set)
        self._thread.join(PATIENCE)

    def fail(self, fault: str) -> None:
        """From now on everything is answered by *fault*; "" is none.

        Connections that hang are cut, unless nothing ever comes of them, as where a firewall
        forgot them.
        """
        forgotten = self._fault == FOR_EVER
        self._fault = fault
        if not forgotten:
            self._call(self._cut)

    def _call(self, function: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        self._ready.set()
        await self._end.wait()
        server.close()
        self._cut()
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    await writer.drain()
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and what becomes of it; whether another may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head.split(b" ")[1].decode())
        body = json.dumps({"name": "app", "tags": list(self.tags)}).encode()
        if self._fault in _STATUSES:
            status, header = _STATUSES[self._fault]
            writer.write(_HEAD % (status, 0, header))
            return True
        if self._fault:
            writer.write(_HEAD % (b"200 OK", _NEVER_SENT, b""))
            await _FAULTS[self._fault](reader, writer, body)
            return False
        writer.write(_HEAD % (b"200 OK", len(body), b"") + body)
        return True


async def _hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _body: bytes) -> None:
    await reader.read()


async def _halve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(body[: len(body) // 2])
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _body: bytes) -> None:
    while not writer.transport.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(_SLOW)


FOR_EVER = "hangs for ever"
_Fault = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
_FAULTS: dict[str, _Fault] = {
    "hangs after headers": _hang,
    FOR_EVER: _hang,
    "half a page": _halve,
    "drips": _drip,
}
_STATUSES = {
    "401": (b"401 Unauthorized", b'WWW-Authenticate: Basic realm="tests"\r\n'),
    "429": (b"429 Too Many Requests", b""),
    "429 for two minutes": (b"429 Too Many Requests", b"Retry-After: 120\r\n"),
    "503": (b"503 Service Unavailable", b""),
}
FAULTS = (*_FAULTS, *_STATUSES)
