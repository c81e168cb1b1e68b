"""A term of leadership: it goes by what the cluster holds, and ends where that is another one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sidecar.cluster.connect import Connected
from sidecar.cluster.flags import ClusterFlags
from sidecar.controller.settings import Settings
from sidecar.controller.work import Given, Term
from sidecar.sources import Files
from tests.cluster.fake import FakeCluster
from tests.metering import Metered

PROJECT: dict[str, Any] = {"kind": "AppProject", "metadata": {"namespace": "argocd", "name": "a"}}


def term_of(cluster: Any, folder: Path, meter: Metered) -> Term:
    """A term that writes nothing, on *cluster*."""
    connected = Connected(
        client=cluster,
        identity="it",
        own="argocd",
        argocd="argocd",
        rules=("argocd",),
        applications=("argocd",),
        secrets=frozenset(),
    )
    settings = Settings(
        cluster=ClusterFlags(),
        files=Files(folder),
        store="memory",
        max_stale=60.0,
        interval=0.01,
        probes=None,
        dry_run=True,
    )
    current: Any = None  # nothing is ruled, so nothing is looked up
    return Term(
        Given(
            settings=settings,
            connected=connected,
            current=current,
            meter=meter,
            leads=lambda: True,
        )
    )


def test_a_term_ends_when_the_cluster_was_restored_from_a_backup(tmp_path: Path) -> None:
    async def test() -> None:
        cluster = FakeCluster()
        cluster.put(PROJECT)
        meter = Metered()
        term = term_of(cluster, tmp_path, meter)
        running = asyncio.create_task(term.run())
        async with asyncio.timeout(20):
            for _ in iter(lambda: meter.value("retag_watch_objects", kind="AppProject"), 1.0):
                await asyncio.sleep(0)
            assert not term.is_outdated

            cluster.restore()
            await running

        assert term.is_outdated

    asyncio.run(test())
