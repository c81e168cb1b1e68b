"""The objects of a kind as they were last seen: a whole set, or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from cmp.store import Store, seen
from cmp.store.memory import MemoryStore
from cmp.store.persistent import StoreError
from tests.memory import NOW
from tests.servers.redis import Redis
from tests.store.conftest import Kind, persistent
from tests.store.test_degrading import World, run

Answer = TypeVar("Answer")
Use = Callable[[Store], Awaitable[Answer]]

FIRST: Mapping[str, bytes | None] = {"a/one": b"1", "a/two": b"2"}


def used(kind: Kind, *uses: Use[Answer]) -> list[Answer]:
    """What each of *uses* gives, with a handle of its own."""

    async def use() -> list[Answer]:
        answers = []
        for each in uses:
            store = kind.open()
            try:
                answers.append(await each(store))
            finally:
                await store.aclose()
        return answers

    return asyncio.run(use())


def keep(
    changed: Mapping[str, bytes | None], *, whole: bool = False, kind: str = "apps"
) -> Use[object]:
    return lambda store: store.keep_seen(kind, changed, whole=whole)


def read(kind: str = "apps") -> Use[object]:
    return lambda store: store.seen(kind)


def test_a_whole_set_outlives_the_process(lasting: Kind) -> None:
    assert used(lasting, keep(FIRST, whole=True), read()) == [True, dict(FIRST)]


def test_what_changes_is_kept_and_what_is_gone_is_forgotten(lasting: Kind) -> None:
    changes = {"a/one": None, "a/two": b"3", "b/\u00fc": b"\x00\xff"}

    answers = used(lasting, keep(FIRST, whole=True), keep(changes), read())

    assert answers == [True, True, {"a/two": b"3", "b/\u00fc": b"\x00\xff"}]


def test_a_whole_set_leaves_nothing_of_the_one_before(lasting: Kind) -> None:
    answers = used(lasting, keep(FIRST, whole=True), keep({"c/d": b"9"}, whole=True), read())

    assert answers[-1] == {"c/d": b"9"}


def test_a_set_without_objects_is_whole_too(lasting: Kind) -> None:
    assert used(lasting, keep({}, whole=True), read()) == [True, {}]


def test_changes_of_a_set_that_is_not_there_are_no_set(lasting: Kind) -> None:
    assert used(lasting, keep(FIRST), read()) == [False, None]


def test_each_kind_has_a_set_of_its_own(lasting: Kind) -> None:
    answers = used(lasting, keep(FIRST, whole=True), read("others"), keep({}, kind="others"))

    assert answers[1:] == [None, False]


def test_thousands_of_objects_are_kept(lasting: Kind) -> None:
    many: dict[str, bytes | None] = {f"ns/{number}": b"x" * 600 for number in range(2500)}
    gone: dict[str, bytes | None] = dict.fromkeys([f"ns/{n}" for n in range(2400)])

    answers = used(lasting, keep(many, whole=True), read(), keep(gone), read())

    assert answers[1] == many
    assert len(answers[3]) == 100  # type: ignore[arg-type]  # a mapping, if it is right


def test_memory_keeps_nothing_and_asks_for_nothing_again() -> None:
    store = MemoryStore(wall=lambda: NOW)

    async def use() -> tuple[bool, object]:
        return await store.keep_seen("apps", FIRST, whole=True), await store.seen("apps")

    assert asyncio.run(use()) == (True, None)


def test_clearing_a_store_forgets_what_was_seen(tmp_path: Path, redis: Redis) -> None:
    redis.ask("FLUSHALL")
    for text in (str(tmp_path / "store.db"), redis.url):
        kind = Kind(lambda text=text: persistent(text), lambda: None)  # type: ignore[misc]

        async def clear(_: Store, text: str = text) -> object:
            store = persistent(text)
            count = await store.clear()
            await store.aclose()
            return count

        assert used(kind, keep(FIRST, whole=True), clear, read())[-1] is None


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("UPDATE seen SET record = x'00' WHERE key = CAST('a/one' AS BLOB)", id="one"),
        pytest.param("UPDATE seen SET record = 'text'", id="no bytes"),
        pytest.param("UPDATE seen SET key = x'ff' WHERE key = CAST('a/one' AS BLOB)", id="key"),
        pytest.param("DELETE FROM seen WHERE key = x''", id="the end is missing"),
    ],
)
def test_a_set_with_a_damaged_record_is_none(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "store.db"
    kind = Kind(lambda: persistent(str(path)), lambda: None)
    used(kind, keep(FIRST, whole=True))
    with sqlite3.connect(path) as connection:
        connection.execute(spoil)
    connection.close()

    assert used(kind, read()) == [None]


@pytest.mark.parametrize("bound", ["MOST", "LARGEST"])
def test_a_set_beyond_the_bounds_is_not_read(
    lasting: Kind, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    used(lasting, keep(FIRST, whole=True))
    monkeypatch.setattr(seen, bound, 2)

    assert used(lasting, read()) == [None]


def test_a_value_of_another_kind_in_redis_is_no_set(redis: Redis) -> None:
    redis.ask("FLUSHALL")
    redis.ask("SET", "retag:1:seen:apps", "x")
    kind = Kind(lambda: persistent(redis.url), lambda: None)

    answers = used(kind, read(), keep(FIRST), keep(FIRST, whole=True), read())

    assert answers == [None, False, True, dict(FIRST)]


def test_what_was_seen_of_another_cluster_long_ago_gives_room(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    kind = Kind(lambda: persistent(str(path)), lambda: None)
    used(kind, keep(FIRST, whole=True), keep(FIRST, whole=True, kind="old"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE seen SET used = 1 WHERE kind = CAST('old' AS BLOB)")
        connection.execute("DELETE FROM observed")
    connection.close()

    async def make_room(_: Store) -> object:
        from cmp.store.sqlite_rows import Rows  # noqa: PLC0415

        with sqlite3.connect(path) as connection:
            Rows(connection, NOW).make_room()
        connection.close()
        return None

    assert used(kind, make_room, read("old"), read())[1:] == [None, dict(FIRST)]


def test_a_store_that_fails_asks_for_the_whole_again() -> None:
    async def story(world: World) -> tuple[bool, bool, object]:
        world.origin.writes = False
        failed = await world.store.keep_seen("apps", FIRST, whole=True)
        world.origin.writes = True
        world.now += 60
        kept = await world.store.keep_seen("apps", FIRST, whole=True)
        return failed, kept, await world.store.seen("apps")

    assert run(story) == (False, True, dict(FIRST))


def test_a_store_that_cannot_be_read_has_seen_nothing() -> None:
    async def story(world: World) -> object:
        world.origin.reads = False
        return await world.store.seen("apps")

    assert run(story) is None


def test_a_redis_that_refuses_says_so(redis: Redis) -> None:
    store = persistent(f"{redis.url.rpartition('/')[0]}/99")

    async def use() -> None:
        try:
            with pytest.raises(StoreError):
                await store.keep_seen("apps", FIRST, whole=False)
        finally:
            await store.aclose()

    asyncio.run(use())
