"""Checks of the Secrets that rules name: each is there, with the key that is named of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cmp.rules import Resource, Rule
from cmp.rules.rule import rule_of
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.doctor.credentials import Secret, place_of
from sidecar.doctor.result import Result, naming, unread, well, wrong
from sidecar.kubernetes import ClusterError, Object
from sidecar.kubernetes.mirror import key_of

_SUBJECT = "Secrets of rules"


@dataclass(frozen=True, slots=True)
class Named:
    """A Secret of which rules name *keys*, and those that it holds; None if it is not there."""

    keys: frozenset[str]
    held: frozenset[str] | ClusterError | None


def secrets_of_rules(
    updaters: Sequence[Object] | ClusterError, argocd: str
) -> Mapping[Secret, frozenset[str]]:
    """Those that *updaters* name, with their keys; *argocd* is Argo CD's own namespace."""
    found: defaultdict[Secret, set[str]] = defaultdict(set)
    if not isinstance(updaters, ClusterError):
        kept = {key_of(each): keep_rules(each) for each in updaters}
        for secret, key in _named(RulesReader(argocd).read(kept)):
            found[secret].add(key)
    return {secret: frozenset(keys) for secret, keys in found.items()}


def check_ruled(ruled: Mapping[Secret, Named]) -> Iterator[Result]:
    """Whether all are there; nothing where rules name none."""
    hidden = [each.held for each in ruled.values() if isinstance(each.held, ClusterError)]
    lacking = [name for secret, named in ruled.items() for name in _lacking(secret, named)]
    if hidden:
        yield unread(_SUBJECT, hidden[0])
    if lacking:
        what = f"rules name Secrets that are not there, or keys that they lack: {naming(lacking)}"
        remedy = "create them, or name what is there; the ImageUpdater's status names the rule"
        yield wrong("RT134", _SUBJECT, what, remedy)
    if ruled and not (hidden or lacking):
        yield well(_SUBJECT, "those that rules name are there, with their keys")


def _named(resources: Iterable[Resource]) -> Iterator[tuple[Secret, str]]:
    for resource in resources:
        for ref in resource.refs or ():
            for image in ref.images or ():
                rule = rule_of(image, ref, resource)
                if isinstance(rule, Rule):
                    yield from _of_rule(rule)


def _of_rule(rule: Rule) -> Iterator[tuple[Secret, str]]:
    key, place = rule.cosign_key, place_of(rule.pull_secret)
    if key is not None:
        yield (key.namespace, key.name), key.key
    if place is not None:
        yield place


def _lacking(secret: Secret, named: Named) -> Iterator[str]:
    name = "/".join(secret)
    if named.held is None:
        yield name
    elif not isinstance(named.held, ClusterError):
        yield from (f"{name}#{key}" for key in named.keys - named.held)
