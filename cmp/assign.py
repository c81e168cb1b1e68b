"""Which rule each image found in the manifests is under, where that can be told.

Of two rules for one repository the tag in the manifest tells which is meant. One that is broken
may be, so no other takes its place: the image keeps what it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmp.errors import RetagError, RuleError
from cmp.held import Held, Holding
from cmp.manifests import Site
from cmp.policy import Policy
from cmp.reference import Reference
from cmp.rules import DisabledUnit, Matched, Rule

_MEND = "mend the rule; retag lint shows every fault"


def assign(
    sites: Sequence[Site], holding: Holding
) -> tuple[list[tuple[Site, Rule]], list[Held], list[RetagError]]:
    """Each of *sites* with its rule, or held because that is broken; and what is wrong."""
    matched, policies = holding.matched, holding.policies
    assigned: list[tuple[Site, Rule]] = []
    held: list[Held] = []
    errors: list[RetagError] = []
    if not holding.past.choices:
        errors += map(_disabled, matched.unknown)
    for site in sites:
        fault = _fault(site, matched, policies)
        kept = holding.kept(site) if fault is not None else None
        try:
            if fault is None:
                assigned.append((site, _rule_for(site, matched, policies)))
            elif kept is not None:
                held.append(Held(site, kept, f"{fault.what}; {_version(kept)} stays"))
            elif holding.is_unrecorded(site):
                held.append(Held(site, site.image, f"{fault.what}; the image stays as it is"))
            else:
                errors.append(fault)
        except RuleError as error:
            errors.append(error)
    return assigned, held, errors


def _version(reference: Reference) -> str:
    return "@".join(filter(None, (reference.tag, reference.digest)))


def _fault(site: Site, matched: Matched, policies: Mapping[Rule, Policy]) -> RuleError | None:
    """Why no rule can be followed for *site*; None if the one that is meant may be.

    A rule that is broken may be the one that is meant, so no other takes its place.
    """
    repository = site.image.repository
    # What is known to be meant says more than what might rule any image.
    for unit in sorted(matched.disabled, key=lambda unit: not unit.repositories):
        if unit.concerns(repository):
            return _disabled(unit)
    rules = [rule for rule in matched.rules if repository in rule.repositories]
    whys = [(rule, policies[rule].unclear) for rule in rules if len(rules) > 1]
    return next((broken_rule(rule, why) for rule, why in whys if why), None)


def _rule_for(site: Site, matched: Matched, policies: Mapping[Rule, Policy]) -> Rule:
    """The one rule that *site* is under. Raises `RuleError` where none or several could be."""
    repository = site.image.repository
    rules = [rule for rule in matched.rules if repository in rule.repositories]
    if len(rules) == 1:
        return rules[0]
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


def broken_rule(rule: Rule, why: str) -> RuleError:
    """That *rule* cannot be followed, and *why*."""
    what = f"the rule is disabled: {why}"
    return RuleError("RT351", what, where=place_of(rule), remedy=_MEND)


def place_of(rule: Rule) -> str:
    """Where *rule* is stated, and how it is called."""
    return f"{rule.place}, {rule.identity}"
