"""How fast one registry is asked: so many requests a second, and so many at once.

Zot answers 429 by address and path once a bucket of `rate` tokens is empty that fills by `rate` a
second; a bucket of the same shape here never runs into it. First come, first served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cmp.errors import ThrottledError
from cmp.registry.http.retry import Deadline

# As many as the Image Updater opens for each host. Zot checks bcrypt hashes for each request:
# more at once only wait for each other there.
AT_ONCE = 10


class Pace:
    """The turns of one registry, at most *limit* in a second; 0 and less is no limit.

    After a rest *limit* requests may go at once. *clock* gives seconds from anywhere.
    """

    def __init__(
        self,
        limit: int,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        at_once: int = AT_ONCE,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._places = asyncio.Semaphore(at_once)
        self._full_at = clock()  # when the bucket will be full again

    @asynccontextmanager
    async def turn(self, deadline: Deadline) -> AsyncIterator[None]:
        """Within it, one request may be made.

        Raises `ThrottledError` at once where *deadline* would pass before.
        """
        async with self._places:
            wait = self._take(deadline)
            if wait > 0:
                await self._sleep(wait)
            yield

    def _take(self, deadline: Deadline) -> float:
        """The seconds until the turn that is taken hereby."""
        if self._limit <= 0:
            return 0.0
        now = self._clock()
        full_at = max(self._full_at, now) + 1 / self._limit
        wait = max(0.0, full_at - 1 - now)  # a full bucket lasts for one second's requests
        if wait > deadline.left():
            raise ThrottledError(
                "RT561",
                f"no turn within the limit of {self._limit} requests a second came in time",
                remedy="raise limit in registries.conf, or ask less often",
            )
        self._full_at = full_at
        return wait
