"""What every store does: in memory, in SQLite, in Redis, and these with memory beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.store import LastGood, Store
from cmp.store.choices import MOST_CHOICES
from cmp.tags import Fault, Listing, Platform, Tag
from tests.effort import IN_FIXTURE, examples
from tests.memory import NOW
from tests.store import values
from tests.store.conftest import Kind
from tests.store.values import DIGEST, choice, listing, parts

Answer = TypeVar("Answer")

# A fixture says which store it is; each example empties it.
laws = settings(max_examples=examples(30), suppress_health_check=IN_FIXTURE)


def with_store(kind: Kind, use: Callable[[Store], Awaitable[Answer]]) -> Answer:
    """What *use* gives of a new handle, which is closed afterwards."""

    async def used() -> Answer:
        store = kind.open()
        try:
            return await use(store)
        finally:
            await store.aclose()

    return asyncio.run(used())


def kept(kind: Kind, *batches: Sequence[LastGood]) -> Sequence[LastGood]:
    """What is remembered after *batches* were kept one after the other."""

    async def use(store: Store) -> Sequence[LastGood]:
        for batch in batches:
            await store.keep_choices("app", batch)
        return await store.choices("app")

    return with_store(kind, use)


def listed(kind: Kind, *listings: Listing) -> Listing | None:
    """What is remembered after *listings* were kept one after the other."""

    async def use(store: Store) -> Listing | None:
        for each in listings:
            await store.keep_listing("key", each)
        return await store.listing("key")

    return with_store(kind, use)


@laws
@given(st.lists(values.choices, unique_by=lambda each: (each.rule, each.fingerprint)))
def test_choices_come_back_as_they_were_kept(kind: Kind, choices: list[LastGood]) -> None:
    kind.empty()

    assert tuple(kept(kind, choices)) == tuple(choices)


@laws
@given(values.listings)
def test_a_listing_comes_back_as_it_was_kept(kind: Kind, seen: Listing) -> None:
    kind.empty()

    assert parts(listed(kind, seen)) == parts(seen)


@laws
@given(st.lists(values.tags, unique_by=lambda tag: tag.name))
def test_tags_come_back_as_they_were_kept(kind: Kind, tags: list[Tag]) -> None:
    kind.empty()
    named = {tag.name: tag for tag in tags}

    async def use(store: Store) -> Mapping[str, Tag]:
        await store.keep_tags("key", named)
        return await store.tags("key", [*named, "one that is not"])

    assert with_store(kind, use) == named


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(Tag("v1"), id="nothing known"),
        pytest.param(
            Tag(
                "v1",
                DIGEST,
                1,
                Fault.GONE,
                "gone",
                2,
                "high",
                trusted=False,
                signers=("someone",),
                platforms=(Platform("linux", "arm", "v7"), Platform("linux", "amd64")),
                unanswered="search is off",
            ),
            id="all known",
        ),
        pytest.param(Tag("v1", created=0, pushed=0, severity=""), id="known to be nothing"),
    ],
)
def test_a_tag_comes_back_with_all_that_is_known_of_it(kind: Kind, tag: Tag) -> None:
    async def use(store: Store) -> Mapping[str, Tag]:
        await store.keep_tags("key", {"v1": tag})
        return await store.tags("key", ["v1"])

    assert with_store(kind, use) == {"v1": tag}


def test_nothing_is_known_at_first(kind: Kind) -> None:
    async def use(store: Store) -> tuple[object, ...]:
        return await store.choices("app"), await store.listing("k"), await store.tags("k", ["v1"])

    assert with_store(kind, use) == ((), None, {})


def test_the_choice_that_was_kept_last_comes_first(kind: Kind) -> None:
    first, second, third = (choice(rule=rule) for rule in ("a", "b", "c"))
    again = replace(first, tag="v2")

    assert tuple(kept(kind, [first], [second, third], [again])) == (again, second, third)


def test_a_choice_from_something_older_takes_no_place(kind: Kind) -> None:
    newer, older = choice("v2", age=5), choice("v1", age=6)

    assert tuple(kept(kind, [newer], [older])) == (newer,)


def test_a_choice_from_the_same_takes_the_place(kind: Kind) -> None:
    assert tuple(kept(kind, [choice("v2")], [choice("v1")])) == (choice("v1"),)


def test_another_fingerprint_of_a_rule_has_a_place_of_its_own(kind: Kind) -> None:
    edited, before = choice(fingerprint="new", age=9), choice(fingerprint="old")

    assert tuple(kept(kind, [before], [edited])) == (edited, before)


def test_of_too_many_choices_those_kept_first_are_forgotten(kind: Kind) -> None:
    many = [choice(rule=f"rule {number}") for number in range(MOST_CHOICES + 1)]

    assert tuple(kept(kind, many)) == tuple(many[:MOST_CHOICES])


def test_an_older_listing_takes_no_place(kind: Kind) -> None:
    assert parts(listed(kind, listing("v2", age=5), listing("v1", age=6))) == parts(
        listing("v2", age=5)
    )


def test_a_listing_of_the_same_instant_takes_the_place(kind: Kind) -> None:
    assert parts(listed(kind, listing("v1"), listing("v2"))) == parts(listing("v2"))


def test_why_a_listing_was_served_again_is_not_remembered_of_it(lasting: Kind) -> None:
    with_store(
        lasting, lambda store: store.keep_listing("key", replace(listing("v1"), stale="old"))
    )

    assert parts(with_store(lasting, lambda store: store.listing("key"))) == parts(listing("v1"))


def test_a_tag_is_described_anew(kind: Kind) -> None:
    async def use(store: Store) -> Mapping[str, Tag]:
        await store.keep_tags("key", {"v1": Tag("v1", created=1), "v2": Tag("v2")})
        await store.keep_tags("key", {"v1": Tag("v1", pushed=2)})
        await store.keep_tags("key", {})
        return await store.tags("key", ["v1", "v2", "v1"])

    assert with_store(kind, use) == {"v1": Tag("v1", pushed=2), "v2": Tag("v2")}


def test_many_tags_are_asked_for_at_once(kind: Kind) -> None:
    tags = {f"v{number}": Tag(f"v{number}", created=number) for number in range(2500)}

    async def use(store: Store) -> Mapping[str, Tag]:
        await store.keep_tags("key", tags)
        return await store.tags("key", list(tags))

    assert with_store(kind, use) == tags


def test_applications_and_keys_know_nothing_of_each_other(kind: Kind) -> None:
    async def use(store: Store) -> None:
        await store.keep_choices("app", [choice()])
        await store.keep_listing("key", listing("v1"))
        await store.keep_tags("key", {"v1": Tag("v1")})
        for other in (
            "",
            "ap",
            "app ",
            "APP",
            "app\0",
            "key ",
            "k",
            "key\0v1",
            "*",
            "%",
            "app:key",
        ):
            assert tuple(await store.choices(other)) == ()
            assert await store.listing(other) is None
            assert await store.tags(other, ["v1", "1", ""]) == {}

    with_store(kind, use)


def test_what_was_kept_is_there_after_a_restart(lasting: Kind) -> None:
    async def keep(store: Store) -> None:
        await store.keep_choices("app", [choice()])
        await store.keep_listing("key", listing("v1"))
        await store.keep_tags("key", {"v1": Tag("v1")})

    async def read(store: Store) -> tuple[object, ...]:
        seen = await store.listing("key")
        return await store.choices("app"), parts(seen), await store.tags("key", ["v1"])

    with_store(lasting, keep)

    assert with_store(lasting, read) == ((choice(),), parts(listing("v1")), {"v1": Tag("v1")})


@laws
@given(st.permutations(range(6)), st.data())
def test_whoever_writes_the_newest_stays_in_any_order(
    kind: Kind, ages: list[int], data: st.DataObject
) -> None:
    kind.empty()
    writers = data.draw(st.lists(st.sampled_from([0, 1]), min_size=6, max_size=6))

    async def use(store: Store) -> None:
        other = kind.open() if kind.lasts else store
        for age, writer in zip(ages, writers, strict=True):
            await (store, other)[writer].keep_choices("app", [choice(f"v{age}", age=age)])
            await (store, other)[writer].keep_listing("key", listing(f"v{age}", age=age))
        for each in (store, other):
            assert tuple(await each.choices("app")) == (choice("v0"),)
            assert parts(await each.listing("key")) == parts(listing("v0"))
        if other is not store:
            await other.aclose()

    with_store(kind, use)


def test_many_at_once_lose_nothing(kind: Kind) -> None:
    async def use(store: Store) -> set[str]:
        other = kind.open() if kind.lasts else store
        await asyncio.gather(
            *(
                (store, other)[number % 2].keep_choices("app", [choice(rule=f"rule {number}")])
                for number in range(4)
            )
        )
        rules = {each.rule for each in await store.choices("app")}
        if other is not store:
            await other.aclose()
        return rules

    assert with_store(kind, use) == {f"rule {number}" for number in range(4)}


def test_what_a_fast_clock_wrote_is_as_old_as_can_be(lasting: Kind) -> None:
    ahead = replace(choice("v9"), observed_at=NOW + 1e6)
    with_store(lasting, lambda store: store.keep_choices("app", [ahead]))
    with_store(lasting, lambda store: store.keep_listing("key", listing("v9", age=-1e6)))

    assert tuple(with_store(lasting, lambda store: store.choices("app"))) == (
        replace(ahead, observed_at=0.0),
    )
    assert with_store(lasting, lambda store: store.listing("key")) is None
    assert tuple(kept(lasting, [choice("v1", age=7)])) == (choice("v1", age=7),)
    assert parts(listed(lasting, listing("v1", age=7))) == parts(listing("v1", age=7))


def test_names_of_tags_may_grow_one_after_the_other(kind: Kind) -> None:
    async def use(store: Store) -> Mapping[str, Tag]:
        for shorter, longer in pairwise(["v", "v1", "v1.0"]):
            await store.keep_tags("key", {shorter: Tag(shorter), longer: Tag(longer)})
        return await store.tags("key", ["v", "v1", "v1.0", "v1."])

    assert with_store(kind, use) == {name: Tag(name) for name in ("v", "v1", "v1.0")}
