"""The sync that Argo CD's automated sync would start, under each condition of its own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.controller.autosync import (
    Acts,
    Answer,
    Deferral,
    Operation,
    Refusal,
    Why,
    operation_patch,
    would_sync,
)
from sidecar.controller.model import target_of
from tests.controller.applications import (
    AUTOMATED,
    DEPLOYMENT,
    IN_SYNC,
    LATER,
    OTHER,
    PRUNED,
    REVISION,
    SOURCE,
    operation_state,
    target,
)

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "argocd_sync.json").read_text())
PROJECT: dict[str, Any] = {"spec": {}}
SELF_HEAL = {"automated": {"prune": True, "selfHeal": True}}
NO_PRUNING: dict[str, Any] = {"automated": {}}
SEVERAL = {"source": None, "sources": [SOURCE, OTHER]}
SEVERAL_SYNCED = {
    "sync": {"status": "OutOfSync", "revisions": [REVISION, LATER]},
    "operationState": operation_state(
        revision="", source=None, revisions=[REVISION, LATER], sources=[SOURCE, OTHER]
    ),
}
BY_PATHS = {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}


def answer(*, project: Any = PROJECT, **changes: Any) -> Answer:
    return would_sync(target(**changes), project, 0.0)


def condition(kind: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "message": "made up"}]}


def failed(**result: Any) -> dict[str, Any]:
    return {"operationState": operation_state("Failed", **result)}


def deny(schedule: str, duration: str = "1h") -> dict[str, Any]:
    window = {
        "kind": "deny",
        "schedule": schedule,
        "duration": duration,
        "applications": ["*"],
    }
    return {"spec": {"syncWindows": [window]}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"policy": None}, Why.MANUAL, id="no sync policy"),
        pytest.param({"policy": {"syncOptions": ["A=b"]}}, Why.MANUAL, id="synced by hand"),
        pytest.param({"policy": {"automated": None}}, Why.MANUAL, id="automated is null"),
        pytest.param(
            {"policy": {"automated": {"enabled": False, "selfHeal": True}}},
            Why.MANUAL,
            id="switched off",
        ),
        pytest.param(
            {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
            Why.DELETING,
            id="being deleted",
        ),
        pytest.param(
            {"spec": {"sourceHydrator": {"drySource": SOURCE}}}, Why.HYDRATED, id="hydrated"
        ),
        pytest.param(
            {"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}},
            Why.SKIPPED,
            id="not reconciled",
        ),
        pytest.param({"status": condition("ComparisonError")}, Why.ERROR, id="comparison error"),
        pytest.param({"status": condition("InvalidSpecError")}, Why.ERROR, id="invalid spec"),
        pytest.param({"status": condition("UnknownError")}, Why.ERROR, id="unknown error"),
        pytest.param(
            {"status": {"sync": {"status": "Synced", "revision": REVISION}}},
            Why.IN_SYNC,
            id="in sync",
        ),
        pytest.param(
            {"status": {"sync": {"status": "Unknown", "revision": REVISION}}},
            Why.IN_SYNC,
            id="unknown whether in sync",
        ),
        pytest.param({"status": {"sync": None}}, Why.IN_SYNC, id="never compared"),
        pytest.param(
            {"policy": NO_PRUNING, "status": {"resources": [PRUNED, IN_SYNC]}},
            Why.ONLY_PRUNING,
            id="only pruning is left, which is off",
        ),
        pytest.param(
            {"policy": NO_PRUNING, "status": {"resources": []}},
            Why.ONLY_PRUNING,
            id="no resources, and pruning is off",
        ),
        pytest.param({"status": {"resources": [PRUNED]}}, Why.EMPTY, id="all would be pruned"),
        pytest.param({"status": {"resources": []}}, Why.EMPTY, id="no resources"),
        pytest.param(
            {"policy": SELF_HEAL, "status": {"resources": [PRUNED]}},
            Why.EMPTY,
            id="all would be pruned, with selfHeal",
        ),
    ],
)
def test_argo_cd_would_not_sync(changes: dict[str, Any], why: Why) -> None:
    assert answer(**changes) == Refusal(why)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="the last sync succeeded"),
        pytest.param({"status": failed()}, id="the last sync failed"),
        pytest.param({"policy": SELF_HEAL, "status": failed()}, id="it failed, with selfHeal"),
        pytest.param(
            {"status": {"operationState": {"phase": "Error", "message": "no project"}}},
            id="it failed without a result",
        ),
        pytest.param({"spec": SEVERAL, "status": SEVERAL_SYNCED}, id="several sources"),
        pytest.param(
            {"spec": {"source": {**SOURCE, "chart": "", "directory": None}}},
            id="empty fields of the source say nothing",
        ),
        pytest.param(
            {
                "metadata": BY_PATHS,
                "status": {"operationState": operation_state(revision=LATER)},
            },
            id="no commit since touched its paths",
        ),
    ],
)
def test_a_changed_choice_is_reason_to_sync_a_revision_again(changes: dict[str, Any]) -> None:
    assert isinstance(answer(**changes), Operation)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"policy": SELF_HEAL}, id="selfHeal after a sync that succeeded"),
        pytest.param({"status": {"operationState": None}}, id="never synced"),
        pytest.param(
            {"status": {"sync": {"status": "OutOfSync", "revision": LATER}}}, id="a new revision"
        ),
        pytest.param(
            {"status": {**failed(), "sync": {"status": "OutOfSync", "revision": LATER}}},
            id="a new revision after a failure",
        ),
        pytest.param({"spec": {"source": {**SOURCE, "path": "other"}}}, id="a changed source"),
        pytest.param(
            {"metadata": BY_PATHS, "spec": {"source": {**SOURCE, "path": "other"}}},
            id="a changed source, with paths",
        ),
        pytest.param(
            {
                "spec": SEVERAL,
                "status": {
                    **SEVERAL_SYNCED,
                    "sync": {"status": "OutOfSync", "revisions": [REVISION, REVISION]},
                },
            },
            id="a new revision of one of several sources",
        ),
        pytest.param(
            {"spec": {"source": None, "sources": [OTHER, SOURCE]}, "status": SEVERAL_SYNCED},
            id="several sources in another order",
        ),
    ],
)
def test_argo_cd_syncs_by_itself(changes: dict[str, Any]) -> None:
    assert answer(**changes) == Acts()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"operation": {"sync": {}}}, id="an operation waits"),
        pytest.param(
            {"status": {"operationState": operation_state("Running")}}, id="a sync is running"
        ),
        pytest.param(
            {"status": {"operationState": operation_state("Terminating")}},
            id="a sync is being ended",
        ),
        pytest.param(
            {
                "operation": {"sync": {}},
                "status": {"sync": {"status": "Synced", "revision": REVISION}},
            },
            id="a sync is nearly done",
        ),
    ],
)
def test_an_operation_is_waited_for(changes: dict[str, Any]) -> None:
    assert answer(**changes) == Deferral(Why.RUNNING)


def test_a_closed_window_defers_until_it_opens() -> None:
    expected = Deferral("a sync window of the project is closed", until=3601.0)

    for policy in (AUTOMATED, SELF_HEAL):
        found = would_sync(target(policy=policy), deny("0 0 * * *"), 60.0)
        assert found == expected


@pytest.mark.parametrize(
    ("reconciled", "unseen"),
    [
        ("1970-01-01T00:30:00Z", True),
        ("1970-01-01T02:00:00Z", False),
        ("", False),
        ("made up", False),
    ],
    ids=["while it was closed", "since it opened", "never", "nobody knows"],
)
def test_after_a_closed_window_it_matters_when_argo_cd_has_looked(
    reconciled: str, *, unseen: bool
) -> None:
    it = target(policy=SELF_HEAL, status={"reconciledAt": reconciled})

    assert would_sync(it, deny("0 0 * * *"), 7300.0) == Acts(unseen=unseen)


def test_an_open_window_defers_nothing() -> None:
    assert isinstance(answer(project=deny("0 12 * * *")), Operation)


def test_a_broken_window_defers_without_an_end() -> None:
    expected = "a sync window of the project is broken: it has 1 fields, not 5"

    assert answer(project=deny("never")) == Deferral(expected)


def test_a_closed_window_does_not_hide_that_nothing_would_be_synced() -> None:
    found = would_sync(target(policy=None), deny("0 0 * * *"), 60.0)

    assert found == Refusal(Why.MANUAL)


def test_nothing_is_synced_while_the_project_is_not_known() -> None:
    assert answer(project=None) == Deferral(Why.UNKNOWN_PROJECT)


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        pytest.param(
            {},
            {
                "sync": {"revision": REVISION, "prune": True, "source": SOURCE},
                "initiatedBy": {"automated": True},
                "retry": {"limit": 5},
            },
            id="one source",
        ),
        pytest.param(
            {"spec": SEVERAL, "status": SEVERAL_SYNCED},
            {
                "sync": {
                    "prune": True,
                    "sources": [SOURCE, OTHER],
                    "revisions": [REVISION, LATER],
                },
                "initiatedBy": {"automated": True},
                "retry": {"limit": 5},
            },
            id="several sources",
        ),
        pytest.param(
            {
                "policy": {
                    "automated": {"enabled": True},
                    "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
                    "retry": {"limit": 2, "backoff": {"duration": "5s", "factor": 2}},
                }
            },
            {
                "sync": {
                    "revision": REVISION,
                    "source": SOURCE,
                    "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
                },
                "initiatedBy": {"automated": True},
                "retry": {"limit": 2, "backoff": {"duration": "5s", "factor": 2}},
            },
            id="without pruning, with options and a retry of its own",
        ),
        pytest.param(
            {"policy": {**AUTOMATED, "retry": {}}},
            {
                "sync": {"revision": REVISION, "prune": True, "source": SOURCE},
                "initiatedBy": {"automated": True},
                "retry": {},
            },
            id="never tried again",
        ),
        pytest.param(
            {
                "policy": {"automated": {"prune": True, "allowEmpty": True}},
                "status": {"resources": [PRUNED]},
            },
            {
                "sync": {"revision": REVISION, "prune": True, "source": SOURCE},
                "initiatedBy": {"automated": True},
                "retry": {"limit": 5},
            },
            id="all would be pruned, which is allowed",
        ),
        pytest.param(
            {"policy": NO_PRUNING, "status": {"resources": [PRUNED, DEPLOYMENT]}},
            {
                "sync": {"revision": REVISION, "source": SOURCE},
                "initiatedBy": {"automated": True},
                "retry": {"limit": 5},
            },
            id="something is left that would be pruned",
        ),
        pytest.param(
            {"policy": SELF_HEAL, "status": failed()},
            {
                "sync": {"revision": REVISION, "prune": True, "source": SOURCE},
                "initiatedBy": {"automated": True},
                "retry": {"limit": 5},
            },
            id="selfHeal after a sync that failed",
        ),
    ],
)
def test_the_operation_is_the_one_that_argo_cd_would_start(
    changes: dict[str, Any], body: dict[str, Any]
) -> None:
    assert answer(**changes) == Operation(body)


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["id"])
def test_the_operation_is_the_one_that_argo_cd_has_started(case: dict[str, Any]) -> None:
    """Argo CD's own controller wrote it; then the Application differed at the same revision."""
    found = target_of(case["application"], "shop")
    assert found is not None

    assert would_sync(found, PROJECT, 0.0) == Operation(case["operation"])


def test_an_operation_is_written_only_where_nothing_has_changed() -> None:
    body = {"sync": {"revision": REVISION}}

    assert operation_patch(target(), Operation(body)) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "42"},
        {"op": "add", "path": "/operation", "value": body},
    ]
