"""What is noted of choices before anything is done: what runs already, how far others came."""

from __future__ import annotations

from dataclasses import replace

from sidecar.cluster.record import Recorded, State
from sidecar.controller import refresh
from sidecar.controller.attempts import MOST_ATTEMPTS, due_at, good_of, is_held, recorded_as
from sidecar.controller.model import Target, Wanted
from sidecar.controller.steps import Note, Nothing, Outcome, Situation, Told, is_same, key_of

NOT_TAKEN_UP = (
    f"Argo CD was asked {MOST_ATTEMPTS} times to render it anew, and is neither OutOfSync nor "
    "syncing; see the Application's conditions [RT670]"
)
HYDRATED = (
    "the source hydrator commits nothing for a new tag, so nothing is done; use a source without "
    "hydrator, or commit the tag [RT671]"
)


_OVERTAKEN = "overtaken"  # in place of a stamp, and none that Argo CD could have been asked with


def adopt(situation: Situation) -> Note | None:
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


def settle(situation: Situation) -> Note | None:
    """Record how far what was asked for has come."""
    record, told = situation.record, []
    for each in record.in_state(State.INTENDED, State.ASKED):
        now = each if situation.is_replaced(each) else _settled(each, situation)
        if now is not each:
            record = record.with_choice(now)
        if now.state is State.FAILED:
            told.append(Told(Outcome.FAILED, now))
    return None if record is situation.record else Note(record, tuple(told))


def overtake(situation: Situation) -> Note | None:
    """Record that what was asked for may have been rendered as another choice, which came since.

    Should it be wanted again, it is asked for anew, unless it runs: else the sync of the other one
    would be taken for its own.
    """
    record = situation.record
    for each in record.choices:
        if each.state.is_settled or each.stamp == _OVERTAKEN or not situation.is_replaced(each):
            continue
        now = replace(each, state=State.INTENDED, stamp=_OVERTAKEN, attempts=0)
        record = record.with_choice(now)
    return None if record is situation.record else Note(record)


def refuse(situation: Situation) -> Note | Nothing:
    """Give up what the hydrator would not commit; say so for the first one."""
    record, told = situation.record, []
    known = any(each.reason == HYDRATED for each in record.choices)
    for wanted in situation.new:
        failed = recorded_as(State.FAILED, wanted, record.of(key_of(wanted)))
        record = record.with_choice(replace(failed, reason=HYDRATED))
        told.append(Told(Outcome.FAILED, record.choices[0]))
    return Note(record, () if known else tuple(told[:1])) if told else Nothing()


def _known(before: Recorded | None, wanted: Wanted) -> Recorded | None:
    """What is to be recorded of *wanted* without doing anything; None for nothing."""
    if before is None:
        return recorded_as(State.DELIVERED, wanted, None) if wanted.runs else None
    if not is_same(before, wanted):
        return None
    now = replace(before, choice=wanted.choice, good=good_of(wanted, before))
    if before.state is State.FAILED and wanted.runs:
        return replace(now, state=State.DELIVERED, reason="")
    return now if _edited(before) != _edited(now) else None


def _edited(recorded: Recorded) -> tuple[object, ...]:
    """What makes it worth recording anew: not that the registry was looked at again."""
    good = recorded.good
    return recorded.choice.fingerprint, good and (good.fingerprint, good.tag, good.digest)


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
    if spent and not is_held(recorded, target) and situation.now >= due_at(recorded, situation):
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
