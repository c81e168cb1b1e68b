"""Memory beside a store that fails: nothing is lost, nothing older wins, and it costs nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.store import LastGood
from cmp.store.degrading import PAUSE, Degrading
from cmp.store.memory import MemoryStore
from cmp.store.persistent import Contents, StoreError
from cmp.store.sqlite import SqliteStore
from cmp.tags import Listing, Tag
from tests.memory import NOW
from tests.servers.redis import Redis
from tests.store.conftest import PATIENT, persistent
from tests.store.values import choice, listing, parts

Answer = TypeVar("Answer")


class Meter:
    """What was counted, by its name and labels."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.values: dict[str, float] = {}

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        self.counts[" ".join([name, *labels.values()])] += int(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        self.values[" ".join([name, *labels.values()])] = value


class Fragile:
    """A persistent store that reads and writes as long as it is told to; it counts what is asked.

    With *hangs* it does not even fail.
    """

    kind = "fragile"
    place = "the store of the test"

    def __init__(self) -> None:
        self.inner = MemoryStore(wall=lambda: NOW)
        self.reads = self.writes = True
        self.hangs = False
        self.asked: Counter[str] = Counter()
        self.arrived: asyncio.Queue[str] = asyncio.Queue()
        self.closed = False
        self.seen_last: dict[str, dict[str, bytes]] = {}
        self.held: dict[str, asyncio.Event] = {}  # by the tag of a choice that waits to be kept

    async def _check(self, name: str, *, works: bool) -> None:
        self.asked[name] += 1
        self.arrived.put_nowait(name)
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        if not works:
            raise StoreError("RT640", "broken", remedy="mend it")

    async def choices(self, application: str) -> Sequence[LastGood]:
        await self._check("choices", works=self.reads)
        return await self.inner.choices(application)

    async def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        await self._check("keep_choices", works=self.writes)
        if choices[0].tag in self.held:
            await self.held[choices[0].tag].wait()
        await self.inner.keep_choices(application, choices)

    async def listing(self, key: str) -> Listing | None:
        await self._check("listing", works=self.reads)
        return await self.inner.listing(key)

    async def keep_listing(self, key: str, listing: Listing) -> None:
        await self._check("keep_listing", works=self.writes)
        await self.inner.keep_listing(key, listing)

    async def tags(self, key: str, names: Sequence[str]) -> Mapping[str, Tag]:
        await self._check("tags", works=self.reads)
        return await self.inner.tags(key, names)

    async def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        await self._check("keep_tags", works=self.writes)
        await self.inner.keep_tags(key, tags)

    async def seen(self, kind: str) -> Mapping[str, bytes] | None:
        await self._check("seen", works=self.reads)
        return self.seen_last.get(kind)

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], *, whole: bool
    ) -> bool:
        await self._check("keep_seen", works=self.writes)
        if whole:
            self.seen_last[kind] = {key: value for key, value in changed.items() if value}
        return kind in self.seen_last

    async def contents(self) -> Contents:
        raise AssertionError

    async def clear(self, application: str | None = None) -> int:
        raise AssertionError(application)

    async def aclose(self) -> None:
        self.closed = True


class World:
    """A degrading store over a fragile one, and a clock."""

    def __init__(self, patience: float = PATIENT) -> None:
        self.now = 0.0
        self.wall = NOW
        self.origin = Fragile()
        self.meter = Meter()
        self.store = Degrading(
            self.origin,
            meter=self.meter,
            clock=lambda: self.now,
            wall=lambda: self.wall,
            patience=patience,
        )

    async def settled(self) -> None:
        """Return when nothing goes on in the background."""
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others)


def run(story: Callable[[World], Awaitable[Answer]], patience: float = PATIENT) -> Answer:
    async def told() -> Answer:
        world = World(patience)
        try:
            return await story(world)
        finally:
            await world.store.aclose()

    return asyncio.run(told())


def test_what_could_not_be_written_is_preferred_and_told_when_that_works_again() -> None:
    async def story(world: World) -> None:
        await world.store.keep_choices("app", [choice("v1", age=9)])
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v2", age=5)])
        assert tuple(await world.store.choices("app")) == (choice("v2", age=5),)
        assert tuple(await world.origin.inner.choices("app")) == (choice("v1", age=9),)

        world.origin.writes, world.now = True, PAUSE
        await world.store.choices("another")
        await world.settled()

        assert tuple(await world.origin.inner.choices("app")) == (choice("v2", age=5),)

    run(story)


@pytest.mark.parametrize(
    "another",
    [
        lambda store: store.choices("another"),
        lambda store: store.keep_choices("another", [choice()]),
        lambda store: store.keep_listing("another", listing("v1")),
        lambda store: store.keep_tags("another", {"v1": Tag("v1")}),
    ],
    ids=["a question", "a choice", "a listing", "tags"],
)
def test_whatever_works_again_has_the_unwritten_told(
    another: Callable[[Degrading], Awaitable[object]],
) -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1")])
        world.origin.writes, world.now = True, PAUSE
        await another(world.store)
        await world.settled()

        assert tuple(await world.origin.inner.choices("app")) == (choice("v1"),)

    run(story)


def test_what_was_told_late_is_not_told_again() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1")])
        world.origin.writes, world.now = True, PAUSE
        await world.store.choices("app")
        await world.settled()
        told = world.origin.asked["keep_choices"]
        await world.store.choices("app")
        await world.settled()

        assert world.origin.asked["keep_choices"] == told

    run(story)


def test_a_choice_from_the_same_that_could_not_be_written_is_preferred() -> None:
    async def story(world: World) -> None:
        await world.store.keep_choices("app", [choice("v2")])
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1")])
        assert tuple(await world.store.choices("app")) == (choice("v1"),)

        world.origin.writes, world.now = True, PAUSE
        await world.store.keep_choices("another", [choice()])
        await world.settled()

        assert tuple(await world.store.choices("app")) == (choice("v1"),)
        assert tuple(await world.origin.inner.choices("app")) == (choice("v1"),)

    run(story)


def test_what_took_the_place_of_the_unwritten_is_not_overwritten_by_it() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1"), choice(rule="other")])
        world.origin.writes, world.now = True, PAUSE
        await world.store.keep_choices("app", [choice("v2")])
        await world.settled()

        assert {each.tag for each in await world.origin.inner.choices("app")} == {"v1", "v2"}
        assert (await world.store.choices("app"))[0].rule in {"rule", "other"}
        stored = {each.rule: each.tag for each in await world.origin.inner.choices("app")}
        assert stored == {"rule": "v2", "other": "v1"}

    run(story)


def test_what_was_written_is_preferred_to_what_was_not_before() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1")])
        world.origin.writes, world.now = True, PAUSE
        await world.store.keep_choices("app", [choice("v2")])
        world.origin.writes = False

        assert tuple(await world.store.choices("app")) == (choice("v2"),)

    run(story)


def test_what_is_told_late_does_not_stay_in_the_place_of_what_was_kept_meanwhile() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1")])
        world.origin.held["v1"] = asyncio.Event()
        world.origin.writes, world.now = True, PAUSE
        world.origin.arrived = asyncio.Queue()
        await world.store.choices("another")
        while await world.origin.arrived.get() != "keep_choices":
            pass
        await world.store.keep_choices("app", [choice("v2")])
        world.origin.held["v1"].set()
        await world.settled()

        assert tuple(await world.origin.inner.choices("app")) == (choice("v2"),)

    run(story)


def test_what_another_replica_wrote_meanwhile_is_not_replaced_by_something_older() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice("v1", age=9)])
        await world.origin.inner.keep_choices("app", [choice("v2", age=5)])

        world.origin.writes, world.now = True, PAUSE
        await world.store.choices("app")
        await world.settled()

        assert tuple(await world.origin.inner.choices("app")) == (choice("v2", age=5),)
        assert tuple(await world.store.choices("app")) == (choice("v2", age=5),)

    run(story)


def test_what_the_store_lost_is_still_known() -> None:
    async def story(world: World) -> None:
        await world.store.keep_choices("app", [choice(rule="before")])
        await world.store.keep_listing("key", listing("v1"))
        await world.store.keep_tags("key", {"v1": Tag("v1")})
        world.origin.inner = MemoryStore(wall=lambda: NOW)
        await world.origin.inner.keep_choices("app", [choice(rule="after")])

        kept = [each.rule for each in await world.store.choices("app")]
        assert kept == ["after", "before"]
        assert parts(await world.store.listing("key")) == parts(listing("v1"))
        assert await world.store.tags("key", ["v1"]) == {"v1": Tag("v1")}

    run(story)


def test_what_was_read_before_a_fault_serves_during_it() -> None:
    async def story(world: World) -> None:
        await world.origin.inner.keep_choices("app", [choice()])
        await world.store.choices("app")
        world.origin.reads = False

        assert tuple(await world.store.choices("app")) == (choice(),)
        assert tuple(await world.store.choices("app")) == (choice(),)

    run(story)


def test_observations_that_could_not_be_written_are_preferred_and_told_later() -> None:
    moved, before = Tag("v1", created=2), Tag("v1", created=1)

    async def story(world: World) -> None:
        await world.store.keep_listing("key", listing("v1", age=9))
        await world.store.keep_tags("key", {"v1": before, "v0": Tag("v0")})
        world.origin.writes = False
        await world.store.keep_listing("key", listing("v2", age=5))
        await world.store.keep_tags("key", {"v1": moved})
        assert parts(await world.store.listing("key")) == parts(listing("v2", age=5))
        tags = await world.store.tags("key", ["v0", "v1"])
        assert tags == {"v0": Tag("v0"), "v1": moved}

        world.origin.writes, world.now = True, PAUSE
        await world.store.listing("another")
        await world.settled()

        assert parts(await world.origin.inner.listing("key")) == parts(listing("v2", age=5))
        assert await world.origin.inner.tags("key", ["v1"]) == {"v1": moved}

    run(story)


def test_tags_that_another_replica_described_count() -> None:
    async def story(world: World) -> None:
        await world.store.keep_tags("key", {"v1": Tag("v1", created=1)})
        await world.origin.inner.keep_tags("key", {"v1": Tag("v1", created=2)})

        assert await world.store.tags("key", ["v1"]) == {"v1": Tag("v1", created=2)}

    run(story)


def test_the_newer_listing_of_both_counts() -> None:
    async def story(world: World) -> None:
        await world.store.keep_listing("key", listing("v1", age=9))
        await world.origin.inner.keep_listing("key", listing("v2", age=5))

        assert parts(await world.store.listing("key")) == parts(listing("v2", age=5))

    run(story)


def test_telling_what_is_unwritten_stops_where_it_fails_again() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        for number in range(3):
            await world.store.keep_choices(f"app {number}", [choice()])
        await world.store.keep_listing("key", listing("v1"))
        for pause in range(1, 4):
            world.now = pause * PAUSE
            await world.store.choices("app")
            await world.settled()
        assert world.origin.asked["keep_choices"] == 4
        assert world.origin.asked["keep_listing"] == 0

        world.origin.writes, world.now = True, 4 * PAUSE
        await world.store.choices("app")
        await world.settled()
        assert world.origin.asked["keep_choices"] == 7
        assert parts(await world.origin.inner.listing("key")) == parts(listing("v1"))

    run(story)


def test_observations_that_fail_again_are_not_forgotten() -> None:
    async def story(world: World) -> None:
        world.origin.writes = False
        await world.store.keep_listing("key", listing("v1"))
        world.now = PAUSE
        await world.store.choices("app")
        await world.settled()

        world.origin.writes, world.now = True, 2 * PAUSE
        await world.store.choices("app")
        await world.settled()

        assert parts(await world.origin.inner.listing("key")) == parts(listing("v1"))

    run(story)


def test_a_dead_store_is_asked_once_a_pause() -> None:
    async def story(world: World) -> None:
        world.origin.reads = world.origin.writes = False
        for pause in range(3):
            world.now = pause * PAUSE
            for _ in range(50):
                await world.store.choices("app")
                await world.store.listing("key")
                await world.store.keep_choices("app", [choice()])

        assert world.origin.asked == {"choices": 3, "keep_choices": 3}

    run(story)


def test_of_many_who_come_after_a_pause_one_tries() -> None:
    async def story(world: World) -> None:
        world.origin.reads = False
        await world.store.choices("app")
        world.now = PAUSE
        await asyncio.gather(*(world.store.choices("app") for _ in range(50)))

        assert world.origin.asked["choices"] == 2

    run(story)


def test_a_store_that_cannot_be_written_is_read() -> None:
    async def story(world: World) -> None:
        await world.origin.inner.keep_choices("app", [choice()])
        world.origin.writes = False
        await world.store.keep_choices("another", [choice()])

        assert tuple(await world.store.choices("app")) == (choice(),)

    run(story)


def test_a_store_that_hangs_is_given_up() -> None:
    async def story(world: World) -> None:
        world.origin.hangs = True
        await world.store.keep_choices("app", [choice()])

        assert tuple(await world.store.choices("app")) == (choice(),)

    run(story, patience=0.01)


def test_who_is_cancelled_while_writing_has_not_written() -> None:
    async def story(world: World) -> None:
        await world.store.keep_choices("app", [choice("v1")])
        world.origin.hangs = True
        jobs = [
            asyncio.ensure_future(world.store.keep_choices("app", [choice("v2")])),
            asyncio.ensure_future(world.store.keep_tags("key", {"v1": Tag("v1")})),
        ]
        for _ in range(3):
            await world.origin.arrived.get()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        world.origin.hangs = False

        assert tuple(await world.store.choices("app")) == (choice("v2"),)
        await world.settled()
        assert tuple(await world.origin.inner.choices("app")) == (choice("v2"),)
        assert await world.origin.inner.tags("key", ["v1"]) == {"v1": Tag("v1")}

    run(story)


def test_a_fault_is_told_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "retag.store")

    async def story(world: World) -> None:
        assert world.meter.values == {"retag_store_degraded fragile": 0}
        world.origin.reads = world.origin.writes = False
        await world.store.choices("app")
        await world.store.keep_choices("app", [choice()])
        world.now = PAUSE
        await world.store.choices("app")
        assert world.meter.values == {"retag_store_degraded fragile": 1}
        assert world.meter.counts == {
            "retag_store_errors_total fragile choices": 2,
            "retag_store_errors_total fragile keep_choices": 1,
        }
        world.origin.reads = world.origin.writes = True
        world.now = 2 * PAUSE
        await world.store.choices("app")
        await world.settled()
        assert world.meter.values == {"retag_store_degraded fragile": 0}

    run(story)

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        (
            "WARNING",
            "the store of the test: broken; mend it [RT640]: going on with what is in memory",
        ),
        ("INFO", "the store of the test: the store works again"),
    ]


def test_a_store_that_does_not_answer_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        world.origin.hangs = True
        await world.store.listing("key")

    run(story, patience=0.01)

    assert "the store does not answer within 0.01 s" in caplog.text
    assert "[RT642]" in caplog.text


def test_at_the_end_the_store_is_told_what_it_does_not_know() -> None:
    async def story(world: World) -> Fragile:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice()])
        world.origin.writes, world.now = True, PAUSE
        return world.origin

    origin = run(story)

    assert origin.closed
    assert tuple(asyncio.run(origin.inner.choices("app"))) == (choice(),)


def test_the_end_does_not_wait_for_a_store_that_hangs() -> None:
    async def story(world: World) -> Fragile:
        world.origin.writes = False
        await world.store.keep_choices("app", [choice()])
        world.origin.writes, world.origin.hangs, world.now = True, True, PAUSE
        await world.store.choices("app")
        return world.origin

    assert run(story, patience=0.01).closed


def test_a_clock_that_was_ahead_keeps_nothing_newer_away() -> None:
    async def story(world: World) -> None:
        world.wall, world.origin.writes = NOW + 1e6, False
        await world.store.keep_choices("app", [choice("v9", age=-1e6)])
        await world.store.keep_listing("key", listing("v9", age=-1e6))
        world.wall, world.origin.writes, world.now = NOW, True, PAUSE
        assert await world.store.listing("key") is None

        await world.store.keep_choices("app", [choice("v1", age=5)])
        await world.store.keep_listing("key", listing("v1", age=5))
        await world.settled()

        for store in (world.store, world.origin):
            assert tuple(await store.choices("app")) == (choice("v1", age=5),)
            assert parts(await store.listing("key")) == parts(listing("v1", age=5))

    run(story)


# What happens to one rule of one Application: kept from something of an age, faults, pauses.
steps = st.lists(
    st.integers(0, 5) | st.sampled_from(["break reads", "break writes", "mend", "pause"]),
    max_size=25,
)


def happen(world: World, event: str) -> None:
    if event == "pause":
        world.now += PAUSE
    if event in {"break reads", "mend"}:
        world.origin.reads = event == "mend"
    if event in {"break writes", "mend"}:
        world.origin.writes = event == "mend"


@given(steps)
def test_no_fault_ever_brings_an_older_choice_back(steps: list[int | str]) -> None:
    async def story(world: World) -> None:
        newest: tuple[LastGood, ...] = ()
        for count, step in enumerate(steps):
            if isinstance(step, int):
                kept = choice(f"v{count}", age=step)
                await world.store.keep_choices("app", [kept])
                newest = (kept,) if not newest else (max(newest[0], kept, key=_seen_then_kept),)
            else:
                happen(world, step)
            assert tuple(await world.store.choices("app")) == newest
        for event in ("mend", "pause", "pause"):
            happen(world, event)
            await world.store.choices("app")
            await world.settled()
        assert tuple(await world.origin.inner.choices("app")) == newest

    run(story)


def _seen_then_kept(choice: LastGood) -> tuple[float, int]:
    return choice.observed_at, int(choice.tag[1:])


def over(store: object, clock: Callable[[], float]) -> Degrading:
    return Degrading(
        store,  # type: ignore[arg-type]  # one of two kinds
        meter=Meter(),
        clock=clock,
        wall=lambda: NOW,
        patience=PATIENT,
    )


def test_a_redis_that_is_killed_and_started_again_empty_learns_anew(tmp_path: Path) -> None:
    async def story() -> None:
        now = 0.0
        store = over(persistent(redis.url), lambda: now)
        await store.keep_choices("app", [choice("v1", age=9)])
        redis.kill()
        await store.keep_choices("app", [choice("v2", age=5)])
        assert tuple(await store.choices("app")) == (choice("v2", age=5),)
        redis.start()
        now = PAUSE
        assert tuple(await store.choices("app")) == (choice("v2", age=5),)
        await store.aclose()

        other = persistent(redis.url)
        assert tuple(await other.choices("app")) == (choice("v2", age=5),)
        await other.aclose()

    with Redis(tmp_path) as redis:
        asyncio.run(story())


def test_a_folder_that_comes_late_is_used_then(tmp_path: Path) -> None:
    folder = tmp_path / "volume"

    async def story() -> None:
        now = 0.0
        store = over(SqliteStore(folder / "store.db", wall=lambda: NOW), lambda: now)
        await store.keep_choices("app", [choice()])
        assert tuple(await store.choices("app")) == (choice(),)
        await asyncio.to_thread(folder.mkdir)
        now = PAUSE
        await store.aclose()

        other = SqliteStore(folder / "store.db", wall=lambda: NOW)
        assert tuple(await other.choices("app")) == (choice(),)
        await other.aclose()

    asyncio.run(story())
