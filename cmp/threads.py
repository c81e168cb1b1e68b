"""Work that takes long is done in a thread, so that whoever else waits is served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Answer = TypeVar("_Answer")

MANY_IMAGES = 300  # from which on it takes some 4 ms to do something with each of them

# Few: Python runs one thread at a time, and each that waits for its turn delays the event loop's.
_LONG = ThreadPoolExecutor(2, thread_name_prefix="long")
# What takes seconds has threads of its own: a thread cannot be stopped when nobody waits for it
# any more, and a few of that kind would hold up all others for as long.
_LARGE = ThreadPoolExecutor(2, thread_name_prefix="large")


async def work(task: Callable[[], _Answer], *, is_long: bool, is_large: bool = False) -> _Answer:
    """What *task* gives, in a thread if it *is_long*: to hop there and back costs 0.1 ms.

    One that *is_large* takes more than some 100 ms, and waits for others of its kind alone.
    """
    if not is_long:
        return task()
    executor = _LARGE if is_large else _LONG
    return await asyncio.get_running_loop().run_in_executor(executor, task)
