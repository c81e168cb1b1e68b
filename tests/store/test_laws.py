"""The parts of stores: records, the order of choices, memory and its bounds, and the breaker."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.store import LastGood, choices, records
from cmp.store.breaker import Breaker
from cmp.store.memory import MemoryStore
from cmp.store.unwritten import Unwritten
from cmp.tags import Tag
from tests.memory import NOW
from tests.store import values
from tests.store.values import DIGEST, choice, listing, parts

CHOICE = {
    "rule": "rule",
    "fingerprint": "f",
    "repository": "registry.example.com/team/app",
    "tag": "v1",
    "digest": None,
    "observed_at": NOW,
}
LISTING = {
    "registry": "registry.example.com",
    "path": "team/app",
    "names": ["v1"],
    "observed_at": NOW,
    "newest_first": None,
}


def sealed(name: str, value: Any) -> bytes:
    """*value* as a record of *name*, by whoever knows how they are made."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"1:%08x:%b" % (zlib.crc32(name.encode() + b"\0" + body), body)


def test_records_are_as_written_here() -> None:
    assert records.decode_choices("app", sealed("app", [CHOICE]), NOW) == (choice(),)
    assert parts(records.decode_listing("k", sealed("k", LISTING), NOW)) == parts(listing("v1"))
    assert records.decode_tag("k", "v1", sealed("k\0v1", {"created": 3})) == Tag("v1", created=3)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"more": 1}, id="a field that nobody knows"),
        pytest.param({"rule": None}, id="no rule"),
        pytest.param({"rule": "r" * 8193}, id="an endless rule"),
        pytest.param({"fingerprint": 7}, id="a number for a fingerprint"),
        pytest.param({"repository": "registry.example.com/App"}, id="no repository"),
        pytest.param({"repository": "registry.example.com/app:v1"}, id="a repository with a tag"),
        pytest.param({"repository": "app"}, id="a repository in another spelling"),
        pytest.param({"tag": "-v1"}, id="no tag"),
        pytest.param({"tag": "v1\n"}, id="a tag with a line break"),
        pytest.param({"tag": "v" * 129}, id="a tag that is too long"),
        pytest.param({"digest": "sha256:0"}, id="no digest"),
        pytest.param({"digest": DIGEST.upper()}, id="a digest in capitals"),
        pytest.param({"observed_at": None}, id="no time"),
        pytest.param({"observed_at": True}, id="a boolean for a time"),
        pytest.param({"observed_at": -1}, id="a time before all"),
        pytest.param({"observed_at": 1e300}, id="a time after all"),
        pytest.param({"observed_at": 10**400}, id="a time that is no float"),
    ],
)
def test_a_choice_that_is_none_is_left_out(change: dict[str, Any]) -> None:
    record = sealed("app", [CHOICE | change, CHOICE, "v1", [], None])

    assert records.decode_choices("app", record, NOW) == (choice(),)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"more": 1}, id="a field that nobody knows"),
        pytest.param({"registry": "a b"}, id="no registry"),
        pytest.param({"registry": ""}, id="no registry at all"),
        pytest.param({"path": "App"}, id="no path"),
        pytest.param({"path": 1}, id="a number for a path"),
        pytest.param({"names": "v1"}, id="a text for names"),
        pytest.param({"names": ["v1", 2]}, id="a number for a name"),
        pytest.param({"names": ["v" * 8193]}, id="an endless name"),
        pytest.param({"names": ["v"] * 500_001}, id="too many names"),
        pytest.param({"observed_at": NOW + 301}, id="of later"),
        pytest.param({"observed_at": "now"}, id="a text for a time"),
        pytest.param({"newest_first": 1}, id="a number for a boolean"),
    ],
)
def test_a_listing_that_is_none_is_not_known(change: dict[str, Any]) -> None:
    assert records.decode_listing("key", sealed("key", LISTING | change), NOW) is None


@pytest.mark.parametrize("field", LISTING)
def test_a_listing_without_a_field_is_not_known(field: str) -> None:
    value = {name: each for name, each in LISTING.items() if name != field}

    assert records.decode_listing("key", sealed("key", value), NOW) is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"name": "v2"}, id="a name"),
        pytest.param({"digest": "v1"}, id="no digest"),
        pytest.param({"created": 1.5}, id="half a nanosecond"),
        pytest.param({"created": True}, id="a boolean for a time"),
        pytest.param({"pushed": 2**63}, id="a time after all"),
        pytest.param({"fault": "none"}, id="a fault that nobody knows"),
        pytest.param({"fault": 1}, id="a number for a fault"),
        pytest.param({"severity": "awful"}, id="a severity that nobody knows"),
        pytest.param({"trusted": "yes"}, id="a text for a boolean"),
        pytest.param({"signers": "someone"}, id="a text for signers"),
        pytest.param({"signers": ["s"] * 1001}, id="too many signers"),
        pytest.param({"platforms": [["linux", "amd64"]]}, id="half a platform"),
        pytest.param({"platforms": [["linux", "amd64", None]]}, id="a platform of nothing"),
        pytest.param({"platforms": ["lin"]}, id="a text for a platform"),
        pytest.param({"detail": "x" * 8193}, id="endless detail"),
        pytest.param({"unanswered": 1}, id="a number for a text"),
        pytest.param({"detail": "x" * 262_144}, id="more than a tag can be"),
        pytest.param([], id="a list"),
    ],
)
def test_a_tag_that_is_none_is_not_known(value: Any) -> None:
    assert records.decode_tag("key", "v1", sealed("key\0v1", value)) is None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(sealed("app", [CHOICE])[:-1], id="cut"),
        pytest.param(sealed("app", [CHOICE]) + b" ", id="longer"),
        pytest.param(b"2" + sealed("app", [CHOICE])[1:], id="another version"),
        pytest.param(sealed("app", [CHOICE]).replace(b":", b";"), id="another form"),
        pytest.param(sealed("other", [CHOICE]), id="of another"),
        pytest.param(sealed("app", CHOICE), id="another kind"),
        pytest.param(sealed("app", b"[NaN]"), id="no JSON"),
        pytest.param(sealed("app", b"[" * 100_000), id="nested without end"),
        pytest.param(sealed("app", b"[" + b"9" * 5000 + b"]"), id="a number without end"),
        pytest.param(sealed("app", b"\xff"), id="no text"),
        pytest.param(sealed("app", [CHOICE] * 501), id="too many"),
        pytest.param(sealed("app", b" " * 33_554_432 + b"[]"), id="too large"),
    ],
)
def test_a_record_that_is_none_is_not_known(record: bytes) -> None:
    assert records.decode_choices("app", record, NOW) == ()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.binary())
def test_no_record_is_an_error(value: object) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    for record in (body, sealed("key", body), sealed("key\0v1", body)):
        records.decode_choices("key", record, NOW)
        records.decode_listing("key", record, NOW)
        records.decode_tag("key", "v1", record)


few = st.lists(
    st.builds(
        choice,
        st.sampled_from(["v1", "v2"]),
        rule=st.sampled_from("abc"),
        age=st.integers(0, 3),
    ),
    max_size=6,
)


@given(few, few)
def test_keeping_takes_the_newest_of_each(earlier: list[LastGood], given_: list[LastGood]) -> None:
    before = choices.keep((), earlier)
    kept = choices.keep(before, given_)

    assert len({choices.identity(each) for each in kept}) == len(kept)
    for each in kept:
        same = [other for other in [*earlier, *given_] if other.rule == each.rule]
        assert each.observed_at == max(other.observed_at for other in same)
    assert choices.keep(kept, kept) == kept


@given(few, few, few)
def test_merging_takes_the_newest_of_each(
    stored: list[LastGood], known: list[LastGood], unwritten: list[LastGood]
) -> None:
    sources = [choices.keep((), each) for each in (stored, known, unwritten)]
    merged = choices.merge(stored=sources[0], known=sources[1], unwritten=sources[2])

    for each in merged:
        same = [other for source in sources for other in source if other.rule == each.rule]
        assert each.observed_at == max(other.observed_at for other in same)
        newest = [other for other in same if other.observed_at == each.observed_at]
        assert each == newest[-1]
    assert {each.rule for each in merged} == {e.rule for source in sources for e in source}


def test_choices_of_later_are_as_old_as_can_be() -> None:
    soon, later = choice(age=-300), choice(rule="b", age=-301)

    assert [each.observed_at for each in choices.dated([soon, later], NOW)] == [NOW + 300, 0]


def memory(room: int = 100_000) -> MemoryStore:
    return MemoryStore(wall=lambda: NOW, room=room)


def test_memory_gives_the_listing_that_it_was_given() -> None:
    async def use() -> None:
        store, seen = memory(), listing("v1")
        await store.keep_listing("key", seen)
        assert await store.listing("key") is seen

    asyncio.run(use())


def test_memory_forgets_what_was_used_least_lately() -> None:
    async def use() -> None:
        store = memory()
        for number in range(100):
            await store.keep_listing(f"{number}", listing(*map(str, range(30))))
            await store.keep_tags(f"{number}", {"v1": Tag("v1", detail="x" * 2000)})
            await store.listing("0")
            await store.tags("0", ["v1"])
        known = [n for n in range(100) if await store.listing(f"{n}") is not None]
        described = [n for n in range(100) if await store.tags(f"{n}", ["v1"])]
        for left in (known, described):
            assert left[0] == 0
            assert left[1:] == list(range(left[1], 100))
            assert 10 < len(left) < 50

    asyncio.run(use())


def test_memory_keeps_nothing_that_is_larger_than_itself() -> None:
    async def use() -> None:
        store = memory(10_000)
        await store.keep_listing("key", listing("v1", age=1))
        await store.keep_listing("key", listing(*map(str, range(1000))))
        assert await store.listing("key") is None
        await store.keep_tags("key", {str(n): Tag(str(n)) for n in range(10)})
        await store.keep_tags("key", {f"v{n}": Tag(f"v{n}") for n in range(5)})
        assert await store.tags("key", ["0", "v1"]) == {"v1": Tag("v1")}
        await store.keep_tags("key", {str(n): Tag(str(n)) for n in range(100)})
        assert await store.tags("key", ["0", "v1"]) == {}

    asyncio.run(use())


@given(st.lists(values.tags, max_size=5))
def test_all_tags_of_a_key_are_those_that_were_kept(tags: list[Tag]) -> None:
    named = {tag.name: tag for tag in tags}

    async def use() -> None:
        store = memory(10**7)
        await store.keep_tags("key", named)
        assert store.all_tags("key") == named

    asyncio.run(use())


def test_memory_keeps_choices_of_many_applications_within_its_bound() -> None:
    async def use() -> int:
        store = memory()
        for number in range(50_000):
            await store.keep_choices(f"app {number}", [choice()])
        left = [n for n in range(50_000) if await store.choices(f"app {n}")]
        assert left == list(range(50_000 - len(left), 50_000))
        return len(left)

    assert 20_000 < asyncio.run(use()) < 40_000


def test_of_too_much_that_is_unwritten_the_oldest_is_forgotten() -> None:
    unwritten = Unwritten(lambda: NOW)
    for number in range(10_001):
        unwritten.add_choices(f"app {number}", [choice()])
        unwritten.add(f"key {number}")

    assert [bool(unwritten.choices(f"app {n}")) for n in (0, 1, 10_000)] == [False, True, True]
    assert [unwritten.has(f"key {number}") for number in (0, 1, 10_000)] == [False, True, True]


def test_what_is_written_needs_not_be_again() -> None:
    unwritten = Unwritten(lambda: NOW)
    unwritten.add_choices("app", [choice("v1", age=5), choice(rule="b", age=5)])
    unwritten.wrote_choices("app", [choice("v2", age=5), choice(rule="b", age=6)])
    assert tuple(unwritten.choices("app")) == (choice(rule="b", age=5),)

    unwritten.wrote_choices("app", [choice(rule="b", age=5)])
    unwritten.wrote_choices("app", [choice()])
    assert not unwritten


def test_a_breaker_lets_one_try_after_each_pause() -> None:
    now = 0.0
    breaker = Breaker(lambda: now, 30)

    assert (breaker.open, breaker.ready, breaker.allows(), breaker.allows()) == (
        False,
        *[True] * 3,
    )
    breaker.failed()
    assert (breaker.open, breaker.ready, breaker.allows()) == (True, False, False)
    now = 30
    assert (breaker.ready, breaker.allows(), breaker.allows(), breaker.ready) == (
        True,
        True,
        False,
        False,
    )
    breaker.worked()
    assert (breaker.open, breaker.allows(), breaker.allows()) == (False, True, True)


def test_a_breaker_is_not_kept_open_by_those_who_ask_during_the_pause() -> None:
    now = 0.0
    breaker = Breaker(lambda: now, 30)
    breaker.failed()
    now = 29
    assert not breaker.allows()
    now = 30

    assert breaker.allows()
