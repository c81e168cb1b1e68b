"""How much is in work at a time; the rest waits, unread, so that its senders wait too.

Small bodies, which nearly all are, need nothing but a place in work. A body that turns out large
takes from a bound of bytes all that it could ever need before it is read on, so that large ones
never wait for each other half read, and small ones never wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager

from cmp.errors import ResolverError
from cmp.plugin.wire import LARGEST_ENVIRONMENT, LARGEST_MANIFESTS

REQUESTS = 128  # in work at a time; one that waits for a registry costs little else than its body
SMALL = 512 * 1024  # bytes of a body; an Application of the usual size has 10 to 300 KB
LARGEST = LARGEST_ENVIRONMENT + LARGEST_MANIFESTS  # bytes of a body
LARGE = 2 * LARGEST  # bytes of all bodies together that are not small


class Admission:
    """Places for *requests* in work, and *large* bytes for the bodies of more than *small*.

    Whatever waits does so until an instant in the time of the event loop.
    """

    def __init__(
        self, *, requests: int = REQUESTS, small: int = SMALL, large: int = LARGE
    ) -> None:
        self.small = small
        self._places = asyncio.Semaphore(requests)
        self._large = _Bytes(large)

    @contextmanager
    def body(self, until: float) -> Iterator[Body]:
        """For the time that a body is held."""
        body = Body(self._large, self.small, until)
        try:
            yield body
        finally:
            body.give_back()

    @asynccontextmanager
    async def work(self, until: float) -> AsyncIterator[None]:
        """A place in work. Raises `ResolverError` if there is none in time."""
        await _in_time(self._places.acquire(), until)
        try:
            yield
        finally:
            self._places.release()


class Body:
    """What one body takes of the bound."""

    def __init__(self, large: _Bytes, small: int, until: float) -> None:
        self._large = large
        self._small = small
        self._until = until
        self._taken = 0

    async def grow(self, size: int) -> bool:
        """Return when a body of *size* bytes so far may be read on; whether it is large from now.

        Raises `ResolverError` if that is not in time.
        """
        if size <= self._small or self._taken:
            return False
        await _in_time(self._large.take(LARGEST), self._until)
        self._taken = LARGEST
        return True

    def whole(self, size: int) -> None:
        """The body has *size* bytes and grows no more."""
        if self._taken > size:
            self._large.give(self._taken - size)
            self._taken = size

    def give_back(self) -> None:
        """The body is gone."""
        self._large.give(self._taken)
        self._taken = 0


class _Bytes:
    """A number of bytes; who waits for some gets them in the order of asking."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, amount: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in the same moment
                self.give(amount)
            raise

    def give(self, amount: int) -> None:
        self._free += amount
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            amount, turn = self._waiting[0]
            if not turn.cancelled():
                if amount > self._free:
                    return
                self._free -= amount
                turn.set_result(None)
            self._waiting.popleft()


async def _in_time(waiting: Awaitable[object], until: float) -> None:
    try:
        async with asyncio.timeout_at(until):
            await waiting
    except TimeoutError:
        raise ResolverError(
            "RT614",
            "the resolver has too much to do",
            remedy="refresh the Application later; if this lasts, give the resolver more CPU",
        ) from None
