"""Namespaces that are listed in part only, and what the store is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from sidecar.cluster.seen import LastSeen, identity
from sidecar.kubernetes import APPLICATIONS, IMAGE_UPDATERS, Object
from sidecar.kubernetes.mirror import Mirror, Watched
from tests.cluster.fake import FakeCluster
from tests.cluster.test_view import Keeping
from tests.cluster.world import updater
from tests.servers.resolver import until

BOTH = {("argocd", "a"): b"a", ("team", "b"): b"b"}
STORED = {"argocd/a": b"a", "team/b": b"b"}


def _name(manifest: Object) -> bytes:
    return str(manifest["metadata"]["name"]).encode()


async def _sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class World:
    """A cluster with two rules, of which those of one namespace are not listed yet."""

    def __init__(self, store: Keeping) -> None:
        cluster = FakeCluster()
        cluster.put(updater("argocd", "a"), updater("team", "b"))
        self.listed = cluster.slow["ImageUpdater team"] = asyncio.Event()
        watched = Watched(IMAGE_UPDATERS, ("argocd", "team"), _name)
        self.mirror = Mirror(cluster, watched, sleep=_sleep)
        self.seen = LastSeen(self.mirror, store, "set", sleep=_sleep)


@asynccontextmanager
async def half_listed(store: Keeping) -> AsyncIterator[World]:
    """That world, whose *store* is told."""
    world = World(store)
    running = asyncio.create_task(world.seen.run())
    await until(lambda: bool(world.mirror.objects))
    assert not world.mirror.is_synced
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("stored", [STORED, None], ids=["last seen", "never seen"])
def test_until_all_namespaces_were_listed_only_what_was_seen_whole_counts(
    stored: Mapping[str, bytes] | None,
) -> None:
    async def main() -> None:
        store = Keeping()
        if stored is not None:
            store.sets["set"] = dict(stored)
        async with half_listed(store) as world:
            assert world.seen.is_known is (stored is not None)
            assert world.seen.objects == ({} if stored is None else BOTH)

            world.listed.set()
            await world.mirror.synced()
            await world.seen.known()
            assert world.seen.objects == BOTH

    asyncio.run(main())


@pytest.mark.parametrize("stored", [STORED, None], ids=["last seen", "never seen"])
def test_who_ends_before_all_were_listed_leaves_the_store_as_it_was(
    stored: Mapping[str, bytes] | None,
) -> None:
    async def main() -> None:
        store = Keeping()
        if stored is not None:
            store.sets["set"] = dict(stored)
        async with half_listed(store) as world:
            pass
        await world.seen.tell()
        assert store.sets.get("set") == stored
        assert store.told == []

    asyncio.run(main())


def test_what_was_deleted_while_nobody_watched_leaves_the_store() -> None:
    async def main() -> None:
        store = Keeping()
        store.sets["set"] = {**STORED, "team/gone": b"gone"}
        async with half_listed(store) as world:
            world.listed.set()
            await until(lambda: bool(store.told))
            assert store.sets["set"] == STORED

    asyncio.run(main())


class Hanging(Keeping):
    """A store that keeps nothing until it is told for the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], /, *, whole: bool
    ) -> bool:
        self.asked += 1
        if self.asked == 1:
            await asyncio.Event().wait()
        return await super().keep_seen(kind, changed, whole=whole)


def test_what_the_store_was_being_told_at_the_end_is_told_again() -> None:
    async def main() -> None:
        store = Hanging()
        store.sets["set"] = {"argocd/a": b"a"}
        async with half_listed(store) as world:
            world.listed.set()
            await until(lambda: store.asked == 1)
        await world.seen.tell()
        assert store.sets["set"] == STORED

    asyncio.run(main())


def test_what_was_seen_is_of_one_kind_one_cluster_and_those_namespaces() -> None:
    names = [
        identity(IMAGE_UPDATERS, "it", ["argocd", "team"]),
        identity(APPLICATIONS, "it", ["argocd", "team"]),
        identity(IMAGE_UPDATERS, "other", ["argocd", "team"]),
        identity(IMAGE_UPDATERS, "it", ["argocd"]),
        identity(IMAGE_UPDATERS, "it", [""]),
    ]

    assert len(set(names)) == len(names)
    assert identity(IMAGE_UPDATERS, "it", ["team", "argocd"]) == names[0]
