"""Serving: the plugin's socket and the port for probes in one event loop, from start to drain."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cmp.errors import ResolverError
from cmp.meter import Meter, Unmetered
from sidecar.app import App
from sidecar.health import Metrics, health
from sidecar.listener import Listener, listening
from sidecar.protocol import Gate, Limits
from sidecar.unixsocket import UnixSocket

GRACE = 20.0  # seconds for requests in work when the end is asked for; the plugin waits no longer
_PROBES = Limits(head=5.0, body=5.0, answer=10.0, connections=32)  # of kubelets and Prometheus


@dataclass(frozen=True, slots=True)
class Places:
    """Where is listened: the plugin's socket, for those *uids*; and host and port for probes.

    None is nowhere; an empty host is all addresses.
    """

    socket: Path
    uids: frozenset[int]
    probes: tuple[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What the probes tell besides whether the socket answers."""

    metrics: Metrics
    meter: Meter = field(default_factory=Unmetered)


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves now; *port* is that of the probes, if there are any."""

    port: int | None


@asynccontextmanager
async def serving(
    app: App,
    places: Places,
    probed: Probed,
    *,
    limits: Limits | None = None,
    grace: float = GRACE,
) -> AsyncIterator[Serving]:
    """Serve *app* for the time of the context: from when both places accept connections.

    The configuration has to be read before: from then on it is ready. At the end nobody new is
    let in; requests that came before are answered, for *grace* seconds at most, and the rest gets
    one line. Raises `ResolverError` where a place cannot be had.
    """
    _raise_descriptor_limit()
    gate = Gate(places.uids, limits or Limits(), probed.meter)
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(UnixSocket(places.socket))
        port = await stack.enter_async_context(_probes(places.probes, probed, bound))
        requests = await stack.enter_async_context(Listener(app.asgi, bound.socket, gate))
        try:
            yield Serving(port)
        finally:
            bound.remove()
            await requests.drain(grace, app.stop)


@asynccontextmanager
async def _probes(
    address: tuple[str, int] | None, probed: Probed, bound: UnixSocket
) -> AsyncIterator[int | None]:
    """Serve probes at *address*, and give the port."""

    def why_not_ready() -> str:
        return "" if _answers(bound) else "the socket does not answer"

    async with probing(address, why_not_ready, probed.metrics) as port:
        yield port


@asynccontextmanager
async def probing(
    address: tuple[str, int] | None, why_not_ready: Callable[[], str], metrics: Metrics
) -> AsyncIterator[int | None]:
    """Serve probes at *address* (None is nowhere) for the time of the context; gives the port.

    *why_not_ready* is "" for ready. Raises `ResolverError` RT616.
    """
    if address is None:
        yield None
        return
    gate = Gate(None, _PROBES, Unmetered())
    with _listening(*address) as listening:
        async with Listener(health(why_not_ready, metrics), listening, gate):
            yield listening.getsockname()[1]


def _answers(bound: UnixSocket) -> bool:
    """Whether who connects to the socket's path comes to this process."""
    if not bound.in_place:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        # A queue that is full (EAGAIN) is served as fast as this loop can.
        return client.connect_ex(os.fsencode(bound.path)) in {0, errno.EAGAIN}


def _listening(host: str, port: int) -> socket.socket:
    """A listening socket for probes."""
    try:
        return listening(host, port)
    except OSError as error:
        raise ResolverError(
            "RT616",
            f"the probes' address cannot be listened at: {error.strerror}",
            where=f"{host}:{port}",
            remedy="name another with --health-probe-bind-address",
        ) from None


def _raise_descriptor_limit() -> None:
    """Let this process open as many files as it may; containers begin with as few as 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
