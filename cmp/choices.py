"""`Choices`: what look-ups chose, while that serves, and which of them failed just now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TLRUCache, TTLCache

from cmp.cosign import PublicKey
from cmp.judge import Verdict
from cmp.policy import Chosen, Keep, Settings
from cmp.reference import Repository

FAILED_FOR = 60.0  # seconds
_MOST_FAILED = 10_000
# Refusals that the remembered choices hold, each of some 100 bytes that a survey shares with them.
_MOST_REFUSALS = 500_000

_PASSING = (Keep.INCOMPLETE, Keep.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked up: all that a choice depends on, besides what the registry holds."""

    repository: Repository
    pull_secret: str
    settings: Settings
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """*verdict* serves while the clock is before *until*; it knows of nothing before *since*.

    It is of a look-up that *began* then, for *refresh*, which it serves though that may lie in the
    future.
    """

    verdict: Verdict
    began: float
    since: float
    until: float
    refresh: float

    def serves(self, since: float) -> bool:
        """Whether it is for who wants nothing from before *since*."""
        return since <= self.since or since == self.refresh


class Choices:
    """The last answer to each question; *clock* gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._known: TLRUCache[Question, Known] = TLRUCache(
            _MOST_REFUSALS,
            ttu=lambda _question, known, _now: known.until,
            timer=clock,
            getsizeof=lambda known: 1 + len(known.verdict.choice.refusals),
        )
        self._failed: TTLCache[Question, Known] = TTLCache(_MOST_FAILED, FAILED_FOR, clock)

    def known(self, question: Question, since: float) -> Verdict | None:
        """What serves whoever wants nothing from before *since*."""
        known = self._known.get(question)
        return known.verdict if known is not None and known.serves(since) else None

    def failed(self, question: Question, since: float) -> Verdict | None:
        """The same of a failure in the last `FAILED_FOR` seconds, however long it served."""
        failed = self._failed.get(question)
        return failed.verdict if failed is not None and failed.serves(since) else None

    def keep(self, question: Question, known: Known) -> None:
        """Keep *known*, unless that of a later look-up is there."""
        if is_settled(known.verdict):
            self._failed.pop(question, None)
        else:
            self.keep_failed(question, known)
        before = self._known.get(question)
        newest = before is None or before.began <= known.began
        if newest and self._known.getsizeof(known) <= self._known.maxsize:
            self._known[question] = known

    def keep_failed(self, question: Question, known: Known) -> None:
        """Keep *known* as a failure alone: the look-up may still come to something."""
        self._failed[question] = known


def is_settled(verdict: Verdict) -> bool:
    """Whether to look again at once would come to the same."""
    return isinstance(verdict.choice, Chosen) or verdict.choice.keep not in _PASSING
