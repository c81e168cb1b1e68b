"""`Breaker`: what fails is left alone for a while, so a dead store costs nothing."""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """Says whether to try, from what came of it before.

    After a failure it is tried again when *pause* seconds of *clock*, which never goes back, are
    over; then by one, while the others go on without for another pause.
    """

    def __init__(self, clock: Callable[[], float], pause: float) -> None:
        self._clock = clock
        self._pause = pause
        self._again: float | None = None

    @property
    def open(self) -> bool:
        """Whether the last try failed."""
        return self._again is not None

    @property
    def ready(self) -> bool:
        """Whether whoever asks now may try."""
        return self._again is None or self._clock() >= self._again

    def allows(self) -> bool:
        """Whether to try now; who is told so has to say what came of it."""
        allowed = self.ready
        if allowed and self._again is not None:
            self._again = self._clock() + self._pause
        return allowed

    def failed(self) -> None:
        """It did not work."""
        self._again = self._clock() + self._pause

    def worked(self) -> None:
        """It worked."""
        self._again = None
