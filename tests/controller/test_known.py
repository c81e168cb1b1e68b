"""What is known of Applications, and the steps that are taken with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from sidecar.cluster.record import Record, State
from sidecar.controller.known import KnownApplications
from sidecar.controller.model import Target
from sidecar.controller.perform import Performer
from sidecar.controller.steps import Refresh, Sync
from sidecar.controller.writer import StaleError
from sidecar.kubernetes.errors import ClusterError, ConflictError
from tests.controller.argo import SOURCE
from tests.controller.situations import OPERATION, recorded, situation, target
from tests.controller.world import START, wanted

KEY = ("argocd", "app")
FAULT = {"conditions": [{"type": "ComparisonError", "message": "code = Unavailable"}]}


def seen(version: str, uid: str = "7", **fields: Any) -> Target:
    return target(metadata={"resourceVersion": version, "uid": uid}, **fields)


@dataclass
class Writer:
    """Answers as told, and notes what it is asked for."""

    found: Target | None = None
    fault: ClusterError | None = None
    asked: list[str] = field(default_factory=list)

    async def refresh(self, _target: Target, _stamp: str, reason: str) -> Target | None:
        self.asked.append(reason)
        if self.fault:
            raise self.fault
        return self.found

    async def sync(self, _target: Target, _patch: Any) -> Target | None:
        return self.found

    async def read(self, _target: Target) -> Target | None:
        return self.found

    async def record(self, record: Record) -> None:
        """Take it."""

    async def tell(self, _target: Target, _told: Any) -> None:
        """Hear it."""


@dataclass
class Subject:
    now: float = START
    writer: Any = field(default_factory=Writer)

    def __post_init__(self) -> None:
        def clock() -> float:
            return self.now

        self.applications = KnownApplications(clock, clock)
        self.performer = Performer(
            applications=self.applications,
            writer=self.writer,
            teller=self.writer,
            gap=0.0,
            later=lambda _key, _seconds: None,
            clock=clock,
            wall=clock,
        )


def test_an_older_version_is_not_taken_and_another_application_is_known_anew() -> None:
    it = Subject().applications
    first = it.take(seen("2"))
    first.failures = 3

    assert it.take(seen("1")) is first
    assert first.target.version == "2"
    assert it.take(seen("3")) is first
    assert first.target.version == "3"
    assert it.take(seen("4", "8")).failures == 0


def test_what_is_there_again_is_not_gone_and_what_is_gone_is_not_brought_back() -> None:
    it = Subject().applications
    it.take(seen("1"))
    it.lose(KEY)
    assert it.is_gone(KEY)
    it.see(seen("2"))
    assert it.get(KEY) is None
    assert it.is_gone(KEY)

    it.take(seen("3"))
    assert not it.is_gone(KEY), "its record would be deleted"
    it.lose(KEY)
    it.leave(KEY)
    assert not it.is_gone(KEY)


def test_a_refresh_is_pending_since_it_was_first_seen() -> None:
    subject = Subject()
    pending = subject.applications.take(seen("1", asked="normal"))
    subject.now += 5
    subject.applications.take(seen("2", asked="normal"))
    assert pending.pending_since == START
    subject.applications.take(seen("3"))
    assert pending.pending_since == 0


def test_choices_come_together_until_none_is_new_for_a_while() -> None:
    known = Subject().applications.take(seen("1"))
    one, other = wanted("2", "1"), wanted("3", "1", rule="other")
    known.hear([one], START)
    known.hear([one, other], START + 1)
    assert known.came == (START, START + 1)
    known.hear([one], START + 2)
    assert known.came == (START, START + 1), "that one is wanted no more is nothing new"
    known.hear([wanted("4", "1")], START + 60)
    assert known.came == (START + 60, START + 60)
    known.hear([wanted("5", "1")], START)
    assert known.came == (START, START), "the clock was set back"


def test_what_is_healed_is_asked_for_once_and_known_as_it_is_then() -> None:
    subject = Subject(writer=Writer(found=seen("2", status=FAULT)))
    known = subject.applications.take(seen("1", status=FAULT))
    known.heal = "made up"

    asyncio.run(subject.performer.heal(known))

    assert (subject.writer.asked, known.heal, known.target.version) == (["heal"], "", "2")

    of_nobody = Subject()
    known = of_nobody.applications.take(seen("1", status=FAULT))
    known.heal = "made up"
    asyncio.run(of_nobody.performer.heal(known))
    assert (of_nobody.writer.asked, known.heal) == (["heal"], "")


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"spec": {"sourceHydrator": {"drySource": SOURCE}}},
        {"asked": "normal"},
        {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}},
    ],
    ids=["it is being deleted", "hydrated", "a look is asked for", "Argo CD does not look"],
)
def test_what_no_refresh_heals_is_not_asked_for(fields: dict[str, Any]) -> None:
    subject = Subject()
    known = subject.applications.take(target(status=FAULT, **fields))
    known.heal = "made up"

    asyncio.run(subject.performer.heal(known))

    assert subject.writer.asked == []


def test_after_a_sync_the_application_is_known_as_it_is_then() -> None:
    subject = Subject(writer=Writer(found=seen("2")))
    known = subject.applications.take(seen("1"))
    given = situation(known.target, record=recorded("2", State.RENDERED))

    assert asyncio.run(subject.performer.take(known, given, Sync(OPERATION)))

    assert known.target.version == "2"


def test_what_has_changed_meanwhile_is_known_before_it_is_decided_anew() -> None:
    fault = ConflictError("RT654", "made up")
    subject = Subject(writer=Writer(found=seen("2"), fault=fault))
    known = subject.applications.take(seen("1"))
    given = situation(known.target, record=recorded("2", State.INTENDED))

    with pytest.raises(StaleError):
        asyncio.run(subject.performer.take(known, given, Refresh("x")))

    assert known.target.version == "2"


@pytest.mark.parametrize(
    ("attempts", "stamp", "reason"), [(1, "x", "choice"), (2, "x", "again"), (2, "y", "choice")]
)
def test_only_a_choice_that_was_asked_for_before_is_asked_for_again(
    attempts: int, stamp: str, reason: str
) -> None:
    subject = Subject()
    known = subject.applications.take(seen("1"))
    record = recorded("2", State.INTENDED, attempts=attempts, stamp=stamp)

    asyncio.run(
        subject.performer.take(known, situation(known.target, record=record), Refresh("x"))
    )

    assert subject.writer.asked == [reason]
