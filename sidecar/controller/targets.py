"""What is to be chosen for each Application: the rules that match it, under its own parameters.

A source that is frozen, or pins an alias, moves by its own spec alone, which Argo CD sees for
itself: for that one there is nothing to choose here. What a render would refuse is chosen for
neither, and a remark says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from cmp.decide import check_pins, policy_of
from cmp.errors import CombinedError, RetagError, UsageError
from cmp.options import Options, parse_environment, parse_items
from cmp.policy import Policy, Settings
from cmp.reference import Reference, Repository
from cmp.rules import Application, Matched, Rule, RuleSet, rules_for
from cmp.rules.rule import CosignKey
from cmp.rules.select import may_govern
from cmp.steady import Past
from sidecar.controller.model import Target, is_ours, sources_of
from sidecar.controller.rivals import Rivals

Key = tuple[str, str]  # an Application's, or an ImageUpdater's, namespace and name

_ENV_PREFIX = "ARGOCD_ENV_"  # as Argo CD hands plugin.env on
# What decides here; Argo CD puts its own variables into their values, which a render alone knows.
_DECIDING = ("RETAG_PINS", "RETAG_FREEZE", "RETAG_OUTPUT")
# So many resources that changed at once are as good as all: each would be held against each name.
_MANY = 20


@dataclass(frozen=True, slots=True)
class Login:
    """A repository, as *pull_secret* (as a rule writes it) sees it: what is listed at once."""

    repository: Repository
    pull_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked up once for all who want it: with equal ones comes the same tag."""

    login: Login
    settings: Settings
    key: CosignKey | None = None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Ruled:
    """*rule* under *policy*; *look* is None where that decides without a registry."""

    rule: Rule
    policy: Policy
    look: Look | None

    @property
    def resource(self) -> Key:
        """The ImageUpdater that states the rule."""
        identity = self.rule.identity
        return identity.namespace, identity.name


@dataclass(frozen=True, slots=True)
class RuledImage:
    """An image of an Application: *ruled*, and the references that run under that rule."""

    ruled: Ruled
    runs: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be chosen for *application*, and in *remarks* why some of it is not.

    *resources* are the ImageUpdaters that rule it, once for each image.
    """

    application: Application
    images: tuple[RuledImage, ...] = ()
    resources: tuple[Key, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def looks(self) -> Iterator[tuple[Look, Ruled]]:
        """What has to be looked up for it."""
        for image in self.images:
            if image.ruled.look is not None:
                yield image.ruled.look, image.ruled


class Planner:
    """Makes plans by *rules*; equal rules of many Applications are kept once."""

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules or RuleSet()
        self._kept: WeakValueDictionary[tuple[Rule, Settings], Ruled] = WeakValueDictionary()

    def plan(self, target: Target) -> Plan:
        """What is to be chosen for *target*."""
        application = target.application
        matched = rules_for(self.rules, application)
        resources = tuple((r.identity.namespace, r.identity.name) for r in matched.rules)
        if matched.unknown:
            why = f"a rule is broken that may be for any image: {matched.unknown[0].what}"
            return Plan(application, resources=resources, remarks=(_remark(target, why),))
        options, remarks = _options_of_sources(target, matched)
        rivals = Rivals(matched, Past.of((), application.images))
        images: list[RuledImage] = []
        for rule in matched.rules:
            runs = rivals.runs(rule)
            policy = _policy(rule, options)
            if isinstance(runs, str):
                remarks.append(_remark(target, runs))
            elif policy is not None:
                images.append(RuledImage(self._ruled(rule, policy), runs))
        return Plan(application, tuple(images), resources, tuple(remarks))

    def ruled(self) -> list[Ruled]:
        """All rules that a plan has, each with each policy it has."""
        return list(self._kept.values())

    def changed_by(self, rules: RuleSet, targets: Iterable[Target]) -> Iterator[Target]:
        """Those of *targets* whose plan may be another once *rules* take the place of its own."""
        before = {id(each): each for each in self.rules.resources}
        now = {id(each): each for each in rules.resources}
        changed = [before.get(each) or now[each] for each in before.keys() ^ now.keys()]
        everything = self.rules.unreadable != rules.unreadable or len(changed) > _MANY
        for target in targets:
            application = target.application
            if everything or any(may_govern(each, application) for each in changed):
                yield target

    def _ruled(self, rule: Rule, policy: Policy) -> Ruled:
        kept = self._kept.get((rule, policy.settings))
        if kept is None:
            look = None
            if policy.decided() is None:
                login = Login(rule.repository, rule.pull_secret)
                look = Look(login, policy.settings, rule.cosign_key)
            kept = self._kept[rule, policy.settings] = Ruled(rule, policy, look)
        return kept


def _options_of_sources(target: Target, matched: Matched) -> tuple[list[Options], list[str]]:
    """The parameters of each source that may be rendered and moves; what is wrong with others."""
    found: list[Options] = []
    remarks: list[str] = []
    for source in filter(is_ours, sources_of(target.spec)):
        try:
            options = _options(source["plugin"])
            check_pins(options, matched)
        except RetagError as error:
            remarks.append(_remark(target, _brief(error)))
            continue
        if not options.freeze:
            found.append(options)
    return found, remarks


def _options(plugin: Mapping[str, Any]) -> Options:
    """As the plugin reads them in a render; a parameter wins over the variable. Raises."""
    items = plugin.get("env")
    stated = [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    variables = {str(each.get("name")): str(each.get("value") or "") for each in stated}
    for name in _DECIDING:
        if "$" in variables.get(name, ""):
            what = f"{name} in plugin.env holds a $, which a render alone can resolve"
            raise UsageError("RT680", what, remedy="state it as a parameter, without variables")
    environment = {_ENV_PREFIX + name: value for name, value in variables.items()}
    return parse_environment(environment) | parse_items(plugin.get("parameters"))


def _policy(rule: Rule, options: Sequence[Options]) -> Policy | None:
    """The policy of *rule* in the first source where it chooses; None where it does in none."""
    for each in options:
        if rule.settings.pin is not None or rule.alias not in each.pins:
            return policy_of(rule, each)
    return None


def _brief(error: RetagError) -> str:
    errors = error.errors if isinstance(error, CombinedError) else (error,)
    return errors[0].brief


def _remark(target: Target, why: str) -> str:
    return f"Application {target}: {why}"
