"""Checks of the Applications that rules match: is Retag asked, and does its answer roll out?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cmp.rules import Application, RuleSet
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.controller.model import is_ours, sources_of
from sidecar.doctor.facts import Facts
from sidecar.doctor.installation import leads
from sidecar.doctor.result import Result, naming, unread, warning, well, wrong
from sidecar.kubernetes import ClusterError, ForbiddenError, Object

_SUBJECT = "Applications"
_CACHED = "Manifest generation error (cached)"


@dataclass(slots=True)
class _Found:
    """The names of Applications, by what is the matter with them."""

    unnamed: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)
    manual: list[str] = field(default_factory=list)
    hydrated: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    hooked: list[str] = field(default_factory=list)


def check_applications(facts: Facts, now: datetime) -> Iterator[Result]:
    """What keeps Applications that rules match from new tags."""
    if isinstance(facts.applications, ClusterError):
        yield unread(_SUBJECT, facts.applications)
    if isinstance(facts.updaters, ForbiddenError):  # a kind that is not there is told elsewhere
        yield unread("ImageUpdaters", facts.updaters)
    if isinstance(facts.applications, ClusterError) or isinstance(facts.updaters, ClusterError):
        return
    rules = _rules(facts.updaters, facts.argocd)
    found = _Found()
    for each in facts.applications:
        _look(each, rules, found)
    # Who may not read the Lease does not know that nobody leads.
    delivering = isinstance(facts.lease, ClusterError) or leads(facts.lease, now)
    results = list(_results(found, delivering=delivering))
    yield from results
    if not results:
        yield well(_SUBJECT, f"{len(found.ours)} with rules name the plugin")


def _rules(updaters: Sequence[Object], argocd: str) -> RuleSet:
    kept = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): keep_rules(each)
        for each in updaters
    }
    return RuleSet.of(RulesReader(argocd).read(kept))


def _look(manifest: Object, rules: RuleSet, found: _Found) -> None:
    application = Application.from_manifest(manifest)
    if not rules.matched(application).rules:
        return
    name, spec = str(application), manifest.get("spec") or {}
    if not any(map(is_ours, sources_of(spec))):
        found.unnamed.append(name)
        return
    found.ours.append(name)
    status = manifest.get("status") or {}
    automated = (spec.get("syncPolicy") or {}).get("automated")
    heals = bool((automated or {}).get("selfHeal"))
    if application.hydrated:
        found.hydrated.append(name)
    if automated is not None and not heals:
        found.manual.append(name)
    if heals and any(each.get("hook") for each in status.get("resources") or []):
        found.hooked.append(name)
    messages = [str(each.get("message")) for each in status.get("conditions") or []]
    if any(_CACHED in each for each in messages):
        found.cached.append(name)


def _results(found: _Found, *, delivering: bool) -> Iterator[Result]:
    if found.unnamed:
        what = f"rules match {naming(found.unnamed)}, whose sources do not name the plugin"
        remedy = "set spec.source.plugin.name: retag; without it Argo CD renders them itself"
        yield wrong("RT114", _SUBJECT, what, remedy)
    if found.manual and not delivering:
        what = f"{naming(found.manual)}: without selfHeal, Argo CD does not apply a new tag"
        remedy = "run the controller, which starts that sync, or set automated.selfHeal: true"
        yield wrong("RT115", _SUBJECT, what, remedy)
    if found.hydrated:
        what = f"{naming(found.hydrated)}: the source hydrator does not commit a new tag"
        remedy = "use source instead of sourceHydrator where tags are to move by themselves"
        yield warning("RT116", _SUBJECT, what, remedy)
    if found.cached:
        what = f"{naming(found.cached)}: Argo CD repeats an earlier failure from its cache"
        remedy = "mend what it says, then ask for a hard refresh"
        yield wrong("RT117", _SUBJECT, what, remedy)
    if found.hooked:
        what = f"{naming(found.hooked)}: selfHeal applies a new tag without running hooks"
        remedy = "switch selfHeal off where hooks matter: the controller then starts whole syncs"
        yield warning("RT118", _SUBJECT, what, remedy)
