"""What Argo CD's automated sync would do with an Application, and what it would not do by itself.

A new tag changes neither the revision nor the spec, so Argo CD takes the Application for synced
already: with selfHeal it applies what differs, else nothing. `would_sync` gives the sync that it
would start had the revision changed, field by field, under each condition under which it would.

The functions named here are Argo CD's, in controller/appcontroller.go (3.6); those of the types in
pkg/apis/application/v1alpha1/types.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sidecar.controller import windows
from sidecar.controller.model import Target
from sidecar.kubernetes.instants import seconds_of

SKIP_RECONCILE = "argocd.argoproj.io/skip-reconcile"
MANIFEST_GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"

_RETRY = {"limit": 5}  # autoSync's own
_ERRORS = ("ComparisonError", "InvalidSpecError", "UnknownError")
_COMPLETED = ("Failed", "Error", "Succeeded")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")  # Go's ParseBool


class Why(StrEnum):
    """Why no sync is started, for people."""

    HYDRATED = "the source hydrator renders it, which commits nothing for a new tag"
    SKIPPED = "its annotation skip-reconcile keeps Argo CD from looking at it"
    MANUAL = "automated sync is off"
    DELETING = "it is being deleted"
    RUNNING = "another operation is running"
    ERROR = "Argo CD could not compare it"
    IN_SYNC = "it is not OutOfSync"
    ONLY_PRUNING = "nothing but pruning is left to do, and automated pruning is off"
    EMPTY = "a sync would prune all resources, and allowEmpty is off"
    UNKNOWN_PROJECT = "its AppProject is not known, or which global ones add windows to it"


@dataclass(frozen=True, slots=True)
class Operation:
    """The `operation` to write into the Application, as JSON."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Acts:
    """Argo CD syncs by itself when it looks; *unseen* is that it has not looked since it may.

    Its next look by itself is minutes away, or none at all (timeout.reconciliation: 0s).
    """

    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Argo CD would not sync the Application as it stands."""

    why: Why


@dataclass(frozen=True, slots=True)
class Deferral:
    """It would, but not now. *until* is when (seconds since the epoch), if that is known."""

    why: str
    until: float | None = None


Answer = Operation | Acts | Refusal | Deferral


def would_sync(target: Target, project: Mapping[str, Any] | None, now: float) -> Answer:
    """What automated sync would do with *target*, as its status stands at *now*.

    It is asked only while a choice is rendered that no operation has taken up: what Argo CD would
    take for a new revision. So a sync of this revision, be it that it failed, is no reason to
    refuse; once a choice was synced nobody asks, and a sync of it that failed is not repeated.

    *project* is its AppProject as JSON, with what global projects add, None where it is not
    known; *now* is in seconds since the epoch.
    """
    refusal = _refusal(target)
    if refusal:
        return Refusal(refusal)
    if target.operation is not None or _is_running(target):
        return Deferral(Why.RUNNING)
    answer = _answer(target)
    if isinstance(answer, Refusal):
        return answer
    if project is None:
        return Deferral(Why.UNKNOWN_PROJECT)
    closed = windows.closed(project, target, now)
    if closed:
        return Deferral(closed.why, closed.until)
    return _seen(target, project) if isinstance(answer, Acts) else answer


def operation_patch(target: Target, operation: Operation) -> list[dict[str, Any]]:
    """The JSON Patch that starts *operation*, unless *target* has changed meanwhile."""
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": target.version},
        {"op": "add", "path": "/operation", "value": operation.body},
    ]


def _seen(target: Target, project: Mapping[str, Any]) -> Acts:
    """Whether Argo CD has looked while the windows were open: it syncs only in a look."""
    looked = seconds_of(target.status.get("reconciledAt"))
    return Acts(unseen=bool(looked) and windows.closed(project, target, looked) is not None)


def _refusal(target: Target) -> Why | None:
    """Why automated sync does not look at *target* at all.

    `canProcessApp`; `IsAutomatedSyncEnabled` and the deletion in `autoSync`.
    """
    annotations = target.application.annotations or {}
    conditions = {
        Why.HYDRATED: bool(target.spec.get("sourceHydrator")),
        Why.SKIPPED: annotations.get(SKIP_RECONCILE) in _TRUE,
        Why.MANUAL: not _is_automated(target),
        Why.DELETING: target.deleting,
    }
    return next((why for why, holds in conditions.items() if holds), None)


def _answer(target: Target) -> Operation | Acts | Refusal:
    """`autoSync`, from the sync status on; in Argo CD windows are asked before."""
    automated = _mapping(_policy(target), "automated")
    why = _nothing_to_do(target, prunes=bool(automated.get("prune")))
    if why:
        return Refusal(why)
    if automated.get("prune") and not automated.get("allowEmpty") and _would_be_empty(target):
        return Refusal(Why.EMPTY)
    if not _is_attempted(target):
        return Acts()
    succeeded = _mapping(target.status, "operationState").get("phase") == "Succeeded"
    if succeeded and automated.get("selfHeal"):
        return Acts()
    return Operation(_body(target))


def _nothing_to_do(target: Target, *, prunes: bool) -> Why | None:
    """`refreshAppConditions`' errors, the sync status, and `requirePruneOnly` of `autoSync`."""
    conditions = target.status.get("conditions") or ()
    if any(each.get("type") in _ERRORS for each in conditions):
        return Why.ERROR
    if _mapping(target.status, "sync").get("status") != "OutOfSync":
        return Why.IN_SYNC
    differing = (each for each in _resources(target) if each.get("status") != "Synced")
    if not prunes and all(each.get("requiresPruning") for each in differing):
        return Why.ONLY_PRUNING
    return None


def _would_be_empty(target: Target) -> bool:
    """`bAllNeedPrune` of `autoSync`; it holds for no resources at all, too."""
    pruned = sum(bool(each.get("requiresPruning")) for each in _resources(target))
    count: int = target.status.get("resourceCount", 0)
    return pruned == count


def _is_attempted(target: Target) -> bool:
    """`alreadyAttemptedSync`: the last sync was of this revision, and of these sources.

    With manifest-generate-paths Argo CD compares revisions only when a commit touched these
    paths; it syncs in the same moment then, so a look at what it left behind need not.
    """
    state = _mapping(target.status, "operationState")
    if not state:
        return False
    result = _mapping(state, "syncResult")
    if not result:
        return state.get("phase") in _COMPLETED
    several = _sources(target)
    keys = ("revisions", "sources") if several else ("revision", "source")
    wanted = _mapping(target.status, "sync").get(keys[0]), several or _source(target)
    if not (target.application.annotations or {}).get(MANIFEST_GENERATE_PATHS) and (
        (result.get(keys[0]) or None) != (wanted[0] or None)
    ):
        return False
    return _stated(result.get(keys[1])) == _stated(wanted[1])


def _stated(value: Any) -> object:
    """*value* without what Go's `omitempty` leaves out."""
    if isinstance(value, dict):
        stated = {key: _stated(each) for key, each in value.items()}
        return {key: each for key, each in stated.items() if each not in (None, "", False, 0, [])}
    if isinstance(value, list):
        return [_stated(each) for each in value]
    return value


def _body(target: Target) -> dict[str, Any]:
    """The `Operation` that `autoSync` fills, as Go writes it: without what is empty.

    All resources are synced, so that hooks run and the history has an entry.
    """
    policy, status = _policy(target), _mapping(target.status, "sync")
    several = _sources(target)
    sync = {
        "revision": status.get("revision"),
        "prune": _mapping(policy, "automated").get("prune"),
        "source": None if several else _source(target),
        "syncOptions": policy.get("syncOptions"),
        "sources": several,
        "revisions": status.get("revisions"),
    }
    retry = policy.get("retry")
    return {
        "sync": {key: value for key, value in sync.items() if value},
        "initiatedBy": {"automated": True},
        "retry": _RETRY if retry is None else retry,
    }


def _is_automated(target: Target) -> bool:
    """`IsAutomatedSyncEnabled`: `automated` is there, be it empty, and not switched off."""
    automated = _policy(target).get("automated")
    return isinstance(automated, dict) and automated.get("enabled", True) is not False


def _is_running(target: Target) -> bool:
    """`isOperationInProgress`."""
    state = _mapping(target.status, "operationState")
    return bool(state) and state.get("phase") not in _COMPLETED


def _policy(target: Target) -> Mapping[str, Any]:
    return _mapping(target.spec, "syncPolicy")


def _sources(target: Target) -> Sequence[Any]:
    """`HasMultipleSources`: where there are some, `source` is not looked at."""
    return target.spec.get("sources") or ()


def _source(target: Target) -> Mapping[str, Any]:
    return _mapping(target.spec, "source")


def _resources(target: Target) -> Sequence[Mapping[str, Any]]:
    return target.status.get("resources") or ()


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
