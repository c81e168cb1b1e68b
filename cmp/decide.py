"""For each image found in the manifests: which rule it is under, and which tag that rule gives it.

The order of power: denied tags and gates, the rule's pin, the Application's pins, freeze or
suspend, the policy. Where nothing is chosen the last good choice stays; without one the reason
decides whether the tag in the manifest stays or the render fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cmp.errors import RegistryError, RetagError, RuleError, UsageError, raise_together
from cmp.manifests import Site
from cmp.policy import Choice, Chosen, Keep, Kept, Policy, choose, compile_policy, successor
from cmp.ports import Store
from cmp.reference import Reference, Repository
from cmp.registry.port import TagSource
from cmp.request import Options
from cmp.rules import DisabledUnit, Matched, Rule
from cmp.rules.application import Application
from cmp.tags import Listing, Tag, is_tag


@dataclass(frozen=True, slots=True)
class Verdict:
    """What *policy* chose of *repository*; *listing* is None where it was not asked."""

    repository: Repository
    policy: Policy
    choice: Choice
    listing: Listing | None = None
    error: RegistryError | None = None

    @property
    def passed_over(self) -> tuple[str, ...]:
        """The tags that are allowed, and are not the newest: best first, if names tell that."""
        if self.listing is None or not isinstance(self.choice, Chosen):
            return ()
        others = {self.choice.tag.name, *(refusal.tag for refusal in self.choice.refusals)}
        names = [name for name in dict.fromkeys(self.listing.names) if name not in others]
        if not self.policy.needs.created:
            names.sort(key=lambda name: (self.policy.judge(name), name), reverse=True)
        return tuple(names)


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


async def decide(
    sites: Sequence[Site],
    matched: Matched,
    application: Application,
    *,
    tags: TagSource,
    store: Store,
    options: Options,
) -> list[Decision]:
    """A decision for each of *sites*, in their order.

    Raises a `RetagError` for all images that can be given no tag: a rule that is disabled or
    ambiguous (`RuleError`), a registry that gives no whole answer (`RegistryError`), a pin of no
    rule (`UsageError`).
    """
    _check_pins(options, matched)
    policies = {rule: _policy(rule, options) for rule in matched.rules}
    errors: list[RetagError] = [_disabled(unit) for unit in matched.unknown]
    assigned: list[tuple[Site, Rule]] = []
    for site in sites:
        try:
            assigned.append((site, _rule_for(site, matched, policies)))
        except RuleError as error:
            errors.append(error)
    rules = list(dict.fromkeys(rule for _, rule in assigned))
    verdicts = await asyncio.gather(
        *(_verdict(rule, policies[rule], options, tags) for rule in rules)
    )
    verdict_of = dict(zip(rules, verdicts, strict=True))
    decisions: list[Decision] = []
    for site, rule in assigned:
        last_good = store.last_good(application, rule)
        try:
            decisions.append(_settle(site, rule, verdict_of[rule], last_good))
        except RetagError as error:
            errors.append(error)
    raise_together(errors)
    return decisions


async def judge(repository: Repository, policy: Policy, tags: TagSource) -> Verdict:
    """The choice of *policy* among the tags that the registry holds. Never raises."""
    choice, listing = policy.decided(), None
    try:
        if choice is None:
            listing = await tags.list_tags(repository)
            names, _ = policy.candidates(listing.names)
            described: Mapping[str, Tag] = {}
            if names and not policy.needs.names_only:
                described = await tags.describe(repository, names, policy.needs)
            choice = _with_digest(policy, choose(policy, listing, described))
    except RegistryError as error:
        return Verdict(repository, policy, Kept(Keep.UNREACHABLE, str(error)), listing, error)
    return Verdict(repository, policy, choice, listing)


def _with_digest(policy: Policy, choice: Choice) -> Choice:
    """*choice*, unless a digest is due and its tag came without: a bare tag must not stand in."""
    if not isinstance(choice, Chosen) or not policy.needs.digest or choice.tag.digest:
        return choice
    why = f"the registry gave no digest for {choice.tag.name}"
    return Kept(Keep.INCOMPLETE, why, choice.refusals)


async def _verdict(rule: Rule, policy: Policy, options: Options, tags: TagSource) -> Verdict:
    """The same for *rule*, where the Application may have frozen or pinned it."""
    pinned = policy.settings.pin is not None
    if options.freeze and not pinned and policy.decided() is None:
        return Verdict(rule.repository, policy, Kept(Keep.SUSPENDED, "the Application is frozen"))
    verdict = await judge(rule.repository, policy, tags)
    if pinned and rule.settings.pin is None and isinstance(verdict.choice, Chosen):
        choice = replace(verdict.choice, why="pinned by the Application's parameter pins")
        return replace(verdict, choice=choice)
    return verdict


def _policy(rule: Rule, options: Options) -> Policy:
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
    where = f"{rule.place}, {rule.identity}"
    return RuleError("RT351", f"the rule is disabled: {why}", where=where, remedy=_MEND)


_MEND = "mend the rule; retag lint shows every fault"
_STAYS = (Keep.NOTHING_ALLOWED, Keep.SUSPENDED)  # without a last good choice the manifest's tag


def _settle(site: Site, rule: Rule, verdict: Verdict, last_good: str | None) -> Decision:
    choice = verdict.choice
    base = _base(site, rule)
    if isinstance(choice, Chosen):
        moved = successor(base, choice.tag, verdict.policy.output) or base
        return Decision(site, rule, verdict, moved)
    if last_good is not None:
        stays = f"{choice.why}; {last_good}, which was chosen last, stays"
        return Decision(site, rule, verdict, base.with_tag(last_good), stays)
    if choice.keep in _STAYS:
        return Decision(site, rule, verdict, site.image, f"{choice.why}; the image stays as it is")
    if choice.keep is Keep.DISABLED:
        raise _broken(rule, choice.why)
    where = f"{rule.identity}, {rule.repository}"
    if verdict.error is not None:
        raise verdict.error.at(where)
    raise RegistryError(
        "RT530",
        f"the choice is incomplete: {choice.why}",
        where=where,
        remedy="nothing was chosen before, so there is nothing to fall back to; try again",
    )


def _base(site: Site, rule: Rule) -> Reference:
    """The reference whose tag changes: the manifest's, or the rule's for another name there."""
    if site.image.repository == rule.repository:
        return site.image
    return Reference.parse(rule.image.written_repository)
