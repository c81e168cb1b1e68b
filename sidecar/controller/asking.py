"""When Argo CD is asked to render an Application anew, and for which choices not yet."""

from __future__ import annotations

from dataclasses import replace

from sidecar.cluster.record import Recorded, State
from sidecar.controller import refresh
from sidecar.controller.attempts import due_at, intend, is_held, recorded_as
from sidecar.controller.model import Target, Wanted
from sidecar.controller.steps import Intend, Refresh, Situation, Wait, key_of

QUIET, LONGEST = 2.0, 10.0  # seconds without a new choice, and since the first one
# Seconds for which a normal refresh may be pending before it is made a hard one. It most likely
# runs, and up to Argo CD 3.5 its end would take ours with it.
PATIENCE = 10.0


def next_refresh(situation: Situation) -> Intend | Refresh | Wait | None:
    """Ask for a refresh if one is due; else until when to wait."""
    unsent = situation.record.in_state(State.INTENDED)
    send = any(e.stamp == situation.unsent and situation.is_wanted(e) for e in unsent)
    due, later = _to_ask(situation)
    if not (send or due):
        return Wait(later) if later is not None else None
    asked_for = refresh.asked_for(situation.target)
    free = situation.by_now(situation.pending_since) + PATIENCE
    if asked_for == refresh.HARD:
        return None  # whether it began before the choice came, nobody can tell; ours follows it
    if asked_for and situation.now < free:
        return Wait(free)
    return Refresh(situation.unsent) if send else intend(situation, due)


def _to_ask(situation: Situation) -> tuple[list[Recorded], float | None]:
    """The choices for which a refresh is due, as they are to be intended; when others are."""
    record, now = situation.record, situation.now
    times = [
        (_quiet(situation, wanted), recorded_as(State.INTENDED, wanted, record.of(key_of(wanted))))
        for wanted in situation.new
        if wanted.before or not _may_show(situation.target)
    ]
    times += [
        (due_at(each, situation), replace(each, state=State.INTENDED))
        for each in record.in_state(State.INTENDED, State.ASKED)
        if situation.is_wanted(each) and not is_held(each, situation.target)
    ]
    due = [each for time, each in times if time <= now]
    return due, min((time for time, _ in times if time > now), default=None)


def _quiet(situation: Situation, wanted: Wanted) -> float:
    """From when on *wanted*, which is new, may be asked for."""
    first, last = (situation.by_now(each) for each in situation.came)
    quiet = min(last + QUIET, first + LONGEST)
    if wanted.before or not refresh.is_settling(situation.target, situation.now):
        return quiet
    return max(quiet, refresh.ended_at(situation.target) + refresh.SETTLING)


def _may_show(target: Target) -> bool:
    """Whether *target* is about to run what is not live: Argo CD never compared it, or syncs it.

    What Argo CD renders for a new Application is the choice already.
    """
    return not refresh.reconciled_at(target) or refresh.is_syncing(target)
