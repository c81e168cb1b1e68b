"""The laws of a delivery: one Application, whatever happens around it."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.cluster.record import State
from sidecar.controller import attempts, syncing
from sidecar.controller.attempts import MOST_ATTEMPTS
from sidecar.controller.autosync import Answer, Deferral, Why
from sidecar.controller.delivery import next_step
from sidecar.controller.model import Target
from sidecar.controller.steps import (
    Intend,
    Note,
    Nothing,
    Refresh,
    Situation,
    Sync,
    Wait,
)
from tests.controller.situations import EMPTY, OPERATION, target
from tests.controller.world import START, image, wanted
from tests.effort import examples


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
TestDeliveries.settings = settings(max_examples=examples(150), stateful_step_count=40)
