"""Events as Zot sends them, and a client that sends them over a real socket."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
SECRET = "made-up-secret-of-the-webhook"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Event:
    """A request's headers, without those of its connection, and its body."""

    headers: Headers
    body: bytes

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI has them."""
        return [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers]


def recorded(name: str) -> Event:
    """One that a real Zot sent."""
    document = json.loads((RECORDED / f"{name}.json").read_text())
    return Event([(key, value) for key, value in document["headers"]], document["body"].encode())


def event(kind: str = "zotregistry.image.updated", /, **data: object) -> Event:
    """One in the binary mode."""
    headers = [
        ("Ce-Id", "1"),
        ("Ce-Source", "zotregistry.dev"),
        ("Ce-Specversion", "1.0"),
        ("Ce-Type", kind),
        ("Content-Type", "application/json"),
    ]
    return Event(headers, json.dumps(data or {"name": "team/app"}).encode())


def bearer(secret: str = SECRET) -> Headers:
    """What authenticates, as Zot's `token`."""
    return [("Authorization", f"Bearer {secret}")]


def request_of(sent: Event, extra: Headers, *, line: str = "POST /webhook") -> bytes:
    """The bytes of a request with the length of its body."""
    headers = [("Host", "webhook.example.com"), *sent.headers, *extra]
    lines = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    length = f"Content-Length: {len(sent.body)}"
    return "\r\n".join([*lines, length, "", ""]).encode("latin-1") + sent.body


async def exchange(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """All that comes back for *request*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def status(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> int:
    """The status of the answer to *request*."""
    answer = await exchange(port, request, tls)
    return int(answer.split(b" ", 2)[1])
