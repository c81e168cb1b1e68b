"""The resolver as a process: it puts the parts together, runs, and ends on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from cmp import __version__
from cmp.memo import Memo
from cmp.store import open_store
from sidecar.admission import Admission
from sidecar.app import App
from sidecar.configuration import load
from sidecar.metrics import Metrics
from sidecar.reload import Current
from sidecar.resolver import Resolver, Unwatched
from sidecar.server import Places, Probed, serving
from sidecar.settings import Settings
from sidecar.sources import Runtime

_log = logging.getLogger("retag.serve")

_ANY_NAMESPACE = (
    "rules of any namespace count for Applications in Argo CD's own; "
    "name that with --argocd-namespace or ARGOCD_NAMESPACE"
)


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT; on SIGHUP read the configuration again.

    Raises `UsageError` for a store that there is none of, and `ResolverError` where the socket or
    the probes' address cannot be had.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    asked = _Asked()
    asked.by_signals()
    if not settings.namespace:
        _log.warning(_ANY_NAMESPACE)
    metrics = Metrics()
    store = open_store(settings.store, meter=metrics, environment=os.environ)
    memo = Memo(meter=metrics)
    runtime = Runtime(store=store, max_stale=settings.max_stale, meter=metrics, memo=memo)
    try:
        async with _current(settings, runtime, asked) as current:
            applications = Unwatched(settings.namespace)
            resolver = Resolver(current, applications, store, clock=time.monotonic, wall=time.time)
            app = App(resolver, Admission(), meter=metrics, observe=partial(_observe, metrics))
            probed = Probed(metrics=metrics.text, meter=metrics)
            probes = settings.probes
            address = (probes.host, probes.port) if probes else None
            places = Places(settings.socket, settings.uids, address)
            async with serving(app, places, probed) as listening:
                told = {"socket": settings.socket, "probes": listening.port}
                _log.info("ready", extra={"version": __version__, **told})
                await asked.to_end.wait()
                _log.info("ending: requests in work are answered first")
            await resolver.aclose()
    finally:
        await store.aclose()
    _log.info("ended")


@dataclass(slots=True)
class _Asked:
    """What signals ask for."""

    to_end: asyncio.Event = field(default_factory=asyncio.Event)
    to_read: asyncio.Event = field(default_factory=asyncio.Event)

    def by_signals(self) -> None:
        """From now on SIGTERM, SIGINT and SIGHUP are told here."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.to_end.set)
        loop.add_signal_handler(signal.SIGHUP, self.to_read.set)


@asynccontextmanager
async def _current(settings: Settings, runtime: Runtime, asked: _Asked) -> AsyncIterator[Current]:
    """The configuration, which is read again meanwhile when it changes, and when that is asked."""
    read = partial(load, settings.paths, runtime)
    current = Current(read(None), read, meter=runtime.meter)

    async def read_when_asked() -> None:
        while await asked.to_read.wait():
            asked.to_read.clear()
            await current.refresh(anyway=True)

    tasks = [asyncio.create_task(current.watch()), asyncio.create_task(read_when_asked())]
    try:
        yield current
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await current.aclose()


def _observe(metrics: Metrics, path: str, seconds: float) -> None:
    metrics.observe("retag_request_seconds", seconds, path=path)
