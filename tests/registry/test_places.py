"""Where a registry lists tags by their age, their places in the listing are their times."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from cmp.judge import judge
from cmp.policy import Chosen, Settings, compile_policy
from cmp.reference import Repository
from cmp.registry.cache import CachedTags
from cmp.registry.places import describe
from cmp.tags import Fault, Listing, Needs, Tag
from tests.memory import NOW, MemoryTags

REPOSITORY = Repository("registry.example.com", "team/app")
DIGEST = "sha256:" + 64 * "1"
BUILT = Needs(created=True)


def described(
    needs: Needs, *tags: Tag | str, newest_first: bool | None = True
) -> tuple[Mapping[str, Tag], MemoryTags]:
    """The tags that *tags* are, listed in their order, and who was asked for them."""
    memory = MemoryTags({str(REPOSITORY): tags})
    names = tuple(tag if isinstance(tag, str) else tag.name for tag in tags)
    listing = Listing(REPOSITORY, names, NOW, newest_first)
    return asyncio.run(describe(memory, listing, names, needs)), memory


@pytest.mark.parametrize(
    ("newest_first", "order"), [(True, ["c", "a", "b"]), (False, ["b", "a", "c"])]
)
def test_the_place_in_the_listing_is_the_time_and_nothing_is_asked(
    *, newest_first: bool, order: list[str]
) -> None:
    tags, memory = described(
        Needs(created=True, platforms=("linux/arm64",)), "b", "a", "c", newest_first=newest_first
    )

    assert sorted(tags, key=lambda name: tags[name].created or 0) == order
    assert all("the place in the listing" in tag.detail for tag in tags.values())
    assert not memory.asked


def test_without_an_order_the_registry_tells_the_times() -> None:
    tags, _ = described(BUILT, Tag("a", created=7), newest_first=None)

    assert tags["a"].created == 7


def test_where_no_time_is_needed_places_tell_nothing() -> None:
    no_image = Tag("a", DIGEST, fault=Fault.MALFORMED)

    tags, _ = described(Needs(digest=True), no_image)

    assert tags == {"a": no_image}


def test_no_platform_is_asked_for() -> None:
    """Whoever looks for a platform opens manifests."""
    asked: list[Needs] = []

    class Noting(MemoryTags):
        async def describe(
            self, repository: Repository, names: Sequence[str], needs: Needs, /
        ) -> Mapping[str, Tag]:
            asked.append(needs)
            return await super().describe(repository, names, needs)

    memory: MemoryTags = Noting({str(REPOSITORY): ["a"]})
    needs = Needs(created=True, digest=True, platforms=("linux/arm64",))
    asyncio.run(describe(memory, Listing(REPOSITORY, ("a",), NOW, True), ["a"], needs))

    assert asked == [Needs(digest=True)]


def test_what_else_is_needed_is_asked_for() -> None:
    needs = Needs(created=True, digest=True)
    no_image = Tag("c", DIGEST, fault=Fault.MALFORMED)

    tags, _ = described(needs, Tag("a", DIGEST, created=7), Tag("b", fault=Fault.GONE), no_image)

    assert (tags["a"].digest, tags["a"].created) == (DIGEST, 0)
    assert tags["b"].fault is Fault.GONE
    assert (tags["c"].digest, tags["c"].fault) == (DIGEST, None)


def test_a_place_is_no_answer_to_what_only_a_search_tells() -> None:
    needs = Needs(created=True, pushed=True)
    untold = Tag("a", DIGEST, unanswered="no Zot")
    unread = Tag("b", DIGEST, fault=Fault.UNREADABLE)

    tags, _ = described(needs, untold, unread)

    assert (tags["a"].created, tags["a"].unanswered) == (0, "no Zot")
    assert tags["b"].fault is Fault.UNREADABLE


def test_places_of_an_earlier_listing_are_not_mixed_with_those_of_a_later_one() -> None:
    """A cache that remembers tags for longer than their listing must not remember places."""
    tags: dict[str, tuple[Tag | str, ...]] = {str(REPOSITORY): ("z", "y")}
    now = [0.0]
    cache = CachedTags(MemoryTags(tags, newest_first=True), clock=lambda: now[0], ttl=60)

    async def choose(strategy: str, at: float) -> str:
        now[0] = at
        choice = (await judge(REPOSITORY, compile_policy(Settings(strategy)), cache)).choice
        assert isinstance(choice, Chosen)
        return choice.tag.name

    async def choose_before_and_after() -> list[str]:
        choices = [await choose("name", 0.0), await choose("newest-build", 30.0)]
        tags[str(REPOSITORY)] = ("a", "z", "y")
        return [*choices, await choose("newest-build", 61.0)]

    assert asyncio.run(choose_before_and_after()) == ["z", "z", "a"]
