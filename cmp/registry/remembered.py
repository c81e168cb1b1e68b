"""Questions that are asked once at a time, and answers that are remembered for a while.

Who asks what is being asked already waits for that answer. A failure is an answer too: all who
wait get it, and for a moment nobody asks again, since a registry in trouble needs that most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache, TLRUCache

from cmp.errors import RegistryError
from cmp.tags import Fault, Tag

_Key = TypeVar("_Key", bound=Hashable)
_Answer = TypeVar("_Answer")

# Bytes that are counted for each key and what belongs to it, as an error, and for each name below
# a key, besides what the answers have.
_EACH = 1024
_ENTRY = 100


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_Answer]):
    """What came of a question, which serves while the clock is before *until* (seconds)."""

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
        return Outcome(asked + self.ttl, answer)

    def passing(self, result: _Answer | RegistryError) -> Outcome[_Answer]:
        """The outcome where *result* tells of a trouble that may be over soon."""
        return Outcome(self.clock() + self.grace, result)


class Once(Generic[_Key, _Answer]):
    """One answer for each key.

    *room* bounds the bytes that are remembered, of which an answer has *size*.
    """

    def __init__(self, terms: Terms, room: int, size: Callable[[_Answer], int]) -> None:
        self._terms = terms
        self._outcomes: TLRUCache[_Key, Outcome[_Answer]] = TLRUCache(
            room,
            ttu=lambda _key, outcome, _now: outcome.until,
            timer=terms.clock,
            getsizeof=lambda outcome: _EACH + _size(outcome, size),
        )
        self._flights: dict[_Key, asyncio.Task[Outcome[_Answer]]] = {}

    async def get(self, key: _Key, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer of *ask*, now or a moment ago. Raises its `RegistryError` likewise.

        Whoever is cancelled while waiting leaves the question to the others.
        """
        outcome = self._outcomes.get(key)
        if outcome is None:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = asyncio.create_task(self._ask(key, ask))
            outcome = await asyncio.shield(flight)
        return outcome.get()

    async def _ask(self, key: _Key, ask: Callable[[], Awaitable[_Answer]]) -> Outcome[_Answer]:
        asked = self._terms.clock()
        try:
            outcome = self._terms.answered(await ask(), asked)
        except RegistryError as error:
            outcome = self._terms.passing(error)
        finally:
            del self._flights[key]
        if self._outcomes.getsizeof(outcome) <= self._outcomes.maxsize:
            self._outcomes[key] = outcome
        return outcome


def _size(outcome: Outcome[_Answer], size: Callable[[_Answer], int]) -> int:
    return 0 if isinstance(outcome.result, RegistryError) else size(outcome.result)


_Tags = dict[str, Outcome[Tag]]  # by name
_Describe = Callable[[Sequence[str]], Awaitable[Mapping[str, Tag]]]


class OncePerTag(Generic[_Key]):
    """A tag for each key and name: only those are asked for that nobody knows or asks for.

    *room* bounds the bytes that are remembered, of which a tag has *size*. A tag that could not be
    read is a failure.
    """

    def __init__(self, terms: Terms, room: int, size: Callable[[Tag], int]) -> None:
        self._terms = terms
        self._size = size
        self._known: LRUCache[_Key, _Tags] = LRUCache(room, getsizeof=self._sizes)
        self._flights: dict[_Key, dict[str, asyncio.Task[_Tags]]] = {}

    async def get(self, key: _Key, names: Sequence[str], ask: _Describe) -> dict[str, Tag]:
        """The tags of *names*, those not known asked for in one call of *ask*.

        Raises its `RegistryError`, then and for a moment, for all of the names in that call.
        """
        found = self._fresh(key, names)
        for outcome in found.values():
            outcome.get()
        for flight in self._under_way(key, [name for name in names if name not in found], ask):
            found |= await asyncio.shield(flight)
        return {name: found[name].get() for name in names}

    def _fresh(self, key: _Key, names: Sequence[str]) -> dict[str, Outcome[Tag]]:
        known, now = self._known.get(key, {}), self._terms.clock()
        return {
            name: outcome
            for name in names
            if (outcome := known.get(name)) is not None and now < outcome.until
        }

    def _under_way(
        self, key: _Key, names: Sequence[str], ask: _Describe
    ) -> set[asyncio.Task[_Tags]]:
        """Who brings *names*: whom others have sent already, and one more for the rest."""
        if not names:
            return set()
        flights = self._flights.setdefault(key, {})
        missing = [name for name in dict.fromkeys(names) if name not in flights]
        if missing:
            flights |= dict.fromkeys(missing, asyncio.create_task(self._ask(key, missing, ask)))
        return {flights[name] for name in names}

    async def _ask(self, key: _Key, names: Sequence[str], ask: _Describe) -> _Tags:
        asked = self._terms.clock()
        try:
            tags = await ask(names)
            outcomes = {name: self._outcome(tags[name], asked) for name in names}
        except RegistryError as error:
            outcomes = dict.fromkeys(names, self._terms.passing(error))
        finally:
            self._land(key, names)
        self._remember(key, outcomes)
        return outcomes

    def _outcome(self, tag: Tag, asked: float) -> Outcome[Tag]:
        if tag.fault is Fault.UNREADABLE:
            return self._terms.passing(tag)
        return self._terms.answered(tag, asked)

    def _land(self, key: _Key, names: Sequence[str]) -> None:
        flights = self._flights[key]
        for name in names:
            del flights[name]
        if not flights:
            del self._flights[key]

    def _sizes(self, tags: _Tags) -> int:
        sizes = (_size(outcome, self._size) for outcome in tags.values())
        return _EACH + _ENTRY * len(tags) + sum(sizes)

    def _remember(self, key: _Key, outcomes: _Tags) -> None:
        """Keeps *outcomes*, and of what was known what still serves: names come and go."""
        known, now = self._known.pop(key, {}), self._terms.clock()
        serving = {name: each for name, each in known.items() if now < each.until}
        kept = serving | outcomes
        if self._known.getsizeof(kept) <= self._known.maxsize:
            self._known[key] = kept
