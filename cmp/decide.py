"""For each image found in the manifests: which tag the rule that it is under gives it.

The order of power: denied tags and gates, the rule's pin, the Application's pins, freeze or
suspend, the policy. Where nothing is chosen the last good choice stays; without one the reason
decides whether the tag in the manifest stays or the render fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cmp.assign import assign, broken_rule, place_of
from cmp.errors import (
    RegistryError,
    RetagError,
    RuleError,
    UnreachableError,
    UsageError,
    raise_together,
)
from cmp.held import Held, Holding
from cmp.judge import Verdict
from cmp.keys import keys_of
from cmp.manifests import Site
from cmp.meter import Meter, Unmetered
from cmp.policy import Chosen, Keep, Kept, Policy, compile_policy, successor
from cmp.ports import Lookups
from cmp.reference import Reference
from cmp.registry.secrets import Secrets
from cmp.request import Options
from cmp.rules import Matched, Rule
from cmp.rules.application import Application
from cmp.steady import (
    Former,
    Past,
    former_of,
    is_own_choice,
    last_good,
    step_back,
    to_record,
    written,
)
from cmp.store import LastGood
from cmp.tags import is_tag
from cmp.threads import MANY_IMAGES, work


@dataclass(frozen=True, slots=True)
class Decision:
    """An image in the manifests, the rule it is under, its verdict, and the reference it gets."""

    site: Site
    rule: Rule
    verdict: Verdict
    after: Reference
    warning: str = ""

    @property
    def changed(self) -> bool:
        """Whether the manifest is rewritten here."""
        return str(self.after) != str(self.site.image)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked for choices and keys; what was chosen *earlier*; the parameters stated."""

    lookups: Lookups
    secrets: Secrets
    earlier: Sequence[LastGood]
    options: Options
    meter: Meter = field(default_factory=Unmetered)


@dataclass(frozen=True, slots=True)
class Decided:
    """What each image gets: by *decisions* of rules, or *held* by rules that are broken.

    *records* are the choices to be remembered before anybody acts on them.
    """

    decisions: tuple[Decision, ...] = ()
    held: tuple[Held, ...] = ()
    records: tuple[LastGood, ...] = ()


async def decide(
    sites: Sequence[Site], matched: Matched, application: Application, asked: Asked
) -> Decided:
    """A decision for each of *sites*, in their order.

    Raises a `RetagError` for all images that can be given no tag: a rule that is disabled or
    ambiguous (`RuleError`), a registry that gives no whole answer (`RegistryError`), a pin of no
    rule (`UsageError`).
    """
    check_pins(asked.options, matched)
    past = Past.of(asked.earlier, application.images)
    policies = {rule: policy_of(rule, asked.options) for rule in matched.rules}
    holding = Holding(matched, policies, past, asked.options)
    is_long = len(sites) > MANY_IMAGES
    assigned, held, errors = await work(lambda: assign(sites, holding), is_long=is_long)
    rules = await work(lambda: list(dict.fromkeys(rule for _, rule in assigned)), is_long=is_long)
    answers = dict(
        zip(
            rules,
            await asyncio.gather(
                *(answer_for(rule, policies[rule], asked, application, past) for rule in rules)
            ),
            strict=True,
        )
    )
    decisions, more = await work(lambda: _settle_all(assigned, answers), is_long=is_long)
    raise_together([*errors, *more])
    records = [to_record(rule, verdict, past) for rule, (verdict, _) in answers.items()]
    kept = tuple(filter(None, records)) if application.recognised else ()
    return Decided(tuple(decisions), tuple(held), kept)


Answer = tuple[Verdict, Former | None]


async def answer_for(
    rule: Rule, policy: Policy, asked: Asked, application: Application, past: Past
) -> Answer:
    """The verdict for *rule*, no step back, and what stays where it chose nothing."""
    since = application.refresh_asked_at
    verdict = await _verdict(rule, policy, asked, since)
    former = former_of(rule, policy, past)
    if former is not None and is_own_choice(verdict):
        verdict = await _steadied(rule, verdict, former, asked, since)
    if isinstance(verdict.choice, Chosen):
        return verdict, None
    keep = verdict.choice.keep
    stays = last_good(rule, policy, past, keep)
    if stays is not None:
        asked.meter.count("retag_last_good_served_total", reason=str(keep))
    return verdict, stays


async def _steadied(
    rule: Rule, verdict: Verdict, former: Former, asked: Asked, since: float
) -> Verdict:
    """*verdict*, or that nothing is chosen because that would be a step back from *former*."""
    policy = verdict.policy
    assert isinstance(verdict.choice, Chosen)
    assert verdict.listing is not None
    moves = written(verdict.choice.tag, policy) != former.tag
    older = verdict.listing.observed_at < former.observed_at or policy.compares_described
    if moves and older:
        # Another replica may have seen something newer, so that what is remembered here counts no
        # more: of descriptions nobody tells how old they are, and who remembers them knows.
        since = max(since, former.observed_at)
        verdict = await _verdict(rule, policy, asked, since)
        if not is_own_choice(verdict):
            return verdict
    why = await step_back(rule, verdict, former, asked.lookups, since=since)
    if why is None:
        return verdict
    asked.meter.count("retag_backwards_prevented_total")
    return replace(verdict, choice=Kept(Keep.INCOMPLETE, why, verdict.choice.refusals))


async def _verdict(rule: Rule, policy: Policy, asked: Asked, since: float) -> Verdict:
    """The choice for *rule*, where the Application may have frozen or pinned it."""
    pinned = policy.settings.pin is not None
    undecided = policy.decided() is None
    if asked.options.freeze and not pinned and undecided:
        return Verdict(rule.repository, policy, Kept(Keep.SUSPENDED, "the Application is frozen"))
    try:
        keys = await keys_of(rule, asked.secrets) if undecided else ()
    except RuleError as error:
        return Verdict(rule.repository, policy, Kept(Keep.DISABLED, error.what), error=error)
    except UnreachableError as error:
        return Verdict(rule.repository, policy, Kept(Keep.INCOMPLETE, error.what), error=error)
    verdict = await asked.lookups.verdict(rule, policy, keys, since=since)
    if pinned and rule.settings.pin is None and isinstance(verdict.choice, Chosen):
        choice = replace(verdict.choice, why="pinned by the Application's parameter pins")
        return replace(verdict, choice=choice)
    return verdict


def policy_of(rule: Rule, options: Options) -> Policy:
    """The rule's policy, as the Application's parameters pin or narrow it."""
    settings = rule.settings
    return compile_policy(
        replace(
            settings,
            pin=settings.pin or options.pins.get(rule.alias),
            output=options.output or settings.output,
        )
    )


def check_pins(options: Options, matched: Matched) -> None:
    """Raises `UsageError` where the parameter pins names no rule of *matched*, or no tag."""
    for alias, tag in sorted(options.pins.items()):
        if not is_tag(tag):
            raise UsageError("RT242", f"parameter pins gives {alias} {tag!r}, which is no tag")
    aliases = sorted({rule.alias for rule in matched.rules})
    unknown = sorted(set(options.pins) - set(aliases))
    if unknown and not matched.disabled:  # whose aliases may be unknown
        known = ", ".join(aliases) or "none"
        raise UsageError(
            "RT240",
            f"parameter pins names {', '.join(unknown)}, which no rule of this Application has",
            remedy=f"pin one of the aliases: {known}",
        )


_STAYS = (Keep.NOTHING_ALLOWED, Keep.SUSPENDED)  # without a last good choice the manifest's tag


def _settle_all(
    assigned: Sequence[tuple[Site, Rule]], answers: Mapping[Rule, Answer]
) -> tuple[list[Decision], list[RetagError]]:
    """What the answers mean for each site, and what is wrong."""
    decisions: list[Decision] = []
    errors: list[RetagError] = []
    for site, rule in assigned:
        try:
            decisions.append(_settle(site, rule, *answers[rule]))
        except RetagError as error:
            errors.append(error)
    return decisions, errors


def _settle(site: Site, rule: Rule, verdict: Verdict, stays: Former | None) -> Decision:
    """What *verdict* means for *site*. Where a digest is due, a bare tag never stands in."""
    choice = verdict.choice
    base = _base(site, rule)
    if isinstance(choice, Chosen):
        moved = successor(base, choice.tag, verdict.policy.output) or base
        stale = verdict.listing.stale if verdict.listing else ""
        warning = f"{stale}; the tags it listed last decide" if stale else ""
        return Decision(site, rule, verdict, moved, warning)
    if stays is not None:
        kept = successor(base, stays.tag, verdict.policy.output) or base
        return Decision(site, rule, verdict, kept, f"{choice.why}; {stays}, stays")
    if choice.keep in _STAYS:
        return Decision(site, rule, verdict, site.image, f"{choice.why}; the image stays as it is")
    if choice.keep is Keep.DISABLED:
        raise verdict.error.at(place_of(rule)) if verdict.error else broken_rule(rule, choice.why)
    where = f"{rule.identity}, {rule.repository}"
    if verdict.error is not None:
        raise verdict.error.at(where)
    raise RegistryError(
        "RT530",
        f"the choice is incomplete: {choice.why}",
        where=where,
        remedy="nothing was chosen before that could stay; once that is over, "
        "hard refresh the Application",
    )


def _base(site: Site, rule: Rule) -> Reference:
    """The reference whose tag changes: the manifest's, or the rule's for another name there."""
    if site.image.repository == rule.repository:
        return site.image
    return Reference.parse(rule.image.written_repository)
