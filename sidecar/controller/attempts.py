"""A choice as it is recorded before each attempt to have it rendered, and when the next is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cmp.store import LastGood
from sidecar.cluster.record import Record, Recorded, State
from sidecar.cluster.record_format import fits
from sidecar.controller import refresh
from sidecar.controller.heal import ailment
from sidecar.controller.model import Target, Wanted
from sidecar.controller.steps import Intend, Situation

MOST_ATTEMPTS = 5  # refreshes for one choice
BACK_OFF = 30.0  # seconds until the second of them, doubled for each further one


def is_recordable(wanted: Wanted) -> bool:
    """Whether *wanted* can be recorded; else nothing would keep it from being delivered twice."""
    return fits(recorded_as(State.INTENDED, wanted, None))


def recorded_as(state: State, wanted: Wanted, before: Recorded | None) -> Recorded:
    """*wanted* in *state*; *before* is what was recorded of its rule so far."""
    return Recorded(
        choice=wanted.choice,
        state=state,
        after=wanted.after,
        before=_ran(wanted, before),
        title=wanted.title,
        alias=wanted.alias,
        why=wanted.why,
        live=bool(wanted.before),
        good=good_of(wanted, before),
    )


def _ran(wanted: Wanted, before: Recorded | None) -> str:
    """The reference that ran last: by the record, where none is live or *wanted* runs already.

    Who renders for another reason, or selfHeal, may be faster than the look that found *wanted*.
    """
    if before is None or (wanted.before and not wanted.runs):
        return wanted.before
    if wanted.runs and (before.state is not State.DELIVERED or before.after == wanted.after):
        return before.before
    return before.after


def good_of(wanted: Wanted, before: Recorded | None) -> LastGood | None:
    """The last good choice once *wanted* is recorded: the one *before* for one not its rule's."""
    if wanted.own:
        return wanted.choice
    return None if before is None else before.good


def intend(situation: Situation, due: Sequence[Recorded]) -> Intend:
    """One refresh for all of *due*: another attempt of each."""
    target, record = situation.target, situation.record
    stamp = refresh.stamp_at(situation.now)
    for each in due:
        intended = replace(each, attempts=each.attempts + 1, asked_at=situation.now, stamp=stamp)
        record = record.with_choice(_from(intended, target))
    return Intend(record, stamp)


def asked(record: Record, stamp: str, before: Target) -> Record:
    """*record* once the refresh was asked for with *stamp*, when *before* was the Application."""
    for each in reversed(record.choices):
        if each.state is State.INTENDED and each.stamp == stamp:
            record = record.with_choice(_from(replace(each, state=State.ASKED), before))
    return record


def back_off(attempts: int) -> float:
    """Seconds that the refresh number *attempts* has to show that it was done."""
    return BACK_OFF * 2.0 ** (attempts - 1)


def due_at(recorded: Recorded, situation: Situation) -> float:
    """When the time of the last attempt is over (seconds since the epoch)."""
    return situation.by_now(recorded.asked_at) + back_off(recorded.attempts)


def is_held(recorded: Recorded, target: Target) -> bool:
    """Whether to ask again would change nothing: nobody has looked yet, or healing will ask."""
    return refresh.is_pending(recorded, target) or bool(ailment(target))


def _from(recorded: Recorded, target: Target) -> Recorded:
    """*recorded* with how *target* was before it was refreshed."""
    return replace(
        recorded,
        reconciled=refresh.reconciled_at(target),
        operation=refresh.started_at(target),
    )
