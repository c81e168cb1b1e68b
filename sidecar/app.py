"""Requests of the plugin over HTTP: read as they come, answered once, given up if nobody waits.

The body is read as a stream: as soon as the environment is whole the look-ups start, while the
plugin still renders. Whatever Retag itself has to say is a reply with status 200, so that the
plugin can show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from cmp.errors import ResolverError
from cmp.meter import Meter
from cmp.plugin import wire
from sidecar.admission import Admission, Body
from sidecar.protocol import ENVIRONMENT_CAME
from sidecar.resolver import Reply, failed

PATIENCE = 15.0  # seconds that a request may wait for its turn; the plugin gives up after 20
# Seconds: the plugin sends what it has rendered at once, 100 MB in a fraction of one.
RUSH = 5.0
_PIECE = 256 * 1024  # bytes of a reply given to the socket at a time
_HEADERS = [(b"content-type", b"application/octet-stream")]

Observe = Callable[[str, float], None]  # path and seconds of a request


class Answers(Protocol):
    """What answers, such as `sidecar.resolver.Resolver`."""

    def begin(self, environment: Mapping[str, str]) -> None:
        """Look up what this Application will need, in the background. Never raises."""
        ...

    async def answer(
        self, path: str, environment: Mapping[str, str], manifests: bytes, arrived: float
    ) -> Reply:
        """The reply for *path*. *arrived* is in the event loop's time. Never raises."""
        ...


class App:
    """The ASGI application of the resolver's socket.

    *observe* is told the path and the seconds of each request, which may wait *patience* seconds
    for its turn; a large body must be whole *rush* seconds after it has room.
    """

    def __init__(
        self,
        answers: Answers,
        admission: Admission,
        *,
        meter: Meter,
        observe: Observe,
        patience: float = PATIENCE,
        rush: float = RUSH,
    ) -> None:
        self._answers = answers
        self._admission = admission
        self._meter = meter
        self._observe = observe
        self._patience = patience
        self._rush = rush
        self._in_flight = 0
        self._working: set[asyncio.Task[Any]] = set()
        self._stopping = False
        paths = (wire.GENERATE, wire.PARAMETERS, wire.EXPLAIN)
        routes = [Route(path, _Endpoint(self), methods=["POST"]) for path in paths]
        self.asgi = Router(routes, redirect_slashes=False)

    def stop(self) -> None:
        """Answer all that is in work, and all that still comes, with one line."""
        self._stopping = True
        for task in self._working:
            task.cancel()

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path, arrived = scope["path"], _now()
        self._flights(1)
        outcome = "gone"
        try:
            with self._admission.body(arrived + self._patience) as body:
                outcome, reply = await self._interruptible(Request(scope, receive), body, arrived)
                await _send_in_pieces(send, reply)
        except ClientDisconnect:
            outcome = "gone"
        finally:
            self._flights(-1)
            self._meter.count("retag_requests_total", path=path, outcome=outcome)
            self._observe(path, _now() - arrived)

    async def _interruptible(
        self, request: Request, body: Body, arrived: float
    ) -> tuple[str, bytes]:
        """The outcome and the reply of *request*, also where `stop` ends the work for it."""
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        try:
            if self._stopping:
                raise _STOPPING
            return await self._reply(request, body, arrived)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
            return "stopped", _packed(failed(_STOPPING))
        except ResolverError as error:
            return _OUTCOMES[error.code], _packed(failed(error))
        finally:
            self._working.discard(task)

    async def _reply(self, request: Request, body: Body, arrived: float) -> tuple[str, bytes]:
        """Raises `ResolverError` for what never comes to the resolver, and `ClientDisconnect`."""
        environment, manifests = await self._read(request, body)
        path = request.scope["path"]
        async with self._admission.work(arrived + self._patience):
            answering = self._answers.answer(path, environment, manifests, arrived)
            reply = await _unless_gone(request.receive, answering)
            return "failed" if reply.exit_code else "ok", _packed(reply)

    async def _read(self, request: Request, body: Body) -> tuple[Mapping[str, str], bytes]:
        """Environment and manifests; the look-ups begin between the two."""
        try:
            async with asyncio.timeout(None) as late:
                return await self._received(request, body, late)
        except TimeoutError:
            raise _unreadable("a large body comes too slowly") from None

    async def _received(
        self, request: Request, body: Body, late: asyncio.Timeout
    ) -> tuple[Mapping[str, str], bytes]:
        """The same; *late* is set once a body is large, whose room others wait for."""
        received = bytearray()
        environment: Mapping[str, str] | None = None
        start = 0
        async for chunk in request.stream():
            received += chunk
            if environment is None:
                environment, start = _environment(received) or (None, 0)
                if environment is not None:
                    self._answers.begin(environment)
                if environment is not None or len(received) > self._admission.small:
                    request.scope["state"][ENVIRONMENT_CAME]()
            if await body.grow(len(received)):
                late.reschedule(_now() + self._rush)
            if len(received) - start > wire.LARGEST_MANIFESTS:
                what = f"the manifests are longer than {wire.LARGEST_MANIFESTS} bytes"
                remedy = "split the Application; Argo CD takes no more from a plugin either"
                raise ResolverError("RT612", what, remedy=remedy)
        if environment is None:
            raise _unreadable("it ends within the environment")
        body.whole(len(received))
        with memoryview(received) as view:
            return environment, bytes(view[start:])

    def _flights(self, change: int) -> None:
        self._in_flight += change
        self._meter.set("retag_requests_in_flight", self._in_flight)


class _Endpoint:
    """Routes take an object for an ASGI application, and a function for something else."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app.respond(scope, receive, send)


_STOPPING = ResolverError(
    "RT615", "the resolver is being stopped", remedy="refresh the Application in a moment"
)
_OUTCOMES = {"RT612": "refused", "RT613": "refused", "RT614": "busy", "RT615": "stopped"}


def _environment(received: bytearray) -> tuple[Mapping[str, str], int] | None:
    try:
        return wire.unpack_environment(received)
    except wire.WireError as error:
        raise _unreadable(str(error)) from None


def _unreadable(why: str) -> ResolverError:
    what = f"the request is none of this version's plugin: {why}"
    remedy = "give the plugin's container and the resolver's the same image"
    return ResolverError("RT613", what, remedy=remedy)


def _packed(reply: Reply) -> bytes:
    return wire.pack_reply(reply.exit_code, reply.stderr, reply.stdout)


async def _unless_gone(receive: Receive, answering: Coroutine[Any, Any, Reply]) -> Reply:
    """What *answering* brings; it is cancelled, with a `ClientDisconnect`, if nobody waits."""
    work = asyncio.create_task(answering)
    gone = asyncio.ensure_future(receive())  # after the body nothing comes but the end
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _send_in_pieces(send: Send, reply: bytes) -> None:
    """The whole response; no more of it than a piece waits in the socket's buffers."""
    headers = [*_HEADERS, (b"content-length", b"%d" % len(reply))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for offset in range(0, len(reply), _PIECE):
        piece = reply[offset : offset + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _now() -> float:
    return asyncio.get_running_loop().time()
