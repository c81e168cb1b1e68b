"""One look-up at a time for each choice, whoever needs it and however long they may wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.choices import FAILED_FOR
from cmp.errors import UnreachableError
from cmp.judge import Verdict
from cmp.policy import Chosen, Keep, Kept, compile_policy
from cmp.registry.cache import CachedTags
from cmp.rules import Application, Rule, rules_for, rules_in
from cmp.shared import MOST_AT_ONCE, SharedLookups
from cmp.tags import Fault, Needs
from tests.cosign.cases import key
from tests.metering import Metered
from tests.registry.origin import WALL, Clock, Origin, settle

TTL, GRACE = 60.0, 5.0
Got = TypeVar("Got")


def rule(
    image: str = "registry.example.com/app", *, pull_secret: str = "", **settings: Any
) -> Rule:
    """A rule for *image*."""
    text = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules, namespace: argocd}}
spec: {{applicationRefs: [{{namePattern: web, images: [{{alias: app, imageName: '{image}'}}]}}]}}
"""
    found = rules_for(rules_in(text, "rules.yaml"), Application(name="web")).rules[0]
    return replace(found, pull_secret=pull_secret, settings=replace(found.settings, **settings))


@dataclass
class Desk:
    """Look-ups over a cache before *origin*, and what they count."""

    clock: Clock = field(default_factory=Clock)
    meter: Metered = field(default_factory=Metered)
    origin: Origin = field(init=False)
    lookups: SharedLookups = field(init=False)

    def __post_init__(self) -> None:
        self.origin = Origin(self.clock)
        cache = CachedTags(
            self.origin, clock=self.clock, wall=self.clock.wall, ttl=TTL, grace=GRACE
        )
        self.lookups = SharedLookups(
            cache,
            clock=self.clock,
            wall=self.clock.wall,
            ttl=TTL,
            grace=GRACE,
            patience=0.001,
            meter=self.meter,
        )

    def ask(self, asked: Rule | None = None, **given: Any) -> Awaitable[Verdict]:
        """The verdict on *asked*."""
        asked = asked or rule()
        return self.lookups.verdict(asked, compile_policy(asked.settings), (), **given)

    def begin(self, asked: Rule | None = None, **given: Any) -> None:
        """Begin to look it up."""
        asked = asked or rule()
        self.lookups.begin(asked, compile_policy(asked.settings), (), **given)

    def listings(self) -> list[str]:
        """Of which repositories a listing was asked for."""
        return [str(asked[2]) for asked in self.origin.asked if asked[1] == "list"]


def run(use: Callable[[Desk], Awaitable[Got]]) -> Got:
    """What *use* gets of a new desk, which is closed in the end."""

    async def whole() -> Got:
        desk = Desk()
        try:
            return await use(desk)
        finally:
            desk.origin.gate.set()
            await desk.lookups.aclose()

    return asyncio.run(whole())


def chosen(verdict: Verdict) -> str:
    assert isinstance(verdict.choice, Chosen), verdict.choice
    return verdict.choice.tag.name


def kept(verdict: Verdict) -> tuple[Keep, str]:
    assert isinstance(verdict.choice, Kept)
    return verdict.choice.keep, verdict.choice.why


def start(asking: Sequence[Awaitable[Verdict]]) -> list[asyncio.Future[Verdict]]:
    return [asyncio.ensure_future(each) for each in asking]


def test_fifty_cold_requests_for_one_image_make_exactly_one_listing() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        asking = start([desk.ask() for _ in range(50)])
        await settle()
        desk.origin.gate.set()
        verdicts = await asyncio.gather(*asking)

        assert desk.listings() == ["registry.example.com/app"]
        assert {chosen(each) for each in verdicts} == {"v2"}
        assert desk.meter.value("retag_lookups_total", outcome="chosen") == 1
        assert desk.meter.value("retag_lookups_in_flight") == 0

    run(use)


def test_fifty_cold_requests_for_fifty_images_make_a_listing_each() -> None:
    async def use(desk: Desk) -> None:
        images = [f"registry.example.com/app-{number}" for number in range(50)]
        verdicts = await asyncio.gather(*(desk.ask(rule(image)) for image in images * 2))

        assert sorted(desk.listings()) == sorted(images)
        assert {chosen(each) for each in verdicts} == {"v2"}

    run(use)


@pytest.mark.parametrize(
    ("other", "listings"),
    [
        (rule(), 1),
        (rule(ignore_tags=("v2",)), 1),
        (rule("registry.example.com/other"), 2),
        (rule(pull_secret="secret:ns/login#field"), 2),
    ],
    ids=["the same", "another policy", "another repository", "another login"],
)
def test_what_another_choice_shares_with_one_that_is_known(other: Rule, listings: int) -> None:
    async def use(desk: Desk) -> None:
        first = await desk.ask()
        second = await desk.ask(other)

        assert len(desk.listings()) == listings
        assert (second is first) == (other == rule())
        assert {asked[0] for asked in desk.origin.asked} == {"", other.pull_secret}

    run(use)


def test_other_keys_are_another_question() -> None:
    async def use(desk: Desk) -> None:
        asked = rule(verify=True)
        policy = compile_policy(asked.settings)
        for keys in ([key("first")], [key("second")], [], [key("first")]):
            await desk.lookups.verdict(asked, policy, keys)

        assert desk.meter.value("retag_memo_total", memo="choices", result="miss") == 3
        assert desk.meter.value("retag_memo_total", memo="choices", result="hit") == 1

    run(use)


@pytest.mark.parametrize("settings", [{"pin": "v7"}, {"suspend": True}], ids=str)
def test_what_the_rule_decides_itself_asks_nobody(settings: dict[str, Any]) -> None:
    async def use(desk: Desk) -> None:
        asked = rule(**settings)
        desk.begin(asked)
        verdict = await desk.ask(asked, ends=0)

        assert verdict.choice == compile_policy(asked.settings).decided()
        assert desk.origin.asked == []

    run(use)


def test_a_choice_serves_until_what_it_was_made_from_is_too_old() -> None:
    async def use(desk: Desk) -> None:
        first = await desk.ask()
        desk.clock.now += TTL - 0.001
        assert await desk.ask() is first
        desk.clock.now += 0.001
        assert await desk.ask() is not first
        assert len(desk.listings()) == 2

    run(use)


def test_a_choice_from_a_listing_that_is_old_already_serves_no_longer_than_that() -> None:
    async def use(desk: Desk) -> None:
        await desk.ask()
        desk.clock.now += TTL - 10
        digest = rule(output="digest")
        await desk.ask(digest)
        desk.clock.now += 10
        await desk.ask(digest)
        assert len(desk.listings()) == 2

    run(use)


def test_a_choice_from_descriptions_that_are_older_than_their_listing_serves_as_long_as_they() -> (
    None
):
    async def use(desk: Desk) -> None:
        built = rule(strategy="newest-build")
        desk.clock.now += 1
        await desk.ask(built)
        desk.clock.now += TTL - 1
        refreshed = desk.clock.wall()
        await desk.ask(since=refreshed)  # a new listing alone
        await desk.ask(built)
        described = len(desk.origin.asked)
        desk.clock.now += 1
        await desk.ask(built)
        assert len(desk.origin.asked) == described + 1
        assert len(desk.listings()) == 2

    run(use)


def test_a_source_that_remembers_nothing_is_asked_again_after_the_same_time() -> None:
    async def use(desk: Desk) -> None:
        asked = rule()
        policy = compile_policy(asked.settings)
        lookups = SharedLookups(desk.origin, clock=desk.clock, wall=desk.clock.wall, ttl=TTL)
        await lookups.verdict(asked, policy, ())
        desk.clock.now += TTL - 0.001
        await lookups.verdict(asked, policy, (), since=WALL + 1000)
        assert len(desk.origin.asked) == 1
        await lookups.verdict(asked, policy, (), since=WALL + 1000.5)
        assert len(desk.origin.asked) == 2
        desk.clock.now += TTL
        await lookups.verdict(asked, policy, ())
        assert len(desk.origin.asked) == 3

    run(use)


@pytest.mark.parametrize(
    ("trouble", "keep"),
    [
        ({"error": UnreachableError("RT540", "no answer")}, Keep.UNREACHABLE),
        ({"faults": {"v2": Fault.UNREADABLE}}, Keep.INCOMPLETE),
    ],
    ids=["unreachable", "incomplete"],
)
def test_what_is_no_choice_is_looked_up_again_soon(trouble: dict[str, Any], keep: Keep) -> None:
    async def use(desk: Desk) -> None:
        asked = rule(strategy="newest-build")
        for name, value in trouble.items():
            setattr(desk.origin, name, value)
        first = await desk.ask(asked)
        assert kept(first)[0] is keep
        desk.clock.now += GRACE - 0.001
        assert await desk.ask(asked) is first
        desk.clock.now += 0.001
        desk.origin.error, desk.origin.faults = None, {}
        assert chosen(await desk.ask(asked)) == "v2"

    run(use)


def test_after_a_failure_requests_wait_no_longer_than_a_moment_and_are_told_the_same() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.error = UnreachableError("RT540", "no answer")
        first = await desk.ask()
        desk.origin.error = None
        desk.origin.gate.clear()
        desk.clock.now += GRACE
        assert await desk.ask() is first
        assert desk.meter.value("retag_lookups_in_flight") == 1
        refreshed = asyncio.ensure_future(desk.ask(since=desk.clock.wall()))
        desk.clock.now += FAILED_FOR
        waiting = asyncio.ensure_future(desk.ask())
        for _ in range(3):  # until their patience has ended, whatever the machine does meanwhile
            await asyncio.sleep(0.001)
        assert not refreshed.done()
        assert not waiting.done()
        desk.origin.gate.set()
        assert chosen(await refreshed) == chosen(await waiting) == "v2"

    run(use)


def test_a_look_up_that_brought_nothing_in_time_is_a_failure_until_it_brings_something() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        late = await desk.ask(ends=desk.clock.now + 0.001)
        assert kept(late) == (Keep.INCOMPLETE, "still asking registry.example.com")
        assert await desk.ask() is late
        assert len(desk.listings()) == 1
        desk.origin.gate.set()
        assert chosen(await desk.ask()) == "v2"
        desk.clock.now += TTL
        desk.origin.gate.clear()
        waiting = asyncio.ensure_future(desk.ask())
        for _ in range(3):
            await asyncio.sleep(0.001)
        assert not waiting.done()
        desk.origin.gate.set()
        assert chosen(await waiting) == "v2"

    run(use)


def test_a_choice_from_an_old_listing_is_looked_up_again_soon() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.stale = "the connection is refused [RT540]"
        first = await desk.ask()
        assert chosen(first) == "v2"
        desk.clock.now += GRACE - 0.001
        assert await desk.ask() is first
        desk.clock.now += 0.001
        desk.origin.stale = ""
        assert await desk.ask() is not first

    run(use)


def test_after_a_refresh_no_older_choice_serves_and_a_younger_one_does() -> None:
    async def use(desk: Desk) -> None:
        first = await desk.ask()
        desk.clock.now += 5
        refreshed = desk.clock.wall()
        desk.clock.now += 5
        verdicts = await asyncio.gather(
            *(desk.ask(since=refreshed - number / 100) for number in range(50))
        )
        assert first not in verdicts
        assert len(desk.listings()) == 2
        assert await desk.ask(since=refreshed) is await desk.ask()
        assert len(desk.listings()) == 2

    run(use)


def test_a_look_up_under_way_does_not_serve_a_later_refresh_nor_replace_its_answer() -> None:
    async def use(desk: Desk) -> None:
        first, second = asyncio.Event(), asyncio.Event()
        desk.origin.gate = first
        [early] = start([desk.ask()])
        await settle()
        desk.clock.now += 1
        desk.origin.gate = second
        [late] = start([desk.ask(since=desk.clock.wall())])
        await settle()
        second.set()
        newer = await late
        first.set()
        assert await early is not newer
        assert await desk.ask() is newer
        assert len(desk.listings()) == 2

    run(use)


def test_requests_of_one_refresh_whose_clock_is_ahead_share_one_look_up() -> None:
    async def use(desk: Desk) -> None:
        ahead = desk.clock.wall() + 30
        first = await desk.ask(since=ahead)
        desk.clock.now += 1
        assert await desk.ask(since=ahead) is first
        assert await desk.ask(since=ahead + 1) is not first

    run(use)


def test_a_request_whose_time_is_over_leaves_the_look_up_to_those_after_it() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        asked = rule()
        late = await desk.lookups.until(desk.clock.now).verdict(
            asked, compile_policy(asked.settings), ()
        )
        assert kept(late) == (Keep.INCOMPLETE, "still asking registry.example.com")
        assert late.error is not None
        assert late.error.code == "RT532"
        assert desk.meter.value("retag_lookup_budget_exceeded_total") == 1
        assert desk.meter.value("retag_lookups_in_flight") == 1
        desk.origin.gate.set()
        assert chosen(await desk.ask(ends=desk.clock.now + 10)) == "v2"
        assert len(desk.listings()) == 1

    run(use)


def test_it_goes_on_though_nobody_waits_and_the_next_request_has_the_choice_at_once() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        desk.begin()
        desk.begin()
        await settle()
        desk.origin.gate.set()
        await settle()
        desk.begin()
        assert chosen(await desk.ask(ends=0)) == "v2"
        assert len(desk.listings()) == 1

    run(use)


def test_who_waits_while_its_time_ends_is_told_then() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        late = await desk.ask(ends=desk.clock.now + 0.001)
        assert kept(late)[0] is Keep.INCOMPLETE

    run(use)


def test_who_is_cancelled_leaves_the_look_up_to_the_others() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        first, second = start([desk.ask(), desk.ask()])
        await settle()
        first.cancel()
        await settle()
        desk.origin.gate.set()
        assert chosen(await second) == "v2"
        assert first.cancelled()
        assert len(desk.listings()) == 1

    run(use)


def test_how_many_tags_are_read_is_told_to_all_who_wait_for_them() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.told = 1200, 1500
        await desk.ask()  # so that the listing is known
        desk.origin.gate.clear()
        first = rule(strategy="newest-build")
        second = rule(strategy="newest-build", ignore_tags=("v7",))
        asking = start([desk.ask(first), desk.ask(second)])
        await settle()
        told = {kept(await desk.ask(each, ends=0))[1] for each in (first, second)}
        assert told == {"still reading 750 of 1,200 tags"}
        desk.origin.gate.set()
        assert [chosen(each) for each in await asyncio.gather(*asking)] == ["v2", "v2"]

    run(use)


def test_look_ups_of_one_registry_take_turns_and_keep_none_of_another_waiting() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        images = [f"registry.example.com/app-{number}" for number in range(MOST_AT_ONCE + 2)]
        asking = start([desk.ask(rule(image)) for image in images])
        other = start([desk.ask(rule("other.example.com/app"))])
        await settle()
        assert len(desk.listings()) == MOST_AT_ONCE + 1
        desk.origin.gate.set()
        await asyncio.gather(*asking, *other)
        assert sorted(desk.listings()) == sorted([*images, "other.example.com/app"])

    run(use)


def test_a_look_up_that_waits_for_its_turn_ends_with_the_last_who_wants_it() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        images = [f"registry.example.com/app-{number}" for number in range(MOST_AT_ONCE)]
        asking = start([desk.ask(rule(image)) for image in images])
        await settle()
        [waiting] = start([desk.ask()])
        assert kept(await desk.ask(ends=0)) == (
            Keep.INCOMPLETE,
            "still asking registry.example.com",
        )
        assert desk.meter.value("retag_lookups_in_flight") == MOST_AT_ONCE + 1
        waiting.cancel()
        await settle()
        assert desk.meter.value("retag_lookups_in_flight") == MOST_AT_ONCE
        desk.origin.gate.set()
        await asyncio.gather(*asking)
        assert "registry.example.com/app" not in desk.listings()
        assert chosen(await desk.ask()) == "v2"

    run(use)


def test_closing_ends_what_is_under_way_and_says_so_to_who_waits() -> None:
    async def use(desk: Desk) -> None:
        desk.origin.gate.clear()
        [asking] = start([desk.ask()])
        desk.begin(rule("registry.example.com/other"))
        await settle()
        await desk.lookups.aclose()
        verdict = await asking
        assert kept(verdict) == (Keep.INCOMPLETE, "the resolver is stopping")
        assert verdict.error is not None
        assert verdict.error.code == "RT534"
        assert desk.meter.value("retag_lookups_in_flight") == 0

    run(use)


def test_a_fault_of_the_program_is_told_logged_and_not_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def use(desk: Desk) -> None:
        desk.origin.error = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            await desk.ask()
        desk.origin.error = None
        assert chosen(await desk.ask()) == "v2"

    with caplog.at_level(logging.ERROR, "retag.lookups"):
        run(use)

    assert [record.name for record in caplog.records] == ["retag.lookups"]


def test_descriptions_come_from_the_cache_and_no_later_than_they_may() -> None:
    async def use(desk: Desk) -> None:
        digest = Needs(digest=True)
        view = desk.lookups.until(desk.clock.now)
        desk.origin.gate.clear()
        late = await view.describe(rule(), ["v1"], digest)
        assert (late["v1"].fault, late["v1"].detail) == (
            Fault.UNREADABLE,
            "still asking registry.example.com",
        )
        desk.origin.gate.set()
        assert (await desk.lookups.describe(rule(), ["v1"], digest))["v1"].fault is None
        assert len(desk.origin.asked) == 1

    run(use)


IMAGES = [rule(), rule(ignore_tags=("v2",)), rule("registry.example.com/other")]
steps = st.lists(
    st.tuples(st.sampled_from(IMAGES), st.floats(0, 40), st.one_of(st.none(), st.floats(-50, 5))),
    max_size=12,
)


@given(steps)
def test_no_choice_is_older_than_it_may_be_nor_than_the_refresh(
    asked: list[tuple[Rule, float, float | None]],
) -> None:
    async def use(desk: Desk) -> None:
        first: dict[tuple[Rule, float], float] = {}
        for each, passing, refreshed in asked:
            desk.clock.now += passing
            since = 0 if refreshed is None else desk.clock.wall() + refreshed
            verdict = await desk.ask(each, since=since)
            assert verdict.listing is not None
            now = desk.clock.wall()
            assert verdict.listing.observed_at > now - TTL
            came = first.setdefault((each, since), now)  # the same again needs nothing newer
            assert verdict.listing.observed_at >= min(since, came) - 1e-6
            assert verdict.repository == each.repository

    run(use)
