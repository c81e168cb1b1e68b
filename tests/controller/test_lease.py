"""One leader: client-go's rules, in time that the test moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from sidecar.controller.lease import Leadership
from sidecar.kubernetes.errors import (
    ClusterError,
    ForbiddenError,
    UnknownAccountError,
    UnservedError,
)
from tests.controller.leases import NAME, NAMESPACE, OneLease, Time

AWAY = ClusterError("RT650", "cannot update leases: made up")


@dataclass
class Replica:
    """A process that would lead; *ran* has one entry for each time that it has begun to work."""

    leadership: Leadership
    ran: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    until: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        """Work until it may end."""
        self.ran.append("works")
        try:
            await self.until.wait()
        finally:
            self.ran[-1] = "worked"

    @property
    def works(self) -> bool:
        """Whether it works now."""
        return "works" in self.ran


Start = Callable[..., Replica]


@asynccontextmanager
async def replicas(cluster: OneLease, time: Time) -> AsyncIterator[Start]:
    """Start replicas that end with the block."""
    started: list[Replica] = []

    def start(
        identity: str,
        work: Callable[[], Coroutine[Any, Any, None]] | None = None,
        *,
        ahead: float = 0.0,
        **others: Any,
    ) -> Replica:
        leadership = Leadership(
            cluster, NAMESPACE, NAME, identity, pace=time.pace(ahead), **others
        )
        replica = Replica(leadership)
        replica.task = asyncio.create_task(leadership.run(work or replica.work))
        started.append(replica)
        return replica

    try:
        yield start
    finally:
        cluster.hangs = False
        for each in started:
            await end(each)


async def end(replica: Replica) -> None:
    """End the replica, as SIGTERM does."""
    assert replica.task is not None
    if not replica.task.done():
        replica.task.cancel()
        with suppress(asyncio.CancelledError):
            await replica.task


def run(test: Callable[[OneLease, Time, Start], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        cluster, time = OneLease(), Time()
        async with replicas(cluster, time) as start:
            await test(cluster, time, start)

    asyncio.run(whole())


def test_the_first_replica_leads() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        assert not replica.leadership.leads()

        await time.pass_by(0)

        assert replica.leadership.leads()
        assert replica.works
        assert cluster.lease is not None
        assert cluster.lease["spec"] == {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "1970-01-01T00:16:40.000000Z",
            "renewTime": "1970-01-01T00:16:40.000000Z",
            "leaseTransitions": 0,
        }

    run(test)


def test_a_leader_renews_every_two_seconds_with_one_request() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(0)
        cluster.asked.clear()

        await time.pass_by(60)

        assert cluster.asked == ["replace"] * 30
        assert replica.leadership.leads()
        assert replica.ran == ["works"]
        assert cluster.lease is not None
        assert cluster.lease["spec"]["acquireTime"] == "1970-01-01T00:16:40.000000Z"
        assert cluster.lease["spec"]["renewTime"] == "1970-01-01T00:17:40.000000Z"
        assert cluster.lease["spec"]["leaseTransitions"] == 0

    run(test)


def test_another_waits_while_the_leader_renews() -> None:
    async def test(_: OneLease, time: Time, start: Start) -> None:
        first = start("a")
        await time.pass_by(1)
        second = start("b")

        await time.pass_by(300)

        assert first.leadership.leads()
        assert not second.leadership.leads()
        assert second.ran == []

    run(test)


@pytest.mark.parametrize("ahead", [0.0, 86_400.0, -86_400.0], ids=["right", "fast", "slow"])
def test_another_leads_once_the_lease_was_left_alone_for_its_duration(ahead: float) -> None:
    """By the other's own clock: what the Lease says of time is not looked at."""

    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        cluster.write(
            holderIdentity="gone",
            leaseDurationSeconds=15,
            renewTime="2020-01-01T00:00:00.000000Z",
            leaseTransitions=4,
        )
        replica = start("b", ahead=ahead)

        await time.pass_by(14)
        assert not replica.leadership.leads()

        await time.pass_by(2)
        assert replica.leadership.leads()
        assert cluster.lease is not None
        assert cluster.lease["spec"]["leaseTransitions"] == 5

    run(test)


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        pytest.param({"leaseDurationSeconds": 60}, 60, id="as long as it says"),
        pytest.param({}, 15, id="no duration"),
        pytest.param({"leaseDurationSeconds": "long"}, 15, id="no number"),
        pytest.param({"leaseDurationSeconds": -60}, 15, id="a negative duration"),
        pytest.param({"leaseDurationSeconds": 10**9}, 3600, id="a very long duration"),
    ],
)
def test_a_lease_of_others_is_believed(spec: dict[str, Any], seconds: float) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        cluster.write(holderIdentity="gone", **spec)
        replica = start("b")

        await time.pass_by(seconds - 1)
        assert not replica.leadership.leads()

        await time.pass_by(3)
        assert replica.leadership.leads()

    run(test)


@pytest.mark.parametrize(
    "spec", [{"holderIdentity": ""}, {"holderIdentity": None}, {"holderIdentity": "b"}, {}],
    ids=["empty", "null", "mine", "absent"],
)  # fmt: skip
def test_a_lease_of_nobody_is_taken_at_once(spec: dict[str, Any]) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        cluster.write(**spec)
        replica = start("b")

        await time.pass_by(0)

        assert replica.leadership.leads()

    run(test)


def test_two_at_once_have_one_leader(caplog: pytest.LogCaptureFixture) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        both = [start("a"), start("b")]

        await time.pass_by(0)

        assert [each.leadership.leads() for each in both].count(True) == 1
        assert cluster.asked.count("create") == 2

    run(test)
    assert not caplog.messages, "that another was faster is no trouble"


@pytest.mark.parametrize("hangs", [False, True], ids=["refused", "without an answer"])
def test_who_cannot_renew_leads_no_more_before_another_may(*, hangs: bool) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1.5)
        cluster.hangs, cluster.trouble = hangs, AWAY

        await time.pass_by(8)
        assert replica.leadership.leads()
        assert replica.works

        await time.pass_by(1)  # 10.5 since it has renewed
        assert not replica.leadership.leads()
        assert not replica.works

    run(test)


def test_it_leads_again_once_the_api_server_answers() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.trouble = AWAY
        await time.pass_by(60)
        cluster.trouble = None

        await time.pass_by(5)

        assert replica.leadership.leads()
        assert replica.ran == ["worked", "works"]

    run(test)


def test_who_was_stopped_does_not_lead_at_the_first_look() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)

        time.jump(11)
        assert not replica.leadership.leads()
        cluster.write(holderIdentity="b")  # in the meantime
        await time.pass_by(3)

        assert not replica.leadership.leads()
        assert replica.ran == ["worked"]
        assert cluster.holder == "b"

    run(test)


def test_who_wakes_too_late_asks_for_nothing_before_its_work_has_ended() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        asked_until_the_end = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                asked_until_the_end.append(list(cluster.asked))

        start("a", work)
        await time.pass_by(1)
        cluster.asked.clear()

        time.jump(11)
        await time.pass_by(1)

        assert asked_until_the_end == [[]]

    run(test)


def test_an_answer_that_comes_late_does_not_count_from_when_it_came() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.before_write = lambda: time.jump(11)

        await time.pass_by(1)

        assert cluster.holder == "a"
        assert not replica.leadership.leads()

    run(test)


def test_a_lease_that_another_has_taken_is_lost_at_once() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.write(holderIdentity="b")

        await time.pass_by(1)

        assert not replica.leadership.leads()
        assert not replica.works
        assert cluster.holder == "b"

    run(test)


def test_who_has_lost_the_lease_only_looks_at_it() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        start("a")
        await time.pass_by(1)
        cluster.write(holderIdentity="b")
        await time.pass_by(1)
        cluster.asked.clear()

        await time.pass_by(10)

        assert set(cluster.asked) == {"get"}

    run(test)


def test_a_lease_that_somebody_has_touched_is_renewed() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.write(renewTime="2020-01-01T00:00:00.000000Z")

        await time.pass_by(20)

        assert replica.leadership.leads()
        assert replica.ran == ["works"]

    run(test)


def test_a_lease_that_was_deleted_is_made_anew() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.lease = None

        await time.pass_by(1)

        assert replica.leadership.leads()
        assert cluster.holder == "a"

    run(test)


def test_work_that_does_not_end_is_not_begun_again() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        begun, may_end = [], asyncio.Event()

        async def stubborn() -> None:
            begun.append(time.now)
            while not may_end.is_set():
                with suppress(asyncio.CancelledError):
                    await may_end.wait()

        replica = start("a", stubborn)
        await time.pass_by(1)
        cluster.write(holderIdentity="b")
        await time.pass_by(60)
        assert not replica.leadership.leads()
        assert len(begun) == 1

        may_end.set()
        await time.pass_by(20)
        assert len(begun) == 2

    run(test)


def test_who_ends_gives_the_lease_back_so_that_the_next_leads_at_once() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        first = start("a")
        await time.pass_by(0)
        second = start("b")
        await time.pass_by(0)

        await end(first)
        assert not first.leadership.leads()
        assert first.ran == ["worked"]
        assert cluster.holder is None
        assert cluster.lease is not None
        assert cluster.lease["spec"]["leaseDurationSeconds"] == 1  # as client-go leaves it

        await time.pass_by(2)
        assert second.leadership.leads()
        assert cluster.lease["spec"]["leaseTransitions"] == 1

    run(test)


def test_who_ends_while_it_renews_gives_the_lease_back() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.hangs = True
        await time.pass_by(1)
        cluster.write(renewTime="2020-01-01T00:00:00.000000Z")  # as if it had been written
        cluster.hangs = False

        await end(replica)

        assert cluster.holder is None

    run(test)


def test_who_ends_after_another_has_taken_the_lease_leaves_it() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.write(holderIdentity="b")

        await end(replica)

        assert cluster.holder == "b"

    run(test)


def test_who_never_led_has_nothing_to_give_back() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        cluster.write(holderIdentity="b")
        replica = start("a")
        await time.pass_by(1)
        cluster.asked.clear()

        await end(replica)

        assert cluster.asked == []

    run(test)


@pytest.mark.parametrize("hangs", [False, True], ids=["refused", "without an answer"])
def test_who_cannot_give_the_lease_back_ends_all_the_same(*, hangs: bool) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)
        cluster.hangs, cluster.trouble = hangs, AWAY
        assert replica.task is not None

        replica.task.cancel()
        await time.pass_by(11)

        assert replica.task.done()
        assert cluster.holder == "a"

    run(test)


def test_work_that_ends_ends_the_leadership() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        replica = start("a")
        await time.pass_by(1)

        replica.until.set()
        await time.pass_by(0)

        assert replica.task is not None
        assert replica.task.done()
        assert cluster.holder is None

    run(test)


def test_what_work_raises_ends_the_leadership() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        async def fails() -> None:
            raise LookupError("made up")

        replica = start("a", fails)
        await time.pass_by(0)

        assert replica.task is not None
        with pytest.raises(LookupError, match="made up"):
            await replica.task
        assert cluster.holder is None

    run(test)


def test_a_bug_while_it_renews_ends_the_leadership_at_once() -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        def fails() -> None:
            raise LookupError("made up")

        replica = start("a")
        await time.pass_by(1)
        cluster.before_write = fails
        await time.pass_by(1)

        assert replica.task is not None
        assert replica.task.done()
        with pytest.raises(LookupError, match="made up"):
            await replica.task

    run(test)


RIGHTS = "let the account get, create and update Leases there; deploy/ has the Role"


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        (ForbiddenError("RT651", "may not read leases: made up", remedy="other"), RIGHTS),
        (UnservedError("RT653", "cannot read leases: made up", remedy="other"), RIGHTS),
        (
            UnknownAccountError("RT651", "may not read leases: HTTP 401", remedy="a token"),
            "a token",
        ),
    ],
    ids=["forbidden", "not served", "unknown account"],
)
def test_a_lease_that_cannot_be_used_is_said_once_and_tried_again(
    trouble: ClusterError, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        cluster.trouble = trouble
        replica = start("a")
        await time.pass_by(30)
        assert not replica.leadership.leads()

        cluster.trouble = None
        await time.pass_by(5)
        assert replica.leadership.leads()

    with caplog.at_level(logging.WARNING, "retag.controller"):
        run(test)

    (line,) = caplog.messages
    assert line == (
        "cannot use Lease argocd/retag-controller, so that this replica does nothing: "
        f"{trouble.what}; {remedy} [RT675]"
    )


def test_that_the_lease_can_be_used_again_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        start("a")
        for trouble in (None, AWAY, None, None):
            cluster.trouble = trouble
            await time.pass_by(8)

    with caplog.at_level(logging.INFO, "retag.controller"):
        run(test)

    again = "Lease argocd/retag-controller can be used again"
    assert [each for each in caplog.messages if each in (str(AWAY), again)] == [str(AWAY), again]


def test_another_trouble_is_said_again_once_it_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        start("a")
        for trouble in (AWAY, AWAY, None, AWAY, None):
            cluster.trouble = trouble
            await time.pass_by(4)

    with caplog.at_level(logging.WARNING, "retag.controller"):
        run(test)

    assert caplog.messages == [str(AWAY), str(AWAY)]


def test_the_gauge_says_who_leads() -> None:
    class Meter:
        def __init__(self) -> None:
            self.seen: list[tuple[str, float]] = []

        def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
            raise NotImplementedError

        def set(self, name: str, value: float, /, **labels: str) -> None:
            assert labels == {}
            self.seen.append((name, value))

    async def test(cluster: OneLease, time: Time, start: Start) -> None:
        meter = Meter()
        replica = start("a", meter=meter)
        await time.pass_by(1)
        assert meter.seen == [("retag_leader", 0), ("retag_leader", 1)]

        cluster.write(holderIdentity="b")
        await time.pass_by(1)
        assert meter.seen[2:] == [("retag_leader", 0)]
        assert not replica.leadership.leads()

    run(test)


def test_waiting_replicas_do_not_ask_all_at_once() -> None:
    async def test(cluster: OneLease, time: Time, _: Start) -> None:
        cluster.write(holderIdentity="b", leaseDurationSeconds=600)
        leadership = Leadership(cluster, NAMESPACE, NAME, "a", pace=time.pace(chance=0.5))
        replica = Replica(leadership)
        task = asyncio.create_task(leadership.run(replica.work))

        await time.pass_by(31)

        assert len(cluster.asked) == 1 + 31 // 3.2
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    run(test)


def test_by_itself_it_takes_the_clocks_of_the_machine() -> None:
    async def whole() -> None:
        cluster = OneLease()
        cluster.write(holderIdentity="a")
        leadership = Leadership(cluster, NAMESPACE, NAME, "a")
        led = []

        async def work() -> None:
            led.append(leadership.leads())

        await leadership.run(work)

        assert led == [True]
        assert not leadership.leads()

    asyncio.run(whole())
