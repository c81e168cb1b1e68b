"""Questions that are asked once at a time, and answers that are remembered for a while.

Who asks what is being asked already waits for that answer. A failure is an answer too: all who
wait get it, and for a moment nobody asks again, since a registry in trouble needs that most.

Who needs to know what is there *since* some second is served by no question put before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cachetools import LRUCache, TLRUCache

from cmp.errors import RegistryError
from cmp.registry.progress import Progress, current, reporting
from cmp.tags import Fault, StaleTags, Tag

_Key = TypeVar("_Key", bound=Hashable)
_Answer = TypeVar("_Answer")

# Bytes that are counted for each key and what belongs to it, as an error, and for each name below
# a key, besides what the answers have.
_EACH = 1024
_ENTRY = 100
_EVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_Answer]):
    """What came of a question put at *asked*; it serves while the clock is before *until*.

    Both in seconds.
    """

    asked: float
    until: float
    result: _Answer | RegistryError

    def get(self) -> _Answer:
        """The answer. Raises the error that came instead, always the same one."""
        if isinstance(self.result, RegistryError):
            # Else each raise would lengthen the traceback, and keep the frames of all who asked.
            raise self.result.with_traceback(None)
        return self.result


@dataclass(frozen=True, slots=True)
class Terms:
    """How long outcomes serve: *ttl* and *grace* in seconds of *clock*, which never goes back.

    An answer is as old as its question, so that it is never older than it claims; a failure
    counts from when it came, for it may have taken longer than it serves.
    """

    clock: Callable[[], float]
    ttl: float
    grace: float

    def answered(self, answer: _Answer, asked: float) -> Outcome[_Answer]:
        """The outcome of a question that was put at *asked*."""
        return Outcome(asked, asked + self.ttl, answer)

    def passing(self, result: _Answer | RegistryError, asked: float) -> Outcome[_Answer]:
        """The same where *result* tells of a trouble that may be over soon."""
        return Outcome(asked, self.clock() + self.grace, result)


@dataclass(slots=True, eq=False)
class _Flight(Generic[_Answer]):
    """A question under way: put at *asked*, told of by *progress*, answered by *task*."""

    asked: float
    progress: Progress
    task: asyncio.Task[_Answer] = field(init=False)

    async def land(self) -> _Answer:
        """What it brings; whoever is cancelled while waiting leaves it to the others."""
        current().follow(self.progress)
        return await asyncio.shield(self.task)


class Once(Generic[_Key, _Answer]):
    """One answer for each key.

    *room* bounds the bytes that are remembered, of which an answer has *size*. An answer that
    *passes* tells of a trouble that may be over soon.
    """

    def __init__(
        self,
        terms: Terms,
        room: int,
        size: Callable[[_Answer], int],
        *,
        passes: Callable[[_Answer], bool] = lambda _: False,
    ) -> None:
        self._terms = terms
        self._passes = passes
        self._outcomes: TLRUCache[_Key, Outcome[_Answer]] = TLRUCache(
            room,
            ttu=lambda _key, outcome, _now: outcome.until,
            timer=terms.clock,
            getsizeof=lambda outcome: _EACH + _size(outcome, size),
        )
        self._flights: dict[_Key, _Flight[Outcome[_Answer]]] = {}

    async def get(
        self, key: _Key, ask: Callable[[], Awaitable[_Answer]], *, since: float = _EVER
    ) -> _Answer:
        """The answer of *ask*, now or a moment ago. Raises its `RegistryError` likewise."""
        outcome = self._outcomes.get(key)
        if outcome is None or outcome.asked < since:
            flight = self._flights.get(key)
            if flight is None or flight.asked < since:
                flight = self._take_off(key, ask)
            outcome = await flight.land()
        current().learn(outcome.asked, outcome.until)
        return outcome.get()

    def _take_off(
        self, key: _Key, ask: Callable[[], Awaitable[_Answer]]
    ) -> _Flight[Outcome[_Answer]]:
        flight = _Flight[Outcome[_Answer]](self._terms.clock(), Progress())
        flight.task = asyncio.create_task(self._ask(key, ask, flight))
        self._flights[key] = flight
        return flight

    async def _ask(
        self,
        key: _Key,
        ask: Callable[[], Awaitable[_Answer]],
        flight: _Flight[Outcome[_Answer]],
    ) -> Outcome[_Answer]:
        outcome: Outcome[_Answer]
        try:
            with reporting(flight.progress):
                answer = await ask()
            told = self._terms.passing if self._passes(answer) else self._terms.answered
            outcome = told(answer, flight.asked)
        except RegistryError as error:
            outcome = self._terms.passing(error, flight.asked)
        finally:
            if self._flights.get(key) is flight:  # else a later one is under way, or landed
                del self._flights[key]
        self._remember(key, outcome)
        return outcome

    def _remember(self, key: _Key, outcome: Outcome[_Answer]) -> None:
        """Keeps *outcome*, unless that of a later question is there."""
        known = self._outcomes.get(key)
        newest = known is None or known.asked <= outcome.asked
        if newest and self._outcomes.getsizeof(outcome) <= self._outcomes.maxsize:
            self._outcomes[key] = outcome


def _size(outcome: Outcome[_Answer], size: Callable[[_Answer], int]) -> int:
    return 0 if isinstance(outcome.result, RegistryError) else size(outcome.result)


_Tags = dict[str, Outcome[Tag]]  # by name
_Describe = Callable[[Sequence[str]], Awaitable[Mapping[str, Tag]]]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """*tags* of *size* bytes, which are counted once: there may be thousands."""

    tags: _Tags
    size: int


_NOTHING = _Remembered({}, 0)


class OncePerTag(Generic[_Key]):
    """A tag for each key and name: only those are asked for that nobody knows or asks for.

    *room* bounds the bytes that are remembered, of which a tag has *size*. A tag that could not be
    read is a failure.
    """

    def __init__(self, terms: Terms, room: int, size: Callable[[Tag], int]) -> None:
        self._terms = terms
        self._size = size
        self._known: LRUCache[_Key, _Remembered] = LRUCache(room, lambda known: known.size)
        self._flights: dict[_Key, dict[str, _Flight[_Tags]]] = {}

    async def get(
        self, key: _Key, names: Sequence[str], ask: _Describe, *, since: float = _EVER
    ) -> dict[str, Tag]:
        """The tags of *names*, those not known asked for in one call of *ask*.

        Raises its `RegistryError`, then and for a moment, for all of the names in that call.
        """
        found = self._fresh(key, names, since)
        for outcome in found.values():
            outcome.get()
        missing = [name for name in names if name not in found]
        for flight in self._under_way(key, missing, ask, since):
            found |= await flight.land()
        outcomes = {name: found[name] for name in names}
        if outcomes:
            oldest = min(outcome.asked for outcome in outcomes.values())
            current().learn(oldest, min(outcome.until for outcome in outcomes.values()))
        return {name: outcome.get() for name, outcome in outcomes.items()}

    def _fresh(self, key: _Key, names: Sequence[str], since: float) -> dict[str, Outcome[Tag]]:
        known, now = self._known.get(key, _NOTHING).tags, self._terms.clock()
        return {
            name: outcome
            for name in names
            if (outcome := known.get(name)) is not None
            and now < outcome.until
            and since <= outcome.asked
        }

    def _under_way(
        self, key: _Key, names: Sequence[str], ask: _Describe, since: float
    ) -> list[_Flight[_Tags]]:
        """Who brings *names*: whom others have sent already, and one more for the rest."""
        if not names:
            return []
        flights = self._flights.setdefault(key, {})
        missing = [
            name
            for name in dict.fromkeys(names)
            if (flight := flights.get(name)) is None or flight.asked < since
        ]
        if missing:
            mine = _Flight[_Tags](self._terms.clock(), Progress())
            mine.task = asyncio.create_task(self._ask(key, missing, ask, mine))
            flights |= dict.fromkeys(missing, mine)
        return list(dict.fromkeys(flights[name] for name in names))

    async def _ask(
        self, key: _Key, names: Sequence[str], ask: _Describe, flight: _Flight[_Tags]
    ) -> _Tags:
        outcomes: _Tags
        old = False
        try:
            with reporting(flight.progress):
                tags = await ask(names)
            old = isinstance(tags, StaleTags)
            told = self._terms.passing if old else self._outcome
            outcomes = {name: told(tags[name], flight.asked) for name in names}
        except RegistryError as error:
            outcomes = dict.fromkeys(names, self._terms.passing(error, flight.asked))
        finally:
            self._land(key, names, flight)
        if not old:  # else the next who asks may get what there is now
            self._remember(key, outcomes)
        return outcomes

    def _outcome(self, tag: Tag, asked: float) -> Outcome[Tag]:
        if tag.fault is Fault.UNREADABLE:
            return self._terms.passing(tag, asked)
        return self._terms.answered(tag, asked)

    def _land(self, key: _Key, names: Sequence[str], flight: _Flight[_Tags]) -> None:
        flights = self._flights.get(key, {})
        for name in names:
            if flights.get(name) is flight:  # else a later one is under way, or landed
                del flights[name]
        if not flights:
            self._flights.pop(key, None)

    def _sizes(self, tags: _Tags) -> int:
        sizes = (_size(outcome, self._size) for outcome in tags.values())
        return _EACH + _ENTRY * len(tags) + sum(sizes)

    def _remember(self, key: _Key, outcomes: _Tags) -> None:
        """Keeps *outcomes*, and of what was known what still serves: names come and go."""
        known, now = self._known.pop(key, _NOTHING).tags, self._terms.clock()
        kept = {name: each for name, each in known.items() if now < each.until}
        for name, outcome in outcomes.items():
            if name not in kept or kept[name].asked <= outcome.asked:
                kept[name] = outcome
        size = self._sizes(kept)
        if size <= self._known.maxsize:
            self._known[key] = _Remembered(kept, size)
