"""How fast one registry is asked: so many calls at once, and so many requests a second.

Zot answers 429 by address and path once a bucket of `rate` tokens is empty that fills by `rate` a
second; a bucket of the same shape here never runs into it. First come, first served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(AT_ONCE)
        self._full_at = clock()  # when the bucket will be full again

    def place(self) -> asyncio.Semaphore:
        """Within it a call may be made, with all its requests; one waits as long as it takes."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a semaphore belongs to the loop that first waited for it
            self._loop, self._places = loop, asyncio.Semaphore(AT_ONCE)
        return self._places

    async def turn(self, deadline: Deadline) -> None:
        """Wait until one request may be made: AT_ONCE / *limit* seconds as a rule at most.

        Raises `ThrottledError` at once where *deadline* would pass before.
        """
        wait = self._take(deadline)
        if wait > 0:
            await self._sleep(wait)

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
