"""What many want is asked once, remembered for a while, and never told to another login."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import NotFoundError, RegistryError, UnreachableError
from cmp.reference import Repository
from cmp.registry.cache import CachedTags, Sizes
from cmp.registry.http.listing import LARGEST_LISTING, MOST_TAGS
from cmp.registry.progress import Progress, reporting
from cmp.tags import Fault, Listing, Needs, Platform, Tag
from tests.registry.origin import APP, CLAIM, DIGEST, WALL, Clock, Origin, settle

OTHER = Repository("registry.example.com", "other")
CREATED = Needs(created=True)
TTL, GRACE = 60.0, 5.0


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def origin(clock: Clock) -> Origin:
    """An origin that answers at once."""
    return Origin(clock)


def cached(origin: Origin, **given: Any) -> CachedTags:
    """A cache before *origin*."""
    clock = origin.clock
    return CachedTags(origin, clock=clock, wall=clock.wall, ttl=TTL, grace=GRACE, **given)


Ask = Callable[[CachedTags], Awaitable[Any]]

QUESTIONS: dict[str, Ask] = {
    "a listing": lambda tags: tags.list_tags(APP),
    "descriptions": lambda tags: tags.describe(APP, ["v1", "v2"], CREATED),
    "signatures": lambda tags: tags.signatures(APP, DIGEST),
}
question = pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)


async def fail_of(ask: Awaitable[Any]) -> RegistryError:
    """The error that *ask* ends with."""
    with pytest.raises(RegistryError) as caught:
        await ask
    return caught.value


@question
def test_fifty_who_ask_at_once_make_one_question(origin: Origin, ask: Ask) -> None:
    async def run() -> list[Any]:
        tags = cached(origin)
        origin.gate.clear()
        asking = [asyncio.ensure_future(ask(tags)) for _ in range(50)]
        await settle()
        origin.gate.set()
        return await asyncio.gather(*asking)

    answers = asyncio.run(run())

    assert len(origin.asked) == 1
    assert all(answer == answers[0] for answer in answers)


@question
def test_when_it_fails_all_get_the_one_error_and_nobody_asks_again_for_a_moment(
    origin: Origin, clock: Clock, ask: Ask
) -> None:
    origin.error = UnreachableError("RT540", "no answer")

    async def run() -> list[RegistryError]:
        tags = cached(origin)
        errors = await asyncio.gather(*(fail_of(ask(tags)) for _ in range(50)))
        clock.now += GRACE - 0.001
        return [*errors, await fail_of(ask(tags))]

    errors = asyncio.run(run())

    assert len(origin.asked) == 1
    assert all(error is origin.error for error in errors)


@question
def test_after_the_moment_it_is_asked_again(origin: Origin, clock: Clock, ask: Ask) -> None:
    origin.error = UnreachableError("RT540", "no answer")

    async def run() -> None:
        tags = cached(origin)
        await fail_of(ask(tags))
        clock.now += GRACE
        origin.error = None
        await ask(tags)

    asyncio.run(run())

    assert len(origin.asked) == 2


@question
def test_a_failure_counts_from_when_it_came(origin: Origin, clock: Clock, ask: Ask) -> None:
    origin.error, origin.lasting = UnreachableError("RT540", "no answer"), 30.0

    async def run() -> None:
        tags = cached(origin)
        await fail_of(ask(tags))
        clock.now += GRACE - 0.001
        await fail_of(ask(tags))

    asyncio.run(run())

    assert len(origin.asked) == 1


def test_an_error_that_is_raised_often_does_not_grow(origin: Origin) -> None:
    origin.error = UnreachableError("RT540", "no answer")

    async def run() -> list[int]:
        tags = cached(origin)
        return [_frames(await fail_of(tags.list_tags(APP))) for _ in range(5)]

    lengths = asyncio.run(run())

    assert len(set(lengths[1:])) == 1


def _frames(error: BaseException) -> int:
    count, trace = 0, error.__traceback__
    while trace is not None:
        count, trace = count + 1, trace.tb_next
    return count


@question
@pytest.mark.parametrize(
    ("age", "questions"),
    [(0.0, 1), (TTL - 0.001, 1), (TTL, 2), (TTL + 1, 2)],
    ids=["at once", "just before its end", "exactly at its end", "after its end"],
)
def test_an_answer_serves_until_it_is_exactly_as_old_as_allowed(
    origin: Origin, clock: Clock, ask: Ask, age: float, questions: int
) -> None:
    async def run() -> None:
        tags = cached(origin)
        await ask(tags)
        clock.now += age
        await ask(tags)

    asyncio.run(run())

    assert len(origin.asked) == questions


@question
def test_an_answer_is_as_old_as_its_question(origin: Origin, clock: Clock, ask: Ask) -> None:
    origin.lasting = 10.0

    async def run() -> None:
        tags = cached(origin)
        await ask(tags)
        clock.now += TTL - 10.0
        await ask(tags)

    asyncio.run(run())

    assert len(origin.asked) == 2


def test_a_fresh_listing_is_the_same_object_so_that_what_follows_from_it_is_too(
    origin: Origin, clock: Clock
) -> None:
    async def run() -> list[Listing]:
        tags = cached(origin)
        first, second = await tags.list_tags(APP), await tags.list_tags(APP)
        clock.now += TTL
        return [first, second, await tags.list_tags(APP)]

    first, second, third = asyncio.run(run())

    assert first is second
    assert first is not third


@question
def test_no_login_is_told_what_another_saw(origin: Origin, ask: Ask) -> None:
    async def run() -> None:
        tags = cached(origin)
        for login in ("", "pullsecret:a/b", "pullsecret:c/d", "pullsecret:a/b", ""):
            await ask(tags.authorised(login))

    asyncio.run(run())

    assert [asked[0] for asked in origin.asked] == ["", "pullsecret:a/b", "pullsecret:c/d"]


@question
def test_a_view_with_a_login_leaves_the_others_as_they_are(origin: Origin, ask: Ask) -> None:
    async def run() -> None:
        tags = cached(origin)
        views = [tags.authorised("pullsecret:a/b"), tags.authorised("pullsecret:c/d"), tags]
        await asyncio.gather(*map(ask, views))

    asyncio.run(run())

    assert [asked[0] for asked in origin.asked] == ["pullsecret:a/b", "pullsecret:c/d", ""]


@question
def test_a_failure_of_one_login_is_not_told_to_another(origin: Origin, ask: Ask) -> None:
    origin.error = NotFoundError("RT570", "hidden")

    async def run() -> None:
        tags = cached(origin)
        await fail_of(ask(tags))
        origin.error = None
        await ask(tags.authorised("pullsecret:a/b"))

    asyncio.run(run())

    assert [asked[0] for asked in origin.asked] == ["", "pullsecret:a/b"]


def test_repositories_needs_and_digests_are_asked_for_apart(origin: Origin) -> None:
    pushed = Needs(pushed=True, platforms=("linux/amd64",))

    async def run() -> None:
        tags = cached(origin)
        for repository in (APP, OTHER, APP):
            await tags.list_tags(repository)
            await tags.describe(repository, ["v1"], CREATED)
            await tags.describe(repository, ["v1"], pushed)
            await tags.signatures(repository, DIGEST)
            await tags.signatures(repository, DIGEST.replace("1", "2"))

    asyncio.run(run())

    assert len(origin.asked) == 10
    assert len(set(origin.asked)) == 10


@question
def test_who_is_cancelled_leaves_the_question_to_the_others(origin: Origin, ask: Ask) -> None:
    async def run() -> Any:
        tags = cached(origin)
        origin.gate.clear()
        first, second = asyncio.ensure_future(ask(tags)), asyncio.ensure_future(ask(tags))
        await settle()
        first.cancel()
        await settle()
        origin.gate.set()
        assert await second
        assert first.cancelled()
        return await ask(tags)

    assert asyncio.run(run())
    assert len(origin.asked) == 1


@question
def test_a_fault_of_the_program_is_told_and_not_remembered(origin: Origin, ask: Ask) -> None:
    origin.error = ZeroDivisionError()

    async def run() -> None:
        tags = cached(origin)
        with pytest.raises(ZeroDivisionError):
            await ask(tags)
        origin.error = None
        await ask(tags)

    asyncio.run(run())

    assert len(origin.asked) == 2


def names_asked(origin: Origin) -> list[tuple[str, ...]]:
    """The names of each call of `describe`."""
    return [asked[3] for asked in origin.asked if asked[1] == "describe"]


def test_only_tags_that_are_not_known_are_asked_for(origin: Origin, clock: Clock) -> None:
    async def run() -> Mapping[str, Tag]:
        tags = cached(origin)
        await tags.describe(APP, ["v1", "v2"], CREATED)
        clock.now += 30
        await tags.describe(APP, ["v2", "v3", "v4", "v3"], CREATED)
        clock.now += 30
        return await tags.describe(APP, ["v1", "v2", "v3", "v4"], CREATED)

    described = asyncio.run(run())

    assert names_asked(origin) == [("v1", "v2"), ("v3", "v4"), ("v1", "v2")]
    assert list(described) == ["v1", "v2", "v3", "v4"]
    assert all(tag.name == name for name, tag in described.items())


def test_tags_that_are_being_asked_for_are_waited_for(origin: Origin) -> None:
    async def run() -> list[Mapping[str, Tag]]:
        tags = cached(origin)
        origin.gate.clear()
        wanted = [["v1", "v2"], ["v2", "v3"], ["v1", "v3"], ["v3", "v4"]]
        asking = [asyncio.create_task(_describe(tags, names)) for names in wanted]
        await settle()
        origin.gate.set()
        return await asyncio.gather(*asking)

    answers = asyncio.run(run())

    assert names_asked(origin) == [("v1", "v2"), ("v3",), ("v4",)]
    assert [list(answer) for answer in answers] == [
        ["v1", "v2"],
        ["v2", "v3"],
        ["v1", "v3"],
        ["v3", "v4"],
    ]


async def _describe(tags: CachedTags, names: list[str]) -> Mapping[str, Tag]:
    return await tags.describe(APP, names, CREATED)


@pytest.mark.parametrize(
    ("fault", "served"),
    [(Fault.UNREADABLE, GRACE), (Fault.GONE, TTL), (Fault.MALFORMED, TTL)],
)
def test_a_tag_that_could_not_be_read_is_asked_for_again_soon(
    clock: Clock, fault: Fault, served: float
) -> None:
    origin = Origin(clock, faults={"v1": fault})

    async def run() -> None:
        tags = cached(origin)
        await tags.describe(APP, ["v1", "v2"], CREATED)
        clock.now += served - 0.001
        await tags.describe(APP, ["v1", "v2"], CREATED)
        assert names_asked(origin) == [("v1", "v2")]
        clock.now += 0.001
        await tags.describe(APP, ["v1"], CREATED)

    asyncio.run(run())

    assert names_asked(origin) == [("v1", "v2"), ("v1",)]


def test_tags_that_failed_together_fail_for_who_asks_for_one_of_them(origin: Origin) -> None:
    async def run() -> None:
        tags = cached(origin)
        await tags.describe(APP, ["v1"], CREATED)
        origin.error = UnreachableError("RT540", "no answer")
        await fail_of(tags.describe(APP, ["v1", "v2", "v3"], CREATED))
        await fail_of(tags.describe(APP, ["v3", "v4"], CREATED))
        assert await tags.describe(APP, ["v1"], CREATED)

    asyncio.run(run())

    assert names_asked(origin) == [("v1",), ("v2", "v3")]


def test_no_names_ask_nothing(origin: Origin) -> None:
    assert asyncio.run(cached(origin).describe(APP, [], CREATED)) == {}
    assert origin.asked == []


def repositories(count: int) -> list[Repository]:
    """*count* repositories."""
    return [Repository("registry.example.com", f"app-{number}") for number in range(count)]


def test_what_was_not_asked_for_longest_is_forgotten_first(origin: Origin) -> None:
    sizes = Sizes(names=3000, tags=5000, claims=5000)  # two of each
    first, second, third = repositories(3)

    async def run() -> None:
        tags = cached(origin, sizes=sizes)
        for repository in (first, second, first, third, first, second):
            await tags.list_tags(repository)
            await tags.describe(repository, ["v1", "v2"], CREATED)
            await tags.signatures(repository, DIGEST)

    asyncio.run(run())

    for kind in ("list", "describe", "signatures"):
        asked = [each[2] for each in origin.asked if each[1] == kind]
        assert asked == [first, second, third, second]


def test_what_is_larger_than_all_room_is_answered_and_not_remembered(origin: Origin) -> None:
    async def run() -> None:
        tags = cached(origin, sizes=Sizes(names=1100, tags=1800, claims=2000))
        for _ in range(2):
            assert (await tags.list_tags(APP)).names == ("v1", "v2")
            assert len(await tags.describe(APP, ["v1", "v2"], CREATED)) == 2
            assert await tags.signatures(APP, DIGEST) == (CLAIM,)

    asyncio.run(run())

    assert len(origin.asked) == 6


def test_failures_take_room_too(origin: Origin) -> None:
    origin.error = UnreachableError("RT540", "no answer")
    first, second, third = repositories(3)

    async def run() -> None:
        tags = cached(origin, sizes=Sizes(names=2100, claims=2100))
        for repository in (first, second, third, first):
            await fail_of(tags.list_tags(repository))
            await fail_of(tags.signatures(repository, DIGEST))

    asyncio.run(run())

    for kind in ("list", "signatures"):
        asked = [each[2] for each in origin.asked if each[1] == kind]
        assert asked == [first, second, third, first]


MIB = 1024 * 1024
LONG = "x" * MIB


@pytest.mark.parametrize(
    "answers",
    [
        {"names": (LONG,)},
        {"names": tuple(str(number) for number in range(MIB // 64))},
        {"tag": Tag("", detail=LONG)},
        {"tag": Tag("", unanswered=LONG)},
        {"tag": Tag("", signers=(LONG,))},
        {"tag": Tag("", signers=("",) * (MIB // 64))},
        {"tag": Tag("", platforms=(Platform("linux", "amd64"),) * (MIB // 256))},
        {"claims": (replace(CLAIM, signed=LONG.encode()),)},
        {"claims": (replace(CLAIM, signature=LONG.encode()),)},
        {"claims": (CLAIM,) * (MIB // 1024)},
    ],
    ids=[
        "a long name",
        "many names",
        "a long detail",
        "a long reason",
        "a long signer",
        "many signers",
        "many platforms",
        "a long payload",
        "a long signature",
        "many claims",
    ],
)
def test_room_is_counted_in_bytes(clock: Clock, answers: dict[str, Any]) -> None:
    origin = Origin(clock, **answers)

    async def run() -> None:
        tags = cached(origin, sizes=Sizes(names=MIB, tags=MIB, claims=MIB))
        for _ in range(2):
            for ask in QUESTIONS.values():
                await ask(tags)

    asyncio.run(run())

    assert len(origin.asked) == 4  # all but one are remembered


def test_a_long_name_of_a_tag_takes_its_room(origin: Origin) -> None:
    async def run() -> None:
        tags = cached(origin, sizes=Sizes(tags=MIB))
        for _ in range(2):
            await tags.describe(APP, [LONG], CREATED)

    asyncio.run(run())

    assert len(origin.asked) == 2


def test_names_that_failed_take_room(origin: Origin) -> None:
    origin.error = UnreachableError("RT540", "no answer")
    names = [f"{number}" for number in range(1000)]

    async def run() -> None:
        tags = cached(origin, sizes=Sizes(tags=100_000))
        for _ in range(2):
            await fail_of(tags.describe(APP, names, CREATED))

    asyncio.run(run())

    assert len(origin.asked) == 2


def test_the_two_largest_listings_are_remembered(origin: Origin) -> None:
    length = LARGEST_LISTING // MOST_TAGS
    origin.names = tuple(f"{number:0{length}}" for number in range(MOST_TAGS))

    async def run() -> None:
        tags = cached(origin)
        for repository in (APP, OTHER) * 2:
            await tags.list_tags(repository)

    asyncio.run(run())

    assert len(origin.asked) == 2


def test_tags_that_no_longer_serve_take_no_room(origin: Origin, clock: Clock) -> None:
    async def run() -> None:
        tags = cached(origin, sizes=Sizes(tags=2000))
        await tags.describe(APP, ["v1", "v2"], CREATED)
        clock.now += TTL
        for _ in range(2):
            await tags.describe(APP, ["v3", "v4"], CREATED)

    asyncio.run(run())

    assert names_asked(origin) == [("v1", "v2"), ("v3", "v4")]


def test_unless_said_otherwise_answers_serve_a_minute_and_failures_five_seconds(
    origin: Origin, clock: Clock
) -> None:
    async def run() -> None:
        tags = CachedTags(origin, clock=clock)
        await tags.list_tags(APP)
        origin.error = UnreachableError("RT540", "no answer")
        clock.now += 59.999
        await tags.list_tags(APP)
        clock.now += 0.001
        await fail_of(tags.list_tags(APP))
        clock.now += 4.999
        await fail_of(tags.list_tags(APP))
        clock.now += 0.001
        await fail_of(tags.list_tags(APP))

    asyncio.run(run())

    assert len(origin.asked) == 3


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, GRACE, 20.0, TTL]),
            st.lists(st.sampled_from("abcd"), max_size=4),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_no_tag_is_older_than_allowed_and_none_is_asked_for_that_is_fresh(
    steps: list[tuple[float, list[str], bool]],
) -> None:
    clock = Clock()
    origin = Origin(clock)
    served_until: dict[str, float] = {}

    async def run() -> None:
        tags = cached(origin)
        for seconds, names, failing in steps:
            clock.now += seconds
            origin.error = UnreachableError("RT540", "no answer") if failing else None
            before = len(origin.asked)
            await asyncio.gather(tags.describe(APP, names, CREATED), return_exceptions=True)
            asked = [name for question in origin.asked[before:] for name in question[3]]
            assert all(served_until.get(name, 0.0) <= clock.now for name in asked)
            stale = {name for name in names if served_until.get(name, 0.0) <= clock.now}
            assert set(asked) in (stale, set())  # none where one of them is known to fail
            lasting = GRACE if failing else TTL
            served_until.update(dict.fromkeys(asked, clock.now + lasting))

    asyncio.run(run())


@question
def test_nothing_that_was_asked_before_a_refresh_serves_and_all_after_it_does(
    origin: Origin, clock: Clock, ask: Ask
) -> None:
    async def run() -> None:
        tags = cached(origin)
        await ask(tags)
        clock.now += 10
        refreshed = clock.wall()
        await ask(tags.since(refreshed - 10))
        assert len(origin.asked) == 1
        await ask(tags.since(refreshed - 9.5))
        assert len(origin.asked) == 2
        clock.now += 1
        await ask(tags.since(refreshed))
        await ask(tags)

    asyncio.run(run())

    assert len(origin.asked) == 2
    assert WALL + 1000 in origin.sinces


@question
def test_fifty_refreshes_at_once_make_one_question(origin: Origin, clock: Clock, ask: Ask) -> None:
    async def run() -> None:
        tags = cached(origin)
        await ask(tags)
        clock.now += 10
        origin.gate.clear()
        instants = [clock.wall() - number / 100 for number in range(50)]
        asking = [asyncio.ensure_future(ask(tags.since(instant))) for instant in instants]
        await settle()
        origin.gate.set()
        await asyncio.gather(*asking)

    asyncio.run(run())

    assert len(origin.asked) == 2


@question
def test_a_question_under_way_is_no_answer_to_a_later_refresh_and_does_not_outlast_its_answer(
    origin: Origin, clock: Clock, ask: Ask
) -> None:
    async def run() -> tuple[Any, Any, Any]:
        tags = cached(origin)
        first, second = asyncio.Event(), asyncio.Event()
        origin.gate = first
        early = asyncio.ensure_future(ask(tags))
        await settle()
        clock.now += 1
        origin.gate = second
        late = asyncio.ensure_future(ask(tags.since(clock.wall())))
        await settle()
        second.set()
        newer = await late
        first.set()
        return await early, newer, await ask(tags)

    _, newer, remembered = asyncio.run(run())

    assert len(origin.asked) == 2
    assert remembered == newer


@question
def test_a_refresh_in_the_future_is_one_now(origin: Origin, clock: Clock, ask: Ask) -> None:
    async def run() -> None:
        tags = cached(origin)
        await ask(tags.since(clock.wall() + 3600))
        await ask(tags.since(clock.wall() + 3600))
        clock.now += 1
        await ask(tags.since(clock.wall() + 3600))

    asyncio.run(run())

    assert len(origin.asked) == 2


def test_an_old_listing_serves_for_a_moment_and_no_refresh_after_it(
    origin: Origin, clock: Clock
) -> None:
    origin.stale = "the connection is refused [RT540]"

    async def run() -> RegistryError:
        tags = cached(origin)
        first = await tags.list_tags(APP)
        clock.now += GRACE - 0.001
        assert await tags.since(WALL).list_tags(APP) is first
        error = await fail_of(tags.since(WALL + 1).list_tags(APP))
        clock.now += 0.001
        assert await tags.list_tags(APP) is not first
        return error

    error = asyncio.run(run())

    assert len(origin.asked) == 2
    assert error.code == "RT533"
    assert "the connection is refused" in error.what


def test_tags_as_they_were_once_are_told_and_not_remembered(origin: Origin) -> None:
    origin.stale = "the connection is refused [RT540]"

    async def run() -> Mapping[str, Tag]:
        tags = cached(origin)
        progress = Progress()
        with reporting(progress):
            described = await _describe(tags, ["v1", "v2"])
        assert progress.until == origin.clock() + GRACE
        await _describe(tags, ["v1"])
        return described

    assert list(asyncio.run(run())) == ["v1", "v2"]
    assert names_asked(origin) == [("v1", "v2"), ("v1",)]


def test_what_was_learned_says_how_old_it_is_and_how_long_it_serves(
    origin: Origin, clock: Clock
) -> None:
    async def run() -> Progress:
        tags = cached(origin)
        await tags.list_tags(APP)
        clock.now += 7
        progress = Progress()
        with reporting(progress):
            await tags.describe(APP, ["v1"], CREATED)
            assert (progress.oldest, progress.until) == (1007, 1007 + TTL)
            await tags.list_tags(APP)
            await tags.describe(APP, [], CREATED)
        return progress

    progress = asyncio.run(run())

    assert (progress.oldest, progress.until) == (1000, 1000 + TTL)
