"""Servers on loopback that say any bytes, for what no honest server would say."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """*heads* are the heads of requests as they came, *connections* how many were accepted."""

    port: int = 0
    heads: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def host(self) -> str:
        """Host and port, for a URL."""
        return f"127.0.0.1:{self.port}"

    async def head(self, reader: asyncio.StreamReader) -> str:
        """The head of the next request, noted."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        return head

    def says(self, *replies: bytes) -> Handler:
        """Answer the requests of a connection with *replies*, then close it."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for reply in replies:
                await self.head(reader)
                writer.write(reply)
                await writer.drain()

        return handle


@contextlib.asynccontextmanager
async def serving(
    server: RawServer, handle: Handler, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """*server*, which treats each connection with *handle*; nothing is left of it afterwards."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass  # the client left, or the test ends
        finally:
            writer.transport.abort()
            tasks.discard(task)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


def reply(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A whole response with *body* and its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
