"""A small HTTP/1.1 server on 127.0.0.1, in a thread, for servers that tests write themselves.

It keeps connections alive, notes each request with the status it got, can hold requests back,
and can fail the next ones on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qsl

from tests.servers.ports import free_port

# How long a test waits for what must happen at once; only a test that fails ever waits so long.
PATIENCE = 20.0
_LARGEST_HEAD = 256 * 1024


@dataclass(frozen=True)
class Request:
    """As it came: *target* raw with its query; the names of *headers* in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1:0"

    @property
    def path(self) -> str:
        """The target without its query, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def header(self, name: str) -> str:
        """The header *name* (in lower case); "" without one."""
        return self.headers.get(name, "")


@dataclass(frozen=True)
class Response:
    """Lengths, Date and the dropping of a HEAD's body are the server's business."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunked: bool = False


@dataclass(frozen=True)
class Served:
    """A request as it was answered; *status* 0 is a connection cut without an answer."""

    method: str
    target: str
    status: int
    request: Request = field(repr=False, compare=False)


Answer = Callable[[Request], Response | Awaitable[Response]]


@dataclass(frozen=True)
class _Run:
    """What belongs to the time between a start and a stop: all in the server's thread."""

    loop: asyncio.AbstractEventLoop
    open: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def call(self, function: Callable[[], None]) -> None:
        """Have *function* called in the server's thread, soon."""
        self.loop.call_soon_threadsafe(function)


class LoopbackServer:
    """Answers requests with *answer*, which runs in the server's thread, one at a time.

    A context manager: inside it the server listens at `url`; after it no thread is left.
    *delay* says how many seconds to wait before a request is answered.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        tls: ssl.SSLContext | None = None,
        delay: Callable[[Request], float] = lambda _: 0.0,
    ) -> None:
        self.requests: list[Served] = []
        self.connections = 0
        self.faults: list[Exception] = []
        self._answer = answer
        self._tls = tls
        self._delay = delay
        self._port = 0
        self._failures: deque[Response | None] = deque()
        self._changed = threading.Condition()
        self._received = 0
        self._thread: threading.Thread | None = None
        self._run: _Run | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """`127.0.0.1:port`, the same before and after a restart."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def start(self) -> None:
        """Listen: at any free port the first time, at the same one from then on."""
        self._port = self._port or free_port()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="loopback server"
        )
        self._thread.start()
        if not ready.wait(PATIENCE):
            raise TimeoutError("the loopback server does not start")

    def stop(self) -> None:
        """Close the port and all connections, and wait for the thread to end.

        A fault of *answer*, which the client saw as a 500, is raised here.
        """
        if self._thread is None or self._run is None:
            return
        self._run.call(self._run.finished.set)
        self._thread.join(PATIENCE)
        self._thread = self._run = None
        if self.faults:
            raise self.faults.pop()

    def fail_next(self, *failures: int | Response | None) -> None:
        """Answer the next requests with these: statuses, whole responses, None cuts."""
        self._failures.extend(
            _plain(failure) if isinstance(failure, int) else failure for failure in failures
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside, requests are received and not answered; afterwards they all are."""
        if self._run is None:
            raise RuntimeError("the loopback server is not running")
        run = self._run
        run.call(run.open.clear)
        try:
            yield
        finally:
            run.call(run.open.set)

    def wait_for(self, count: int) -> None:
        """Return as soon as *count* requests were received since the server was made."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._received >= count, PATIENCE):
                raise TimeoutError(f"{self._received} requests came, not {count}")

    def targets(self, method: str = "") -> list[str]:
        """The targets served so far, in order, of *method* or of all."""
        return [each.target for each in self.requests if method in {"", each.method}]

    async def _serve(self, ready: threading.Event) -> None:
        run = self._run = _Run(asyncio.get_running_loop())
        run.open.set()
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", self._port, ssl=self._tls, limit=_LARGEST_HEAD
        )
        ready.set()
        await run.finished.wait()
        server.close()
        for task in run.tasks:
            task.cancel()
        await asyncio.gather(*run.tasks, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        run, task = self._run, asyncio.current_task()
        assert run is not None
        assert task is not None
        run.tasks.add(task)
        try:
            while await self._exchange(run, reader, writer):
                pass
            writer.close()
            await writer.wait_closed()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the client went away, or the server stops: both end a connection
        finally:
            writer.transport.abort()
            run.tasks.discard(task)

    async def _exchange(
        self, run: _Run, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its response; False where the connection ends with it."""
        request = await _read(reader, writer)
        with self._changed:
            self._received += 1
            self._changed.notify_all()
        await run.open.wait()
        seconds = self._delay(request)
        if seconds:
            await asyncio.sleep(seconds)
        response = await self._respond(request)
        self.requests.append(
            Served(request.method, request.target, response.status if response else 0, request)
        )
        if response is None:
            writer.transport.abort()
            return False
        writer.write(_bytes(request, response))
        await writer.drain()
        return request.header("connection").lower() != "close"

    async def _respond(self, request: Request) -> Response | None:
        if self._failures:
            return self._failures.popleft()
        try:
            answer = self._answer(request)
            return answer if isinstance(answer, Response) else await answer
        except Exception as fault:  # noqa: BLE001 - of any kind: the test shall fail with it
            self.faults.append(fault)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(headers.get("content-length", "0"))
    body = await reader.readexactly(length) if length else b""
    host, port = writer.get_extra_info("peername")[:2]
    return Request(method, target, headers, body, f"{host}:{port}")


def _bytes(request: Request, response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines.append(f"Date: {formatdate(usegmt=True)}")
    body = response.body
    if response.chunked:
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif response.status != HTTPStatus.NOT_MODIFIED:
        lines.append(f"Content-Length: {len(response.body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if request.method == "HEAD" else head + body


def _plain(status: int) -> Response:
    text = HTTPStatus(status).phrase.encode()
    return Response(status, {"Content-Type": "text/plain; charset=utf-8"}, text)
