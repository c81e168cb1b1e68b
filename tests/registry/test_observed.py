"""While a registry is silent, what it showed last serves; what it does say counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import (
    BadReplyError,
    DeniedError,
    MisconfiguredError,
    NotFoundError,
    RegistryError,
    ThrottledError,
    UnreachableError,
)
from cmp.reference import Repository
from cmp.registry.observed import (
    ASKED_AGAIN,
    KEPT_AGAIN,
    MAX_STALE,
    SECOND_LOOK,
    ObservedTags,
)
from cmp.store import NothingStored
from cmp.tags import Fault, Listing, Needs, StaleTags, Tag
from tests.metering import Metered
from tests.registry.origin import APP, CLAIM, DIGEST, Clock, Origin, settle

CREATED = Needs(created=True)
SILENT = UnreachableError("RT540", "the connection is refused", remedy="check the port")
GONE = NotFoundError("RT570", "the registry knows no such repository")
DENIED = DeniedError("RT552", "the registry denies access")
Got = TypeVar("Got")


@dataclass
class Kept(NothingStored):
    """A `Store` of observations in memory, which counts what it is given."""

    listings: dict[str, Listing] = field(default_factory=dict)
    described: dict[str, dict[str, Tag]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)

    async def listing(self, key: str, /) -> Listing | None:
        return self.listings.get(key)

    async def keep_listing(self, key: str, listing: Listing, /) -> None:
        self.writes.append("listing")
        self.listings[key] = listing

    async def tags(self, key: str, names: Sequence[str], /) -> Mapping[str, Tag]:
        known = self.described.get(key, {})
        return {name: known[name] for name in names if name in known}

    async def keep_tags(self, key: str, tags: Mapping[str, Tag], /) -> None:
        self.writes.append("tags")
        self.described.setdefault(key, {}).update(tags)


@dataclass
class Desk:
    """Observed tags before *origin*, what is *kept*, and a clock for both."""

    clock: Clock = field(default_factory=Clock)
    kept: Kept = field(default_factory=Kept)
    meter: Metered = field(default_factory=Metered)
    patience: float = 20.0
    origin: Origin = field(init=False)
    tags: ObservedTags = field(init=False)

    def __post_init__(self) -> None:
        self.origin = Origin(self.clock, tag=Tag("", DIGEST))
        self.restart()

    def restart(self) -> None:
        """As after a start: nothing is known but what is kept."""
        self.tags = ObservedTags(
            self.origin,
            self.kept,
            lambda repository, pull_secret: f"{repository} {pull_secret}",
            wall=self.clock.wall,
            clock=self.clock,
            patience=self.patience,
            meter=self.meter,
        )

    async def look(self) -> Listing:
        """A listing."""
        return await self.tags.list_tags(APP)

    async def look_again(self) -> Listing:
        """A listing, after one that had the registry asked whether it is silent still."""
        self.clock.now += ASKED_AGAIN
        assert (await self.look()).stale
        await settle()
        return await self.look()

    async def fails(self, asking: Awaitable[object]) -> RegistryError:
        """The error that *asking* ends with."""
        with pytest.raises(RegistryError) as caught:
            await asking
        return caught.value


def run(use: Callable[[Desk], Awaitable[Got]]) -> Got:
    async def whole() -> Got:
        desk = Desk()
        try:
            return await use(desk)
        finally:
            await desk.tags.aclose()

    return asyncio.run(whole())


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize(
    "error",
    [
        SILENT,
        MisconfiguredError("RT542", "the certificate has expired"),
        ThrottledError("RT551", "asked too often"),
        BadReplyError("RT571", "the answer is not JSON"),
    ],
    ids=["unreachable", "misconfigured", "throttled", "half a page"],
)
def test_while_the_registry_is_silent_the_last_listing_serves(
    error: RegistryError, *, restarted: bool
) -> None:
    async def use(desk: Desk) -> None:
        fresh = await desk.look()
        if restarted:
            desk.restart()
        desk.origin.error = error
        desk.clock.now += MAX_STALE
        stale = await desk.look()
        assert stale.names == fresh.names
        assert stale.observed_at == fresh.observed_at
        assert stale.stale == str(error)
        served = desk.meter.value(
            "retag_stale_observations_served_total", registry="registry.example.com"
        )
        assert served == 1
        desk.clock.now += 1
        assert await desk.fails(desk.look()) is error
        desk.origin.error = None
        assert (await desk.look()).stale == ""

    run(use)


@pytest.mark.parametrize("error", [DENIED, RegistryError("RT500", "not listed")], ids=str)
def test_who_is_refused_is_shown_nothing_that_was_seen_before(error: RegistryError) -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = error
        assert await desk.fails(desk.look()) is error

    run(use)


def test_no_login_is_shown_what_another_saw() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = SILENT
        other = desk.tags.authorised("secret:ns/name#field")
        assert await desk.fails(other.list_tags(APP)) is not None
        assert (await desk.look()).stale

    run(use)


def test_nothing_that_was_seen_before_a_refresh_serves() -> None:
    async def use(desk: Desk) -> None:
        fresh = await desk.look()
        origin, desk.origin.error = desk.origin, SILENT
        assert (await desk.tags.since(fresh.observed_at).list_tags(APP)).stale
        later = fresh.observed_at + 1
        assert await desk.fails(desk.tags.since(later).list_tags(APP)) is SILENT
        assert later in origin.sinces

    run(use)


def test_nobody_waits_for_a_registry_that_is_known_to_be_silent() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = SILENT
        await desk.look()
        desk.clock.now += ASKED_AGAIN
        desk.origin.gate.clear()
        asked = len(desk.origin.asked)
        for _ in range(10):
            assert (await desk.look()).stale == str(SILENT)
            await settle()
            desk.clock.now += ASKED_AGAIN
        assert len(desk.origin.asked) == asked + 1, "one look at a time"
        desk.origin.error, desk.origin.names = None, ("v1", "v2", "v3")
        desk.origin.gate.set()
        await settle()
        fresh = await desk.look()
        assert (fresh.stale, fresh.names) == ("", ("v1", "v2", "v3"))

    run(use)


def test_a_registry_that_stays_silent_is_asked_again_every_few_seconds_and_says_the_same() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = SILENT
        await desk.look()
        desk.origin.error = ThrottledError("RT551", "asked too often")
        asked = len(desk.origin.asked)
        for number in range(4):
            for _ in range(5):
                assert (await desk.look()).stale == str(SILENT)
                await settle()
            assert len(desk.origin.asked) == asked + number
            desk.clock.now += ASKED_AGAIN

    run(use)


def test_a_registry_that_is_late_is_not_waited_for_if_an_older_listing_may_serve() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.patience = 0.001
        desk.restart()
        desk.origin.gate.clear()
        late = await desk.look()
        assert late.names == ("v1", "v2")
        assert late.stale == (
            "the registry registry.example.com gave no whole answer in 0.001 s; "
            "look at its load and at its limit here [RT560]"
        )
        desk.origin.names = ("v1", "v2", "v3")
        desk.origin.gate.set()
        await settle()
        assert (await desk.look()).names == ("v1", "v2", "v3")

    run(use)


def test_without_an_observation_a_registry_that_is_late_is_waited_for() -> None:
    async def use(desk: Desk) -> None:
        desk.patience = 0.001
        desk.restart()
        desk.origin.gate.clear()
        asking = asyncio.ensure_future(desk.look())
        for _ in range(3):  # until its patience has ended, whatever the machine does meanwhile
            await asyncio.sleep(desk.patience)
        assert not asking.done()
        desk.origin.gate.set()
        assert (await asking).stale == ""

    run(use)


def test_a_refresh_waits_for_a_registry_that_is_late_or_known_to_be_silent() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.patience = 0.001
        desk.restart()
        desk.origin.gate.clear()
        assert (await desk.look()).stale
        desk.clock.now += 1
        refreshed = desk.tags.since(desk.clock.wall())
        asking = asyncio.ensure_future(refreshed.list_tags(APP))
        assert (await desk.look()).stale
        assert not asking.done()
        desk.origin.gate.set()
        assert (await asking).stale == ""

    run(use)


def test_an_old_failure_says_nothing_of_a_registry_that_has_answered_since() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.patience = 0.001
        desk.restart()
        gate = desk.origin.gate = asyncio.Event()
        late = await desk.look()
        desk.clock.now += 1
        desk.origin.gate = asyncio.Event()
        desk.origin.gate.set()
        await desk.tags.since(desk.clock.wall()).list_tags(APP)
        desk.origin.error = SILENT
        gate.set()
        await settle()
        desk.origin.error = None
        assert late.stale
        assert (await desk.look()).stale == ""

    run(use)


def test_a_registry_that_answers_while_the_store_is_read_is_silent_no_longer() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = SILENT
        await desk.look()
        desk.origin.error = None
        listing = desk.kept.listing

        async def slowly(key: str, /) -> Listing | None:
            del desk.kept.listing  # from then on that of the class
            await desk.tags.since(desk.clock.wall() + 1).list_tags(APP)
            return await listing(key)

        desk.kept.listing = slowly  # type: ignore[method-assign]  # once
        assert (await desk.look()).stale == ""

    run(use)


@pytest.mark.parametrize("answer", [None, DENIED, GONE], ids=["tags", "a refusal", "a 404"])
def test_the_log_has_when_old_tags_begin_to_serve_and_when_the_registry_answers_again(
    answer: RegistryError | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "retag.registry")

    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = SILENT
        for _ in range(5):
            await desk.look()
            desk.clock.now += ASKED_AGAIN
            await settle()
        desk.origin.error = answer
        await desk.look()
        await settle()

    run(use)
    host = "registry.example.com"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"{host} is silent, so the tags it listed last serve: {SILENT}"),
        ("INFO", f"{host} answers again"),
    ]


def test_closing_ends_what_is_asked_beside() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = SILENT
        await desk.look()
        desk.clock.now += ASKED_AGAIN
        desk.origin.gate.clear()
        await desk.look()
        await settle()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert len(others) == 1
        await desk.tags.aclose()
        assert all(task.cancelled() for task in others)

    run(use)


def test_without_an_observation_or_with_an_empty_one_the_error_is_told() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.error = SILENT
        assert await desk.fails(desk.look()) is SILENT
        desk.origin.error, desk.origin.names = None, ()
        await desk.look()
        desk.origin.error = SILENT
        assert await desk.fails(desk.look()) is SILENT

    run(use)


def test_what_has_not_changed_is_kept_once_an_hour_and_its_true_age_is_told() -> None:
    async def use(desk: Desk) -> None:
        for _ in range(59):
            await desk.look()
            await desk.tags.describe(APP, ["v1", "v2"], Needs(digest=True))
            desk.clock.now += 60
        # A description of the double tells when it was made, so each is another.
        assert desk.kept.writes.count("listing") == 1
        last = await desk.look()
        desk.origin.error = SILENT
        assert (await desk.look()).observed_at == last.observed_at
        desk.origin.error = None
        desk.clock.now += KEPT_AGAIN
        await desk.look_again()
        assert desk.kept.writes.count("listing") == 2
        desk.origin.names = ("v1", "v2", "v3")
        await desk.look()
        assert desk.kept.writes.count("listing") == 3

    run(use)


def test_descriptions_are_kept_when_they_change() -> None:
    async def use(desk: Desk) -> None:
        described = {"v1": Tag("v1", DIGEST), "v2": Tag("v2", fault=Fault.UNREADABLE)}

        class Same(Origin):
            async def describe(
                self, _repository: Repository, names: Sequence[str], _needs: Needs, /
            ) -> Mapping[str, Tag]:
                return {name: described[name] for name in names}

        desk.origin = Same(desk.clock)
        desk.restart()
        for _ in range(3):
            await desk.tags.describe(APP, ["v1", "v2"], CREATED)
        await desk.tags.describe(APP, ["v2"], CREATED)
        assert desk.kept.writes == ["tags"]
        described["v1"] = Tag("v1", DIGEST.replace("1", "2"))
        await desk.tags.describe(APP, ["v1", "v2"], CREATED)
        assert desk.kept.writes == ["tags", "tags"]
        [kept] = desk.kept.described.values()
        assert kept == {"v1": described["v1"]}

    run(use)


def test_with_an_old_listing_old_descriptions_serve_and_nobody_is_asked() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        known = await desk.tags.describe(APP, ["v1"], CREATED)
        desk.origin.error = SILENT
        await desk.look()
        asked = len(desk.origin.asked)
        old = await desk.tags.describe(APP, ["v1", "v2"], CREATED)
        assert isinstance(old, StaleTags)
        assert old["v1"] == known["v1"]
        assert old["v2"] == Tag(
            "v2", fault=Fault.UNREADABLE, detail="the connection is refused [RT540]"
        )
        other = await desk.tags.describe(APP, ["v1"], Needs(digest=True))
        assert other["v1"].fault is Fault.UNREADABLE
        assert len(desk.origin.asked) == asked
        desk.origin.error = None
        await desk.look_again()
        assert not isinstance(await desk.tags.describe(APP, ["v1"], CREATED), StaleTags)

    run(use)


def test_of_a_tag_it_is_not_said_that_a_listing_failed() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        place = SILENT.at("https://registry.example.com")
        listing = UnreachableError("RT540", f"Failed to get tags for {APP}: {place}")
        listing.__cause__ = place
        desk.origin.error = listing
        assert (await desk.look()).stale == str(listing)
        tags = await desk.tags.describe(APP, ["v1"], CREATED)
        detail = "https://registry.example.com: the connection is refused [RT540]"
        assert tags["v1"].detail == detail

    run(use)


@pytest.mark.parametrize("error", [DENIED, GONE], ids=str)
def test_once_the_registry_says_something_old_descriptions_no_longer_serve(
    error: RegistryError,
) -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        await desk.tags.describe(APP, ["v1"], CREATED)
        desk.origin.error = SILENT
        await desk.look()
        desk.origin.error = error
        await desk.fails(desk.look_again())
        assert await desk.fails(desk.tags.describe(APP, ["v1"], CREATED)) is error

    run(use)


def test_with_a_fresh_listing_what_cannot_be_read_is_not_known() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        await desk.tags.describe(APP, ["v1"], CREATED)
        desk.origin.faults = {"v1": Fault.UNREADABLE}
        assert (await desk.tags.describe(APP, ["v1"], CREATED))["v1"].fault is Fault.UNREADABLE
        desk.origin.error = SILENT
        assert await desk.fails(desk.tags.describe(APP, ["v1"], CREATED)) is SILENT

    run(use)


def test_signatures_are_those_of_now() -> None:
    async def use(desk: Desk) -> None:
        assert await desk.tags.signatures(APP, DIGEST) == (CLAIM,)
        desk.origin.error = SILENT
        assert await desk.fails(desk.tags.signatures(APP, DIGEST)) is SILENT

    run(use)


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_a_repository_that_had_tags_is_gone_when_a_later_look_says_so_too(
    *, restarted: bool
) -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        if restarted:
            desk.restart()
        desk.origin.error = GONE
        for _ in range(2):
            first = await desk.fails(desk.look())
            assert isinstance(first, UnreachableError)
            assert first.code == "RT531"
            assert GONE.what in first.what
            desk.clock.now += SECOND_LOOK - 0.001
            assert (await desk.fails(desk.look())).code == "RT531"
            desk.origin.error = None
            await desk.look()  # it is back, and the first look forgotten
            desk.origin.error = GONE
        assert (await desk.fails(desk.look())).code == "RT531"
        desk.clock.now += SECOND_LOOK
        assert await desk.fails(desk.look()) is GONE
        assert await desk.fails(desk.look()) is GONE
        desk.origin.error = SILENT
        assert await desk.fails(desk.look()) is SILENT

    run(use)


def test_a_repository_that_never_had_tags_is_missing_at_once() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.error = GONE
        assert await desk.fails(desk.look()) is GONE
        desk.origin.error, desk.origin.names = None, ()
        await desk.look()
        desk.origin.error = GONE
        assert await desk.fails(desk.look()) is GONE

    run(use)


def test_a_silence_between_the_looks_does_not_bring_the_repository_back() -> None:
    async def use(desk: Desk) -> None:
        await desk.look()
        desk.origin.error = GONE
        await desk.fails(desk.look())
        desk.clock.now += SECOND_LOOK
        desk.origin.error = SILENT
        assert (await desk.look()).stale
        desk.origin.error = GONE
        assert await desk.fails(desk.look_again()) is GONE

    run(use)


def test_what_a_registry_answers_is_counted() -> None:
    errors = {
        "answered": None,
        "unreachable": SILENT,
        "throttled": ThrottledError("RT551", "asked too often"),
        "denied": DENIED,
        "not-found": GONE,
        "bad-reply": BadReplyError("RT571", "the answer is not JSON"),
    }

    async def use(desk: Desk) -> None:
        for error in errors.values():
            desk.origin.error = error
            asking = desk.tags.signatures(APP, DIGEST)
            await (desk.fails(asking) if error else asking)
        for outcome in errors:
            counted = desk.meter.value(
                "retag_registry_answers_total", registry="registry.example.com", outcome=outcome
            )
            assert counted == 1

    run(use)


def test_who_has_no_identity_is_told_and_nobody_is_asked() -> None:
    def refuse(_repository: Repository, _pull_secret: str) -> str:
        raise DENIED

    async def use(desk: Desk) -> None:
        tags = ObservedTags(desk.origin, desk.kept, refuse)
        assert await desk.fails(tags.list_tags(APP)) is DENIED
        assert desk.origin.asked == []

    run(use)


looks = st.lists(
    st.tuples(
        st.sampled_from([None, SILENT, GONE, DENIED]),
        st.sampled_from([(), ("v1",), ("v1", "v2")]),
        st.sampled_from([0.0, 10.0, SECOND_LOOK, KEPT_AGAIN, MAX_STALE]),
        st.booleans(),
    ),
    max_size=15,
)


@given(looks)
def test_whatever_happens_a_listing_is_whole_once_seen_and_never_too_old(
    history: list[tuple[RegistryError | None, tuple[str, ...], float, bool]],
) -> None:
    async def use(desk: Desk) -> None:
        seen: list[tuple[float, tuple[str, ...]]] = []
        for error, names, passing, restarted in history:
            desk.clock.now += passing
            if restarted:
                desk.restart()
            desk.origin.error, desk.origin.names = error, names
            before, asked = list(seen), len(desk.origin.asked)
            try:
                listing = await desk.look()
            except RegistryError:
                assert error is not None
                continue
            finally:
                await settle()
                if error is None and len(desk.origin.asked) > asked:
                    seen.append((desk.clock.wall(), names))
            if not listing.stale:
                assert error is None
                assert listing.names == names
                continue
            assert listing.stale == str(SILENT)
            # The age told may be that of the last time it was kept, which is older.
            assert desk.clock.wall() - listing.observed_at <= MAX_STALE
            assert (listing.observed_at, listing.names) in before
            assert listing.names == before[-1][1]

    run(use)
