"""What is to be done next: a table of single situations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sidecar.cluster.record import MOST_CHOICES, Record, Recorded, State
from sidecar.controller import asking, attempts, refresh
from sidecar.controller.attempts import MOST_ATTEMPTS
from sidecar.controller.autosync import Deferral
from sidecar.controller.model import Target
from sidecar.controller.progress import HYDRATED
from sidecar.controller.steps import (
    Intend,
    Note,
    Nothing,
    Outcome,
    Refresh,
    Situation,
    Step,
    Sync,
    Wait,
)
from tests.controller.argo import SOURCE
from tests.controller.situations import recorded, situation, step, target, time
from tests.controller.world import START, image, wanted


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (situation(target(image("1"))), Nothing),
        (situation(target(image("1")), wanted("2", "1")), Intend),
        (situation(target(image("1")), wanted("1", "1")), Note),
        (situation(target(image("1")), wanted("2", "1"), came=(START, START)), Wait),
        (situation(target(image("1"), asked="hard"), wanted("2", "1")), Nothing),
        (
            situation(target(image("1"), asked="normal"), wanted("2", "1"), pending_since=START),
            Wait,
        ),
        (
            situation(target(metadata={"deletionTimestamp": time(START)}), wanted("2", "1")),
            Nothing,
        ),
        (
            situation(
                target(annotations={"argocd.argoproj.io/skip-reconcile": "true"}),
                wanted("2", "1"),
            ),
            Nothing,
        ),
        (
            situation(
                target(image("1")),
                wanted("2", "1"),
                record=recorded("2", State.INTENDED),
                unsent="x",
            ),
            Refresh,
        ),
        (
            situation(target(image("1")), wanted("2", "1"), record=recorded("2", State.INTENDED)),
            Wait,
        ),
        (
            situation(
                target(image("1")),
                wanted("2", "1"),
                record=recorded("2", State.INTENDED),
                now=START + 30,
            ),
            Intend,
        ),
        (
            situation(
                target(image("1"), asked="hard", stamp="x"),
                wanted("2", "1"),
                record=recorded("2", State.ASKED),
                now=START + 3000,
            ),
            Nothing,
        ),
        (
            situation(
                target(image("1")),
                wanted("2", "1"),
                record=recorded("2", State.ASKED),
                now=START + 30,
            ),
            Intend,
        ),
        (situation(target(image("1")), record=recorded("2", State.ASKED), now=1e12), Nothing),
        (
            situation(
                target(image("1")), wanted("2", "1"), record=recorded("2", State.FAILED), now=1e12
            ),
            Nothing,
        ),
        (
            situation(target(sync="OutOfSync"), record=recorded("2", State.RENDERED)),
            Sync,
        ),
        (situation(target(sync="Unknown"), record=recorded("2", State.RENDERED)), Nothing),
        (situation(target(), record=recorded("2", State.RENDERED)), Note),
    ],
    ids=[
        "nothing wanted",
        "another tag",
        "what runs already",
        "too early",
        "a hard refresh of somebody's",
        "a normal refresh that may run",
        "it is being deleted",
        "Argo CD does not look at it",
        "intended just now",
        "intended by who is gone",
        "intended by who is gone, and time has passed",
        "asked, and nobody has looked",
        "asked, and the annotation is gone without a reconciliation",
        "asked, but no longer wanted",
        "given up",
        "rendered and OutOfSync",
        "rendered, but it cannot be compared now",
        "rendered, and synced",
    ],
)
def test_the_next_step_is(given: Situation, expected: type[Step]) -> None:
    assert isinstance(step(given), expected)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"reconciledAt": None, "operationState": {}}, Nothing),
        ({"operationState": {"phase": "Running", "startedAt": "now"}}, Nothing),
        ({"operationState": {"phase": "Succeeded", "finishedAt": time(START - 1)}}, Wait),
        ({"operationState": {"phase": "Succeeded", "finishedAt": time(START - 60)}}, Intend),
        ({"operationState": {}}, Intend),
    ],
    ids=["never compared", "synced now", "synced just now", "synced long ago", "never synced"],
)
def test_a_new_application_is_not_asked_for_what_it_is_about_to_run(
    status: dict[str, Any], expected: type[Step]
) -> None:
    new = target(sync="OutOfSync", status=status)

    assert isinstance(step(situation(new, wanted("2"))), expected)


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (target(image("1"), sync="OutOfSync", reconciled=START + 3), State.RENDERED),
        (target(image("2"), reconciled=START + 3), State.RENDERED),
        (
            target(image("1"), reconciled=START + 3, operation={"sync": {}}),
            State.RENDERED,
        ),
        (
            target(
                image("1"),
                reconciled=START + 3,
                status={"operationState": {"phase": "Running", "startedAt": "earlier"}},
            ),
            State.RENDERED,
        ),
        (
            target(
                image("1"),
                reconciled=START + 3,
                status={"operationState": {"phase": "Succeeded", "startedAt": "later"}},
            ),
            State.RENDERED,
        ),
        (target(image("1"), reconciled=START + 3), State.ASKED),
        (target(image("1"), sync="OutOfSync"), State.ASKED),
        (
            target(image("1"), sync="OutOfSync", reconciled=START + 3, asked="hard", stamp="x"),
            State.ASKED,
        ),
        (
            target(image("1"), sync="OutOfSync", reconciled=START + 3, asked="normal"),
            State.ASKED,
        ),
        (
            target(image("1"), sync="OutOfSync", reconciled=START + 3, asked="normal", stamp="y"),
            State.RENDERED,
        ),
        (target(image("1"), sync="OutOfSync", status={"reconciledAt": None}), State.ASKED),
        (target(image("1"), sync="OutOfSync", status={"reconciledAt": "?"}), State.RENDERED),
    ],
    ids=[
        "OutOfSync",
        "the image shows",
        "an operation is there",
        "an operation runs",
        "an operation has run",
        "reconciled and nothing shows it",
        "OutOfSync as it was before",
        "the annotation is still there",
        "another one is there, by who states no time",
        "another one came after it",
        "never reconciled",
        "a time that is none",
    ],
)
def test_a_refresh_was_done_when_it_shows(now: Target, state: State) -> None:
    record = recorded("2", State.ASKED)
    given = situation(now, wanted("2", "1"), record=record, now=START + 5)

    settled = step(given)

    found = settled.record if isinstance(settled, Note) else record
    assert found.choices[0].state is state


def test_a_reconciliation_in_the_same_second_counts_if_it_can_be_the_one() -> None:
    same = target(image("1"), sync="OutOfSync", reconciled=START)
    record = recorded("2", State.ASKED, reconciled=time(START))

    done = step(situation(same, wanted("2", "1"), record=record, now=START + 3))

    assert isinstance(done, Note)
    assert done.record.choices[0].state is State.RENDERED


def test_what_was_only_intended_is_done_when_the_image_runs() -> None:
    record = recorded("2", State.INTENDED)
    runs = target(image("1"), image("2"), reconciled=START + 3)
    differs = target(image("1"), sync="OutOfSync", reconciled=START + 3)

    done = step(situation(runs, wanted("2", "1"), record=record, now=START + 5))

    assert isinstance(done, Note)
    assert done.record.choices[0].state is State.RENDERED
    other = situation(differs, wanted("2", "1"), record=record, now=START + 5)
    assert isinstance(step(other), Wait)


def test_what_was_intended_is_asked_for_where_its_stamp_stands() -> None:
    record = recorded("2", State.INTENDED)
    stamped = target(image("1"), asked="hard", stamp="x")

    noted = step(situation(stamped, wanted("2", "1"), record=record))

    assert isinstance(noted, Note)
    assert noted.record.choices[0].state is State.ASKED


def test_an_error_that_is_healed_elsewhere_costs_no_attempts() -> None:
    message = "exit status 5: no connection [RT540]"
    broken = target(
        image("1"),
        sync="Unknown",
        reconciled=START + 3,
        status={"conditions": [{"type": "ComparisonError", "message": message}]},
    )
    record = recorded("2", State.ASKED, attempts=MOST_ATTEMPTS)

    assert step(situation(broken, wanted("2", "1"), record=record, now=1e10)) == Nothing()


def test_the_hydrator_is_never_asked_and_that_is_said_once() -> None:
    hydrator = {"drySource": SOURCE, "syncSource": {}}
    hydrated = target(image("1"), spec={"sourceHydrator": hydrator})

    noted = step(situation(hydrated, wanted("2", "1"), wanted("2", "1", rule="other")))

    assert isinstance(noted, Note)
    [told] = noted.told
    assert told.recorded.reason == HYDRATED
    assert [each.state for each in noted.record.choices] == [State.FAILED, State.FAILED]
    again = step(situation(hydrated, wanted("3", "1"), record=noted.record))
    assert isinstance(again, Note)
    assert again.told == ()
    both = (wanted("2", "1"), wanted("2", "1", rule="other"))
    assert step(situation(hydrated, *both, record=noted.record)) == Nothing()


def test_an_edit_of_the_rule_is_recorded_and_refreshes_nothing() -> None:
    record = recorded("1", State.DELIVERED, good=wanted("1").choice)
    edited = replace(wanted("1", "1"), choice=replace(wanted("1").choice, fingerprint="g"))

    noted = step(situation(target(image("1")), edited, record=record))

    assert isinstance(noted, Note)
    assert noted.told == ()
    assert noted.record.last_good == (edited.choice,)
    looked = replace(edited, choice=replace(edited.choice, observed_at=99.0))
    assert step(situation(target(image("1")), looked, record=noted.record)) == Nothing()


def test_a_pin_is_delivered_and_the_last_good_choice_stays() -> None:
    record = recorded("3", State.DELIVERED, good=wanted("3").choice)
    pinned = wanted("2", "3", own=False)

    intended = step(situation(target(image("3")), pinned, record=record))

    assert isinstance(intended, Intend)
    assert intended.record.choices[0].choice.tag == "2"
    assert intended.record.last_good == (wanted("3").choice,)


def test_to_go_back_to_what_ran_before_is_a_new_choice_even_while_that_runs() -> None:
    record = recorded("2", State.ASKED)
    back = wanted("1", "1")

    assert isinstance(step(situation(target(image("1")), back, record=record)), Intend)


@pytest.mark.parametrize(
    ("record", "before"),
    [
        (recorded("1", State.DELIVERED), "1"),
        (recorded("2", State.ASKED, before=image("1")), "1"),
        (recorded("3", State.DELIVERED, before=image("1")), "1"),
    ],
    ids=["one delivered", "one that was never rendered", "the same, asked for anew"],
)
def test_what_ran_is_known_though_somebody_else_was_faster(record: Record, before: str) -> None:
    now = attempts.recorded_as(State.INTENDED, wanted("3", "3"), record.choices[0])

    assert (now.before, now.after) == (image(before), image("3"))


def test_a_choice_that_was_given_up_and_runs_all_the_same_is_delivered() -> None:
    record = recorded("2", State.FAILED, reason="made up")

    noted = step(situation(target(image("2")), wanted("2", "2"), record=record))

    assert isinstance(noted, Note)
    assert noted.record.choices[0].state is State.DELIVERED
    assert noted.record.choices[0].reason == ""


def test_the_last_attempt_is_not_given_up_before_somebody_has_looked() -> None:
    late, choice = START + 10**6, wanted("2", "1")
    pending = target(image("1"), asked="hard", stamp="x")
    asked = recorded("2", State.ASKED, attempts=MOST_ATTEMPTS)
    intended = recorded("2", State.INTENDED, attempts=MOST_ATTEMPTS)

    assert step(situation(pending, choice, record=asked, now=late)) == Nothing()
    unsent = situation(target(image("1")), choice, record=intended, now=late, unsent="x")
    assert step(unsent) == Refresh("x")
    given_up = step(situation(target(image("1")), choice, record=asked, now=late))
    assert isinstance(given_up, Note)
    assert given_up.told[0].outcome is Outcome.FAILED


def test_the_last_attempt_has_as_long_as_each_before() -> None:
    choice, its_time = wanted("2", "1"), attempts.back_off(MOST_ATTEMPTS)
    asked = recorded("2", State.ASKED, attempts=MOST_ATTEMPTS)

    early = situation(target(image("1")), choice, record=asked, now=START + its_time - 1)
    assert not isinstance(step(early), Note)
    late = situation(target(image("1")), choice, record=asked, now=START + its_time)
    assert isinstance(step(late), Note)


def test_what_a_newer_choice_has_replaced_is_not_taken_for_delivered() -> None:
    rendered = target(image("1"), sync="OutOfSync", reconciled=START + 3)
    given = situation(
        rendered, wanted("3", "1"), record=recorded("2", State.ASKED), now=START + 60
    )
    taken = step(given)

    assert isinstance(taken, Intend)
    assert [(each.after, each.state) for each in taken.record.choices] == [
        (image("3"), State.INTENDED)
    ]


@pytest.mark.parametrize("state", [State.ASKED, State.RENDERED])
@pytest.mark.parametrize(("live", "expected"), [("1", Intend), ("2", Note)])
def test_a_choice_that_comes_back_is_asked_for_anew_unless_it_runs(
    state: State, live: str, expected: type[Step]
) -> None:
    """Argo CD rendered the one between, and would sync that."""
    pending = target(image("1"), sync="OutOfSync", asked="hard", stamp="x")
    differs = target(image(live), sync="OutOfSync", reconciled=START + 3)

    given = situation(pending, wanted("3", "1"), record=recorded("2", state))
    noted = step(given, Deferral("a window is closed"))

    assert isinstance(noted, Note)
    assert noted.told == ()
    assert step(replace(given, record=noted.record)) == Nothing()
    back = situation(differs, wanted("2", "1"), record=noted.record, now=START + 15)
    taken = step(back)
    assert isinstance(taken, expected)
    assert isinstance(taken, Intend | Note)
    assert taken.record.choices[0].attempts == (1 if live == "1" else 0)


def test_choices_that_keep_coming_are_waited_for_only_so_long() -> None:
    given = situation(target(image("1")), wanted("2", "1"))

    longest = START - asking.LONGEST
    assert step(replace(given, came=(longest + 1, START))) == Wait(START + 1)
    assert isinstance(step(replace(given, came=(longest, START))), Intend)


def test_what_is_intended_is_asked_for_before_another_choice_is() -> None:
    another = wanted("5", "1", rule="another")
    given = situation(
        target(image("1")),
        wanted("2", "1"),
        another,
        record=recorded("2", State.INTENDED),
        unsent="x",
    )

    assert step(given) == Refresh("x")


def test_a_clock_that_was_ahead_holds_nothing_up() -> None:
    record = recorded("2", State.ASKED, asked_at=START + 10**6)
    waits = step(situation(target(image("1")), wanted("2", "1"), record=record, now=START))

    assert waits == Wait(START + 30)


def test_choices_are_bounded_and_open_ones_stay() -> None:
    record = recorded("2", State.RENDERED)
    for number in range(MOST_CHOICES + 50):
        other = wanted("1", "1", rule=f"rule-{number}")
        record = record.with_choice(
            Recorded(choice=other.choice, state=State.DELIVERED, after=other.after)
        )

    assert len(record.choices) == MOST_CHOICES
    assert record.choices[-1].state is State.RENDERED


def test_what_runs_and_is_no_reference_shows_itself_alone() -> None:
    odd = target("?!", "registry.example.com/team/app:1")

    assert refresh.shows(odd, "?!")
    assert not refresh.shows(odd, image("2"))


def test_a_time_that_is_none_and_has_not_changed_proves_nothing() -> None:
    odd = target(image("1"), sync="OutOfSync", status={"reconciledAt": "?"})
    record = recorded("2", State.ASKED, reconciled="?")

    assert isinstance(step(situation(odd, wanted("2", "1"), record=record)), Wait)
