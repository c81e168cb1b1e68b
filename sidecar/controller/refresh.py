"""Argo CD's refresh of an Application: how it is asked for, and how it shows that it was done.

`argocd.argoproj.io/refresh: hard` lets Argo CD render anew; it removes the annotation once that is
done, and sets `status.reconciledAt` to when it began to compare, in whole seconds. Up to 3.5 both
is one patch; later the status comes first, the annotations after it, and these stay if their
`refresh-timestamp` has changed meanwhile (persistReconciliationStatus and handleRefreshAnnotation
of controller/appcontroller.go). So a refresh is done when the annotation is gone and reconciledAt
is another one than before: that asks no two clocks to agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cmp.reference import InvalidReferenceError, Reference
from sidecar.cluster.applications import REFRESH
from sidecar.cluster.applications import REFRESH_TIMESTAMP as STAMP
from sidecar.cluster.record import Recorded
from sidecar.controller.model import Target
from sidecar.kubernetes.instants import seconds_of

HARD = "hard"
# Seconds in which a refresh that was asked for begins, where reconciledAt has not moved: the last
# reconciliation began in the same second.
_BEGUN = 5.0
# Seconds in which Argo CD compares anew after an operation: until then the status is of before.
SETTLING = 10.0
_RUNNING = ("Running", "Terminating")


def asked_for(target: Target) -> str:
    """The refresh that *target* waits for: "hard", "normal" for any other value, "" for none."""
    value = (target.application.annotations or {}).get(REFRESH)
    if value is None:
        return ""
    return HARD if value == HARD else "normal"


def stamp_of(target: Target) -> str:
    """The `refresh-timestamp` of *target*; before 4.0 nobody removes it."""
    return (target.application.annotations or {}).get(STAMP, "")


def stamp_at(now: float) -> str:
    """A `refresh-timestamp` for *now* (seconds since the epoch), in RFC 3339 as Argo CD's."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def patch(target: Target, stamp: str) -> dict[str, Any]:
    """The merge patch that asks for a hard refresh of *target*, if it is still as it was seen."""
    return {
        "metadata": {
            "uid": target.uid,
            "resourceVersion": target.version,
            "annotations": {REFRESH: HARD, STAMP: stamp},
        }
    }


def reconciled_at(target: Target) -> str:
    """`status.reconciledAt` as it stands."""
    return _text(target.status.get("reconciledAt"))


def started_at(target: Target) -> str:
    """When the last operation began, as it stands; the same for as long as no other has begun."""
    return _text(_mapping(target.status, "operationState").get("startedAt"))


def sync_status(target: Target) -> str:
    """`status.sync.status`: Synced, OutOfSync, Unknown."""
    return _text(_mapping(target.status, "sync").get("status"))


def is_syncing(target: Target) -> bool:
    """Whether an operation runs, or is about to."""
    phase = _mapping(target.status, "operationState").get("phase")
    return target.operation is not None or phase in _RUNNING


def ended_at(target: Target) -> float:
    """When the last operation ended, in seconds since the epoch; 0 for none, or one that runs."""
    if is_syncing(target):
        return 0
    return seconds_of(_mapping(target.status, "operationState").get("finishedAt"))


def is_settling(target: Target, now: float) -> bool:
    """Whether an operation has just ended; one that a wrong clock has in the future has not."""
    return 0 <= now - ended_at(target) < SETTLING


def is_pending(recorded: Recorded, target: Target) -> bool:
    """Whether the refresh that was asked for is still to be done."""
    stamp = stamp_of(target)
    return bool(asked_for(target)) and stamp in (recorded.stamp, "")


def is_done(recorded: Recorded, target: Target) -> bool:
    """Whether *target* was reconciled since the refresh was asked for."""
    now = reconciled_at(target)
    if is_pending(recorded, target) or not now:
        return False
    if now != recorded.reconciled:
        return True
    return int(recorded.asked_at) <= seconds_of(now) <= recorded.asked_at + _BEGUN


def is_taken_up(recorded: Recorded, target: Target) -> bool:
    """Whether it shows that the choice was rendered; of an image that is not live nothing does."""
    return (
        not recorded.live
        or sync_status(target) == "OutOfSync"
        or is_syncing(target)
        or started_at(target) != recorded.operation
        or shows(target, recorded.after)
    )


def shows(target: Target, after: str) -> bool:
    """Whether the reference *after* is among the images that run."""
    wanted = _image(after)
    return any(_image(each) == wanted for each in target.application.images or ())


@lru_cache(maxsize=4096)
def _image(text: str) -> tuple[object, ...]:
    """What *text* references, however it is spelled."""
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError:
        return (text,)
    return reference.repository, reference.tag, reference.digest


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
