"""What becomes of a choice that is rendered: the sync that Argo CD does not start by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sidecar.cluster.record import Past, Recorded, State
from sidecar.controller import autosync, refresh
from sidecar.controller.attempts import MOST_ATTEMPTS, intend
from sidecar.controller.steps import Intend, Note, Outcome, Situation, Sync, Told, Wait

RECHECK = 60.0  # seconds after which a deferred sync is looked at again: AppProjects change

WouldSync = Callable[[], autosync.Answer]


def next_sync(situation: Situation, would_sync: WouldSync) -> Note | Sync | Intend | Wait | None:
    """Have rendered choices synced; else until when to wait."""
    target = situation.target
    due = list(situation.record.in_state(State.RENDERED))
    begun = [(e, "") for e in due if refresh.started_at(target) != e.operation]
    status = refresh.sync_status(target)
    if status == "Synced" and not refresh.is_syncing(target):
        begun = [(each, "") for each in due]
    if begun:
        return _delivered(situation, begun, Outcome.DELIVERED)
    if not due or status != "OutOfSync":
        return None
    if refresh.is_settling(target, situation.now):
        return Wait(refresh.ended_at(target) + refresh.SETTLING)
    return _as_answered(situation, due, would_sync())


def synced(situation: Situation) -> Note:
    """What is to be noted once the sync was started."""
    due = situation.record.in_state(State.RENDERED)
    return _delivered(situation, [(each, "") for each in due], Outcome.SYNCED)


def _as_answered(
    situation: Situation, due: Sequence[Recorded], answer: autosync.Answer
) -> Note | Sync | Intend | Wait | None:
    if isinstance(answer, autosync.Operation):
        return Sync(answer)
    if isinstance(answer, autosync.Deferral):
        later = situation.now + RECHECK
        return Wait(later if answer.until is None else min(answer.until, later), answer.why)
    if isinstance(answer, autosync.Acts):
        again = _looked_for(situation, due) if answer.unseen else []
        if again:
            is_asked = refresh.asked_for(situation.target)
            return None if is_asked else intend(situation, again)
        return _delivered(situation, [(each, "") for each in due], Outcome.DELIVERED)
    if answer.why is autosync.Why.ERROR:
        return None  # it shows when that is over
    return _delivered(situation, [(each, answer.why) for each in due], Outcome.LEFT)


def _looked_for(situation: Situation, due: Sequence[Recorded]) -> list[Recorded]:
    """Those of *due* for which Argo CD may be asked to look once more, to be intended."""
    return [
        replace(each, state=State.INTENDED)
        for each in due
        if situation.is_wanted(each) and each.attempts < MOST_ATTEMPTS
    ]


def _delivered(
    situation: Situation, due: Sequence[tuple[Recorded, str]], outcome: Outcome
) -> Note:
    """*due*, with reasons, as delivered, and in the history."""
    record, told = situation.record, []
    for each, reason in reversed(due):
        now = replace(each, state=State.DELIVERED, reason=reason)
        past = Past(
            at=situation.now,
            rule=each.title,
            alias=each.alias,
            image=each.choice.repository,
            before=each.before,
            after=each.after,
            why=each.why,
        )
        record = record.with_choice(now).with_history(past)
        told.append(Told(outcome, now))
    return Note(record, tuple(told))
