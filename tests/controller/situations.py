"""Single situations of a delivery, and the step that is next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sidecar.cluster.record import Record, Recorded, State
from sidecar.controller.autosync import Answer, Operation
from sidecar.controller.delivery import next_step
from sidecar.controller.model import Target, Wanted, target_of
from sidecar.controller.steps import (
    Situation,
    Step,
)
from tests.controller.argo import REFRESH, SOURCE, STAMP
from tests.controller.world import START, wanted

EMPTY = Record(namespace="argocd", name="app", uid="7")
OPERATION = Operation({"sync": {}})


def time(seconds: float) -> str:
    """As Argo CD writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def target(
    *images: str,
    sync: str = "Synced",
    reconciled: float = START - 60,
    asked: str = "",
    stamp: str = "",
    **fields: Any,
) -> Target:
    """An Application; *fields* are more of its manifest."""
    annotations = {REFRESH: asked} if asked else {}
    annotations |= {STAMP: stamp} if stamp else {}
    annotations |= fields.pop("annotations", {})
    status = {
        "sync": {"status": sync},
        "reconciledAt": time(reconciled),
        "summary": {"images": list(images)},
        "operationState": {"phase": "Succeeded", "startedAt": "earlier"},
        **fields.pop("status", {}),
    }
    metadata = {
        "namespace": "argocd",
        "name": "app",
        "uid": "7",
        "annotations": annotations,
        **fields.pop("metadata", {}),
    }
    manifest = {
        "metadata": metadata,
        "spec": {"source": SOURCE, **fields.pop("spec", {})},
        "status": status,
        **fields,
    }
    found = target_of(manifest, "app")
    assert found is not None
    return found


def situation(target: Target, *wanted: Wanted, **fields: Any) -> Situation:
    """Long after *wanted* came."""
    stated: dict[str, Any] = {"record": EMPTY, "now": START, "came": (START - 60, START - 60)}
    return Situation(target=target, wanted=wanted, **(stated | fields))


def recorded(tag: str, state: State, **fields: Any) -> Record:
    """A record with one live choice."""
    choice = wanted(tag, "1")
    fields = {"live": True, "stamp": "x", "attempts": 1, "asked_at": START} | fields
    fields = {"good": choice.choice} | fields
    fields = {"reconciled": time(START - 60), "operation": "earlier"} | fields
    each = Recorded(choice=choice.choice, state=state, after=choice.after, **fields)
    return EMPTY.with_choice(each)


def step(situation: Situation, answer: Answer = OPERATION) -> Step:
    """The next step, if automated sync would answer so."""
    return next_step(situation, lambda: answer)
