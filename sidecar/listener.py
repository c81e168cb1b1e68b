"""A server of uvicorn's on a socket of ours, without its signal handlers and its main loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Self, cast

from starlette.types import ASGIApp
from uvicorn import Config, Server

from sidecar.protocol import LARGEST_HEAD, Gate, GuardedProtocol

_LAST_WORDS = 1.0  # seconds for the replies to what the end of the grace interrupts
_BACKLOG = 1024  # connections that the kernel accepts for us; more than are let in at a time
# Who only connects is not let in yet, and so is not counted by the gate.
_HANDSHAKES = 32  # at a time; each holds some 50 KB
_LONGEST_HANDSHAKE = 5.0  # seconds
_AGAIN = 1.0  # seconds, when the process may open no more files; asyncio itself waits as long


class Listener:
    """Serves *app* on *bound* for the time of the context, to whom *gate* lets in; *tls* is how.

    *sleep* waits that many seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        gate: Gate,
        *,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._socket = bound
        self._gate = gate
        self._tls = tls
        self._sleep = sleep
        protocol = cast("type[asyncio.Protocol]", partial(GuardedProtocol, gate=gate))
        self._config = Config(
            cast("Any", app),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            headers=[("connection", "close")],
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._config.load()
        self._server = Server(self._config)
        self._server.lifespan = self._config.lifespan_class(self._config)
        self._server.server_state.default_headers = self._config.encoded_headers
        self._server.servers = []
        self._accepting: asyncio.Task[None] | None = None
        self._shaking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if self._tls is None:
            await self._server.startup(sockets=[self._socket])
        else:
            self._socket.setblocking(False)
            self._accepting = asyncio.create_task(self._accept(self._tls))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()
        for shaking in self._shaking:
            shaking.cancel()
        self._gate.cut_all()
        await asyncio.gather(*self._server.server_state.tasks, return_exceptions=True)
        await asyncio.gather(*self._shaking, return_exceptions=True)
        await self._gate.idle.wait()

    async def drain(self, grace: float, stop: Callable[[], None]) -> None:
        """Let who is connected, or about to be, have an answer; after *grace* seconds `stop`."""
        await self._accept_the_last()
        self._close()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._gate.idle.wait()
        stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._gate.idle.wait()

    async def _accept_the_last(self) -> None:
        """Accept what the kernel holds; closing the socket would cut those off unanswered."""
        for _ in range(2):  # the loop looks at its sockets between the two
            await asyncio.sleep(0)

    def _close(self) -> None:
        for server in self._server.servers:
            server.close()
        if self._accepting is not None:
            self._accepting.cancel()

    async def _accept(self, tls: ssl.SSLContext) -> None:
        """Accept for ever, a bounded number of handshakes at a time.

        asyncio's own servers begin as many as come, and give each a minute.
        """
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(_HANDSHAKES)
        while True:
            await room.acquire()
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except OSError:
                room.release()
                await self._sleep(_AGAIN)
                continue
            shaking = asyncio.create_task(self._shake(connection, tls))
            self._shaking.add(shaking)
            shaking.add_done_callback(partial(self._shaken, connection, room))

    async def _shake(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        """Have *connection* be that of a protocol, if the handshake succeeds."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=tls,
                ssl_handshake_timeout=_LONGEST_HANDSHAKE,
                ssl_shutdown_timeout=_LONGEST_HANDSHAKE,
            )
        except OSError:  # also ssl.SSLError and TimeoutError: it is theirs, and closed already
            self._gate.refused("handshake")

    def _shaken(
        self, connection: socket.socket, room: asyncio.Semaphore, shaking: asyncio.Task[None]
    ) -> None:
        self._shaking.discard(shaking)
        room.release()
        if shaking.cancelled():  # perhaps before it began
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        make = cast("Callable[..., asyncio.Protocol]", self._config.http_protocol_class)
        return make(
            config=self._config, server_state=self._server.server_state, app_state={}, _loop=None
        )


def listening(host: str, port: int) -> socket.socket:
    """A listening TCP socket; an empty *host* is every address of both families.

    Raises `OSError`.
    """
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, dualstack_ipv6=both)
