"""What an Application should run, by what was read of its repositories: as renders would say.

The same steps decide here as in `cmp.decide`, from the same past, so that no refresh is asked for
that would change nothing. What was not read of a registry just now decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cmp.decide import Asked, answer_for
from cmp.judge import Verdict
from cmp.policy import Chosen, Keep, Kept, Policy, successor
from cmp.ports import Lookups
from cmp.reference import Reference
from cmp.registry.secrets import NoSecrets
from cmp.request import Options
from cmp.rules import Rule
from cmp.steady import Past, greatest_by_version, is_own_choice, to_record, written
from cmp.store import LastGood
from cmp.tags import Needs, Tag
from sidecar.controller.model import Wanted
from sidecar.controller.targets import Look, Plan, RuledImage

_NOT_READ = "its repository was not read yet"
_OLDER = "the last choice is of something newer than what was read here"

Seen = Callable[[Look], Verdict | None]


@dataclass(frozen=True, slots=True)
class Choices:
    """What is *wanted* for an Application; *unsettled* is whether another look may change it."""

    wanted: tuple[Wanted, ...] = ()
    unsettled: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """The `Lookups` of one image: its *verdict* was read before, and *others* tell of one tag.

    An instant that lies in the future by *now* counts for nothing.
    """

    verdict_: Verdict
    others: Lookups
    now: float

    async def verdict(
        self, _rule: Rule, _policy: Policy, _keys: Sequence[object], /, *, since: float = 0
    ) -> Verdict:
        """The verdict; incomplete where it is of nothing after *since*."""
        listing = self.verdict_.listing
        if listing is not None and listing.observed_at < since <= self.now:
            return replace(self.verdict_, choice=Kept(Keep.INCOMPLETE, _OLDER))
        return self.verdict_

    async def describe(
        self, rule: Rule, names: Sequence[str], needs: Needs, /, *, since: float = 0
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*, as the registry has them."""
        return await self.others.describe(rule, names, needs, since=since)


@dataclass(frozen=True, slots=True)
class Choosing:
    """What choices are made from: *seen* of repositories, *lookups* for more, *now* (epoch)."""

    seen: Seen
    lookups: Lookups
    now: float

    async def choices(self, plan: Plan, earlier: Sequence[LastGood]) -> Choices:
        """What the Application of *plan* should run, after what was chosen *earlier*."""
        past = Past.of(earlier, plan.application.images)
        wanted: list[Wanted] = []
        unsettled = False
        for image in plan.images:
            verdict = self._verdict(image)
            answer = await self._answer(image, verdict, plan, past)
            if isinstance(answer.choice, Chosen) and _is_fresh(answer):
                wanted.append(_wanted(image, answer, past))
            unsettled |= isinstance(verdict.choice, Chosen) and answer is not verdict
        return Choices(tuple(wanted), unsettled)

    def _verdict(self, image: RuledImage) -> Verdict:
        ruled = image.ruled
        decided = ruled.policy.decided()
        verdict = ruled.look and self.seen(ruled.look)
        choice = decided or Kept(Keep.INCOMPLETE, _NOT_READ)
        return verdict or Verdict(ruled.rule.repository, ruled.policy, choice)

    async def _answer(
        self, image: RuledImage, verdict: Verdict, plan: Plan, past: Past
    ) -> Verdict:
        """*verdict*, unless that would be a step back."""
        if not is_own_choice(verdict):
            return verdict
        # The keys had their say when it was read.
        rule = replace(image.ruled.rule, cosign_key=None)
        asked = Asked(_Read(verdict, self.lookups, self.now), NoSecrets(), (), Options())
        answer, _ = await answer_for(rule, image.ruled.policy, asked, plan.application, past)
        return answer


def _is_fresh(verdict: Verdict) -> bool:
    return verdict.listing is None or not verdict.listing.stale


def _wanted(image: RuledImage, verdict: Verdict, past: Past) -> Wanted:
    rule, policy, choice = image.ruled.rule, image.ruled.policy, verdict.choice
    assert isinstance(choice, Chosen)
    same = [each for each in image.runs if successor(each, choice.tag, policy.output) is None]
    before = same[0] if same else _greatest(image.runs)
    base = before or Reference.parse(rule.image.written_repository)
    return Wanted(
        choice=_record(rule, verdict, past),
        title=str(rule.identity),
        after=str(successor(base, choice.tag, policy.output) or base),
        before=str(before or ""),
        why=choice.why,
        runs=bool(same),
        alias=rule.alias,
        own=is_own_choice(verdict),
    )


def _greatest(runs: Sequence[Reference]) -> Reference | None:
    """The one of *runs* that people will take for the one before."""
    named = {each.tag: each for each in runs if each.tag}
    if named:
        return named[greatest_by_version(named)]
    return runs[0] if runs else None


def _record(rule: Rule, verdict: Verdict, past: Past) -> LastGood:
    """What is remembered of *verdict*: the record that there is, if it is the same."""
    if not is_own_choice(verdict):
        return _pinned(rule, verdict)
    return to_record(rule, verdict, past) or next(iter(past.of_rule(rule)))


def _pinned(rule: Rule, verdict: Verdict) -> LastGood:
    """A pin, which is not of what a registry showed."""
    assert isinstance(verdict.choice, Chosen)
    tag = written(verdict.choice.tag, verdict.policy)
    identity, repository = rule.identity, str(rule.repository)
    return LastGood(identity.rule, identity.fingerprint, repository, tag.name, tag.digest, 0.0)
