"""What an ImageUpdater's status says: the same fields, conditions and reasons as the peer's.

From the Image Updater's internal/controller/status.go. One thing is another: its condition
Reconciling is True for the time of a cycle, and here there are no cycles, so it stays False.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmp.errors import one_line
from sidecar.cluster.record import Past
from sidecar.kubernetes.instants import instant_of

_MOST_TOLD = 5  # errors in a condition; the others are counted
_LONGEST = 1000  # characters of each
_MOST_UPDATES = 50

Status = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of one ImageUpdater, of its *generation*.

    *broken* is why nothing of it has an effect, "" if some has; *errors* are what is wrong with
    parts of it. *updates* are what it brought about since the last report, the newest first.
    """

    generation: int
    applications: int
    images: int
    broken: str = ""
    errors: Sequence[str] = ()
    updates: Sequence[Past] = ()


def status_of(report: Report, before: Mapping[str, Any], now: float) -> Status:
    """The status after *before*, at *now* (seconds since the epoch)."""
    instant = instant_of(now)
    recent = _recent(report.updates) or before.get("recentUpdates") or []
    updated = instant if report.updates else before.get("lastUpdatedAt")
    return {
        "observedGeneration": report.generation,
        "lastCheckedAt": instant,
        **({"lastUpdatedAt": updated} if updated else {}),
        "applicationsMatched": report.applications,
        "imagesManaged": report.images,
        "recentUpdates": recent,
        "conditions": _dated(_conditions(report), before.get("conditions"), instant),
    }


def says_more(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether *now* says anything that *before* does not, besides when it was checked."""
    return {**now, "lastCheckedAt": ""} != {**before, "lastCheckedAt": ""}


def _conditions(report: Report) -> list[Status]:
    """The three conditions, without when they came about."""
    matched = f"{report.applications} applications"
    idle = "Repositories are looked at once an interval, and Applications as they change."
    if report.broken:
        why = _told([report.broken])
        error = _condition("Error", "ReconcileError", why, is_true=True)
        failed = f"Reconciliation failed: {why}"
        ready = _condition("Ready", "ReconcileFailed", failed, is_true=False)
    elif report.errors:
        number = len(report.errors)
        error = _condition("Error", "PartialErrors", _told(report.errors), is_true=True)
        done = f"Reconciled {matched} with {number} errors."
        ready = _condition("Ready", "ReconcileCompletedWithErrors", done, is_true=True)
    else:
        error = _condition("Error", "NoErrors", "There are no errors.", is_true=False)
        done = f"Reconciled {matched}."
        ready = _condition("Ready", "ReconcileSucceeded", done, is_true=True)
    reconciling = _condition("Reconciling", "Idle", idle, is_true=False)
    found = [ready, reconciling, error]
    return [{**each, "observedGeneration": report.generation} for each in found]


def _condition(kind: str, reason: str, message: str, *, is_true: bool) -> Status:
    status = "True" if is_true else "False"
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _told(errors: Sequence[str]) -> str:
    told = [one_line(each)[:_LONGEST] for each in errors[:_MOST_TOLD]]
    more = len(errors) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def _dated(conditions: Iterable[Status], before: object, instant: str) -> list[Status]:
    """*conditions*, each with the instant since when its status is what it is."""
    known = {
        (each.get("type"), each.get("status")): each.get("lastTransitionTime")
        for each in (before if isinstance(before, list) else ())
        if isinstance(each, dict)
    }
    return [
        {**each, "lastTransitionTime": known.get((each["type"], each["status"])) or instant}
        for each in conditions
    ]


def _recent(updates: Sequence[Past]) -> list[Status]:
    """*updates* by alias and version, as the Image Updater sums them up."""
    found: dict[tuple[str, str], Status] = {}
    for each in updates:
        version = _version(each.after)
        known = found.get((each.alias, version))
        if known is not None:
            known["applicationsUpdated"] += 1
        elif len(found) < _MOST_UPDATES:
            found[each.alias, version] = {
                "alias": each.alias,
                "image": each.image,
                "newVersion": version,
                "applicationsUpdated": 1,
                "updatedAt": instant_of(each.at),
                "message": f"Updated from {_version(each.before) or 'nothing'} to {version}.",
            }
    return list(found.values())


def _version(reference: str) -> str:
    """The tag of *reference*, or else its digest."""
    name, _, digest = reference.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or digest
