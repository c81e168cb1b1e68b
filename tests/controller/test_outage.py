"""Which outages are told, and how the warnings are written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.reference import Repository
from sidecar.cluster.record import Recorded
from sidecar.controller.limits import Bucket
from sidecar.controller.model import Target
from sidecar.controller.outage import LASTING, LEAST_LOOKS, Outages, Warnings
from sidecar.controller.targets import Login
from tests.controller.test_targets import target

LOGIN = Login(Repository("registry.example.com", "team/app"))
WEB, JOB = ("argocd", "web"), ("argocd", "job")


@given(st.lists(st.tuples(st.floats(0, 2 * LASTING), st.booleans()), max_size=30))
def test_an_application_is_told_once_for_an_outage_and_never_early(
    looks: list[tuple[float, bool]],
) -> None:
    outages, now = Outages(), 0.0
    failed: list[float] = []
    is_told = False
    for seconds, is_read in looks:
        now += seconds
        if is_read:
            outages.over(LOGIN)
            failed, is_told = [], False
            continue
        failed.append(now)
        lasts = len(failed) >= LEAST_LOOKS and now - failed[0] >= LASTING
        expected = {WEB} if lasts and not is_told else set()
        assert outages.failed(LOGIN, [WEB], now) == expected
        is_told |= lasts


def test_outages_of_two_logins_are_two() -> None:
    outages, other = Outages(), Login(LOGIN.repository, "pullsecret:argocd/other")
    for now in (0.0, 1.0):
        outages.failed(LOGIN, [WEB], now)
    assert outages.failed(other, [JOB], LASTING) == set()
    assert outages.failed(LOGIN, [WEB], LASTING) == {WEB}


def test_who_uses_it_anew_while_it_lasts_is_told_again() -> None:
    outages = Outages()
    for now in (0.0, 1.0):
        outages.failed(LOGIN, [WEB], now)
    assert outages.failed(LOGIN, [WEB], LASTING) == {WEB}
    assert outages.failed(LOGIN, [JOB], LASTING) == {JOB}
    assert outages.failed(LOGIN, [WEB, JOB], LASTING) == {WEB}


def test_an_outage_lasts_until_it_is_over_and_the_next_is_another() -> None:
    outages = Outages()
    assert not outages.lasting(LOGIN)()
    outages.failed(LOGIN, [WEB], 0.0)
    lasts = outages.lasting(LOGIN)
    outages.failed(LOGIN, [WEB], 1.0)
    assert lasts()

    outages.over(LOGIN)
    outages.failed(LOGIN, [WEB], 2.0)
    assert not lasts()
    assert outages.lasting(LOGIN)()


@dataclass
class Written:
    """`Events` that notes failures; the first one may be a *fault*."""

    fault: bool = False
    told: list[tuple[str, str]] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def updated(self, _target: Target, _choices: Iterable[Recorded], /) -> None:
        """Nobody says so here."""
        raise AssertionError

    async def failed(self, target: Target, reason: str, /) -> None:
        """Note it."""
        if self.fault:
            self.fault = False
            raise ValueError("made up")
        self.told.append((target.application.name, reason))
        if reason == "last":
            self.done.set()


def _lasts() -> bool:
    return True


def _written(events: Written, *leads: bool) -> list[tuple[str, str]]:
    """What is written of as many warnings as *leads*, and one more that this replica leads for."""

    async def run() -> None:
        turns = iter([*leads, True])
        paced = Bucket(1.0, 1000, clock=lambda: 0.0)
        warnings = Warnings(events, lambda: next(turns), paced.take)
        for number in range(len(leads)):
            warnings.tell(target(), f"{number}", _lasts)
        warnings.tell(target(), "last", _lasts)
        running = asyncio.create_task(warnings.run())
        await asyncio.wait_for(events.done.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    return events.told


def test_of_many_warnings_each_waits_for_its_turn() -> None:
    async def run() -> None:
        events, turns = Written(), asyncio.Semaphore(2)
        warnings = Warnings(events, lambda: True, _turn(turns))
        for number in range(4):
            warnings.tell(target(), f"{number}", _lasts)
        running = asyncio.create_task(warnings.run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert [why for _, why in events.told] == ["0", "1"]

        turns.release()
        for _ in range(20):
            await asyncio.sleep(0)
        assert [why for _, why in events.told] == ["0", "1", "2"]

        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_of_an_outage_that_is_over_nobody_is_warned_any_more() -> None:
    async def run() -> None:
        events, turns, outages = Written(), asyncio.Semaphore(1), Outages()
        warnings = Warnings(events, lambda: True, _turn(turns))
        outages.failed(LOGIN, [WEB], 0.0)
        for number in range(5):
            warnings.tell(target(), f"{number}", outages.lasting(LOGIN))
        running = asyncio.create_task(warnings.run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert [why for _, why in events.told] == ["0"]

        outages.over(LOGIN)
        warnings.tell(target(), "last", _lasts)
        turns.release()  # for the one that waits for its turn already
        turns.release()  # none of the others takes one
        await asyncio.wait_for(events.done.wait(), 20)
        assert [why for _, why in events.told] == ["0", "last"]

        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def _turn(turns: asyncio.Semaphore) -> Callable[[], Awaitable[None]]:
    async def take() -> None:
        await turns.acquire()

    return take


def test_who_does_not_lead_warns_nobody() -> None:
    assert _written(Written(), False, True) == [("web", "1"), ("web", "last")]


def test_a_bug_in_one_warning_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    assert _written(Written(fault=True), True) == [("web", "last")]
    assert "no Event, by a fault of Retag" in caplog.text
