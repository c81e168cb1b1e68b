"""Does each rule rule alone? Within a ref the tag in the manifest decides; else one ref wins.

Whether two resources reach one Application is told by Applications that are made up, one for each
ref: the simplest that it matches. So what is found is no guess, while refs that only meet at other
names or labels are not found.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from cmp.errors import Finding, Place, Severity
from cmp.lint.stated import Stated
from cmp.reference import Repository
from cmp.rules import Application, DisabledUnit, Ref, Resource, Rule, RuleSet, rules_for
from cmp.rules.select import govern

# Resources that rule one repository are compared each with each: so many take three seconds.
_MOST_COMPARED = 500
_WILD = re.compile(r"\[\\?(?P<member>[^^])[^\]]*\]|\\(?P<escaped>.)|[*?]", re.DOTALL)


def check_ref(rules: Sequence[Stated]) -> Iterator[Finding]:
    """Rules of one ref, or of one Application's annotations, that speak of the same image."""
    seen: dict[Repository, Stated] = {}
    for later in rules:
        shared = sorted(later.rule.repositories & seen.keys())
        if shared:
            yield _twins(seen[shared[0]], later, shared[0])
        for repository in later.rule.repositories:
            seen.setdefault(repository, later)


def _twins(earlier: Stated, later: Stated, repository: Repository) -> Finding:
    first, second = earlier.rule.identity, later.rule.identity
    alike = first.fingerprint == second.fingerprint
    tell = "and allow the same tags" if alike else "so the tag in the manifest must tell which"
    return later.where("imageName").finding(
        "RT380",
        f"{first.alias} and {second.alias} both rule {repository}, {tell}",
        severity=Severity.ERROR if alike else Severity.WARNING,
        remedy="remove one of them" if alike else "see that no tag is allowed by both",
    )


def check_resources(
    resources: Sequence[Resource], stated: Mapping[Place, Stated]
) -> Iterator[Finding]:
    """Rules that lose to another resource's; *stated* has them by the place of their image."""
    for repository, rivals in _rivals(resources).items():
        made_up = [_made_up(ref, rival) for rival in rivals for ref in rival.refs or ()]
        for application in {repr(each): each for each in made_up if each}.values():
            matching = [rival for rival in rivals if _names(rival, application)]
            if len(matching) > 1:
                yield from _losers(repository, matching, application, stated)


def _rivals(resources: Sequence[Resource]) -> dict[Repository, list[Resource]]:
    """The resources that rule an image of each repository."""
    rivals: dict[Repository, list[Resource]] = defaultdict(list)
    for resource in resources:
        images = [image for ref in resource.refs or () for image in ref.images or ()]
        for repository in {each for image in images for each in image.repositories}:
            rivals[repository].append(resource)
    return {each: rivals[each][:_MOST_COMPARED] for each in sorted(rivals)}


def _names(resource: Resource, application: Application) -> bool:
    """Whether a ref of *resource* may match, as far as its pattern says."""
    return any(ref.glob and ref.glob.match(application.name) for ref in resource.refs or ())


def _losers(
    repository: Repository,
    resources: list[Resource],
    application: Application,
    stated: Mapping[Place, Stated],
) -> Iterator[Finding]:
    """The rules for *repository* that another resource's keeps from *application*."""
    matched = rules_for(RuleSet(tuple(resources)), application)
    units: list[Rule | DisabledUnit] = [*matched.rules, *matched.disabled]
    winner = next((unit for unit in units if repository in unit.repositories), None)
    for resource in resources:
        for unit in govern(resource, application).units:
            lost = unit not in units and repository in unit.repositories
            if lost and winner is not None and unit.place in stated:
                name = winner.identity if isinstance(winner, Rule) else winner.place
                yield _loser(stated[unit.place], f"{name} rules {repository}", application)


def _loser(loser: Stated, winner: str, application: Application) -> Finding:
    return loser.where("imageName").finding(
        "RT381",
        f"{winner} too, and wins where both match, as for an Application named {application.name}",
        severity=Severity.WARNING,
        remedy="narrow one of the two, or remove this image here",
    )


def _made_up(ref: Ref, resource: Resource) -> Application | None:
    """An Application that *ref* matches; None if none comes to mind."""
    name = _WILD.sub(lambda wild: wild["member"] or wild["escaped"] or "x", ref.pattern)
    if ref.glob is None or not ref.glob.match(name):
        return None
    labels: dict[str, str] = {}
    if ref.selector is not None:
        labels = dict(ref.selector.match_labels)
        for expression in ref.selector.match_expressions:
            if expression.operator in ("In", "Exists"):
                labels.setdefault(expression.key, (*expression.values, "x")[0])
    return Application(name=name, namespace=resource.namespace, labels=labels, annotations={})
