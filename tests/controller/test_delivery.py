"""What is to be done next: the laws of the machine, and a table of single situations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.cluster.record import MOST_CHOICES, Record, Recorded, State
from sidecar.controller import asking, attempts, refresh, syncing
from sidecar.controller.attempts import MOST_ATTEMPTS
from sidecar.controller.autosync import Acts, Answer, Deferral, Operation, Refusal, Why
from sidecar.controller.delivery import next_step
from sidecar.controller.model import Target, Wanted, target_of
from sidecar.controller.progress import HYDRATED
from sidecar.controller.refresh import SETTLING
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
from tests.controller.argo import REFRESH, SOURCE, STAMP
from tests.controller.world import START, image, wanted

EMPTY = Record(namespace="argocd", name="app", uid="7")
OPERATION = Operation({"sync": {}})


def time(seconds: float) -> str:
    """As Argo CD writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def target(
    *images: str,
    sync: str = "Synced",
    reconciled: float = START - 60,
    asked: str = "",
    stamp: str = "",
    **fields: Any,
) -> Target:
    """An Application; *fields* are more of its manifest."""
    annotations = {REFRESH: asked} if asked else {}
    annotations |= {STAMP: stamp} if stamp else {}
    annotations |= fields.pop("annotations", {})
    status = {
        "sync": {"status": sync},
        "reconciledAt": time(reconciled),
        "summary": {"images": list(images)},
        "operationState": {"phase": "Succeeded", "startedAt": "earlier"},
        **fields.pop("status", {}),
    }
    metadata = {
        "namespace": "argocd",
        "name": "app",
        "uid": "7",
        "annotations": annotations,
        **fields.pop("metadata", {}),
    }
    manifest = {
        "metadata": metadata,
        "spec": {"source": SOURCE, **fields.pop("spec", {})},
        "status": status,
        **fields,
    }
    found = target_of(manifest, "app")
    assert found is not None
    return found


def situation(target: Target, *wanted: Wanted, **fields: Any) -> Situation:
    """Long after *wanted* came."""
    stated: dict[str, Any] = {"record": EMPTY, "now": START, "came": (START - 60, START - 60)}
    return Situation(target=target, wanted=wanted, **(stated | fields))


def recorded(tag: str, state: State, **fields: Any) -> Record:
    """A record with one live choice."""
    choice = wanted(tag, "1")
    fields = {"live": True, "stamp": "x", "attempts": 1, "asked_at": START} | fields
    fields = {"good": choice.choice} | fields
    fields = {"reconciled": time(START - 60), "operation": "earlier"} | fields
    each = Recorded(choice=choice.choice, state=state, after=choice.after, **fields)
    return EMPTY.with_choice(each)


def step(situation: Situation, answer: Answer = OPERATION) -> Step:
    """The next step, if automated sync would answer so."""
    return next_step(situation, lambda: answer)


DONE = {"reconciled": START + 3, "stamp": ""}


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


def test_what_is_synced_is_delivered_once_no_operation_runs() -> None:
    record = recorded("2", State.RENDERED)

    assert isinstance(step(situation(target(operation={"sync": {}}), record=record)), Nothing)
    assert isinstance(step(situation(target(), record=record)), Note)


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


class Deliveries(RuleBasedStateMachine):
    """One Application, an Argo CD that may lose refreshes, leaders that are killed, windows."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.live = "1"
        self.rendered = "1"
        self.tag = "1"
        self.record = EMPTY
        self.asked = ""  # the stamp that stands in the annotation
        self.status = "Synced"
        self.reconciled = START - 60
        self.began = 0
        self.operation = False
        self.window = True
        self.unsent = ""
        self.came = (0.0, 0.0)
        self.refreshes: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.writes = 0

    @property
    def target(self) -> Target:
        operation: dict[str, Any] = {"operation": {"sync": {}}} if self.operation else {}
        state = {"phase": "Succeeded", "startedAt": str(self.began)}
        return target(
            image(self.live),
            sync=self.status,
            reconciled=self.reconciled,
            asked="hard" if self.asked else "",
            stamp=self.asked,
            status={"operationState": state},
            **operation,
        )

    @property
    def situation(self) -> Situation:
        return Situation(
            target=self.target,
            record=self.record,
            wanted=(wanted(self.tag, self.live),),
            now=self.now,
            came=self.came,
            unsent=self.unsent,
        )

    def answer(self) -> Answer:
        if self.operation:
            return Deferral(Why.RUNNING)
        return OPERATION if self.window else Deferral("closed", self.now + 600)

    def step(self) -> bool:
        """One step; False if there is nothing to do now."""
        taken = next_step(self.situation, self.answer)
        self.writes += isinstance(taken, Note | Intend | Refresh | Sync)
        match taken:
            case Note(record=record):
                self.record = record
            case Intend(record=record, stamp=stamp):
                self.record, self.unsent = record, stamp
            case Refresh(stamp=stamp):
                before = self.target
                self.asked, self.unsent = stamp, ""
                self.refreshes[self.tag] = self.refreshes.get(self.tag, 0) + 1
                self.record = attempts.asked(self.record, stamp, before)
            case Sync():
                self.operation = True
                self.record = syncing.synced(self.situation).record
            case Nothing() | Wait():
                return False
        return True

    @rule(tag=st.integers(2, 6))
    def choose(self, tag: int) -> None:
        if self.record.of(("app", "registry.example.com/team/app")) is None:
            while self.step():
                pass
        if str(tag) != self.tag:
            self.tag = str(tag)
            self.came = (self.now, self.now)
            self.refreshes.pop(self.tag, None)
            self.lost.pop(self.tag, None)
            while self.step():  # each choice is looked at when it comes
                pass

    @rule()
    def deliver(self) -> None:
        self.step()

    @rule(seconds=st.sampled_from([1.0, 5.0, 31.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def kill(self) -> None:
        if self.unsent:
            self.lost[self.tag] = self.lost.get(self.tag, 0) + 1
        self.unsent = ""

    @precondition(lambda self: self.asked)
    @rule()
    def lose(self) -> None:
        """Argo CD drops the request, as it may while it reconciles."""
        self.asked = ""
        self.lost[self.tag] = self.lost.get(self.tag, 0) + 1

    @precondition(lambda self: self.asked)
    @rule()
    def reconcile(self) -> None:
        self.now += 1
        self.reconciled = self.now
        self.asked, self.rendered = "", self.tag
        self.status = "Synced" if self.rendered == self.live else "OutOfSync"

    @precondition(lambda self: self.operation)
    @rule()
    def operate(self) -> None:
        self.now += 1
        self.operation = False
        self.began += 1
        self.live, self.status = self.rendered, "Synced"

    @rule(is_open=st.booleans())
    def turn_window(self, *, is_open: bool) -> None:
        self.window = is_open

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert all(each.attempts <= MOST_ATTEMPTS for each in self.record.choices)

    @invariant()
    def nothing_is_asked_twice_without_a_loss(self) -> None:
        for tag, count in self.refreshes.items():
            assert count <= 1 + self.lost.get(tag, 0)

    def teardown(self) -> None:
        """In the end all is delivered, or was given up; and then nothing is written."""
        self.window = True
        for _ in range(200):
            while self.step():
                pass
            if self.asked:
                self.reconcile()
            elif self.operation:
                self.operate()
            else:
                self.now += 100
        each = self.record.of(("app", "registry.example.com/team/app"))
        assert each is not None
        assert each.choice.tag == self.tag
        assert each.state.is_settled
        if each.state is State.DELIVERED:
            assert self.live == self.tag
        else:
            assert self.lost.get(self.tag, 0) >= MOST_ATTEMPTS
        writes = self.writes
        self.now += 10**6
        self.step()
        assert self.writes == writes


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
