"""What is known of the cluster, from when on, and what of it outlives the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import pytest

from cmp.request import Request
from cmp.rules.units import Resource
from cmp.store import Store
from cmp.store import seen as stored
from sidecar.cluster import seen
from sidecar.cluster.applications import REFRESH
from sidecar.cluster.view import ClusterView, Looked
from sidecar.kubernetes import (
    APPLICATIONS,
    CONFIG_MAPS,
    IMAGE_UPDATERS,
    ClusterError,
    ForbiddenError,
    Kind,
)
from tests.cluster.fake import FakeCluster
from tests.cluster.world import application, updater
from tests.memory import MemoryStore
from tests.servers.resolver import until

Answer = TypeVar("Answer")
PATIENCE = 60.0  # seconds; only a test that fails ever waits so long
NOT_LONG = 0.05  # seconds that a request waits in vain here


class Keeping(MemoryStore):
    """A store that keeps sets; while it *fails* it keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.sets: dict[str, dict[str, bytes]] = {}
        self.fails = False
        self.told: list[tuple[int, bool]] = []  # how many objects, and whether they were all

    async def seen(self, kind: str, /) -> Mapping[str, bytes] | None:
        return self.sets.get(kind)

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], /, *, whole: bool
    ) -> bool:
        self.told.append((len(changed), whole))
        if self.fails or not (whole or kind in self.sets):
            return False
        kept: dict[str, bytes | None] = {**({} if whole else self.sets[kind]), **changed}
        self.sets[kind] = {key: value for key, value in kept.items() if value is not None}
        if "" in changed:
            del self.sets[kind]
        return True


class Process:
    """A resolver's view of *cluster*, with what it *took*."""

    def __init__(
        self, cluster: FakeCluster, store: Store | None = None, *, named: str = "it"
    ) -> None:
        self.cluster = cluster
        self.took: list[list[str]] = []
        self.took_one = asyncio.Event()
        self.break_once = False
        self.waits: list[float] = []
        looked = Looked(
            cluster=named, argocd="argocd", rules=("argocd",), applications=("argocd",)
        )
        self.view = ClusterView(
            cluster, looked, store or MemoryStore(), wall=lambda: 7.0, sleep=self._sleep
        )

    async def take(self, resources: Sequence[Resource]) -> None:
        """Note their names."""
        if self.break_once:
            self.break_once = False
            raise ZeroDivisionError
        self.took.append(sorted(each.name for each in resources))
        self.took_one.set()

    async def until_took(self, *names: str) -> None:
        """Return when those resources were handed over last."""
        while not self.took or self.took[-1] != list(names):
            self.took_one.clear()
            await self.took_one.wait()

    def names(self, name: str = "web") -> Mapping[str, str] | None:
        """The labels of the Application."""
        return self.view.applications.application(Request(name=name)).labels

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def run(
    story: Callable[[Process], Awaitable[Answer]], process: Callable[[], Process] | None = None
) -> Answer:
    """What *story* gives, while the view watches."""

    async def told() -> Answer:
        one = process() if process else Process(FakeCluster())
        watching = asyncio.create_task(one.view.run(one.take))
        try:
            async with asyncio.timeout(PATIENCE):
                return await story(one)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await one.view.aclose()

    return asyncio.run(told())


def test_rules_are_known_once_they_and_the_applications_were_listed() -> None:
    async def story(process: Process) -> None:
        process.cluster.put(updater("argocd"), application("argocd", labels={"a": "b"}))
        await process.view.known(PATIENCE)
        await process.view.known(0)

        assert process.took == [["web"]]
        assert process.names() == {"a": "b"}

    run(story)


def test_changes_of_rules_are_handed_over_and_none_of_their_status() -> None:
    async def story(process: Process) -> None:
        await process.view.known(PATIENCE)
        process.cluster.put(updater("argocd", "a"), updater("argocd", "b"))
        await process.until_took("a", "b")
        times = len(process.took)
        process.cluster.put({**updater("argocd", "a"), "status": {"x": 1}})
        process.cluster.remove(updater("argocd", "b"))
        await process.until_took("a")
        assert len(process.took) == times + 1
        assert 0.1 in process.waits, "those of one `kubectl apply` gather"

    run(story)


@pytest.mark.parametrize(
    ("kind", "what"),
    [(IMAGE_UPDATERS, "ImageUpdaters"), (APPLICATIONS, "Applications")],
    ids=["rules", "Applications"],
)
def test_while_either_is_unknown_a_line_says_why(kind: object, what: str) -> None:
    error = ForbiddenError("RT651", "may not list them", remedy="give the right")

    def process() -> Process:
        cluster = FakeCluster()
        cluster.errors = {kind.name: error}  # type: ignore[attr-defined]
        return Process(cluster)

    async def story(process: Process) -> str:
        with pytest.raises(ClusterError) as raised:
            await process.view.known(NOT_LONG)
        return str(raised.value)

    assert run(story, process) == (
        f"the {what} of the cluster were not read since the resolver began: "
        "may not list them [RT651]; give the right [RT662]"
    )


@pytest.mark.parametrize(
    "kind", [IMAGE_UPDATERS, APPLICATIONS, CONFIG_MAPS], ids=["rules", "Applications", "records"]
)
def test_what_is_unknown_is_waited_for_whatever_else_is_known(kind: Kind) -> None:
    def process() -> Process:
        cluster = FakeCluster()
        cluster.put(updater("argocd"), application("argocd", labels={"a": "b"}))
        cluster.slow[kind.name] = asyncio.Event()
        return Process(cluster)

    async def story(process: Process) -> None:
        if kind != APPLICATIONS:
            await until(lambda: process.names() == {"a": "b"})
        if kind != IMAGE_UPDATERS:
            await process.until_took("web")
        for _ in range(50):  # in which all that can be known comes to be
            with pytest.raises(ClusterError, match="RT662"):
                await process.view.known(0)
        process.cluster.slow[kind.name].set()
        await process.view.known(PATIENCE)

    run(story, process)


def test_a_hard_refresh_is_noted_though_argo_cd_has_done_it_since() -> None:
    async def story(process: Process) -> None:
        await process.view.known(PATIENCE)
        process.cluster.put(application("argocd", annotations={REFRESH: "hard"}))
        process.cluster.put(application("argocd", labels={"since": "then"}))
        await until(lambda: process.names() == {"since": "then"})
        found = process.view.applications.application(Request(name="web"))
        assert found.refresh_asked_at == 7.0

    run(story)


def test_while_nothing_has_answered_a_line_says_that() -> None:
    async def story() -> str:
        process = Process(FakeCluster())
        with pytest.raises(ClusterError) as raised:
            await process.view.known(0)
        return str(raised.value)

    assert "the API server has not listed them yet; see that" in asyncio.run(story())


def test_who_waits_gets_an_answer_once_the_api_server_does() -> None:
    async def story(process: Process) -> None:
        process.cluster.fail(IMAGE_UPDATERS)
        waiting = asyncio.create_task(process.view.known(PATIENCE))
        process.cluster.put(updater("argocd"))
        process.cluster.fail(IMAGE_UPDATERS, None)
        await waiting
        assert process.took == [["web"]]

    run(story)


def test_records_are_waited_for_unless_they_cannot_be_read() -> None:
    def process() -> Process:
        cluster = FakeCluster()
        cluster.errors = {CONFIG_MAPS.name: ForbiddenError("RT651", "may not")}
        return Process(cluster)

    async def story(process: Process) -> None:
        await process.view.known(PATIENCE)

    run(story, process)


def test_records_are_waited_for_while_they_are_being_listed() -> None:
    def process() -> Process:
        cluster = FakeCluster()
        cluster.slow[CONFIG_MAPS.name] = asyncio.Event()
        return Process(cluster)

    async def story(process: Process) -> None:
        waiting = asyncio.create_task(process.view.known(PATIENCE))
        await process.until_took()
        await until(lambda: bool(process.waits))
        assert not waiting.done()
        process.cluster.slow[CONFIG_MAPS.name].set()
        await waiting

    run(story, process)


def test_a_bug_in_what_takes_rules_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def story(process: Process) -> None:
        process.break_once = True
        process.cluster.put(updater("argocd"))
        await process.view.known(PATIENCE)
        assert process.took == [["web"]]
        assert 10.0 in process.waits, "a bug that stays is not met without a pause"

    with caplog.at_level(logging.ERROR):
        run(story)

    assert "begins anew" in caplog.text


async def seen_before(process: Process) -> None:
    """A process that has seen a rule and an Application."""
    process.cluster.put(updater("argocd"), application("argocd", labels={"a": "b"}))
    await process.view.known(PATIENCE)


def away(store: Store, *, named: str = "it") -> Callable[[], Process]:
    """A process that starts while the API server is away."""

    def process() -> Process:
        cluster = FakeCluster()
        for kind in (IMAGE_UPDATERS, APPLICATIONS, CONFIG_MAPS):
            cluster.fail(kind)
        return Process(cluster, store, named=named)

    return process


def test_what_was_seen_serves_the_next_process_until_it_sees_the_cluster() -> None:
    store = Keeping()
    run(seen_before, lambda: Process(FakeCluster(), store))

    async def story(process: Process) -> None:
        await process.view.known(PATIENCE)
        assert process.took == [["web"]]
        assert process.names() == {"a": "b"}
        process.cluster.put(updater("argocd", "new"))
        for kind in (IMAGE_UPDATERS, APPLICATIONS):
            process.cluster.fail(kind, None)
        await process.until_took("new")
        await until(lambda: process.names() is None)

    run(story, away(store))


def test_what_was_seen_of_another_cluster_serves_nobody() -> None:
    store = Keeping()
    run(seen_before, lambda: Process(FakeCluster(), store))

    async def story(process: Process) -> None:
        with pytest.raises(ClusterError):
            await process.view.known(NOT_LONG)

    run(story, away(store, named="another"))


def test_a_store_that_keeps_nothing_helps_no_process() -> None:
    run(seen_before, lambda: Process(FakeCluster(), MemoryStore()))

    async def story(process: Process) -> None:
        with pytest.raises(ClusterError):
            await process.view.known(NOT_LONG)

    run(story, away(MemoryStore()))


def names(store: Keeping) -> list[str]:
    """The rules in *store*."""
    (kept,) = (each for name, each in store.sets.items() if name.startswith("imageupdaters:"))
    return sorted(kept)


def test_only_what_changed_is_told_to_the_store() -> None:
    store = Keeping()

    async def more(process: Process) -> None:
        await process.view.known(PATIENCE)
        process.cluster.put(*(updater("argocd", f"u{n}") for n in range(5)))
        process.cluster.remove(updater("argocd"))
        await process.until_took(*(f"u{n}" for n in range(5)))

    run(seen_before, lambda: Process(FakeCluster(), store))
    assert names(store) == ["argocd/web"]
    cluster = FakeCluster()
    cluster.put(updater("argocd"), application("argocd", labels={"a": "b"}))
    store.told.clear()
    run(more, lambda: Process(cluster, store))

    assert names(store) == [f"argocd/u{n}" for n in range(5)]
    assert not any(whole for _, whole in store.told)


def test_a_store_that_failed_is_told_all_again() -> None:
    store = Keeping()

    async def story(process: Process) -> None:
        store.fails = True
        await seen_before(process)
        await until(lambda: bool(store.told))
        store.fails = False

    run(story, lambda: Process(FakeCluster(), store))

    assert names(store) == ["argocd/web"]


def test_a_store_is_told_again_when_long_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "AGAIN", 0)
    store = Keeping()

    async def story(process: Process) -> None:
        await seen_before(process)
        await until(lambda: len(store.told) > 10)
        store.sets.clear()  # as when a Redis is emptied
        await until(lambda: len(store.sets) == 2)

    run(story, lambda: Process(FakeCluster(), store))


@pytest.mark.parametrize("bound", ["MOST", "LARGEST"])
def test_of_too_many_objects_none_are_kept(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    store = Keeping()
    run(seen_before, lambda: Process(FakeCluster(), store))
    assert len(store.sets) == 2
    monkeypatch.setattr(seen, bound, 1)
    assert hasattr(stored, bound)

    run(seen_before, lambda: Process(FakeCluster(), store))

    assert store.sets == {}
