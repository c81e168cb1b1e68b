"""Applications as Argo CD leaves them after a hard refresh that found a new tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecar.controller.model import Target, target_of

SOURCE = {
    "repoURL": "https://git.example.com/shop.git",
    "path": "shop",
    "targetRevision": "main",
    "plugin": {"name": "retag"},
}
OTHER = {
    "repoURL": "https://git.example.com/values.git",
    "targetRevision": "main",
    "ref": "values",
}
REVISION, LATER = "1" * 40, "2" * 40
AUTOMATED: dict[str, Any] = {"automated": {"prune": True}}
DEPLOYMENT = {
    "group": "apps",
    "kind": "Deployment",
    "name": "shop",
    "namespace": "shop",
    "status": "OutOfSync",
    "version": "v1",
}
PRUNED = {**DEPLOYMENT, "name": "old", "requiresPruning": True}
IN_SYNC = {**DEPLOYMENT, "name": "other", "status": "Synced"}


def operation_state(phase: str = "Succeeded", **result: Any) -> dict[str, Any]:
    """The last sync: of `REVISION` and `SOURCE`, but for what *result* says."""
    return {
        "phase": phase,
        "operation": {"sync": {"revision": REVISION}},
        "syncResult": {"revision": REVISION, "source": SOURCE, **result},
    }


def application(
    *,
    policy: Mapping[str, Any] | None = AUTOMATED,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **others: Any,
) -> dict[str, Any]:
    """An Application that is OutOfSync at the revision that was synced last, as JSON."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "shop",
            "namespace": "argocd",
            "uid": "7",
            "resourceVersion": "42",
            **(metadata or {}),
        },
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "source": SOURCE,
            **({"syncPolicy": policy} if policy is not None else {}),
            **(spec or {}),
        },
        "status": {
            "sync": {"status": "OutOfSync", "revision": REVISION},
            "operationState": operation_state(),
            "resources": [DEPLOYMENT, IN_SYNC],
            **(status or {}),
        },
        **others,
    }


def target(**changes: Any) -> Target:
    """The target of `application`."""
    found = target_of(application(**changes), "shop")
    assert found is not None
    return found
