"""The Applications as they are known here: as seen last, what they should run, how it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sidecar.cluster.record import Record
from sidecar.controller import refresh
from sidecar.controller.asking import QUIET
from sidecar.controller.heal import Healing, ailment, resumed
from sidecar.controller.model import Target, Wanted
from sidecar.controller.records import Key
from sidecar.controller.steps import Situation, key_of
from sidecar.kubernetes.mirror import is_older


@dataclass(slots=True)
class Known:
    """What is known of one Application here. Times are of the clock, those of choices of the wall.

    *news* are the choices that were wanted last; *said* the last thing that was logged;
    *unrecordable* is whether it was logged that a choice cannot be recorded.
    """

    target: Target
    wanted: tuple[Wanted, ...] = ()
    news: frozenset[tuple[object, ...]] = frozenset()
    came: tuple[float, float] = (0.0, 0.0)
    pending_since: float = 0.0
    unsent: str = ""
    refreshed: float | None = None
    failures: int = 0
    not_before: float = 0.0
    heal: str = ""
    healing: Healing = field(default_factory=Healing)
    said: str = ""
    unrecordable: bool = False

    def hear(self, wanted: Sequence[Wanted], now: float) -> None:
        """*wanted* are all choices at *now* (of the wall), those that cannot be recorded too."""
        news = frozenset((*key_of(w), w.choice.tag, w.choice.digest) for w in wanted)
        if news - self.news:
            self.came = _came(self.came, now)
        self.news = news

    def situation(self, record: Record, now: float) -> Situation:
        """How it stands at *now* (of the wall), *record* being what is recorded."""
        return Situation(
            target=self.target,
            record=record,
            wanted=self.wanted,
            now=now,
            came=self.came,
            pending_since=self.pending_since,
            unsent=self.unsent,
        )


class KnownApplications:
    """All of them, and those that are gone and may have left a record."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._known: dict[Key, Known] = {}
        self._gone: set[Key] = set()

    def get(self, key: Key) -> Known | None:
        """What is known of *key*."""
        return self._known.get(key)

    def is_gone(self, key: Key) -> bool:
        """Whether *key* may have left a record."""
        return key in self._gone

    def take(self, target: Target) -> Known:
        """Remember *target*, unless a later version of it is known."""
        self._gone.discard(target.key)
        known = self._known.get(target.key)
        if known is None or known.target.uid != target.uid:
            healing = resumed(target, self._clock(), self._wall())
            known = self._known[target.key] = Known(target, healing=healing)
        elif not is_older(target.version, known.target.version):
            known.target = target
        asked = refresh.asked_for(known.target)
        known.pending_since = (known.pending_since or self._wall()) if asked else 0
        if not ailment(known.target):
            known.heal, known.healing = "", Healing()
        return known

    def see(self, target: Target) -> Target:
        """*target* came of a write: remember it as `take`, but nothing that went meanwhile."""
        return self.take(target).target if target.key in self._known else target

    def lose(self, key: Key) -> None:
        """*key* is gone."""
        self._known.pop(key, None)
        self._gone.add(key)

    def leave(self, key: Key) -> None:
        """*key* is there, and nothing is done for it."""
        self._known.pop(key, None)
        self._gone.discard(key)

    def forget(self, key: Key) -> None:
        """*key*, which is gone, has left nothing."""
        self._gone.discard(key)


def _came(before: tuple[float, float], now: float) -> tuple[float, float]:
    """When the first and the last of the choices came that are delivered together."""
    first, last = before
    return (first if 0 <= now - last < QUIET else now), now
