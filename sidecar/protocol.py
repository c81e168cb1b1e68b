"""Who may connect, how many at a time, and how long each may take; uvicorn speaks the HTTP.

Argo CD's plugin connects once for each request, so a connection carries one request and ends. All
of them come from one container, where a tenant may have found a way to connect too.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from dataclasses import dataclass
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from cmp.meter import Meter

_logger = logging.getLogger("retag.server")
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_MOST_UIDS_TOLD = 16  # in the log, once each

LARGEST_HEAD = 16 * 1024  # bytes; the plugin's has about 100
# Bytes of a request that are no body. Chunks of a byte each take 200 ms for as many as the system
# hands over at once, and nobody else would be served meanwhile.
MOST_FRAMING = 256 * 1024
# In the state of a request: what the application calls when it has the environment. Only it knows.
ENVIRONMENT_CAME = "environment_came"
_SLICE = 16 * 1024  # bytes looked at before the framing is counted


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds from the connection to its whole *head*, from there to the whole environment again
    as many, from there to the whole *body*, and from there to the end of the *answer*; and how
    many *connections* there may be.

    The plugin sends head and environment at once, and gives up after 20 s, most of which may lie
    between these and the manifests: it renders then.
    """

    head: float = 5.0
    body: float = 25.0
    answer: float = 25.0
    connections: int = 512


class Gate:
    """Who may connect by *uids* (None: anybody), and who is connected now."""

    def __init__(self, uids: frozenset[int] | None, limits: Limits, meter: Meter) -> None:
        self.limits = limits
        self.idle = asyncio.Event()  # nobody is connected
        self.idle.set()
        self._uids = uids
        self._meter = meter
        self._connected: dict[GuardedProtocol, None] = {}  # in the order they came
        self._told: set[int] = set()

    def enter(self, connection: GuardedProtocol, transport: asyncio.BaseTransport) -> bool:
        """Whether *connection* may stay.

        Where there are too many, the one that has sent no head for longest makes room; if all
        have, the one that has sent no environment.
        """
        if self._uids is not None and not self._may_connect(_peer_uid(transport), self._uids):
            self.refused("uid")
            return False
        if len(self._connected) >= self.limits.connections:
            silent = self._silent("head") or self._silent("environment")
            if silent is None:
                self.refused("limit")
                return False
            silent.cut("limit")
            self.leave(silent)
        self._connected[connection] = None
        self._count()
        return True

    def leave(self, connection: GuardedProtocol) -> None:
        """*connection* has ended."""
        self._connected.pop(connection, None)
        self._count()

    def cut_all(self) -> None:
        """End all connections."""
        for connection in list(self._connected):
            connection.cut("stopped")

    def refused(self, reason: str) -> None:
        """Count a connection that did not end by itself."""
        self._meter.count("retag_connections_refused_total", reason=reason)

    def _silent(self, stage: str) -> GuardedProtocol | None:
        """The one that has been in *stage* for longest."""
        return next((each for each in self._connected if each.stage == stage), None)

    def _may_connect(self, uid: int, uids: frozenset[int]) -> bool:
        if uid in uids:
            return True
        if uid not in self._told and len(self._told) < _MOST_UIDS_TOLD:
            self._told.add(uid)
            _logger.warning("uid %d may not connect; --allow-uid lists who may", uid)
        return False

    def _count(self) -> None:
        if self._connected:
            self.idle.clear()
        else:
            self.idle.set()
        if self._uids is not None:
            self._meter.set("retag_connections", len(self._connected))


class GuardedProtocol(H11Protocol):
    """A connection with one request, as long as *gate* lets it be."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        gate: Gate,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._gate = gate
        self.stage = ""  # what has not come yet
        self._framing = 0  # bytes
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or end it at once."""
        known = cast("asyncio.Transport", transport)
        if not self._gate.enter(self, known):
            known.abort()
            return
        super().connection_made(known)
        self._enter("head", self._gate.limits.head)

    def data_received(self, data: bytes) -> None:
        """Pass on what comes, and see how far the request is."""
        for start in range(0, len(data), _SLICE):
            self._receive(data[start : start + _SLICE])
            if self.transport.is_closing():
                return

    def _receive(self, data: bytes) -> None:
        held = self._held
        super().data_received(data)
        if self.stage == "head" and self.cycle is not None:
            self._enter("environment", self._gate.limits.head)
            # The application begins with the request in the loop's next turn.
            self.scope["state"][ENVIRONMENT_CAME] = self._environment_came
        if self.stage in {"environment", "body"} and not self.cycle.more_body:
            self._enter("answer", self._gate.limits.answer)
        self._framing += len(data) - (self._held - held)
        if self._framing > MOST_FRAMING:
            self.cut("framing")

    @property
    def _held(self) -> int:
        """Bytes of the body that nobody has fetched yet."""
        return len(self.cycle.body) if self.stage != "head" else 0

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        if self._timer is None:
            return  # it was never let in
        self._timer.cancel()
        self._gate.leave(self)
        super().connection_lost(exc)

    def cut(self, reason: str) -> None:
        """End the connection, whatever is under way."""
        self._gate.refused(reason)
        self.transport.abort()

    def _environment_came(self) -> None:
        if self.stage == "environment":
            self._enter("body", self._gate.limits.body)

    def _enter(self, stage: str, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.stage = stage
        self._timer = self.loop.call_later(seconds, self.cut, stage)


def _peer_uid(transport: asyncio.BaseTransport) -> int:
    """The uid of who connected, as the kernel noted it then (SO_PEERCRED of unix(7))."""
    connection = transport.get_extra_info("socket")
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    return int(uid)
