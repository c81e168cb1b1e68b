"""The last good choice of a rule for an Application, and that no lower one takes its place.

What a running Application has must not go back because a registry is silent, or forgets a tag
for a moment. So what nobody chooses anew stays, and what is chosen anew must show that it is no
step back: by its rank, or because the tag before is gone, or because the rule refuses that now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cmp.judge import Verdict
from cmp.policy import Chosen, Keep, Output, Policy, Refusal
from cmp.policy.version import parse_version
from cmp.ports import Lookups
from cmp.reference import InvalidReferenceError, Reference, Repository
from cmp.rules import Rule
from cmp.store import LastGood
from cmp.tags import Fault, Listing, Needs, Tag


@dataclass(frozen=True, slots=True)
class Former:
    """A *tag* that an image has had, with the digest that was written or runs, if one did.

    The name is "" where a digest runs and nobody can tell which tag it had. *how* says how it is
    known, as a relative clause without its pronoun. *observed_at* is the age of what it was chosen
    from (seconds since the epoch; 0 where that is not known).
    """

    tag: Tag
    how: str
    observed_at: float = 0

    def __str__(self) -> str:
        return f"{self.tag.name or self.tag.digest}, which {self.how}"


@dataclass(frozen=True, slots=True)
class Past:
    """What an Application has had: *choices* that were recorded, the last kept first; what *runs*.

    References of *runs* are in a fixed order; who knows nothing of what runs has none.
    """

    choices: Sequence[LastGood] = ()
    runs: tuple[Reference, ...] = ()

    @classmethod
    def of(cls, choices: Sequence[LastGood], images: Iterable[str] | None) -> Past:
        """*images* as in `status.summary.images`; what is no reference there is passed over."""
        return cls(choices, tuple(_references(images or ())))

    def of_rule(self, rule: Rule) -> Iterator[LastGood]:
        """The choices of *rule*, also those from before it was edited."""
        wanted = rule.identity.rule, str(rule.repository)
        return (each for each in self.choices if (each.rule, each.repository) == wanted)

    def exact(self, rule: Rule) -> LastGood | None:
        """The choice of *rule* as it is now; None without one."""
        now = rule.identity.fingerprint
        return next((each for each in self.of_rule(rule) if each.fingerprint == now), None)

    def running(self, repository: Repository) -> Mapping[str, Reference]:
        """The tags of *repository* that run, with a reference each."""
        named = (each for each in self.runs if each.repository == repository)
        return {each.tag: each for each in named if each.tag is not None}


def _references(images: Iterable[str]) -> Iterator[Reference]:
    for image in sorted(set(images)):
        try:
            yield Reference.parse(image)
        except InvalidReferenceError:
            continue


def last_good(rule: Rule, policy: Policy, past: Past, keep: Keep) -> Former | None:
    """What stays where *policy* chooses nothing for the reason *keep*; None for nothing.

    In this order: what the rule chose last, what it chose before it was edited, what runs; each
    only if the names it allows now allow it, for the store is a hint and denyTags beats it. An
    edited rule with a gate or signatures vouches for nothing that it chose before. A bare tag is
    none where a digest is due.
    """
    bare = policy.output is Output.TAG
    formers = _formers(rule, policy, past)
    counts = (each for each in formers if _counts(each, policy, keep))
    return next((each for each in counts if bare or each.tag.digest), None)


def _formers(rule: Rule, policy: Policy, past: Past) -> Iterator[Former]:
    if (exact := past.exact(rule)) is not None:
        yield _chosen_last(exact)
    if not policy.guarded:
        yield from map(_chosen_last, past.of_rule(rule))
    yield from _running(rule, policy, past)


def _chosen_last(choice: LastGood) -> Former:
    return Former(Tag(choice.tag, choice.digest), "was chosen last", choice.observed_at)


def _counts(former: Former, policy: Policy, keep: Keep) -> bool:
    """Whether names let *former* stay. Of a pin that is not refused, only the pin is good."""
    if policy.settings.pin is not None and keep is not Keep.NOTHING_ALLOWED:
        return not isinstance(policy.judge(former.tag.name), str)
    return policy.may_stay(former.tag.name) or former.tag.name == ""


def _running(rule: Rule, policy: Policy, past: Past) -> Iterator[Former]:
    """The tag that runs, the greatest if several do; or the digest, where digests are written."""
    running = past.running(rule.repository)
    names = [name for name in running if policy.may_stay(name)]
    if pin := policy.settings.pin:
        names = [name for name in running if name == pin] or names
    if names:
        yield _runs(running[_greatest(names, policy)], len(names))
    digests = {each.digest for each in past.runs if each.repository == rule.repository}
    nameless = policy.output is Output.DIGEST and not (running or policy.settings.deny_tags)
    if nameless and len(digests) == 1:
        yield Former(Tag("", digests.pop()), "runs")


def _runs(reference: Reference, several: int) -> Former:
    how = "runs" if several == 1 else f"is the greatest of {several} that run"
    return Former(Tag(reference.tag or "", reference.digest), how)


def _greatest(names: Sequence[str], policy: Policy) -> str:
    """The greatest of *names* by *policy*; by version, then name, where it cannot rank names."""
    keys = [policy.judge(name) for name in names]
    if (
        policy.time is None
        and policy.unclear is None
        and not any(isinstance(k, str) for k in keys)
    ):
        return max(zip(keys, names, strict=True))[1]
    return greatest_by_version(names)


def greatest_by_version(names: Iterable[str]) -> str:
    """The greatest version of *names*, the last by name where none of them is a version."""

    def key(name: str) -> tuple[object, ...]:
        version = parse_version(name)
        return (True, version.precedence, name) if version else (False, name)

    return max(names, key=key)


def is_own_choice(verdict: Verdict) -> bool:
    """Whether the policy itself chose, not a pin: that alone is held to and remembered."""
    chosen = isinstance(verdict.choice, Chosen) and verdict.listing is not None
    return chosen and verdict.policy.settings.pin is None


def former_of(rule: Rule, policy: Policy, past: Past) -> Former | None:
    """What must not be gone back from; None where the rule was edited, or nothing is known."""
    if (exact := past.exact(rule)) is not None:
        return _chosen_last(exact)
    if any(past.of_rule(rule)):
        return None
    return next((each for each in _running(rule, policy, past) if each.tag.name), None)


def written(tag: Tag, policy: Policy) -> Tag:
    """*tag* with no more than what *policy* writes of it."""
    return Tag(tag.name, None if policy.output is Output.TAG else tag.digest)


async def step_back(
    rule: Rule, verdict: Verdict, former: Former, lookups: Lookups, *, since: float
) -> str | None:
    """Why what *verdict* chose must not take the place of *former*; None if it may.

    The registry is asked about the former tag only if a listing lacks it and its name is not
    outranked. Nothing is told that was seen before *since* (seconds since the epoch).
    """
    choice, listing, policy = verdict.choice, verdict.listing, verdict.policy
    assert isinstance(choice, Chosen)
    assert listing is not None
    name = former.tag.name
    if written(choice.tag, policy) == former.tag:
        return None
    if listing.stale and former.observed_at > listing.observed_at:
        return f"{listing.stale}; the tags it listed last are older than the last choice"
    if name == choice.tag.name or name in listing.names:
        return None  # the digest may move freely, and what is listed was judged
    if policy.time is None and _outranked_by_name(name, choice.tag.name, policy):
        return None
    if listing.stale:
        return f"{listing.stale}; the tags it listed last lack {name}"
    return await _unless_gone(rule, verdict, name, lookups, since=since)


async def _unless_gone(
    rule: Rule, verdict: Verdict, name: str, lookups: Lookups, *, since: float
) -> str | None:
    """Why *name*, which the listing lacks, stays all the same; None if it is gone or refused."""
    choice, listing, policy = verdict.choice, verdict.listing, verdict.policy
    assert isinstance(choice, Chosen)
    assert listing is not None
    found = await lookups.describe(rule, [name], Needs(digest=True), since=since)
    head = found[name]
    if head.fault is Fault.GONE:
        return None
    if head.fault is not None:
        return f"the listing lacks {name}, and whether it is gone cannot be told: {head.detail}"
    if policy.compares_described and listing.newest_first is None:
        known = (await lookups.describe(rule, [name], policy.needs, since=since))[name]
        readable = known.fault is not Fault.UNREADABLE
        if readable and _outranked(known, choice.tag, policy, listing):
            return None
    return f"the listing lacks {name}, which the registry still has"


def _outranked_by_name(former: str, chosen: str, policy: Policy) -> bool:
    """Whether *chosen* is no less than *former*, or that is refused, as far as names tell."""
    before = policy.judge(former)
    return isinstance(before, str) or (policy.judge(chosen), chosen) >= (before, former)


def _outranked(former: Tag, chosen: Tag, policy: Policy, listing: Listing) -> bool:
    """Whether *chosen* is no less than *former*, or *former* is refused by now."""
    before = policy.rank(former, listing.observed_at)
    now = policy.rank(chosen, listing.observed_at)
    return isinstance(before, Refusal) or (not isinstance(now, Refusal) and now >= before)


def to_record(rule: Rule, verdict: Verdict, past: Past) -> LastGood | None:
    """What is to be remembered of *verdict*; None for nothing new, and for what a pin chose."""
    if not is_own_choice(verdict):
        return None
    assert isinstance(verdict.choice, Chosen)
    assert verdict.listing is not None
    tag = written(verdict.choice.tag, verdict.policy)
    fingerprint, exact = rule.identity.fingerprint, past.exact(rule)
    newest = next(past.of_rule(rule), None)
    if newest is not None and (newest.fingerprint, newest.tag, newest.digest) == (
        fingerprint,
        tag.name,
        tag.digest,
    ):
        return None
    # What took the place of a choice was looked at after it, whatever a clock says that jumped.
    observed_at = max(verdict.listing.observed_at, exact.observed_at if exact else 0)
    repository = str(rule.repository)
    return LastGood(rule.identity.rule, fingerprint, repository, tag.name, tag.digest, observed_at)
