"""The resolver as a process: it puts the parts together, runs, and ends on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cmp import __version__
from cmp.memo import Memo
from cmp.ports import ApplicationInfo
from cmp.registry.secrets import NoSecrets, Secrets
from cmp.store import Store, open_store
from sidecar.admission import Admission
from sidecar.app import App
from sidecar.cluster.connect import Connected, is_in_pod, no_cluster, open_cluster
from sidecar.cluster.secrets import ClusterSecrets
from sidecar.cluster.view import ClusterView, Looked, Take
from sidecar.configuration import Paths, load
from sidecar.metrics import Metrics, Role
from sidecar.reload import Current, kept
from sidecar.resolver import Known, Resolver, Unwatched, from_the_start
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

    Raises `UsageError` for a store or a namespace that there is none of, and `ResolverError` where
    the socket, the probes' address or the cluster's account cannot be had.
    """
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    asked = _Asked()
    asked.by_signals()
    metrics = Metrics(Role.RESOLVER)
    connected = open_cluster(settings.cluster, os.environ)
    paths = _paths(settings, connected)
    store = open_store(settings.store, meter=metrics, environment=os.environ)
    try:
        async with _knowing(settings, connected, store, metrics) as known:
            runtime = Runtime(
                store=store,
                max_stale=settings.max_stale,
                meter=metrics,
                memo=Memo(meter=metrics),
                secrets=known.secrets,
            )
            async with _current(paths, runtime, asked, known) as current:
                await _answer(settings, current, known, metrics, asked)
    finally:
        await store.aclose()
    _log.info("ended")


def _paths(settings: Settings, connected: Connected | None) -> Paths:
    """The files to be read: of rules none but those named, where the cluster has them."""
    if settings.rules_named:
        return settings.paths
    if connected is not None:
        return replace(settings.paths, rules=())
    if is_in_pod(os.environ):
        raise no_cluster(os.environ)
    return settings.paths


async def _answer(
    settings: Settings, current: Current, known: _Known, metrics: Metrics, asked: _Asked
) -> None:
    """Answer requests until that is to end."""
    resolver = Resolver(
        current,
        known.applications,
        known.store,
        clock=time.monotonic,
        wall=time.time,
        known=known.known,
    )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known besides the files; *watch* keeps it so, and hands rules over."""

    applications: ApplicationInfo
    store: Store
    secrets: Secrets
    known: Known
    watch: Callable[[Take], Coroutine[Any, Any, None]] | None = None


@asynccontextmanager
async def _knowing(
    settings: Settings, connected: Connected | None, store: Store, metrics: Metrics
) -> AsyncIterator[_Known]:
    """What the cluster tells, if there is one."""
    if connected is None:
        namespace = settings.cluster.argocd_namespace
        if not namespace:
            _log.warning(_ANY_NAMESPACE)
        yield _Known(
            applications=Unwatched(namespace),
            store=store,
            secrets=NoSecrets(),
            known=from_the_start,
        )
        return
    looked = Looked(
        cluster=connected.identity,
        argocd=connected.argocd,
        rules=connected.rules,
        applications=connected.applications,
    )
    view = ClusterView(connected.client, looked, store, meter=metrics)
    try:
        yield _Known(
            applications=view.applications,
            store=view.store,
            secrets=ClusterSecrets(connected.client, connected.secrets, time.monotonic),
            known=view.known,
            watch=view.run,
        )
        await view.aclose()
    finally:
        await connected.client.aclose()


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
async def _current(
    paths: Paths, runtime: Runtime, asked: _Asked, known: _Known
) -> AsyncIterator[Current]:
    """The configuration, which is another when files or the cluster change, and when asked."""
    read = partial(load, paths, runtime)
    current = Current(read(None), read, meter=runtime.meter)
    beside = [] if known.watch is None else [known.watch(current.take)]
    async with kept(current, asked.to_read, *beside):
        yield current


def _observe(metrics: Metrics, path: str, seconds: float) -> None:
    metrics.observe("retag_request_seconds", seconds, path=path)
