"""`RuleSet`: all rules there are; `rules_for`: those of one Application, none of them twice."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from cmp.errors import Finding, Severity
from cmp.parameters import is_ours
from cmp.reference import Repository
from cmp.rules.annotations import PREFIX
from cmp.rules.application import Application
from cmp.rules.rule import MOST_RULES, DisabledUnit, Rule
from cmp.rules.select import NOTHING, Governing, govern, specificity
from cmp.rules.units import Resource

# What 2,000 Applications match takes some 10 MB, of 5 images each.
_REMEMBERED = 2_000
_LONGEST = 4 * 1024  # characters of an Application that are looked at, for it to be remembered


@dataclass(frozen=True, slots=True)
class RuleSet:
    """*resources* in a fixed order; *unreadable* are files, or documents, that hold unknown rules.

    *findings* are all faults, also those of the resources, by place. *notes* say what was ignored.
    """

    resources: tuple[Resource, ...] = ()
    unreadable: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    _known: LRUCache[Hashable, Matched] = field(
        default_factory=lambda: LRUCache(_REMEMBERED), init=False, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        resources: Iterable[Resource],
        unreadable: Iterable[Finding] = (),
        findings: Iterable[Finding] = (),
        notes: Iterable[str] = (),
    ) -> RuleSet:
        """The set that does not depend on the order of anything, and holds nothing twice."""
        by_content = {resource.order: resource for resource in sorted(resources, key=_by_place)}
        kept = tuple(by_content[order] for order in sorted(by_content))
        unread = tuple(sorted(set(unreadable), key=_order))
        all_findings = {*findings, *unread, *_name_twins(kept)}
        for resource in kept:
            all_findings.update(resource.all_findings())
        return cls(
            kept, unread, tuple(sorted(all_findings, key=_order)), tuple(sorted(set(notes)))
        )

    def matched(self, application: Application) -> Matched:
        """`rules_for`, remembered by all of *application* that it looks at. For one thread."""
        seen = _seen(application)
        key = (
            seen.name,
            seen.namespace,
            _items(seen.labels),
            _items(seen.annotations),
            seen.variables,
        )
        found = self._known.get(key)
        if found is None:
            # Of *seen*, so that nothing counts that the key lacks.
            found = rules_for(self, seen)
            if _length(seen) <= _LONGEST:
                self._known[key] = found
        return found


@dataclass(frozen=True, slots=True)
class Matched:
    """The rules of one Application, and what is *disabled* of them.

    Two rules for one repository may be there: the tag in the manifest tells them apart.
    """

    rules: tuple[Rule, ...] = ()
    disabled: tuple[DisabledUnit, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def repositories(self) -> frozenset[Repository]:
        """The repositories to look for in the manifests, those that are disabled too."""
        units: list[Rule | DisabledUnit] = [*self.rules, *self.disabled]
        return frozenset().union(*(unit.repositories for unit in units))

    @property
    def unknown(self) -> tuple[DisabledUnit, ...]:
        """What is disabled and might rule any image: the Application cannot be rendered."""
        return tuple(unit for unit in self.disabled if not unit.repositories)


def rules_for(ruleset: RuleSet, application: Application) -> Matched:
    """The rules of *application*.

    Where two resources reach one image, the more specific ref wins, then namespace and name; but
    a ref of which it is unclear how specific it is loses to none. More than `MOST_RULES` images
    disable them all.
    """
    unreadable = [
        DisabledUnit(each.place, each.path, frozenset(), each.what, (each,))
        for each in ruleset.unreadable
    ]
    found: list[tuple[Resource, Governing]] = []
    images = 0
    for resource in ruleset.resources:
        said = govern(resource, application)
        images += len(said.units) + len(said.unclear)
        if images > MOST_RULES:
            return Matched(disabled=(*unreadable, _too_many(resource)))
        if said is not NOTHING:
            found.append((resource, said))
    found.sort(key=lambda pair: -_score(pair[1]))  # stable: then by namespace and name
    units: list[Rule | DisabledUnit] = [*unreadable]
    notes: list[str] = []
    winners: dict[Repository, str] = {}
    for resource, governing in found:
        units += governing.unclear
        notes += governing.notes
        name = f"{resource}, ref {governing.ref.pattern}" if governing.ref else str(resource)
        for unit in governing.units:
            lost = sorted(unit.repositories & winners.keys())
            notes += [f"{each}: {winners[each]} wins over {name}" for each in lost]
            units += [] if lost else [unit]
        won = [repository for unit in governing.units for repository in unit.repositories]
        winners = dict.fromkeys(won, name) | winners
    rules = tuple(unit for unit in units if isinstance(unit, Rule))
    disabled = tuple(unit for unit in units if isinstance(unit, DisabledUnit))
    return Matched(rules, disabled, (*notes, *_left_over(rules, application)))


def _too_many(resource: Resource) -> DisabledUnit:
    """All images of an Application, disabled by *resource*, which is one too many."""
    what = f"more than {MOST_RULES} images are ruled for one Application"
    return DisabledUnit(resource.place, resource.path, frozenset(), what)


def _seen(application: Application) -> Application:
    """*application*, with nothing but what rules are selected by."""
    annotations = application.annotations
    if annotations is not None:
        annotations = {k: v for k, v in annotations.items() if k.startswith(PREFIX)}
    return Application(
        name=application.name,
        namespace=application.namespace,
        labels=application.labels,
        annotations=annotations,
        variables=application.variables,
    )


def _items(texts: Mapping[str, str] | None) -> Hashable:
    return None if texts is None else tuple(texts.items())


def _length(application: Application) -> int:
    labels, annotations = application.labels or {}, application.annotations or {}
    texts = (application.name, application.namespace, *application.variables)
    pairs = (*labels.items(), *annotations.items())
    return sum(map(len, texts)) + sum(len(key) + len(value) for key, value in pairs)


def _left_over(rules: Iterable[Rule], application: Application) -> Iterable[str]:
    """Notes on what the Image Updater wrote into the Application: as pins it would freeze it."""
    for rule in rules:
        for name in rule.variables:
            if name in application.variables and not is_ours(name):
                what = f"{name} in plugin.env is left from the Image Updater and has no effect"
                yield f"{rule.alias}: {what}; nothing is pinned by it"


def _score(governing: Governing) -> int:
    return specificity(governing.ref) if governing.ref else 0


def _name_twins(resources: tuple[Resource, ...]) -> Iterable[Finding]:
    """A remark on each resource whose name another, different one has."""
    for earlier, later in itertools.pairwise(resources):
        if (earlier.namespace, earlier.name) == (later.namespace, later.name) and later.name:
            what = f"{later} is defined otherwise at {earlier.place}; a cluster holds only one"
            yield later.located.finding("RT318", what, severity=Severity.WARNING)


def _by_place(resource: Resource) -> tuple[str, int]:
    return resource.place.file, resource.place.line


def _order(finding: Finding) -> tuple[object, ...]:
    place = finding.place
    return place.file, place.line, place.column, finding.path, finding.code, finding.what
