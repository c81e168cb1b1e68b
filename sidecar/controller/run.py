"""The controller as a process: it puts the parts together, waits to lead, and ends on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from cmp import __version__
from cmp.store import open_store
from sidecar.cluster.connect import Connected, need_cluster
from sidecar.cluster.secrets import ClusterSecrets
from sidecar.configuration import Paths, load
from sidecar.controller.lease import LEASE, Leadership
from sidecar.controller.settings import Settings
from sidecar.controller.work import Given, Leads, Term
from sidecar.metrics import Metrics, Role
from sidecar.reload import Current, kept
from sidecar.server import probing
from sidecar.sources import Runtime
from sidecar.webhook.relay import Relay
from sidecar.webhook.server import receiving

_log = logging.getLogger("retag.controller")


def control(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, or until all was done once; on SIGHUP read the files again.

    Raises `UsageError` for what is no store or namespace, `ClusterError` where no cluster can be
    used, and `ResolverError` where an address cannot be had.
    """
    asyncio.run(_control(settings))


async def _control(settings: Settings) -> None:
    to_end, to_read = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, to_end.set)
    loop.add_signal_handler(signal.SIGHUP, to_read.set)
    metrics = Metrics(Role.CONTROLLER)
    async with AsyncExitStack() as stack:
        connected = need_cluster(settings.cluster, os.environ)
        stack.push_async_callback(connected.client.aclose)
        current = await stack.enter_async_context(_current(settings, connected, metrics, to_read))
        work = _Work(settings, connected, current, metrics)
        await _listen(settings, work, metrics, stack)
        _log.info("ready", extra={"version": __version__, "interval": settings.interval})
        await _until(asyncio.create_task(work.run()), to_end)
    _log.info("ended")


class _Work:
    """One term after another."""

    def __init__(
        self, settings: Settings, connected: Connected, current: Current, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._connected = connected
        self._current = current
        self._metrics = metrics
        self._term: Term | None = None
        self.relay = Relay(connected.client, connected.argocd, self._look, metrics)

    def _look(self, registry: str, repository: str) -> bool:
        """Look at *repository*, which may have changed, if this replica leads."""
        if self._term is None:
            return False
        self._term.rollout.poller.hint(registry, repository)
        return True

    async def run(self) -> None:
        """Work for ever, while this process leads; who writes nothing need not lead."""
        settings = self._settings
        if settings.dry_run or not settings.leader_election:
            await self._lead(lambda: True)
            return
        leadership = Leadership(
            self._connected.client,
            settings.leader_namespace or self._connected.own,
            LEASE,
            f"{socket.gethostname()}_{uuid.uuid4()}",
            meter=self._metrics,
        )
        await leadership.run(lambda: self._lead(leadership.leads))

    async def _lead(self, leads: Leads) -> None:
        given = Given(
            settings=self._settings,
            connected=self._connected,
            current=self._current,
            meter=self._metrics,
            leads=leads,
        )
        is_over = False
        while not is_over:
            self._term = term = Term(given)
            try:
                await term.run()
            finally:
                self._term = None
            is_over = not term.is_outdated


@asynccontextmanager
async def _current(
    settings: Settings, connected: Connected, metrics: Metrics, to_read: asyncio.Event
) -> AsyncIterator[Current]:
    """registries.conf and what it names, which is read again when it changes, and when asked."""
    store = open_store(settings.store, meter=metrics, environment=os.environ)
    secrets = ClusterSecrets(connected.client, connected.secrets, time.monotonic)
    runtime = Runtime(store=store, max_stale=settings.max_stale, meter=metrics, secrets=secrets)
    read = partial(load, Paths((), settings.files), runtime)
    try:
        async with kept(Current(read(None), read, meter=metrics), to_read) as current:
            yield current
    finally:
        await store.aclose()


async def _listen(
    settings: Settings, work: _Work, metrics: Metrics, stack: AsyncExitStack
) -> None:
    """Answer probes and take events, while *stack* lasts."""
    probes = settings.probes
    address = (probes.host, probes.port) if probes and not settings.once else None
    # Who waits to lead is ready: it is there to take over.
    await stack.enter_async_context(probing(address, lambda: "", metrics.text))
    if settings.webhook is not None:
        await stack.enter_async_context(_running(work.relay))
        await stack.enter_async_context(receiving(settings.webhook, work.relay.hint, metrics))


@asynccontextmanager
async def _running(relay: Relay) -> AsyncIterator[None]:
    """Have *relay* pass hints on to the replica that leads."""
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(work: asyncio.Task[None], to_end: asyncio.Event) -> None:
    """Let *work* go on until *to_end*, or until it ends; raises what it raises."""
    ending = asyncio.create_task(to_end.wait())
    await asyncio.wait({work, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        _log.info("ending")
    for task in (work, ending):
        task.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    with suppress(asyncio.CancelledError):
        await work
