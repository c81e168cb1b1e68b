"""A term of leadership: it goes by what the cluster holds, and ends where that is another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.cluster.connect import Connected
from sidecar.cluster.flags import ClusterFlags
from sidecar.cluster.record import Record
from sidecar.cluster.record_format import config_map
from sidecar.controller import keep
from sidecar.controller.model import LARGEST, Target, target_of
from sidecar.controller.settings import Settings
from sidecar.controller.work import Given, Term
from sidecar.kubernetes import CONFIG_MAPS, Kind
from sidecar.sources import Files
from tests.cluster.fake import FakeCluster
from tests.controller.argo import SOURCE
from tests.metering import Metered

PROJECT: dict[str, Any] = {"kind": "AppProject", "metadata": {"namespace": "argocd", "name": "a"}}


def term_of(cluster: Any, folder: Path, meter: Metered, *, dry_run: bool = True) -> Term:
    """A term on *cluster*, which writes nothing with *dry_run*."""
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
        dry_run=dry_run,
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


class _Deleting(FakeCluster):
    """Deletes records, and takes no other write."""

    def __init__(self, *applications: str) -> None:
        super().__init__()
        self.deleted: list[str] = []
        self.maps: dict[str, dict[str, Any]] = {}
        for name in applications:
            made = config_map(Record(namespace="argocd", name=name, uid=f"uid-{name}"), "argocd")
            self.maps[made["metadata"]["name"]] = made
        self.put(*self.maps.values())

    async def delete(self, kind: Kind, _namespace: str, name: str, /) -> None:
        """Note it."""
        assert kind == CONFIG_MAPS
        self.deleted.append(name.removeprefix("retag.argocd."))
        self.remove(self.maps[name])


def _application(name: str, *, size: int = 0) -> dict[str, Any]:
    metadata = {"namespace": "argocd", "name": name, "uid": f"uid-{name}"}
    spec = {"source": SOURCE, "padding": "x" * size}
    return {"kind": "Application", "metadata": metadata, "spec": spec}


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        for _ in iter(lambda: bool(condition()), True):
            await asyncio.sleep(0)


@pytest.mark.parametrize("size", [0, LARGEST], ids=["grows too large", "was too large before"])
def test_a_record_stays_until_its_application_is_deleted_however_large_that_is(
    tmp_path: Path, size: int
) -> None:
    async def test() -> None:
        cluster = _Deleting("web", "job", "gone")
        cluster.put(_application("web", size=size), _application("job"))
        term = term_of(cluster, tmp_path, Metered(), dry_run=False)
        running = asyncio.create_task(term.run())
        await _until(lambda: cluster.deleted)
        assert cluster.deleted == ["gone"], "it was deleted while nobody led"

        cluster.put(_application("web", size=LARGEST + 1))
        cluster.remove(_application("job"))
        await _until(lambda: len(cluster.deleted) > 1)
        assert cluster.deleted == ["gone", "job"]

        cluster.remove(_application("web", size=LARGEST + 1))
        await _until(lambda: len(cluster.deleted) > 2)
        assert cluster.deleted == ["gone", "job", "web"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(test())


def test_a_record_stays_though_its_application_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(manifest: dict[str, Any], instance: str) -> Target | None:
        if manifest["metadata"]["name"] == "web":
            raise ZeroDivisionError
        return target_of(manifest, instance)

    async def test() -> None:
        cluster = _Deleting("web", "job", "gone")
        cluster.put(_application("web"), _application("job"))
        running = asyncio.create_task(term_of(cluster, tmp_path, Metered(), dry_run=False).run())
        await _until(lambda: cluster.deleted)
        cluster.remove(_application("job"))
        await _until(lambda: len(cluster.deleted) > 1)
        assert cluster.deleted == ["gone", "job"]
        cluster.remove(_application("web"))
        await _until(lambda: len(cluster.deleted) > 2)
        assert cluster.deleted == ["gone", "job", "web"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    monkeypatch.setattr(keep, "target_of", fails)
    asyncio.run(test())
