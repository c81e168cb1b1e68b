"""How much is done in a time, and what next."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.controller.limits import PATIENCE, SHARE, Agenda, Bucket
from tests.controller.world import Clock


def test_a_bucket_lets_through_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = Bucket(2, 3, clock=clock)

    assert [bucket.try_take() for _ in range(4)] == [True, True, True, False]
    clock.advance(0.5)
    assert [bucket.try_take() for _ in range(2)] == [True, False]
    clock.advance(100)
    assert [bucket.try_take() for _ in range(4)] == [True, True, True, False]


def test_who_waits_for_a_bucket_has_its_turn_in_order() -> None:
    async def play() -> list[int]:
        clock, turns = Clock(), list[int]()
        bucket = Bucket(1, 1, clock=clock, sleep=clock.sleep)

        async def take(number: int) -> None:
            await bucket.take()
            turns.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(take(number))
            for expected in ([0], [0, 1], [0, 1, 2]):
                for _ in range(10):
                    await asyncio.sleep(0)
                assert turns == expected
                clock.advance(1)
        return turns

    assert asyncio.run(play()) == [0, 1, 2]


def _agenda(clock: Clock) -> Agenda[str]:
    return Agenda(clock=clock, sleep=clock.sleep)


async def _given(agenda: Agenda[str]) -> str | None:
    """What the agenda gives at once; None for nothing."""
    taking = asyncio.ensure_future(agenda.take())
    for _ in range(10):
        await asyncio.sleep(0)
    if taking.done():
        return taking.result()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    return None


def test_urgent_things_come_first_and_are_done_before_others_begin() -> None:
    async def play() -> None:
        clock = Clock()
        agenda = _agenda(clock)
        agenda.put("calm", clock(), urgent=False)
        agenda.put("one", clock(), urgent=True)
        agenda.put("other", clock(), urgent=True)
        assert await _given(agenda) == "one"
        assert await _given(agenda) == "other"
        assert await _given(agenda) is None
        agenda.done("one")
        agenda.done("other")
        assert await _given(agenda) == "calm"

    asyncio.run(play())


def test_what_is_always_urgent_keeps_the_rest_waiting_but_not_for_ever() -> None:
    async def play() -> None:
        clock = Clock()
        agenda = _agenda(clock)
        agenda.put("first", clock(), urgent=False)
        agenda.put("second", clock(), urgent=False)
        agenda.put("busy", clock(), urgent=True)
        order = []
        for _ in range(3 * SHARE):
            clock.advance(PATIENCE / SHARE)
            order.append(await _given(agenda))
            if order[-1] == "busy":
                agenda.put("busy", clock(), urgent=True)  # one is in work, another is due
                agenda.done("busy")
        assert order[: 2 * SHARE].count("first") == 1
        assert order.index("first") >= SHARE
        assert order[order.index("first") + SHARE] == "second"

    asyncio.run(play())


def test_a_thing_is_given_once_and_again_when_it_is_done() -> None:
    async def play() -> None:
        clock = Clock()
        agenda = _agenda(clock)
        for _ in range(3):
            agenda.put("it", clock(), urgent=True)
        assert await _given(agenda) == "it"
        agenda.put("it", clock(), urgent=False)
        assert await _given(agenda) is None
        agenda.done("it")
        assert await _given(agenda) == "it"
        agenda.done("it")
        assert await _given(agenda) is None

    asyncio.run(play())


def test_the_earlier_time_and_the_greater_haste_count() -> None:
    async def play() -> None:
        clock = Clock()
        agenda = _agenda(clock)
        agenda.put("it", clock() + 5, urgent=False)
        agenda.put("it", clock() + 9, urgent=True)
        agenda.put("other", clock() + 5, urgent=False)
        assert await _given(agenda) is None
        clock.advance(5)
        assert await _given(agenda) == "it"
        assert await _given(agenda) is None
        agenda.done("it")
        assert await _given(agenda) == "other"

    asyncio.run(play())


def test_who_waits_is_woken_by_what_is_put_and_by_time() -> None:
    async def play() -> None:
        clock = Clock()
        agenda = _agenda(clock)
        taking = asyncio.ensure_future(agenda.take())
        await asyncio.sleep(0)
        agenda.put("it", clock() + 3, urgent=True)
        for _ in range(10):
            await asyncio.sleep(0)
        clock.advance(3)
        assert await taking == "it"

    asyncio.run(play())


@given(
    puts=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.booleans()), max_size=20
    )
)
def test_each_thing_is_given_once_by_its_haste_and_time(
    puts: list[tuple[str, int, bool]],
) -> None:
    async def play() -> list[str]:
        clock, order = Clock(), list[str]()
        agenda, start = _agenda(clock), clock()
        for key, at, urgent in puts:
            agenda.put(key, start + at, urgent=urgent)
        clock.advance(5)
        while (given := await _given(agenda)) is not None:
            order.append(given)
            agenda.done(given)
        return order

    order = asyncio.run(play())

    def rank(thing: str) -> tuple[bool, int]:
        own = [each for each in puts if each[0] == thing]
        return not any(urgent for *_, urgent in own), min(at for _, at, _ in own)

    assert sorted(order) == sorted({key for key, *_ in puts})
    assert [rank(key) for key in order] == sorted(rank(key) for key in order)
