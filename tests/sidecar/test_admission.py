"""Back-pressure: who waits for whom, and who does not. No sockets, no time passes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import ResolverError
from sidecar.admission import LARGEST, Admission

_T = TypeVar("_T")
NEVER, PAST = 1e9, 0.0  # in the time of the event loop


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def stays(waiting: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
    """*waiting* as a task that is seen to wait."""
    task = asyncio.create_task(waiting)
    await settle()
    assert not task.done()
    return task


def test_as_many_are_in_work_as_there_are_places() -> None:
    async def run() -> None:
        admission = Admission(requests=2)
        leave = asyncio.Event()
        entered: list[int] = []

        async def work(number: int) -> None:
            async with admission.work(NEVER):
                entered.append(number)
                await leave.wait()

        tasks = [asyncio.create_task(work(number)) for number in range(4)]
        await settle()
        assert entered == [0, 1]
        leave.set()
        await asyncio.gather(*tasks)
        assert entered == [0, 1, 2, 3]

    asyncio.run(run())


def test_who_gets_no_place_in_time_is_told() -> None:
    async def run() -> None:
        admission = Admission(requests=1)
        async with admission.work(NEVER):
            with pytest.raises(ResolverError, match="too much to do") as caught:
                async with admission.work(PAST):
                    pass
            assert caught.value.code == "RT614"
        async with admission.work(PAST):
            pass  # a free place is given even to who is late

    asyncio.run(run())


def test_small_bodies_wait_for_nobody() -> None:
    async def run() -> None:
        admission = Admission(small=10, large=LARGEST)
        with admission.body(NEVER) as large, admission.body(NEVER) as waits:
            await large.grow(11)
            task = await stays(waits.grow(11))
            for _ in range(100):
                with admission.body(PAST) as small:
                    await small.grow(10)
                    small.whole(10)
            large.whole(11)
            await settle()
            assert not task.done()  # 11 bytes are still held
            large.give_back()
            await task

    asyncio.run(run())


def test_small_bodies_take_nothing_from_large_ones() -> None:
    async def run() -> None:
        admission = Admission(small=10, large=LARGEST)
        with admission.body(PAST) as small, admission.body(PAST) as large:
            await small.grow(10)
            small.whole(10)
            await large.grow(11)

    asyncio.run(run())


def test_a_large_body_gives_back_what_it_did_not_need() -> None:
    async def run() -> None:
        admission = Admission(small=10, large=LARGEST + 50)
        with admission.body(PAST) as first, admission.body(PAST) as second:
            await first.grow(11)
            await first.grow(40)
            first.whole(50)
            await second.grow(11)

    asyncio.run(run())


def test_who_can_never_have_the_bytes_in_time_is_told() -> None:
    async def run() -> None:
        admission = Admission(small=10, large=LARGEST)
        with admission.body(NEVER) as first:
            await first.grow(11)
            with (
                pytest.raises(ResolverError, match="too much to do"),
                admission.body(PAST) as second,
            ):
                await second.grow(11)
        with admission.body(PAST) as third:
            await third.grow(11)

    asyncio.run(run())


def test_who_goes_away_while_waiting_leaves_its_turn_to_the_next() -> None:
    async def run() -> None:
        admission = Admission(small=10, large=LARGEST)
        with (
            admission.body(NEVER) as first,
            admission.body(NEVER) as second,
            admission.body(NEVER) as third,
        ):
            await first.grow(11)
            gone, last = await stays(second.grow(11)), await stays(third.grow(11))
            gone.cancel()
            await settle()
            first.give_back()
            await last

    asyncio.run(run())


def test_bytes_that_come_as_their_taker_goes_are_not_lost() -> None:
    async def run() -> None:
        admission = Admission(small=10, large=LARGEST)
        with admission.body(NEVER) as first, admission.body(NEVER) as second:
            await first.grow(11)
            task = await stays(second.grow(11))
            first.give_back()
            task.cancel()
            await settle()
            assert task.cancelled()
            await first.grow(11)

    asyncio.run(run())


@given(st.lists(st.tuples(st.integers(1, LARGEST), st.booleans()), max_size=12))
def test_all_bodies_come_through_and_all_is_given_back(
    bodies: list[tuple[int, bool]],
) -> None:
    async def run() -> None:
        admission = Admission(small=100, large=2 * LARGEST)

        async def read(size: int, *, leaves: bool) -> None:
            with admission.body(NEVER) as body:
                for part in range(1, 4):
                    await body.grow(size * part // 3)
                    await asyncio.sleep(0)
                if not leaves:
                    body.whole(size)
                    await asyncio.sleep(0)

        await asyncio.gather(*(read(size, leaves=leaves) for size, leaves in bodies))
        with admission.body(PAST) as first, admission.body(PAST) as second:
            await first.grow(LARGEST)
            await second.grow(LARGEST)

    asyncio.run(run())
