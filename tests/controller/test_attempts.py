"""What is recorded of each attempt, so that the next look can tell what came of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.cluster.record import State
from sidecar.controller import attempts
from sidecar.controller.steps import Intend, Note, Nothing, Outcome, Refresh, Sync
from tests.controller.situations import EMPTY, recorded, situation, step, target, time
from tests.controller.world import START, image, wanted


@pytest.mark.parametrize(("before", "live"), [("1", True), ("", False)])
def test_only_of_an_image_that_is_live_argo_cd_has_to_show_what_came(
    before: str, *, live: bool
) -> None:
    assert attempts.recorded_as(State.INTENDED, wanted("2", before), None).live is live


def test_an_attempt_has_how_the_application_was_when_it_was_intended_and_when_it_was_asked() -> (
    None
):
    first = target(image("1"), reconciled=START - 30)
    then = target(
        image("1"),
        reconciled=START - 20,
        status={"operationState": {"phase": "Succeeded", "startedAt": "then"}},
    )

    intended = step(situation(first, wanted("2", "1")))
    assert isinstance(intended, Intend)
    [each] = intended.record.choices
    assert (each.reconciled, each.operation) == (time(START - 30), "earlier")

    [each] = attempts.asked(intended.record, intended.stamp, then).choices
    assert (each.state, each.reconciled, each.operation) == (
        State.ASKED,
        time(START - 20),
        "then",
    )


def test_only_what_was_intended_with_a_stamp_was_asked_for_with_it() -> None:
    record = EMPTY
    for rule, state, stamp in (
        ("a", State.INTENDED, "x"),
        ("b", State.INTENDED, "y"),
        ("c", State.FAILED, "x"),
        ("d", State.INTENDED, "x"),
    ):
        made = attempts.recorded_as(state, wanted("2", "1", rule=rule), None)
        record = record.with_choice(replace(made, stamp=stamp))

    asked = attempts.asked(record, "x", target())

    states = {each.choice.rule: each.state for each in asked.choices}
    assert states == {
        "a": State.ASKED,
        "b": State.INTENDED,
        "c": State.FAILED,
        "d": State.ASKED,
    }


def test_what_was_synced_before_argo_cd_rendered_is_synced_once_more() -> None:
    """An operation that ran since it was asked may be of what was rendered before."""
    later = {"operationState": {"phase": "Succeeded", "startedAt": "later"}}
    differs = target(image("1"), sync="OutOfSync", reconciled=START + 3, status=later)
    given = situation(differs, wanted("2", "1"), record=recorded("2", State.ASKED), now=START + 60)

    rendered = step(given)

    assert isinstance(rendered, Note)
    assert rendered.record.choices[0].operation == "later"
    assert isinstance(step(replace(given, record=rendered.record)), Sync)


def test_what_nobody_wants_any_more_is_neither_asked_for_nor_given_up() -> None:
    spent = recorded("2", State.ASKED, attempts=attempts.MOST_ATTEMPTS)
    unsent = recorded("2", State.INTENDED)

    assert step(situation(target(image("1")), record=spent, now=START + 10**6)) == Nothing()
    assert step(situation(target(image("1")), record=unsent, unsent="x")) == Nothing()
    wanted_still = situation(target(image("1")), wanted("2", "1"), record=unsent, unsent="x")
    assert step(wanted_still) == Refresh("x")


def test_what_is_live_is_not_held_up_by_a_sync_that_has_just_ended() -> None:
    ended = {"operationState": {"phase": "Succeeded", "finishedAt": time(START - 1)}}

    assert isinstance(step(situation(target(image("1"), status=ended), wanted("2", "1"))), Intend)


@pytest.mark.parametrize("what", ["fingerprint", "good"])
def test_what_decides_otherwise_than_before_is_recorded(what: str) -> None:
    record = recorded("2", State.DELIVERED)
    choice = wanted("2", "2")
    if what == "good":
        record = recorded("2", State.DELIVERED, good=wanted("1").choice)
    else:
        edited = replace(choice.choice, fingerprint="edited")
        choice = replace(choice, choice=edited, own=False)

    noted = step(situation(target(image("2")), choice, record=record))

    assert isinstance(noted, Note)
    assert noted.told == ()
    [each] = noted.record.choices
    good = choice.choice if what == "good" else wanted("2").choice
    assert (each.choice, each.good) == (choice.choice, good)


def test_what_is_delivered_is_in_the_history() -> None:
    record = recorded("2", State.RENDERED, before=image("1"))

    noted = step(situation(target(image("2")), wanted("2", "2"), record=record))

    assert isinstance(noted, Note)
    [told] = noted.told
    assert told.outcome is Outcome.DELIVERED
    [past] = noted.record.history
    assert (past.at, past.before, past.after) == (START, image("1"), image("2"))
