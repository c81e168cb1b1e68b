"""Long work is done in threads, and what is large holds up nothing but what is large too."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cmp.threads import work


def _thread() -> str:
    return threading.current_thread().name


@pytest.mark.parametrize(
    ("is_long", "is_large", "name"),
    [(False, False, "MainThread"), (True, False, "long_"), (True, True, "large_")],
)
def test_where_it_is_done(*, is_long: bool, is_large: bool, name: str) -> None:
    done_in = asyncio.run(work(_thread, is_long=is_long, is_large=is_large))
    assert done_in.startswith(name)


def test_large_work_that_nobody_waits_for_holds_up_no_other() -> None:
    end = threading.Event()

    async def run() -> None:
        large = [
            asyncio.create_task(work(end.wait, is_long=True, is_large=True)) for _ in range(40)
        ]
        await asyncio.sleep(0)
        for task in large:
            task.cancel()
        await asyncio.gather(*large, return_exceptions=True)
        try:
            assert (await work(_thread, is_long=True)).startswith("long_")
        finally:
            end.set()

    asyncio.run(run())


def test_only_a_few_keep_the_event_loop_from_its_turn() -> None:
    end = threading.Event()
    started: list[str] = []

    def wait() -> None:
        started.append(_thread())
        end.wait()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(work(wait, is_long=True)) for _ in range(40)]
        try:
            # What others do in threads, such as looking up a name, does not wait for them.
            assert (await loop.run_in_executor(None, _thread)).startswith("asyncio_")
            assert len(set(started)) <= 2
        finally:
            end.set()
        await asyncio.gather(*tasks)
        assert len(started) == 40

    asyncio.run(run())


def test_an_error_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(work(lambda: 1 // 0, is_long=True, is_large=True))
