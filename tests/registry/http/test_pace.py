"""A registry is asked no faster than its limit, and by no more at once than there are places."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import ThrottledError
from cmp.registry.http.pace import AT_ONCE, Pace
from cmp.registry.http.retry import Deadline
from tests.registry.http.wire import Clock


async def _turns(pace: Pace, clock: Clock, count: int, *, seconds: float = 1e6) -> list[float]:
    """When each of *count* turns came, one after the other."""
    times = []
    for _ in range(count):
        await pace.turn(Deadline(seconds, clock=clock))
        times.append(clock())
    return times


@pytest.mark.parametrize("limit", [0, -1])
def test_without_a_limit_nobody_waits(limit: int) -> None:
    clock = Clock()
    pace = Pace(limit, clock=clock, sleep=clock.sleep)

    times = asyncio.run(_turns(pace, clock, 1000))

    assert times == [1000.0] * 1000
    assert clock.slept == []


def test_a_full_bucket_goes_at_once_and_then_one_at_a_time() -> None:
    clock = Clock()
    pace = Pace(2, clock=clock, sleep=clock.sleep)

    times = asyncio.run(_turns(pace, clock, 6))

    assert pytest.approx(times) == [1000.0, 1000.0, 1000.5, 1001.0, 1001.5, 1002.0]


def test_the_bucket_fills_again_and_no_further_than_full() -> None:
    clock = Clock()
    pace = Pace(2, clock=clock, sleep=clock.sleep)

    asyncio.run(_turns(pace, clock, 2))
    clock.now += 100
    times = asyncio.run(_turns(pace, clock, 3))

    assert pytest.approx(times) == [1100.0, 1100.0, 1100.5]


@given(
    st.integers(1, 30), st.lists(st.floats(0, 3, allow_subnormal=False), min_size=1, max_size=60)
)
def test_in_no_second_go_more_than_twice_the_limit(limit: int, rests: list[float]) -> None:
    clock = Clock()
    pace = Pace(limit, clock=clock, sleep=clock.sleep)
    times: list[float] = []
    for rest in rests:
        clock.now += rest
        times += asyncio.run(_turns(pace, clock, 3))

    for index, start in enumerate(times):
        within = [time for time in times[index:] if time < start + 0.999]
        assert len(within) <= 2 * limit


def test_a_turn_that_comes_too_late_is_an_error_at_once_and_takes_nothing() -> None:
    clock = Clock()
    pace = Pace(1, clock=clock, sleep=clock.sleep)
    asyncio.run(_turns(pace, clock, 1))

    for _ in range(3):
        with pytest.raises(ThrottledError, match=r"limit of 1 requests a second.*RT561"):
            asyncio.run(_turns(pace, clock, 1, seconds=0.5))

    assert clock.slept == []
    assert asyncio.run(_turns(pace, clock, 1)) == [1001.0]


def test_only_so_many_are_inside_at_once_and_the_first_come_first() -> None:
    async def crowd(pace: Pace) -> tuple[int, list[int]]:
        inside, most, order = 0, 0, []

        async def visit(number: int) -> None:
            nonlocal inside, most
            async with pace.place():
                order.append(number)
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(visit, range(4 * AT_ONCE)))
        return most, order

    clock = Clock()
    pace = Pace(0, clock=clock, sleep=clock.sleep)

    for _ in range(2):  # each in a loop of its own
        assert (AT_ONCE, list(range(4 * AT_ONCE))) == asyncio.run(crowd(pace))


def test_a_place_is_free_again_after_an_error() -> None:
    async def fail_then_enter() -> bool:
        clock = Clock()
        pace = Pace(0, clock=clock, sleep=clock.sleep)
        for _ in range(AT_ONCE):
            with pytest.raises(ZeroDivisionError):
                async with pace.place():
                    raise ZeroDivisionError
        async with pace.place():
            return True

    assert asyncio.run(fail_then_enter())
