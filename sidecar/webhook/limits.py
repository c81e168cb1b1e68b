"""How many hints come through: those of one repository spaced out, and all of them counted.

Whoever sends more than that, with the secret, costs no more than this. A repository that is pushed
to again and again is looked at once more at the end, so that nothing waits for a poll.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from sidecar.webhook.events import Hint

Hints = Callable[[str, str], None]  # takes a registry, "" where it is unknown, and a repository

DEFAULT_ALLOWED = 3600  # hints an hour: one a second, of one listing or two each
# Seconds between two hints of one repository. An image for several platforms is five events or
# more within a second, and the last of them is the one with the tag.
SPACING = 5.0
_HOUR = 3600.0
# Repositories that wait for their second look.
_MOST_WAITING = 1000


class Outcome(StrEnum):
    """What came of an event."""

    TAKEN = "taken"  # somebody looks now
    MERGED = "merged"  # somebody looks in a moment, for this one and others
    LIMITED = "limited"  # nobody does: there were too many


class Handle(Protocol):
    """What is to be called later, as asyncio's `TimerHandle`."""

    def cancel(self) -> None:
        """Don't."""
        ...


class Limiter:
    """Passes hints on to *hints*: *allowed* an hour, as many at once after an hour of silence.

    *clock* gives seconds, and *later* calls something after that many of them.
    """

    def __init__(
        self,
        hints: Hints,
        *,
        allowed: int,
        clock: Callable[[], float],
        later: Callable[[float, Callable[[], None]], Handle],
    ) -> None:
        self._hints = hints
        self._allowed = allowed
        self._clock = clock
        self._later = later
        self._left = float(allowed)
        self._counted_at = clock()
        self._last: dict[Hint, float] = {}  # when each was passed on, in that order
        self._waiting: dict[Hint, Handle] = {}

    def offer(self, hint: Hint) -> Outcome:
        """Pass *hint* on, now or in a moment, if there is room."""
        if hint in self._waiting:
            return Outcome.MERGED
        now = self._clock()
        self._forget(now)
        last = self._last.get(hint)
        if last is not None:
            return self._wait(hint, last + SPACING - now)
        return Outcome.TAKEN if self._pass(hint, now) else Outcome.LIMITED

    def close(self) -> None:
        """Let nothing come after this."""
        for handle in self._waiting.values():
            handle.cancel()
        self._waiting.clear()

    def _wait(self, hint: Hint, seconds: float) -> Outcome:
        if len(self._waiting) >= _MOST_WAITING:
            return Outcome.LIMITED
        self._waiting[hint] = self._later(seconds, lambda: self._end_wait(hint))
        return Outcome.MERGED

    def _end_wait(self, hint: Hint) -> None:
        del self._waiting[hint]
        self._pass(hint, self._clock())

    def _pass(self, hint: Hint, now: float) -> bool:
        """Pass *hint* on, if there is one left in this hour."""
        gained = (now - self._counted_at) * self._allowed / _HOUR
        self._left = min(self._left + gained, float(self._allowed))
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        self._last.pop(hint, None)  # so that it comes last
        self._last[hint] = now
        self._hints(hint.registry, hint.repository)
        return True

    def _forget(self, now: float) -> None:
        """Forget what lies far enough back; the first is the oldest."""
        while self._last:
            hint, last = next(iter(self._last.items()))
            if now - last < SPACING:
                return
            del self._last[hint]
