"""Images under a rule that is broken: they keep what they had, whoever gave it to them.

Without a rule nobody can tell which tags are allowed, how they rank, or which of several rules an
image is under. So something is kept only where there is no doubt which tag it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cmp.manifests import Site
from cmp.policy import Output, Policy, successor
from cmp.reference import InvalidReferenceError, Reference, Repository
from cmp.request import Options
from cmp.rules import DisabledUnit, Matched, Rule
from cmp.steady import Past, greatest_by_version
from cmp.store import LastGood
from cmp.tags import Tag


@dataclass(frozen=True, slots=True)
class Held:
    """An image of a broken rule, and the reference that it keeps; *warning* says why."""

    site: Site
    after: Reference
    warning: str

    @property
    def changed(self) -> bool:
        """Whether the manifest is rewritten here."""
        return str(self.after) != str(self.site.image)


def remembered_repositories(choices: Iterable[LastGood]) -> Iterator[Repository]:
    """Those of *choices*: what any rule has ruled."""
    for choice in choices:
        try:
            yield Reference.parse(choice.repository).repository
        except InvalidReferenceError:
            continue


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known where a rule is broken; *policies* are those of the rules that are not."""

    matched: Matched
    policies: Mapping[Rule, Policy]
    past: Past
    options: Options

    def kept(self, site: Site) -> Reference | None:
        """The reference that *site* keeps; None where that cannot be told.

        A pin that is known, the last choice, what runs; and what runs before the last choice where
        a pin that cannot be read may have had more power.
        """
        if (pinned := self._pinned(site)) is not None:
            return pinned
        images = self._repositories(site.image.repository)
        running = {
            name: reference
            for repository in sorted(images)
            for name, reference in self.past.running(repository).items()
            if not self._denies(site, name)
        }
        choice = self._choice(site, images, running)
        if choice is not None and not (len(running) == 1 and self._may_be_pinned(site)):
            return _moved(site, Reference.parse(choice.repository), choice.tag, choice.digest)
        if not running or (len(running) > 1 and self._is_one_of_several(site)):
            return None
        reference = running[greatest_by_version(running)]
        return _moved(site, reference, reference.tag or "", reference.digest)

    def is_unrecorded(self, site: Site) -> bool:
        """Whether only what might rule any image is broken, and no rule ever chose for *site*.

        Of an Application that nothing at all is remembered of, that says nothing.
        """
        images = self._repositories(site.image.repository)
        broken = any(unit.repositories & images for unit in self.matched.disabled)
        recorded = {choice.repository for choice in self.past.choices}
        if broken or not (self.matched.unknown and recorded):
            return False
        return recorded.isdisjoint(map(str, images))

    def _pinned(self, site: Site) -> Reference | None:
        """The pin of the one rule that is not broken, if it asks for no digest."""
        rules = self._rules(site)
        policies = [self.policies[rule] for rule in rules]
        if len(policies) != 1 or policies[0].needs.digest:
            return None
        pin = policies[0].settings.pin
        if pin is None or isinstance(policies[0].judge(pin), str):
            return None
        return _moved(site, Reference.parse(rules[0].image.written_repository), pin, None)

    def _rules(self, site: Site) -> list[Rule]:
        """Those for the image of *site* that are not broken."""
        repository = site.image.repository
        return [rule for rule in self.matched.rules if repository in rule.repositories]

    def _repositories(self, repository: Repository) -> frozenset[Repository]:
        """*repository*, and what a rule may call it in the manifests or the registry."""
        units: list[Rule | DisabledUnit] = [*self.matched.rules, *self.matched.disabled]
        names = (unit.repositories for unit in units if repository in unit.repositories)
        return frozenset({repository}).union(*names)

    def _choice(
        self, site: Site, images: frozenset[Repository], running: Mapping[str, Reference]
    ) -> LastGood | None:
        """The last choice, if it is clear whose: of several rules they must be the same."""
        names = set(map(str, images))
        newest: dict[str, LastGood] = {}
        for choice in self.past.choices:
            if choice.repository in names and not self._denies(site, choice.tag):
                newest.setdefault(choice.rule, choice)
        choices = list(newest.values())
        if not self._is_one_of_several(site):
            return choices[0] if choices else None
        if len({choice.tag for choice in choices}) > 1:
            choices = [choice for choice in choices if set(running) == {choice.tag}]
        return choices[0] if choices else None

    def _is_one_of_several(self, site: Site) -> bool:
        """Whether more than one rule is, or may be, for the repository of *site*."""
        repository = site.image.repository
        units: list[Rule | DisabledUnit] = [*self.matched.rules, *self.matched.disabled]
        named = sum(repository in unit.repositories for unit in units)
        return bool(self.matched.unknown) or named > 1

    def _may_be_pinned(self, site: Site) -> bool:
        """Whether there may be a pin: of a broken rule, or of an alias that it may have."""
        repository = site.image.repository
        units = (unit for unit in self.matched.disabled if unit.concerns(repository))
        known = {rule.alias for rule in self.matched.rules}
        return any(unit.pinned for unit in units) or not known.issuperset(self.options.pins)

    def _denies(self, site: Site, name: str) -> bool:
        return any(self.policies[rule].filters.denial(name) for rule in self._rules(site))


def _moved(site: Site, there: Reference, tag: str, digest: str | None) -> Reference:
    base = site.image if site.image.repository == there.repository else there
    output = Output.TAG_AND_DIGEST if digest else Output.TAG
    return successor(base, Tag(tag, digest), output) or base
