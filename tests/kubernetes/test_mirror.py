"""A mirror is what the cluster holds, after whatever happened; and as last seen until then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kubernetes import CONFIG_MAPS, Change, ClusterError, GoneError, Object
from sidecar.kubernetes.mirror import Mirror, Watched
from sidecar.kubernetes.port import Happened
from tests.kubernetes.held import HeldCluster
from tests.metering import Metered

AWAY = ClusterError("RT650", "cannot watch configmaps: away")
Told = list[tuple[tuple[str, str], Any, Any]]


def keep(manifest: Object) -> Any:
    if manifest["value"] == "broken":
        raise KeyError("value")
    return manifest["value"]


class Subject:
    """A mirror of a cluster, with what it told; it waits for nobody between attempts."""

    def __init__(
        self,
        cluster: HeldCluster,
        *namespaces: str,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.cluster = cluster
        self.told: Told = []
        self.delays: list[float] = []
        self.meter = Metered()
        self.mirror: Mirror[Any] = Mirror(
            cluster,
            Watched(CONFIG_MAPS, namespaces or ("",), keep),
            meter=self.meter,
            sleep=self._sleep,
            chance=lambda: 0.0,
            clock=clock,
        )
        self.mirror.on_change(lambda *what: self.told.append(what))

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)

    @property
    def held(self) -> dict[tuple[str, str], Any]:
        return dict(self.mirror.objects)

    def is_like(self) -> bool:
        """Whether the mirror holds what the cluster holds."""
        return self.held == {key: each["value"] for key, each in self.cluster.objects.items()}


async def until(condition: Callable[[], bool]) -> None:
    """Return once *condition* holds; the others run meanwhile."""
    async with asyncio.timeout(20):
        for _ in iter(condition, True):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(subject: Subject) -> AsyncIterator[Subject]:
    """*subject*, whose mirror runs; no task and no watch is left afterwards."""
    task = asyncio.create_task(subject.mirror.run())
    try:
        yield subject
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert subject.cluster.open == 0
        assert len(asyncio.all_tasks()) == 1


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_what_is_there_and_what_changes_is_mirrored_and_told() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        for name in "abc":
            cluster.put("n", name, 1)
        async with running(Subject(cluster)) as subject:
            assert not subject.mirror.is_synced
            await subject.mirror.synced()
            assert subject.mirror.is_synced
            assert subject.is_like()
            cluster.put("n", "a", 2)
            cluster.remove("n", "b")
            cluster.put("m", "d", 1)
            await until(subject.is_like)
        assert subject.told == [
            (("n", "a"), None, 1),
            (("n", "b"), None, 1),
            (("n", "c"), None, 1),
            (("n", "a"), 1, 2),
            (("n", "b"), 1, None),
            (("m", "d"), None, 1),
        ]

    run(test)


def test_nothing_is_synced_before_all_pages_of_all_namespaces_were_seen() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        for name in "abc":
            cluster.put("n", name, 1)
        cluster.listing_faults.extend([None, None, AWAY, AWAY])
        async with running(Subject(cluster, "n", "m")) as subject:
            await until(lambda: bool(subject.delays))
            assert not subject.mirror.is_synced
            await subject.mirror.synced()
            assert subject.is_like()
            assert subject.mirror.error is None

    run(test)


def test_a_failing_page_deletes_nothing() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        for name in "abcd":
            cluster.put("n", name, 1)
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            before = subject.held
            cluster.remove("n", "a")
            cluster.compact()
            cluster.listing_faults.extend([None, AWAY])
            cluster.break_watches(AWAY)
            cluster.put("n", "e", 1)
            await until(lambda: len(subject.delays) == 1)
            assert subject.held.keys() >= before.keys() - {("n", "a")}
            await until(subject.is_like)

    run(test)


def test_a_change_is_told_once_across_listings() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        cluster.put("n", "a", 1)
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            cluster.break_watches(*[GoneError("RT655", "too old")] * 3)
            await until(lambda: cluster.listings == 4)
            cluster.put("n", "a", 1)
            cluster.put("n", "a", 2)
            await until(subject.is_like)
        assert subject.told == [(("n", "a"), None, 1), (("n", "a"), 1, 2)]

    run(test)


def test_while_the_cluster_is_away_all_stays_and_the_metric_says_so() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        cluster.put("n", "a", 1)
        async with running(Subject(cluster)) as subject:
            await until(lambda: bool(subject.meter.value(CONNECTED, kind="ConfigMap")))
            cluster.break_watches(*[AWAY] * 20)
            await until(lambda: len(subject.delays) == 12)
            assert subject.held == {("n", "a"): 1}
            assert subject.mirror.error is AWAY
            assert subject.meter.value(CONNECTED, kind="ConfigMap") == 0
            await until(lambda: subject.mirror.error is None and not cluster.watch_faults)
            await until(lambda: bool(subject.meter.value(CONNECTED, kind="ConfigMap")))
        assert cluster.listings == 1
        assert subject.meter.value(RESTARTS, kind="ConfigMap", reason="RT650") == 20
        assert subject.delays[:9] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]

    run(test)


def test_after_an_outage_the_next_begins_with_a_short_pause() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            cluster.break_watches(AWAY, AWAY, AWAY)
            await until(lambda: len(subject.delays) == 3)
            cluster.put("n", "a", 1)
            await until(subject.is_like)
            cluster.break_watches(None, AWAY)
            await until(lambda: len(subject.delays) == 4)
        assert subject.delays == [0.25, 0.5, 1.0, 0.25]

    run(test)


def test_an_outage_of_hours_ends_no_watch_for_good() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            cluster.break_watches(*[AWAY] * 1100)
            await until(lambda: len(subject.delays) == 1100)
            cluster.put("n", "a", 1)
            await until(subject.is_like)
        assert subject.delays[-1] == 5.0

    run(test)


def test_while_one_namespace_is_not_seen_the_metric_says_so_whatever_others_do() -> None:
    async def for_ever(_seconds: float) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        cluster, meter = HeldCluster(), Metered()
        cluster.put("m", "a", 1)
        cluster.listing_faults.append(AWAY)
        watched = Watched(CONFIG_MAPS, ("n", "m"), keep)
        mirror = Mirror(cluster, watched, meter=meter, sleep=for_ever)
        task = asyncio.create_task(mirror.run())
        await until(lambda: bool(mirror.objects))
        assert mirror.error is AWAY
        assert meter.value(CONNECTED, kind="ConfigMap") == 0
        task.cancel()
        await asyncio.wait([task])

    run(test)


def test_who_fails_to_take_up_a_change_keeps_it_from_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("made up")

    async def test() -> None:
        cluster, told = HeldCluster(), []
        subject = Subject(cluster)
        subject.mirror.on_change(fail)
        subject.mirror.on_change(lambda *what: told.append(what))
        async with running(subject):
            await subject.mirror.synced()
            cluster.put("n", "a", 1)
            await until(lambda: bool(told))
            cluster.put("n", "a", 2)
            await until(lambda: len(told) == 2)
        assert told == subject.told
        assert cluster.listings == 1

    run(test)
    assert "was not taken up" in caplog.text


CONNECTED, RESTARTS = "retag_watch_connected", "retag_watch_restarts_total"


def test_a_watch_that_ends_in_time_is_followed_by_the_next_at_once() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        times = iter(range(0, 10_000, 240))
        subject = Subject(cluster, clock=lambda: float(next(times)))
        async with running(subject):
            await subject.mirror.synced()
            cluster.break_watches(None, None)
            await until(lambda: cluster.watches == 3)
        assert subject.delays == []
        assert cluster.listings == 1

    run(test)


def test_watches_that_end_at_once_are_not_asked_for_without_a_pause() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            cluster.break_watches(*[None] * 5)
            await until(lambda: len(subject.delays) == 5)
        assert subject.delays == [0.25, 0.5, 1.0, 2.0, 4.0]

    run(test)


def test_a_cluster_that_forgets_at_once_is_listed_with_pauses() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            cluster.break_watches(*[GoneError("RT655", "too old")] * 4)
            await until(lambda: cluster.listings == 5)
            await until(lambda: subject.mirror.error is None)
        assert len(subject.delays) == 3

    run(test)


def test_an_object_that_cannot_be_read_stays_as_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        cluster = HeldCluster()
        for name in "ab":
            cluster.put("n", name, 1)
        cluster.put("n", "new", "broken")
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            assert subject.held == {("n", "a"): 1, ("n", "b"): 1}
            cluster.put("n", "a", "broken")
            cluster.put("n", "b", 2)
            await until(lambda: subject.held[("n", "b")] == 2)
            assert subject.held == {("n", "a"): 1, ("n", "b"): 2}
            cluster.put("n", "a", 3)
            cluster.put("n", "new", 1)
            await until(subject.is_like)
        assert subject.meter.value("retag_watch_unreadable_total", kind="ConfigMap") == 2

    with caplog.at_level(logging.ERROR):
        run(test)
    assert "the ConfigMap n/a cannot be read, it stays as it was" in caplog.text


def test_in_place_of_an_object_that_was_never_read_stands_what_was_named_for_it() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        cluster.put("n", "a", "broken")
        cluster.put("n", "b", 1)
        watched: Watched[Any] = Watched(CONFIG_MAPS, ("n",), keep, unread="unread")
        mirror = Mirror(cluster, watched)
        task = asyncio.create_task(mirror.run())
        await mirror.synced()
        assert dict(mirror.objects) == {("n", "a"): "unread", ("n", "b"): 1}
        cluster.put("n", "a", 2)
        cluster.put("n", "b", "broken")
        cluster.put("n", "c", 3)
        await until(lambda: ("n", "c") in mirror.objects)
        assert dict(mirror.objects) == {("n", "a"): 2, ("n", "b"): 1, ("n", "c"): 3}
        task.cancel()
        await asyncio.wait([task])

    run(test)


def test_a_listener_that_fails_stops_neither_the_mirror_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    async def test() -> None:
        cluster = HeldCluster()
        subject = Subject(cluster)
        subject.mirror.on_change(fail)
        later: Told = []
        subject.mirror.on_change(lambda *what: later.append(what))
        async with running(subject):
            cluster.put("n", "a", 1)
            await until(subject.is_like)
        assert later == subject.told == [(("n", "a"), None, 1)]

    run(test)
    assert "a change of the ConfigMap n/a was not taken up" in caplog.text


def test_a_bug_in_a_watch_is_logged_and_the_mirror_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        cluster = HeldCluster()
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            cluster.break_watches(ZeroDivisionError())
            await until(lambda: bool(subject.delays))
            cluster.put("n", "a", 1)
            await until(subject.is_like)
        assert cluster.listings == 2
        assert subject.meter.value(RESTARTS, kind="ConfigMap", reason="RT659") == 1

    run(test)
    assert "ZeroDivisionError" in caplog.text


def test_one_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        cluster = HeldCluster()
        cluster.listing_faults.extend([AWAY] * 5)
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()

    run(test)
    assert [each.getMessage() for each in caplog.records] == [str(AWAY)]


def test_many_objects_of_a_listing_leave_the_others_their_turn() -> None:
    async def test() -> None:
        cluster = HeldCluster()
        for number in range(1200):
            cluster.put("n", str(number), 1)
        turns: list[int] = []
        async with running(Subject(cluster)) as subject:
            await until(lambda: bool(subject.held))
            while not subject.is_like():
                turns.append(len(subject.held))
                await asyncio.sleep(0)
        assert turns
        assert max(turns) < 1200

    run(test)


class Odd(HeldCluster):
    """Its watch tells of an object of which it says next to nothing."""

    async def watch(self, *_: Any, **__: Any) -> Any:
        yield Change(Happened.DELETED, {})
        await asyncio.Event().wait()


def test_a_cluster_that_was_restored_is_listed_anew(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        cluster = HeldCluster()
        cluster.put("n", "early", 1)
        cluster.put("n", "late", 1)
        async with running(Subject(cluster)) as subject:
            await subject.mirror.synced()
            assert not subject.mirror.was_restored

            cluster.restore()
            await until(subject.is_like)

            assert subject.mirror.was_restored
            assert subject.held == {("n", "early"): 1}
            assert subject.mirror.error is None

    run(test)

    assert caplog.records[-1].message == (
        "the cluster was restored from a backup: configmaps are listed anew"
    )


def test_an_object_without_metadata_is_no_matter() -> None:
    async def test() -> None:
        async with running(Subject(Odd())) as subject:
            await until(lambda: bool(subject.meter.value(EVENTS, kind="ConfigMap")))
            assert subject.held == {}

    run(test)


EVENTS = "retag_watch_events_total"

FAULTS = st.sampled_from([AWAY, GoneError("RT655", "too old"), ValueError("a bug"), None])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"), st.sampled_from("nm"), st.sampled_from("abcde"), st.integers(0, 2)
        ),
        st.tuples(st.just("remove"), st.sampled_from("nm"), st.sampled_from("abcde")),
        st.tuples(st.just("compact")),
        st.tuples(st.just("page"), FAULTS),
        st.tuples(st.just("watch"), FAULTS),
        st.tuples(st.just("turns"), st.integers(1, 9)),
    ),
    max_size=25,
)


async def _take(subject: Subject, step: tuple[Any, ...]) -> None:
    cluster = subject.cluster
    name, *values = step
    does: dict[str, Callable[..., None]] = {
        "put": cluster.put,
        "remove": cluster.remove,
        "compact": cluster.compact,
        "page": cluster.listing_faults.append,
        "watch": cluster.break_watches,
    }
    if name != "turns":
        does[name](*values)
        return
    for _ in range(values[0]):
        await asyncio.sleep(0)


@given(STEPS, st.sampled_from([("",), ("n",), ("n", "m")]))
def test_after_whatever_happened_the_mirror_is_what_the_cluster_holds(
    steps: list[tuple[Any, ...]], namespaces: tuple[str, ...]
) -> None:
    async def test() -> None:
        subject = Subject(HeldCluster(), *namespaces)
        cluster = subject.cluster
        async with running(subject):
            for step in steps:
                await _take(subject, step)
            for namespace in namespaces:
                cluster.put(namespace or "n", "last", 9)
            expected = {
                key: each["value"]
                for key, each in cluster.objects.items()
                if "" in namespaces or key[0] in namespaces
            }
            await until(lambda: subject.held == expected and subject.mirror.is_synced)
        rebuilt: dict[tuple[str, str], Any] = {}
        for key, before, now in subject.told:
            assert rebuilt.get(key) == before != now
            rebuilt[key] = now
        assert {key: now for key, now in rebuilt.items() if now is not None} == expected

    logging.disable(logging.CRITICAL)
    try:
        run(test)
    finally:
        logging.disable(logging.NOTSET)
