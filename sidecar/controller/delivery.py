"""What is to be done next so that an Application runs its choices: pure, one step at a time.

    new choice ─ quiet for a moment ─ INTENDED ─ asked for ─ ASKED ─ reconciled ─ RENDERED
      ─ the sync that Argo CD does not start by itself ─ DELIVERED

Each step is recorded before the next, so whoever leads then goes on from there. Never twice for a
choice: a refresh is asked for again only when the one before cannot be shown to have been done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from cmp.store import LastGood
from sidecar.cluster.record import Past, Record, Recorded, State
from sidecar.cluster.record_format import fits
from sidecar.controller import autosync, refresh
from sidecar.controller.heal import ailment
from sidecar.controller.model import Target, Wanted
from sidecar.controller.steps import (
    Intend,
    Note,
    Nothing,
    Outcome,
    Refresh,
    Situation,
    Step,
    Sync,
    Told,
    Wait,
    is_same,
    key_of,
)

MOST_ATTEMPTS = 5  # refreshes for one choice
BACK_OFF = 30.0  # seconds until the second of them, doubled for each further one
QUIET, LONGEST = 2.0, 10.0  # seconds without a new choice, and since the first one
# Seconds for which a normal refresh may be pending before it is made a hard one. It most likely
# runs, and up to Argo CD 3.5 its end would take ours with it.
PATIENCE = 10.0
# Seconds in which Argo CD compares anew after an operation: until then the status is of before.
SETTLING = 10.0
RECHECK = 60.0  # seconds after which a deferred sync is looked at again: AppProjects change

NOT_TAKEN_UP = (
    f"Argo CD was asked {MOST_ATTEMPTS} times to render it anew, and is neither OutOfSync nor "
    "syncing; see the Application's conditions [RT670]"
)
HYDRATED = (
    "the source hydrator commits nothing for a new tag, so nothing is done; use a source without "
    "hydrator, or commit the tag [RT671]"
)


WouldSync = Callable[[], autosync.Answer]


def next_step(situation: Situation, would_sync: WouldSync) -> Step:
    """What is to be done now. *would_sync* tells what automated sync would do."""
    target = situation.target
    if target.deleting or is_skipped(target):
        return Nothing()
    note = _adopt(situation) or _settle(situation)
    if note:
        return note
    if target.application.hydrated:
        return _refuse(situation)
    sync = _sync(situation, would_sync)
    if isinstance(sync, Note | Sync | Intend):
        return sync
    asked = _refresh(situation)
    if isinstance(asked, Intend | Refresh):
        return asked
    waits = [each for each in (sync, asked) if each]
    return min(waits, key=lambda wait: wait.until) if waits else Nothing()


def asked(record: Record, stamp: str, before: Target) -> Record:
    """*record* once the refresh was asked for with *stamp*, when *before* was the Application."""
    for each in reversed(record.choices):
        if each.state is State.INTENDED and each.stamp == stamp:
            record = record.with_choice(_asked(each, before))
    return record


def synced(situation: Situation) -> Note:
    """What is to be noted once the sync was started."""
    due = _in_state(situation.record, State.RENDERED)
    return _delivered(situation, [(each, "") for each in due], Outcome.SYNCED)


def is_urgent(situation: Situation) -> bool:
    """Whether a choice that has still to come runs in another tag now."""
    opened = any(each.live and not each.state.is_settled for each in situation.record.choices)
    return opened or any(each.before and not each.runs for each in situation.new)


def is_recordable(wanted: Wanted) -> bool:
    """Whether *wanted* can be recorded; else nothing would keep it from being delivered twice."""
    return fits(_recorded(wanted, State.INTENDED, None))


def is_skipped(target: Target) -> bool:
    """Whether Argo CD looks at nothing; what is new waits for the annotation's end."""
    value = (target.application.annotations or {}).get(autosync.SKIP_RECONCILE, "")
    return value.lower() in ("true", "t", "1")


def back_off(attempts: int) -> float:
    """Seconds that the refresh number *attempts* has to show that it was done."""
    return BACK_OFF * 2.0 ** (attempts - 1)


def _adopt(situation: Situation) -> Note | None:
    """Record what runs already, and what else became known of choices."""
    record, told = situation.record, []
    for key, wanted in situation.by_key.items():
        before = situation.record.of(key)
        now = _known(before, wanted)
        if now is None:
            continue
        record = record.with_choice(now)
        if before is None:
            told.append(Told(Outcome.ADOPTED, now))
    return None if record is situation.record else Note(record, tuple(told))


def _known(before: Recorded | None, wanted: Wanted) -> Recorded | None:
    """What is to be recorded of *wanted* without doing anything; None for nothing."""
    if before is None:
        return _recorded(wanted, State.DELIVERED, None) if wanted.runs else None
    if not is_same(before, wanted):
        return None
    now = replace(before, choice=wanted.choice, good=_good(wanted, before))
    if before.state is State.FAILED and wanted.runs:
        return replace(now, state=State.DELIVERED, reason="")
    return now if _edited(before) != _edited(now) else None


def _edited(recorded: Recorded) -> tuple[object, ...]:
    """What makes it worth recording anew: not that the registry was looked at again."""
    good = recorded.good
    return recorded.choice.fingerprint, good and (good.fingerprint, good.tag, good.digest)


def _refuse(situation: Situation) -> Note | Nothing:
    """Give up what the hydrator would not commit; say so for the first one."""
    record, told = situation.record, []
    known = any(each.reason == HYDRATED for each in record.choices)
    for wanted in situation.new:
        failed = _recorded(wanted, State.FAILED, record.of(key_of(wanted)))
        record = record.with_choice(replace(failed, reason=HYDRATED))
        told.append(Told(Outcome.FAILED, record.choices[0]))
    return Note(record, () if known else tuple(told[:1])) if told else Nothing()


def _settle(situation: Situation) -> Note | None:
    """Record how far what was asked for has come."""
    record, told = situation.record, []
    for each in _in_state(record, State.INTENDED, State.ASKED):
        now = each if situation.is_replaced(each) else _settled(each, situation)
        if now is not each:
            record = record.with_choice(now)
        if now.state is State.FAILED:
            told.append(Told(Outcome.FAILED, now))
    return None if record is situation.record else Note(record, tuple(told))


def _settled(recorded: Recorded, situation: Situation) -> Recorded:
    target = situation.target
    if recorded.stamp == situation.unsent:
        return recorded
    if recorded.state is State.INTENDED and refresh.stamp_of(target) == recorded.stamp:
        return replace(recorded, state=State.ASKED)
    if _is_rendered(recorded, target):
        started = refresh.started_at(target)
        return replace(recorded, state=State.RENDERED, operation=started)
    spent = recorded.attempts >= MOST_ATTEMPTS and situation.is_wanted(recorded)
    if spent and not _is_held(recorded, target) and situation.now >= _due(recorded, situation):
        return replace(recorded, state=State.FAILED, reason=NOT_TAKEN_UP)
    return recorded


def _is_rendered(recorded: Recorded, target: Target) -> bool:
    """Whether Argo CD rendered after it was asked to.

    Of what was only intended, another reconciliation proves nothing: the image must run.
    """
    if not refresh.is_done(recorded, target):
        return False
    if recorded.state is State.INTENDED:
        return refresh.shows(target, recorded.after)
    return refresh.is_taken_up(recorded, target)


def _is_held(recorded: Recorded, target: Target) -> bool:
    """Whether to ask again would change nothing: nobody has looked yet, or healing will ask."""
    return refresh.is_pending(recorded, target) or bool(ailment(target))


def _refresh(situation: Situation) -> Intend | Refresh | Wait | None:
    """Ask for a refresh if one is due; else until when to wait."""
    unsent = _in_state(situation.record, State.INTENDED)
    send = any(e.stamp == situation.unsent and situation.is_wanted(e) for e in unsent)
    due, later = _to_ask(situation)
    if not (send or due):
        return Wait(later) if later is not None else None
    asked_for = refresh.asked_for(situation.target)
    free = _from(situation.pending_since, situation.now) + PATIENCE
    if asked_for == refresh.HARD:
        return None  # whether it began before the choice came, nobody can tell; ours follows it
    if asked_for and situation.now < free:
        return Wait(free)
    return Refresh(situation.unsent) if send else _intend(situation, due)


def _to_ask(situation: Situation) -> tuple[list[Recorded], float | None]:
    """The choices for which a refresh is due, as they are to be intended; when others are."""
    record, now = situation.record, situation.now
    times = [
        (_quiet(situation, wanted), _recorded(wanted, State.INTENDED, record.of(key_of(wanted))))
        for wanted in situation.new
        if wanted.before or not _may_show(situation.target)
    ]
    for each in _in_state(record, State.INTENDED, State.ASKED):
        open_ = situation.is_wanted(each) and each.stamp != situation.unsent
        if open_ and not _is_held(each, situation.target):
            times.append((_due(each, situation), replace(each, state=State.INTENDED)))
    due = [each for time, each in times if time <= now]
    return due, min((time for time, _ in times if time > now), default=None)


def _quiet(situation: Situation, wanted: Wanted) -> float:
    """From when on *wanted*, which is new, may be asked for."""
    first, last = (_from(each, situation.now) for each in situation.came)
    quiet = min(last + QUIET, first + LONGEST)
    if wanted.before or not _is_settling(situation):
        return quiet
    return max(quiet, refresh.ended_at(situation.target) + SETTLING)


def _may_show(target: Target) -> bool:
    """Whether *target* is about to run what is not live: Argo CD never compared it, or syncs it.

    What Argo CD renders for a new Application is the choice already.
    """
    return not refresh.reconciled_at(target) or refresh.is_syncing(target)


def _intend(situation: Situation, due: Sequence[Recorded]) -> Intend:
    target, record = situation.target, situation.record
    stamp = refresh.stamp_at(situation.now)
    for each in due:
        intended = replace(each, attempts=each.attempts + 1, asked_at=situation.now, stamp=stamp)
        record = record.with_choice(_before(intended, target))
    return Intend(record, stamp)


def _sync(situation: Situation, would_sync: WouldSync) -> Note | Sync | Intend | Wait | None:
    """Have rendered choices synced; else until when to wait."""
    target = situation.target
    due = list(_in_state(situation.record, State.RENDERED))
    begun = [(e, "") for e in due if refresh.started_at(target) != e.operation]
    status = refresh.sync_status(target)
    if status == "Synced" and not refresh.is_syncing(target):
        begun = [(each, "") for each in due]
    if begun:
        return _delivered(situation, begun, Outcome.DELIVERED)
    if not due or status != "OutOfSync":
        return None
    if _is_settling(situation):
        return Wait(refresh.ended_at(target) + SETTLING)
    return _as_answered(situation, due, would_sync())


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
            return None if is_asked else _intend(situation, again)
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


def _recorded(wanted: Wanted, state: State, before: Recorded | None) -> Recorded:
    """*wanted* in *state*; *before* is what was recorded of its rule so far."""
    return Recorded(
        choice=wanted.choice,
        state=state,
        after=wanted.after,
        before=wanted.before or (before.after if before else ""),
        title=wanted.title,
        alias=wanted.alias,
        why=wanted.why,
        live=bool(wanted.before),
        good=_good(wanted, before),
    )


def _good(wanted: Wanted, before: Recorded | None) -> LastGood | None:
    if wanted.own:
        return wanted.choice
    return None if before is None else before.good


def _asked(recorded: Recorded, before: Target) -> Recorded:
    return _before(replace(recorded, state=State.ASKED), before)


def _before(recorded: Recorded, target: Target) -> Recorded:
    """*recorded* with how *target* was before it was refreshed."""
    return replace(
        recorded,
        reconciled=refresh.reconciled_at(target),
        operation=refresh.started_at(target),
    )


def _due(recorded: Recorded, situation: Situation) -> float:
    return _from(recorded.asked_at, situation.now) + back_off(recorded.attempts)


def _from(time: float, now: float) -> float:
    """*time*; *now* for one that lies ahead, which a clock gave that was wrong."""
    return min(time, now)


def _in_state(record: Record, *states: State) -> Iterator[Recorded]:
    return (each for each in record.choices if each.state in states)


def _is_settling(situation: Situation) -> bool:
    """Whether an operation has just ended; one that a wrong clock has in the future has not."""
    return 0 <= situation.now - refresh.ended_at(situation.target) < SETTLING
