"""Which projects are *global*: what argocd-cm says of them, as Argo CD reads it.

`globalProjects` lists projects by name, each with a selector of the projects that have its sync
windows besides their own. Argo CD looks at labels of AppProjects, never at those of Applications.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from cmp.located import Located, YamlError, load_documents
from cmp.rules.labels import selector_fault, selects
from cmp.rules.model import LabelSelector, MatchExpression
from sidecar.kubernetes import CONFIG_MAPS, Object
from sidecar.kubernetes.mirror import Watched

CONFIG_MAP, KEY = "argocd-cm", "globalProjects"
_SELECTOR = "app.kubernetes.io/part-of=argocd"  # one without the label Argo CD does not see
_LONGEST = 64 * 1024  # characters: some hundreds of projects, read while everybody else waits

_log = logging.getLogger("retag.controller")


@dataclass(frozen=True, slots=True)
class GlobalProject:
    """The project *name*, for the projects that *selector* selects."""

    name: str
    selector: LabelSelector

    @property
    def is_valid(self) -> bool:
        """Whether Argo CD takes the selector."""
        return selector_fault(self.selector) is None

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether the valid selector matches a project with *labels*; an empty one does."""
        return selects(self.selector, labels)


@dataclass(frozen=True, slots=True)
class GlobalProjects:
    """What argocd-cm lists, in its order; None where that cannot be told.

    *fault* is what is wrong; with an empty list it makes Argo CD ignore what is stated.
    """

    listed: tuple[GlobalProject, ...] | None
    fault: str = ""


class _InvalidError(Exception):
    """Argo CD cannot read it either, and goes on as if there were none."""


class _UnclearError(Exception):
    """Argo CD may read it, and what it reads is not known."""


def watched(namespace: str) -> Watched[GlobalProjects]:
    """argocd-cm of *namespace*, Argo CD's own, by the selector with which Argo CD watches it."""
    return Watched(CONFIG_MAPS, (namespace,), keep_global_projects, _SELECTOR, CONFIG_MAP)


def keep_global_projects(manifest: Object) -> GlobalProjects | None:
    """What a ConfigMap says; None unless it is argocd-cm."""
    if manifest["metadata"].get("name") != CONFIG_MAP:
        return None
    found = read_global_projects((manifest.get("data") or {}).get(KEY) or "")
    if found.fault:
        how = "ignored, as Argo CD does" if found.listed == () else "not known, so syncs wait"
        _log.warning("%s of %s are %s: %s", KEY, CONFIG_MAP, how, found.fault)
    return found


def read_global_projects(text: str) -> GlobalProjects:
    """What *text*, the value of `globalProjects`, says.

    As `GetGlobalProjectsSettings` of Argo CD has it (util/settings/settings.go).
    """
    try:
        return GlobalProjects(_read(text))
    except _InvalidError as error:
        return GlobalProjects((), str(error))
    except _UnclearError as error:
        return GlobalProjects(None, str(error))


def _read(text: str) -> tuple[GlobalProject, ...]:
    if len(text) > _LONGEST:
        raise _UnclearError(f"longer than {_LONGEST} characters")
    try:
        documents = load_documents(text, KEY)
    except YamlError as error:
        kind = _UnclearError if error.code == "RT301" else _InvalidError  # beyond our limits
        raise kind(error.finding.what) from None
    if not documents:
        return ()
    for fault in documents[0].all_faults():  # which of two values Go takes is not defined
        raise _UnclearError(fault.what)
    return tuple(map(_global_project, _list(documents[0])))


def _global_project(item: Located) -> GlobalProject:
    stated = _field(item, "labelSelector")
    expressions = map(_expression, _list(_field(stated, "matchExpressions")))
    selector = LabelSelector(
        matchLabels=_texts(_field(stated, "matchLabels")), matchExpressions=tuple(expressions)
    )
    return GlobalProject(_text(_field(item, "projectName")), selector)


def _expression(item: Located) -> MatchExpression:
    return MatchExpression(
        key=_text(_field(item, "key")),
        operator=_text(_field(item, "operator")),
        values=tuple(map(_text, _list(_field(item, "values")))),
    )


# As sigs.k8s.io/yaml reads into Go's types: null is what is empty, letter cases do not matter in
# the names of fields, unknown ones neither, and a scalar becomes text where text is meant.


def _field(parent: Located | None, name: str) -> Located | None:
    found = [key for key in _mapping(parent) if key.lower() == name.lower()]
    if len(found) > 1:
        raise _UnclearError(f"{name} stands twice, in letters of other cases")
    return parent.get(found[0]) if parent and found else None


def _mapping(value: Located | None) -> Mapping[str, Located]:
    if value is not None and not isinstance(value.value, dict | None):
        raise _InvalidError(f"a mapping is expected in line {value.place.line}")
    return value.fields if value else {}


def _list(value: Located | None) -> list[Located]:
    if value is not None and not isinstance(value.value, list | None):
        raise _InvalidError(f"a list is expected in line {value.place.line}")
    return value.items if value else []


def _texts(value: Located | None) -> dict[str, str]:
    return {key: _text(each) for key, each in _mapping(value).items()}


def _text(value: Located | None) -> str:
    match value.value if value else None:
        case None:
            return ""
        case bool(stated):
            return str(stated).lower()
        case float(stated):
            text = f"{stated:g}"  # as Go's, with up to six digits
            if not math.isfinite(stated) or float(text) != stated:
                raise _UnclearError(f"{stated} is to be put in quotes")
            return text
        case str() | int() as stated:
            return str(stated)
    raise _InvalidError(f"text is expected in line {value.place.line if value else 0}")
