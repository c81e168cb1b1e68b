"""How much is done in a time, and what next: `Bucket` and `Agenda`."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Seconds for which what is not urgent is left waiting for what is. After that it has each of so
# many turns: who always has something urgent (a tenant's image that is pushed without an end)
# delays others, and stops nobody.
PATIENCE = 30.0
SHARE = 8


class Bucket:
    """Lets through *rate* a second, and *burst* at once after a rest."""

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._left = float(burst)
        self._at = clock()

    def try_take(self) -> bool:
        """Whether one may go through now."""
        self._fill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def take(self) -> None:
        """Return when it is this one's turn; turns are given in the order of calls."""
        self._fill()
        self._left -= 1
        if self._left < 0:
            await self._sleep(-self._left / self._rate)

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) * self._rate)
        self._at = now


class Agenda(Generic[Key]):
    """What is to be looked at, and from when on (seconds of *clock*); urgent things first.

    A key is on it once, and is not given to a second taker before `done`. What is not urgent is
    given while nothing urgent is due, or in work; and now and then when it has waited for long.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._times: dict[Key, tuple[float, bool]] = {}
        self._heaps: dict[bool, list[tuple[float, int, Key]]] = {True: [], False: []}
        self._busy: dict[Key, bool] = {}  # whether it is urgent
        self._number = 0
        self._given = 0
        self._changed = asyncio.Event()

    def put(self, key: Key, at: float, *, urgent: bool) -> None:
        """Look at *key* at *at*, or earlier if that was said before."""
        known = self._times.get(key)
        if known is not None:
            at, urgent = min(at, known[0]), urgent or known[1]
        if (at, urgent) == known:
            return
        self._times[key] = at, urgent
        if key not in self._busy:
            self._push(key)

    async def take(self) -> Key:
        """The next key, once its time has come."""
        while True:
            for urgent in self._open():
                if (key := self._pop(urgent=urgent)) is not None:
                    return key
            await self._wait()

    def done(self, key: Key) -> None:
        """*key* may be given again."""
        del self._busy[key]
        if key in self._times:
            self._push(key)
        self._changed.set()

    def _push(self, key: Key) -> None:
        at, urgent = self._times[key]
        self._number += 1
        heapq.heappush(self._heaps[urgent], (at, self._number, key))
        self._changed.set()

    def _pop(self, *, urgent: bool) -> Key | None:
        at = self._next(urgent=urgent)
        if at is None or at > self._clock():
            return None
        key = heapq.heappop(self._heaps[urgent])[2]
        del self._times[key]
        self._busy[key] = urgent
        self._given += 1
        return key

    def _next(self, *, urgent: bool) -> float | None:
        """When the first of a heap is due; what was moved since is dropped from it."""
        heap = self._heaps[urgent]
        while heap:
            at, _, key = heap[0]
            if key not in self._busy and self._times.get(key) == (at, urgent):
                return at
            heapq.heappop(heap)
        return None

    def _open(self) -> tuple[bool, ...]:
        """From which heaps something may be taken now, the first one first."""
        if self._given % SHARE == 0 and self._has_waited():
            return (False, True)
        return (True,) if True in self._busy.values() else (True, False)

    def _has_waited(self) -> bool:
        """Whether something that is not urgent has been due for long."""
        at = self._next(urgent=False)
        return at is not None and self._clock() - at >= PATIENCE

    async def _wait(self) -> None:
        """Return when something was put, or something is due."""
        self._changed.clear()
        times = [at for each in self._open() if (at := self._next(urgent=each)) is not None]
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._changed.wait())]
        if times:
            delay = max(0.0, min(times) - self._clock())
            waits.append(asyncio.ensure_future(self._sleep(delay)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
