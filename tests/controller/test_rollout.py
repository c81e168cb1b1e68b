"""Who is looked at again, and what is wanted then."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cmp.errors import DeniedError, UnreachableError
from cmp.lookups import Direct
from cmp.pipeline import Operator
from cmp.ports import Lookups
from cmp.reference import Repository
from cmp.registry.secrets import NoSecrets, Secrets
from cmp.rules import RuleSet
from cmp.store import LastGood
from cmp.tags import Listing
from sidecar.controller.model import Target, Wanted
from sidecar.controller.rollout import Parts, Rollout
from sidecar.controller.schedule import Outcome
from sidecar.controller.tally import Tally
from sidecar.controller.targets import Key, Login
from tests.controller.test_targets import APP, TWO, image, rules, settings, target
from tests.memory import MemoryTags

WEB = ("argocd", "web")
LOGIN = Login(Repository("registry.example.com", "team/app"))
DIGEST = f"sha256:{'d' * 64}"


@dataclass
class Tags(MemoryTags):
    """What the registry holds, seen at *at* (seconds since the epoch); *stale* is why not now."""

    at: float = 100.0
    stale: str = ""

    async def list_tags(self, repository: Repository) -> Listing:
        """The listing, as old as that."""
        listing = await super().list_tags(repository)
        return replace(listing, observed_at=self.at, stale=self.stale)


@dataclass
class Delivered:
    """`Delivers` that notes what it is told."""

    wants: list[tuple[str, list[Wanted]]] = field(default_factory=list)
    healed: list[tuple[str, str]] = field(default_factory=list)
    left: list[Key] = field(default_factory=list)
    alone: list[Key] = field(default_factory=list)
    seen: int = 0

    def want(self, target: Target, wanted: Sequence[Wanted]) -> None:
        """Note it."""
        self.wants.append((target.application.name, list(wanted)))

    def changed(self, _target: Target) -> None:
        """Count it."""
        self.seen += 1

    def gone(self, key: Key) -> None:
        """Note it."""
        self.left.append(key)

    def leave(self, key: Key) -> None:
        """Note it."""
        self.alone.append(key)

    def heal(self, target: Target, reason: str) -> None:
        """Note it."""
        self.healed.append((target.application.name, reason))


@dataclass
class World:
    """Applications, rules and a registry; it is its own configuration."""

    tags: MemoryTags
    ruleset: RuleSet
    targets: dict[Key, Target] = field(default_factory=dict)
    earlier: list[LastGood] = field(default_factory=list)
    now: float = 1000.0
    delivered: Delivered = field(default_factory=Delivered)
    tally: Tally = field(default_factory=Tally)
    uptime: float = 0.0
    warned: list[tuple[str, str]] = field(default_factory=list)
    secrets: Secrets = field(default_factory=NoSecrets)

    def __post_init__(self) -> None:
        parts = Parts(
            current=self,
            earlier=lambda _target: self.earlier,
            delivers=self.delivered,
            on_plan=self.tally.count,
            on_outage=self._warn,
        )
        self.rollout = Rollout(
            parts, self.targets, 300.0, wall=lambda: self.now, clock=lambda: self.uptime
        )

    def _warn(self, target: Target, why: str, lasts: Callable[[], bool]) -> None:
        assert lasts()
        self.warned.append((target.application.name, why))

    async def looked(self, *minutes: float) -> list[tuple[str, str]]:
        """Who was warned by looks after *minutes* each, and of what."""
        for each in minutes:
            self.uptime += each * 60
            await self.look()
        told, self.warned = self.warned, []
        return told

    @asynccontextmanager
    async def use(self) -> AsyncIterator[World]:
        """Itself."""
        yield self

    @property
    def operator(self) -> Operator:
        """Of interest are its Secrets."""
        return Operator(RuleSet(), self.tags, secrets=self.secrets)

    @property
    def lookups(self) -> World:
        """Itself."""
        return self

    def until(self, _ends: float) -> Lookups:
        """Each choice is made anew."""
        return Direct(self.tags)

    def put(self, *targets: Target) -> None:
        """They are as they are now."""
        for each in targets:
            before = self.targets.get(each.key)
            self.targets[each.key] = each
            self.rollout.application(each.key, before, each)

    async def settled(self) -> list[tuple[str, list[Wanted]]]:
        """What was wanted since this was asked last, when all is decided."""
        await self.rollout.idle()
        told, self.delivered.wants = self.delivered.wants, []
        return told

    async def look(self) -> list[tuple[str, list[Wanted]]]:
        """The same after a look at the repository."""
        await self.rollout.look(LOGIN)
        return await self.settled()


def play(world: World, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """*story*, while the rollout of *world* runs."""

    async def run() -> None:
        running = asyncio.create_task(world.rollout.run())
        world.rollout.rules(world.ruleset)
        await story()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _without_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault of the program ends no story, since one Application may not hold up others."""
    yield
    told = [each.getMessage() for each in caplog.get_records("call")]
    assert not any("by a fault of Retag" in each for each in told)


def world(*tags: str, ruleset: RuleSet | None = None, earlier: Iterable[LastGood] = ()) -> World:
    """A world whose registry holds *tags*, seen just now."""
    held = Tags({APP: list(tags)}, at=1000.0)
    return World(held, ruleset or rules(image()), earlier=list(earlier))


def running(tag: str, **more: Any) -> Target:
    """The Application web, which runs *tag*."""
    return target(images=(f"{APP}:{tag}",), **more)


def sick(code: str) -> Target:
    """The Application web, which could not be rendered."""
    condition = {"type": "ComparisonError", "message": f"plugin failed: why [{code}]"}
    return replace(running("1.0.0"), status={"conditions": [condition]})


def chosen(it: World, tag: str, at: float = 500.0) -> LastGood:
    """That *tag* was chosen before, by the rule as it is."""
    [only] = it.rollout.plans[WEB].images
    identity = only.ruled.rule.identity
    return LastGood(identity.rule, identity.fingerprint, APP, tag, None, at)


def test_the_newest_tag_is_wanted_once_its_repository_was_read() -> None:
    it = world("1.0.0", "1.1.0", "2.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        assert await it.settled() == [("web", [])]
        [(name, [wanted])] = await it.look()
        assert name == "web"
        assert (wanted.before, wanted.after) == (f"{APP}:1.0.0", f"{APP}:1.1.0")
        assert (wanted.runs, wanted.own, wanted.alias) == (False, True, "app")
        assert wanted.title == "ImageUpdater argocd/rules, ref *, image app"
        assert wanted.why == "newest of 2 allowed versions in 1.x"
        assert wanted.choice == replace(chosen(it, "1.1.0"), observed_at=1000.0)

    play(it, story)


def test_a_look_that_shows_nothing_new_decides_nothing() -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        [(_, [wanted])] = await it.look()
        assert wanted.runs
        assert await it.look() == []

    play(it, story)


def test_an_application_is_decided_again_only_if_it_changed_in_what_decides() -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        await it.look()
        it.put(replace(running("1.0.0"), status={"health": {}}))
        assert await it.settled() == []
        it.put(running("0.9.0"))
        [(_, [wanted])] = await it.settled()
        assert (wanted.before, wanted.runs) == (f"{APP}:0.9.0", False)
        assert it.tags.asked[f"list {APP}"] == 1
        assert it.delivered.seen == 3

    play(it, story)


def test_an_application_that_is_gone_wants_nothing_and_nobody_looks_for_it() -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        before = it.targets.pop(WEB)
        it.rollout.application(WEB, before, None)
        assert await it.settled() == []
        assert it.delivered.left == [WEB]
        assert it.tally.images == 0
        assert it.rollout.plans == {}
        assert await it.look() == []

    play(it, story)


def test_one_that_is_left_alone_wants_nothing_and_is_not_gone() -> None:
    it = world("1.0.0", "1.1.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        del it.targets[WEB]
        it.rollout.leave(WEB)
        assert await it.settled() == []
        assert (it.delivered.left, it.delivered.alone) == ([], [WEB])
        assert it.rollout.plans == {}
        assert await it.look() == []

    play(it, story)


def test_what_goes_while_it_is_decided_wants_nothing() -> None:
    it = world("1.0.0", "1.1.0")

    class Going(Tags):
        """The Application goes when tags are described."""

        async def describe(self, *asked: Any) -> Any:
            """As ever."""
            if before := it.targets.pop(WEB, None):
                it.rollout.application(WEB, before, None)
            return await super().describe(*asked)

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        it.earlier.append(chosen(it, "1.2.0"))
        it.tags = Going({APP: ["1.0.0", "1.1.0"]}, at=1000.0)
        assert await it.look() == []
        assert it.delivered.left == [WEB]

    play(it, story)


def test_a_rule_that_is_edited_is_followed_with_what_was_read_before() -> None:
    it = world("1.0.0", "2.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        await it.look()
        it.rollout.rules(rules(image(":2.x")))
        [(_, [wanted])] = await it.settled()
        assert wanted.after == f"{APP}:2.0.0"

    play(it, story)


def test_a_rule_that_comes_during_a_look_is_not_left_until_the_next() -> None:
    it = world("1.0.0", "1.1.0", "2.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        it.tags = slow = _Slow({APP: ["1.0.0", "1.1.0", "2.0.0"]}, at=1000.0)
        looking = asyncio.create_task(it.rollout.look(LOGIN))
        await slow.began.wait()
        it.rollout.rules(rules(image(":2.x")))
        assert await it.settled() == [("web", [])]
        slow.go_on.set()
        await looking
        [(_, [wanted])] = await it.settled()
        assert wanted.after == f"{APP}:2.0.0"

    play(it, story)


def test_of_a_repository_that_nobody_wants_after_a_look_nothing_is_remembered() -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        [(look, _)] = it.rollout.plans[WEB].looks
        it.tags = slow = _Slow({APP: ["1.0.0"]}, at=1000.0)
        looking = asyncio.create_task(it.rollout.look(LOGIN))
        await slow.began.wait()
        it.rollout.application(WEB, it.targets.pop(WEB), None)
        await it.settled()
        slow.go_on.set()
        await looking
        assert it.rollout.reader.verdict(look) is None
        assert await it.settled() == []

    play(it, story)


@dataclass
class _Slow(Tags):
    """A registry that answers when it is told to."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def list_tags(self, repository: Repository) -> Listing:
        """The listing, then."""
        self.began.set()
        await self.go_on.wait()
        return await super().list_tags(repository)


def test_what_was_chosen_before_is_not_gone_back_from_until_it_is_gone() -> None:
    it = world("1.0.0", "1.1.0")

    async def story() -> None:
        it.put(running("1.1.0"))
        await it.settled()
        await it.look()
        it.earlier.append(chosen(it, "1.1.0"))
        listed = it.tags
        it.tags = _Hiding({APP: ["1.0.0", "1.1.0"]}, at=1000.0)
        assert await it.look() == [("web", [])]
        assert await it.look() == [("web", [])], "it may be gone at the next look"
        it.tags = Tags({APP: ["1.0.0"]}, at=1000.0)
        [(_, [wanted])] = await it.look()
        assert wanted.after == f"{APP}:1.0.0"
        assert listed.asked[f"list {APP}"] == 1

    play(it, story)


class _Hiding(Tags):
    """A listing that lacks the newest tag, which is there."""

    async def list_tags(self, repository: Repository) -> Listing:
        """The others."""
        listing = await super().list_tags(repository)
        return replace(listing, names=listing.names[:1])


def test_what_is_older_than_the_last_choice_decides_nothing() -> None:
    it = world("1.0.0", "1.1.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        it.now = 3000.0
        it.earlier.append(chosen(it, "1.0.0", at=2000.0))
        assert await it.look() == [("web", [])]
        it.tags = Tags({APP: ["1.0.0", "1.1.0"]}, at=2500.0)
        [(_, [wanted])] = await it.look()
        assert wanted.after == f"{APP}:1.1.0"

    play(it, story)


def test_a_choice_that_is_recorded_is_wanted_as_it_was_recorded() -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        it.earlier.append(chosen(it, "1.0.0"))
        [(_, [wanted])] = await it.look()
        assert wanted.choice == it.earlier[0]

    play(it, story)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnreachableError("RT540", "no answer"), Outcome.SILENT),
        (DeniedError("RT545", "no right"), Outcome.REFUSED),
    ],
)
def test_what_cannot_be_read_decides_nothing(error: Any, outcome: Outcome) -> None:
    it = world()
    it.tags = Tags({}, error=error)

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.rollout.look(LOGIN) is outcome
        assert await it.settled() == [("web", [])]
        assert it.rollout.faults() == {("argocd", "rules"): [f"app: {error.brief}"]}
        assert it.delivered.healed == []

    play(it, story)


def test_what_was_seen_before_a_silence_decides_nothing() -> None:
    it = world()
    it.tags = Tags({APP: ["1.0.0", "1.1.0"]}, at=900.0, stale="no answer")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.rollout.look(LOGIN) is Outcome.SILENT
        assert await it.settled() == [("web", [])]
        assert it.rollout.faults() == {("argocd", "rules"): ["app: no answer"]}
        it.tags = Tags({APP: ["1.0.0", "1.1.0"]}, at=1000.0)
        [(_, [wanted])] = await it.look()
        assert wanted.after == f"{APP}:1.1.0"

    play(it, story)


_SAID = f"{APP} could not be read for 15 minutes or longer: "


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        pytest.param({"error": UnreachableError("RT540", "no answer")}, "no answer [RT540]"),
        pytest.param({"error": DeniedError("RT545", "no right")}, "no right [RT545]"),
        pytest.param({"at": 900.0, "stale": "late [RT540]"}, "late [RT540]"),
    ],
    ids=["silent", "refused", "only what it said before"],
)
def test_an_outage_that_lasts_is_told_once_to_each_application(
    tags: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    it = world()
    good, bad = Tags({APP: ["1.0.0"]}, at=1000.0), Tags({APP: ["1.0.0"]}, **tags)

    async def story() -> None:
        it.tags = bad
        it.put(running("1.0.0"), running("1.0.0", name="job"))
        await it.settled()
        assert await it.looked(0, 5, 9.9) == []
        assert sorted(await it.looked(0.1)) == [("job", _SAID + why), ("web", _SAID + why)]
        it.put(running("1.0.0", name="late"))
        await it.settled()
        assert await it.looked(60) == [("late", _SAID + why)]
        assert await it.looked(60) == []
        it.tags = good
        assert await it.looked(60) == []
        it.tags = bad
        assert await it.looked(60, 5) == []
        assert [name for name, _ in sorted(await it.looked(10))] == ["job", "late", "web"]

    with caplog.at_level("INFO", "retag.controller"):
        play(it, story)
    outage = ("WARNING", _SAID + why)
    over = ("INFO", f"{APP} can be read again")
    said = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert said == [outage, outage, over, outage]  # the second is for who came late


def test_what_passes_soon_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    it = world()
    good = Tags({APP: ["1.0.0"]}, at=1000.0)

    async def story() -> None:
        it.tags = Tags({}, error=UnreachableError("RT540", "no answer"))
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.looked(0, 5) == []
        it.tags = good
        assert await it.looked(5) == []

    with caplog.at_level("INFO", "retag.controller"):
        play(it, story)
    assert caplog.messages == []


def test_two_looks_in_a_day_are_no_outage_and_who_is_gone_has_none() -> None:
    it = world()
    it.tags = Tags({}, error=UnreachableError("RT540", "no answer"))

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.looked(0, 1440) == []
        it.rollout.application(WEB, it.targets.pop(WEB), None)
        await it.settled()
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.looked(0, 1440) == []
        del it.targets[WEB]  # it is gone, and nothing was decided since
        assert await it.looked(1) == []

    play(it, story)


def test_a_key_of_a_rule_that_is_missing_is_no_outage_of_its_registry() -> None:
    keyed = ", imagesVerification: {cosignKey: {secretName: cosign, key: pub}}"
    it = world("1.0.0", ruleset=rules(image(more=keyed)))

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.looked(0, 10, 10) == []
        [[why]] = it.rollout.faults().values()
        assert why.startswith("app: cosignKey: ")

    play(it, story)


def test_a_secret_that_cannot_be_told_for_now_is_a_silence() -> None:
    keyed = ", imagesVerification: {cosignKey: {secretName: cosign, key: pub}}"
    it = world("1.0.0", ruleset=rules(image(more=keyed)))
    it.secrets = _Silent()

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.rollout.look(LOGIN) is Outcome.SILENT
        assert await it.settled() == [("web", [])]
        assert it.rollout.faults() == {("argocd", "rules"): ["app: no answer [RT566]"]}

    play(it, story)


class _Silent(NoSecrets):
    """An API server that does not answer."""

    async def data(
        self, _namespace: str, _name: str, /, *, afresh: bool = False
    ) -> Mapping[str, str]:
        """Nothing."""
        del afresh
        raise UnreachableError("RT566", "no answer")


def test_a_registry_without_a_tag_that_is_allowed_has_answered() -> None:
    it = world("2.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.rollout.look(LOGIN) is Outcome.READ

    play(it, story)


def test_a_pin_of_a_rule_is_wanted_without_a_registry() -> None:
    it = world(ruleset=rules(image(more=", pin: 1.2.3")))
    it.tags = Tags({}, error=UnreachableError("RT540", "no answer"))

    async def story() -> None:
        it.put(running("1.0.0"))
        [(_, [wanted])] = await it.settled()
        assert (wanted.after, wanted.own) == (f"{APP}:1.2.3", False)
        assert wanted.choice == replace(chosen(it, "1.2.3"), observed_at=0.0)
        assert not it.tags.asked

    play(it, story)


def test_a_rule_that_is_suspended_or_disabled_wants_nothing() -> None:
    off = image(more=", suspend: true")
    bad = f'{{alias: bad, imageName: "registry.example.com/other:1.x"{settings("minAge: x")}}}'
    it = world(ruleset=rules(off, bad))

    async def story() -> None:
        it.put(running("1.0.0"))
        assert await it.settled() == [("web", [])]

    play(it, story)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        pytest.param(
            image(":1.x.y.z"), "is not a version constraint", id="a constraint that is none"
        ),
        pytest.param(image(more=', pin: "a b"'), "'a b' is not a tag", id="a pin that is no tag"),
    ],
)
def test_a_rule_that_cannot_choose_says_why(broken: str, why: str) -> None:
    it = world("1.0.0", "1.1.0", ruleset=rules(broken))

    async def story() -> None:
        it.put(running("1.0.0"))
        assert await it.settled() == [("web", [])]
        assert all(wanted == [] for _, wanted in await it.look())
        [[fault]] = it.rollout.faults().values()
        assert why in fault

    play(it, story)


def test_a_digest_is_wanted_beside_its_tag_where_that_is_due() -> None:
    it = world(ruleset=rules(image(more=settings("output: tag@digest"))))
    it.tags = Tags({APP: ["1.0.0"]}, heads={"1.0.0": DIGEST}, at=1000.0)

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        [(_, [wanted])] = await it.look()
        assert wanted.after == f"{APP}:1.0.0@{DIGEST}"
        assert not wanted.runs

    play(it, story)


def test_a_bug_in_one_application_keeps_nobody_from_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = world("1.0.0")

    def earlier(asked: Target) -> list[LastGood]:
        if asked.application.name == "bad":
            raise ValueError("made up")
        return []

    it.rollout = Rollout(
        Parts(
            current=it,
            earlier=earlier,
            delivers=it.delivered,
            on_plan=it.tally.count,
            on_outage=lambda _target, _why, _lasts: None,
        ),
        it.targets,
        300.0,
    )

    async def story() -> None:
        it.put(running("1.0.0", name="bad"), running("1.0.0"))
        assert await it.settled() == [("web", [])]

    play(it, story)
    assert "by a fault of Retag" in caplog.text
    caplog.clear()


def test_an_application_that_changes_while_it_is_decided_is_decided_again() -> None:
    it = world("1.0.0", "1.1.0")
    images = iter(["1.1.0"])

    class Changing(Tags):
        """An Application changes whenever tags are described."""

        async def describe(self, *asked: Any) -> Any:
            """As ever."""
            for tag in images:
                it.put(running(tag))
            return await super().describe(*asked)

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        it.earlier.append(chosen(it, "1.2.0"))
        it.tags = Changing({APP: ["1.0.0", "1.1.0"]}, at=1000.0)
        told = await it.look()
        assert [wanted.before for _, [wanted] in told] == [f"{APP}:1.0.0", f"{APP}:1.1.0"]

    play(it, story)


def test_of_an_image_that_does_not_run_the_rules_own_name_is_wanted() -> None:
    it = world("1.1.0")

    async def story() -> None:
        it.put(target())
        await it.settled()
        [(_, [wanted])] = await it.look()
        assert (wanted.before, wanted.after, wanted.runs) == ("", f"{APP}:1.1.0", False)

    play(it, story)


def test_of_several_that_run_the_greatest_is_the_one_before() -> None:
    it = world("1.9.0")
    digest = f"{APP}@{DIGEST}"

    async def story() -> None:
        it.put(target(images=(f"{APP}:1.2.0", f"{APP}:1.10.0", digest)))
        it.put(target(images=(digest,), name="api"))
        await it.settled()
        told = {name: wanted for name, [wanted] in await it.look()}
        assert told["api"].before == digest

    play(it, story)


@pytest.mark.parametrize(("code", "before"), [("RT540", 0), ("RT601", 1)])
def test_who_could_not_be_rendered_is_healed_once_what_failed_answers(
    code: str, before: int
) -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        it.put(sick(code))
        await it.settled()
        assert len(it.delivered.healed) == before
        await it.look()
        assert it.delivered.healed[-1] == ("web", code)

    play(it, story)


def test_who_still_cannot_be_rendered_is_healed_again_at_each_look() -> None:
    it = world("1.0.0")

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        await it.look()
        it.put(sick("RT540"))
        await it.settled()
        assert it.delivered.healed == [("web", "RT540")]
        assert await it.look() == [], "nothing has changed"
        assert it.delivered.healed == [("web", "RT540")] * 2

    play(it, story)


def test_two_rules_for_one_repository_share_a_listing_only_if_it_is_one_look() -> None:
    it = world("1.5.0", "2.5.0", ruleset=rules(*TWO))

    async def story() -> None:
        it.put(target(images=(f"{APP}:1.0.0", f"{APP}:2.0.0")))
        await it.settled()
        [(_, wanted)] = await it.look()
        assert [each.after for each in wanted] == [f"{APP}:1.5.0", f"{APP}:2.5.0"]
        assert [each.before for each in wanted] == [f"{APP}:1.0.0", f"{APP}:2.0.0"]

    play(it, story)
