"""Checks of the Secrets that rules name: each is there, with the key that is named of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cmp.rules import Resource, Rule
from cmp.rules.rule import rule_of
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.doctor.credentials import Named, Secret, keys_of, lacking, place_of
from sidecar.doctor.result import Result, naming, unread, well, wrong
from sidecar.kubernetes import ClusterError, Object
from sidecar.kubernetes.mirror import key_of

_SUBJECT = "Secrets of rules"


def secrets_of_rules(
    updaters: Sequence[Object] | ClusterError, argocd: str
) -> Mapping[Secret, frozenset[str]]:
    """Those that *updaters* name, with their keys; *argocd* is Argo CD's own namespace."""
    if isinstance(updaters, ClusterError):
        return {}
    kept = {key_of(each): keep_rules(each) for each in updaters}
    return keys_of(_named(RulesReader(argocd).read(kept)))


def check_ruled(ruled: Mapping[Secret, Named]) -> Iterator[Result]:
    """Whether all are there; nothing where rules name none."""
    hidden = [each.held for each in ruled.values() if isinstance(each.held, ClusterError)]
    absent = [name for secret, named in ruled.items() for name in lacking(secret, named)]
    if hidden:
        yield unread(_SUBJECT, hidden[0])
    if absent:
        what = f"rules name Secrets that are not there, or keys that they lack: {naming(absent)}"
        remedy = "create them, or name what is there; the ImageUpdater's status names the rule"
        yield wrong("RT134", _SUBJECT, what, remedy)
    if ruled and not (hidden or absent):
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
