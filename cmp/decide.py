"""For each image found in the manifests: which rule it is under, and which tag that rule gives it.

The order of power: denied tags and gates, the rule's pin, the Application's pins, freeze or
suspend, the policy. Where nothing is chosen the last good choice stays; without one the reason
decides whether the tag in the manifest stays or the render fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cmp.errors import RegistryError, RetagError, RuleError, UsageError, raise_together
from cmp.judge import Verdict
from cmp.keys import keys_of
from cmp.manifests import Site
from cmp.policy import Chosen, Keep, Kept, Output, Policy, compile_policy, successor
from cmp.ports import Lookups
from cmp.reference import Reference
from cmp.registry.secrets import Secrets
from cmp.request import Options
from cmp.rules import DisabledUnit, Matched, Rule
from cmp.rules.application import Application
from cmp.store import LastGood
from cmp.tags import Tag, is_tag


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


async def decide(
    sites: Sequence[Site], matched: Matched, application: Application, asked: Asked
) -> list[Decision]:
    """A decision for each of *sites*, in their order.

    Raises a `RetagError` for all images that can be given no tag: a rule that is disabled or
    ambiguous (`RuleError`), a registry that gives no whole answer (`RegistryError`), a pin of no
    rule (`UsageError`).
    """
    _check_pins(asked.options, matched)
    policies = {rule: policy_of(rule, asked.options) for rule in matched.rules}
    errors: list[RetagError] = [_disabled(unit) for unit in matched.unknown]
    assigned: list[tuple[Site, Rule]] = []
    for site in sites:
        try:
            assigned.append((site, _rule_for(site, matched, policies)))
        except RuleError as error:
            errors.append(error)
    rules = list(dict.fromkeys(rule for _, rule in assigned))
    verdicts = await asyncio.gather(
        *(_verdict(rule, policies[rule], asked, application.refresh_asked_at) for rule in rules)
    )
    verdict_of = dict(zip(rules, verdicts, strict=True))
    decisions: list[Decision] = []
    for site, rule in assigned:
        last_good = _last_good(rule, asked.earlier)
        try:
            decisions.append(_settle(site, rule, verdict_of[rule], last_good))
        except RetagError as error:
            errors.append(error)
    raise_together(errors)
    return decisions


async def _verdict(rule: Rule, policy: Policy, asked: Asked, since: float) -> Verdict:
    """The choice for *rule*, where the Application may have frozen or pinned it."""
    pinned = policy.settings.pin is not None
    undecided = policy.decided() is None
    if asked.options.freeze and not pinned and undecided:
        return Verdict(rule.repository, policy, Kept(Keep.SUSPENDED, "the Application is frozen"))
    try:
        keys = keys_of(rule, asked.secrets) if undecided else ()
    except RuleError as error:
        return Verdict(rule.repository, policy, Kept(Keep.DISABLED, error.what), error=error)
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


def _check_pins(options: Options, matched: Matched) -> None:
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


def _rule_for(site: Site, matched: Matched, policies: dict[Rule, Policy]) -> Rule:
    """The one rule that *site* is under. Raises `RuleError` where none or several could be.

    A rule that is broken may be the one that is meant, so no other takes its place.
    """
    repository = site.image.repository
    for unit in matched.disabled:
        if unit.concerns(repository):
            raise _disabled(unit)
    rules = [rule for rule in matched.rules if repository in rule.repositories]
    if len(rules) == 1:
        return rules[0]
    for rule in rules:
        if why := policies[rule].unclear:
            raise _broken(rule, why)
    tag = site.image.tag
    allowing = [rule for rule in rules if tag and policies[rule].allows(tag)]
    if len(allowing) == 1:
        return allowing[0]
    raise _ambiguous(site, rules, allowing)


def _ambiguous(site: Site, rules: Sequence[Rule], allowing: Sequence[Rule]) -> RuleError:
    names = " and ".join(str(rule.identity) for rule in rules)
    tag = f"tag {site.image.tag}" if site.image.tag else "an image without a tag"
    several = f"{len(allowing)} of them allow {tag}"
    return RuleError(
        "RT350",
        f"{names} are for {site.image.repository}, and "
        + (several if allowing else f"none of them allows {tag}"),
        where=str(site.place),
        remedy="narrow allowTags until one of them allows what stands in the manifest",
    )


def _disabled(unit: DisabledUnit) -> RuleError:
    images = ", ".join(sorted(map(str, unit.repositories))) or "any image"
    place, path = (unit.findings[0].place, unit.findings[0].path) if unit.findings else ("", "")
    return RuleError(
        "RT351",
        f"the rule, which may be for {images}, is disabled: {unit.what}",
        where=f"{place or unit.place} {path or unit.path}".rstrip(),
        remedy=_MEND,
    )


def _broken(rule: Rule, why: str) -> RuleError:
    what = f"the rule is disabled: {why}"
    return RuleError("RT351", what, where=_place(rule), remedy=_MEND)


def _place(rule: Rule) -> str:
    return f"{rule.place}, {rule.identity}"


_MEND = "mend the rule; retag lint shows every fault"
_STAYS = (Keep.NOTHING_ALLOWED, Keep.SUSPENDED)  # without a last good choice the manifest's tag


def _settle(site: Site, rule: Rule, verdict: Verdict, last_good: Tag | None) -> Decision:
    """What *verdict* means for *site*. Where a digest is due, a bare tag never stands in."""
    choice = verdict.choice
    base = _base(site, rule)
    if isinstance(choice, Chosen):
        moved = successor(base, choice.tag, verdict.policy.output) or base
        return Decision(site, rule, verdict, moved)
    if last_good is not None and (last_good.digest or verdict.policy.output is Output.TAG):
        stays = f"{choice.why}; {last_good.name}, which was chosen last, stays"
        kept = successor(base, last_good, verdict.policy.output) or base
        return Decision(site, rule, verdict, kept, stays)
    if choice.keep in _STAYS:
        return Decision(site, rule, verdict, site.image, f"{choice.why}; the image stays as it is")
    if choice.keep is Keep.DISABLED:
        raise verdict.error.at(_place(rule)) if verdict.error else _broken(rule, choice.why)
    where = f"{rule.identity}, {rule.repository}"
    if verdict.error is not None:
        raise verdict.error.at(where)
    raise RegistryError(
        "RT530",
        f"the choice is incomplete: {choice.why}",
        where=where,
        remedy="nothing was chosen before, so there is nothing to fall back to; try again",
    )


def _last_good(rule: Rule, earlier: Sequence[LastGood]) -> Tag | None:
    identity = rule.identity
    for each in earlier:
        same = (each.rule, each.fingerprint) == (identity.rule, identity.fingerprint)
        if same and each.repository == str(rule.repository):
            return Tag(each.tag, each.digest)
    return None


def _base(site: Site, rule: Rule) -> Reference:
    """The reference whose tag changes: the manifest's, or the rule's for another name there."""
    if site.image.repository == rule.repository:
        return site.image
    return Reference.parse(rule.image.written_repository)
