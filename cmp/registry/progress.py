"""How far a look-up is, and how long what it learned will serve; told by whoever looks.

A look-up may wait for questions that others have put already. So each question that takes long
has a `Progress` of its own, and whoever waits for it follows that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_STEPS = 2  # of a tag: its digest, and then what lies behind it


@dataclass(slots=True, eq=False)
class Progress:
    """Of one look-up, or of a question in it.

    *of* tags are to be read; *steps* of theirs are done. What was learned was asked for at
    *oldest* or later and serves while the clock is before *until*: both seconds of the cache's
    clock.
    """

    of: int = 0
    steps: int = 0
    oldest: float = float("inf")
    until: float = float("inf")
    followed: list[Progress] = field(default_factory=list)

    def expect(self, tags: int) -> None:
        """There are *tags* more to be read."""
        self.of += tags

    def advance(self, tags: int = 1) -> None:
        """*tags* are half read: two such steps make a tag that is read."""
        self.steps += tags

    def follow(self, other: Progress) -> None:
        """What *other* tells is told here too."""
        self.followed.append(other)

    def learn(self, asked: float, until: float) -> None:
        """Something was learned that was *asked* then, and serves *until* then."""
        self.oldest, self.until = min(self.oldest, asked), min(self.until, until)

    def __str__(self) -> str:
        """`N of M tags`; "" where it is not known how many there are."""
        total = sum(each.of for each in self._all())
        read = sum(each.steps // _STEPS for each in self._all())
        return f"{min(read, total):,} of {total:,} tags" if total else ""

    def _all(self) -> Iterator[Progress]:
        yield self
        yield from self.followed


_CURRENT: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current() -> Progress:
    """That of the look-up that this is done for; one that nobody reads where there is none."""
    return _CURRENT.get() or Progress()


@contextmanager
def reporting(progress: Progress) -> Iterator[None]:
    """Whatever is done inside is told to *progress*."""
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)
