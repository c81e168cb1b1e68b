"""What becomes of a choice that is rendered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.cluster.record import State
from sidecar.controller.attempts import MOST_ATTEMPTS
from sidecar.controller.autosync import Acts, Answer, Deferral, Refusal, Why
from sidecar.controller.model import Wanted
from sidecar.controller.refresh import SETTLING
from sidecar.controller.steps import (
    Intend,
    Note,
    Nothing,
    Outcome,
    Refresh,
    Step,
    Sync,
    Wait,
)
from tests.controller.situations import OPERATION, recorded, situation, step, target, time
from tests.controller.world import START, image, wanted


@pytest.mark.parametrize(
    ("ended", "expected"),
    [(START - 1, Wait), (START - SETTLING, Sync), (START + 3600, Sync), (None, Sync)],
    ids=["just now", "a while ago", "in the future, by a wrong clock", "it does not say"],
)
def test_a_status_of_before_an_operation_starts_no_second_one(
    ended: float | None, expected: type[Step]
) -> None:
    state = {"phase": "Succeeded", "startedAt": "earlier"}
    state |= {} if ended is None else {"finishedAt": time(ended)}
    stale = target(sync="OutOfSync", status={"operationState": state})

    assert isinstance(step(situation(stale, record=recorded("2", State.RENDERED))), expected)


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (Acts(), Outcome.DELIVERED, ""),
        (Refusal(Why.MANUAL), Outcome.LEFT, str(Why.MANUAL)),
        (Refusal(Why.EMPTY), Outcome.LEFT, str(Why.EMPTY)),
    ],
    ids=["Argo CD acts by itself", "automated sync is off", "all would be pruned"],
)
def test_a_sync_that_is_none_of_ours_ends_the_delivery(
    answer: Answer, outcome: Outcome, reason: str
) -> None:
    given = situation(target(sync="OutOfSync"), record=recorded("2", State.RENDERED))

    noted = step(given, answer)

    assert isinstance(noted, Note)
    [told] = noted.told
    assert (told.outcome, told.recorded.reason) == (outcome, reason)
    assert told.recorded.state is State.DELIVERED


def test_once_a_window_has_opened_argo_cd_is_asked_to_look() -> None:
    record = recorded("2", State.RENDERED)
    given = situation(target(sync="OutOfSync"), wanted("2", "1"), record=record)

    asked = step(given, Acts(unseen=True))

    assert isinstance(asked, Intend)
    [intended] = asked.record.choices
    assert (intended.state, intended.attempts) == (State.INTENDED, 2)
    sent = replace(given, record=asked.record, unsent=asked.stamp)
    assert step(sent, Acts(unseen=True)) == Refresh(asked.stamp)


def test_a_look_that_is_asked_for_already_is_waited_for_after_a_window() -> None:
    record = recorded("2", State.RENDERED)
    looked = target(sync="OutOfSync", asked="normal")

    assert step(situation(looked, wanted("2", "1"), record=record), Acts(unseen=True)) == Nothing()


def test_what_argo_cd_syncs_by_itself_is_not_looked_for_once_more() -> None:
    record = recorded("2", State.RENDERED)

    noted = step(situation(target(sync="OutOfSync"), wanted("2", "1"), record=record), Acts())

    assert isinstance(noted, Note)
    assert noted.record.choices[0].state is State.DELIVERED


@pytest.mark.parametrize(
    ("attempts", "choices"),
    [(MOST_ATTEMPTS, [wanted("2", "1")]), (1, [])],
    ids=["asked as often as may be", "nobody wants it any more"],
)
def test_in_vain_argo_cd_is_not_asked_to_look_after_a_window(
    attempts: int, choices: list[Wanted]
) -> None:
    record = recorded("2", State.RENDERED, attempts=attempts)

    noted = step(situation(target(sync="OutOfSync"), *choices, record=record), Acts(unseen=True))

    assert isinstance(noted, Note)
    assert noted.record.choices[0].state is State.DELIVERED


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Deferral("a window is closed", START + 6), Wait(START + 6, "a window is closed")),
        (Deferral("a window is closed", START + 600), Wait(START + 60, "a window is closed")),
        (Deferral(Why.RUNNING), Wait(START + 60, Why.RUNNING)),
        (Refusal(Why.ERROR), Nothing()),
    ],
    ids=["a window that opens", "one that opens late", "an operation that runs", "an error"],
)
def test_a_sync_that_has_to_wait_is_not_dropped(answer: Answer, expected: Step) -> None:
    given = situation(target(sync="OutOfSync"), record=recorded("2", State.RENDERED))

    assert step(given, answer) == expected


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_sync_that_failed_is_repeated_only_for_a_changed_choice(phase: str) -> None:
    failed = target(
        image("1"),
        sync="OutOfSync",
        status={"operationState": {"phase": phase, "startedAt": "later"}},
    )
    same = situation(failed, wanted("2", "1"), record=recorded("2", State.DELIVERED))
    rendered = recorded("3", State.RENDERED, operation="later")

    assert step(same) == Nothing()
    assert step(situation(failed, wanted("3", "1"), record=rendered)) == Sync(OPERATION)


def test_what_is_synced_is_delivered_once_no_operation_runs() -> None:
    record = recorded("2", State.RENDERED)

    assert isinstance(step(situation(target(operation={"sync": {}}), record=record)), Nothing)
    assert isinstance(step(situation(target(), record=record)), Note)
