"""`SharedLookups`: each choice is looked up once for all who need it, and a while longer.

A request waits for a look-up no longer than it may. The look-up goes on without it: what it
learns is there for the next.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from cmp.choices import Choices, Known, Question, is_settled
from cmp.cosign import PublicKey
from cmp.errors import UnreachableError
from cmp.judge import Verdict, judge
from cmp.lookups import Direct
from cmp.meter import Meter, Unmetered
from cmp.policy import Chosen, Keep, Kept, Policy
from cmp.registry.cache import GRACE, TTL
from cmp.registry.port import TagSource
from cmp.registry.progress import Progress, reporting
from cmp.rules import Rule
from cmp.tags import Fault, Needs, Tag

# Look-ups of one registry under way at once: as many as its client has connections. More would
# wait there, and hold what they have read so far. Each registry has its own turns, so that one
# that hangs keeps nobody from another.
MOST_AT_ONCE = 32
# Seconds that a request waits where a look-up has failed just now (`Choices.failed`): what
# is in order again answers in less, and while it is not no request needs to take 10.
PATIENCE = 1.0

_LATE, _STOPPED = "RT532", "RT534"

_log = logging.getLogger("retag.lookups")


@dataclass(slots=True, eq=False)
class _Flight:
    """A look-up that *began* then, and knows of nothing before *since*, for the sake of *refresh*.

    *waiting* requests wait for it; it is *queued* until its turn comes.
    """

    question: Question
    policy: Policy
    since: float
    refresh: float
    began: float
    progress: Progress = field(default_factory=Progress)
    waiting: int = 0
    queued: bool = True
    task: asyncio.Task[Verdict] = field(init=False)


class SharedLookups:
    """The `Lookups` of all requests, which are answered from *tags*.

    One look-up for each repository, login, policy and keys is under way at a time. Its choice is
    remembered while all that it was made from serves, if *tags* is a `CachedTags`, and at most
    *ttl* seconds after the look-up began; what is no choice at most *grace* seconds. After that
    requests wait for the next look-up no longer than *patience* seconds, and are told the same.
    *clock* gives seconds that never go back, *wall* those since the epoch.
    """

    def __init__(  # noqa: PLR0913 - what is not pure is passed in
        self,
        tags: TagSource,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        ttl: float = TTL,
        grace: float = GRACE,
        patience: float = PATIENCE,
        meter: Meter | None = None,
    ) -> None:
        self._tags = tags
        self._clock = clock
        self._wall = wall
        self._ttl = ttl
        self._grace = grace
        self._patience = patience
        self._meter = meter or Unmetered()
        self._choices = Choices(clock)
        self._flights: dict[Question, _Flight] = {}
        self._running: set[asyncio.Task[Verdict]] = set()
        self._turns: dict[str, asyncio.Semaphore] = {}  # by registry: rules name a few

    def until(self, ends: float) -> Until:
        """The same for one request, which waits while the clock is before *ends*."""
        return Until(self, ends)

    def begin(
        self, rule: Rule, policy: Policy, keys: Sequence[PublicKey], *, since: float = 0
    ) -> None:
        """Begin the look-up, if it is needed, for a request that will ask for its verdict."""
        if policy.decided() is None:
            question = Question(rule.repository, rule.pull_secret, policy.settings, tuple(keys))
            if self._choices.known(question, since) is None:
                self._flight(question, policy, since)

    async def verdict(
        self,
        rule: Rule,
        policy: Policy,
        keys: Sequence[PublicKey],
        *,
        since: float = 0,
        ends: float = math.inf,
    ) -> Verdict:
        """The choice of *policy* for *rule*, from nothing that was seen before *since*.

        Where there is none when the clock shows *ends*, the choice is incomplete, and says so.
        """
        if policy.decided() is not None:
            return await judge(rule.repository, policy, self._tags, keys)
        question = Question(rule.repository, rule.pull_secret, policy.settings, tuple(keys))
        known = self._choices.known(question, since)
        result = "miss" if known is None else "hit"
        self._meter.count("retag_memo_total", memo="choices", result=result)
        if known is not None:
            return known
        flight = self._flight(question, policy, since)
        failed = self._choices.failed(question, since)
        if failed is None:
            return await self._wait(flight, ends)
        soon = min(ends, self._clock() + self._patience)
        return await self._wait(flight, soon, failed)

    async def describe(
        self,
        rule: Rule,
        names: Sequence[str],
        needs: Needs,
        *,
        since: float = 0,
        ends: float = math.inf,
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; unreadable where none is known when the clock is *ends*."""
        left = None if math.isinf(ends) else max(0.0, ends - self._clock())
        try:
            async with asyncio.timeout(left):
                return await Direct(self._tags).describe(rule, names, needs, since=since)
        except TimeoutError:
            why = f"still asking {rule.repository.registry}"
            return {name: Tag(name, fault=Fault.UNREADABLE, detail=why) for name in names}

    async def aclose(self) -> None:
        """End all look-ups; who waits for one is told so."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _flight(self, question: Question, policy: Policy, since: float) -> _Flight:
        """The look-up that is under way, if it knows of nothing before *since*; or a new one."""
        flight = self._flights.get(question)
        if flight is None or (flight.since < since and flight.refresh != since):
            told = min(since, self._wall())  # an instant in the future counts as now
            flight = _Flight(question, policy, told, since, self._clock())
            flight.task = asyncio.create_task(self._look(flight))
            flight.task.add_done_callback(partial(self._land, flight))
            self._flights[question] = flight
            self._running.add(flight.task)
            self._meter.set("retag_lookups_in_flight", len(self._running))
        return flight

    async def _wait(self, flight: _Flight, ends: float, failed: Verdict | None = None) -> Verdict:
        """The verdict, or that there is none when the clock shows *ends*; *failed* says that."""
        flight.waiting += 1
        try:
            left = None if math.isinf(ends) else max(0.0, ends - self._clock())
            await asyncio.wait({flight.task}, timeout=left)
        finally:
            flight.waiting -= 1
            if flight.queued and not flight.waiting:
                # Nobody is left who wants it, and its turn has not come.
                self._forget(flight)
                flight.task.cancel()
        if not flight.task.done():
            self._meter.count("retag_lookup_budget_exceeded_total")
            return failed or self._late(flight)
        if flight.task.cancelled():
            return _no_verdict(flight, _STOPPED, "the resolver is stopping")
        return flight.task.result()

    def _late(self, flight: _Flight) -> Verdict:
        """That it is not known yet, a failure if nothing has come at all."""
        verdict = _no_verdict(flight, _LATE, _how_far(flight))
        if not flight.queued and not str(flight.progress):
            since = max(flight.since, self._wall() - (self._clock() - flight.began))
            known = Known(verdict, flight.began, since, flight.began, flight.refresh)
            self._choices.keep_failed(flight.question, known)
        return verdict

    async def _look(self, flight: _Flight) -> Verdict:
        question = flight.question
        registry = question.repository.registry
        turns = self._turns.setdefault(registry, asyncio.Semaphore(MOST_AT_ONCE))
        async with turns:
            flight.queued = False
            tags = self._tags.since(flight.since).authorised(question.pull_secret)
            with reporting(flight.progress):
                verdict = await judge(question.repository, flight.policy, tags, question.keys)
        self._remember(flight, verdict)
        choice = verdict.choice
        outcome = "chosen" if isinstance(choice, Chosen) else choice.keep.value
        self._meter.count("retag_lookups_total", outcome=outcome)
        return verdict

    def _remember(self, flight: _Flight, verdict: Verdict) -> None:
        """Keep *verdict* for as long as what it was made from serves."""
        learned, now = flight.progress, self._clock()
        longest = flight.began + self._ttl if is_settled(verdict) else now + self._grace
        oldest = flight.began if math.isinf(learned.oldest) else learned.oldest
        seen = self._wall() - (now - oldest)
        if verdict.listing is not None:
            seen = min(seen, verdict.listing.observed_at)
        since, until = max(flight.since, seen), min(longest, learned.until)
        known = Known(verdict, flight.began, since, until, flight.refresh)
        self._choices.keep(flight.question, known)

    def _forget(self, flight: _Flight) -> None:
        """Whoever asks from now on begins another."""
        if self._flights.get(flight.question) is flight:
            del self._flights[flight.question]

    def _land(self, flight: _Flight, task: asyncio.Task[Verdict]) -> None:
        self._forget(flight)
        self._running.discard(task)
        self._meter.set("retag_lookups_in_flight", len(self._running))
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a look-up failed by a fault of Retag", exc_info=error)


@dataclass(frozen=True, slots=True)
class Until:
    """The `Lookups` of one request, which waits while the clock of *shared* is before *ends*."""

    shared: SharedLookups
    ends: float

    async def verdict(
        self, rule: Rule, policy: Policy, keys: Sequence[PublicKey], /, *, since: float = 0
    ) -> Verdict:
        """The choice of *policy* for *rule*, or that it is not known yet."""
        return await self.shared.verdict(rule, policy, keys, since=since, ends=self.ends)

    async def describe(
        self, rule: Rule, names: Sequence[str], needs: Needs, /, *, since: float = 0
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*, or that it is not known yet."""
        return await self.shared.describe(rule, names, needs, since=since, ends=self.ends)


def _how_far(flight: _Flight) -> str:
    read = str(flight.progress)
    return (
        f"still reading {read}" if read else f"still asking {flight.question.repository.registry}"
    )


def _no_verdict(flight: _Flight, code: str, why: str) -> Verdict:
    error = UnreachableError(
        code,
        why,
        remedy="nothing was chosen before that could stay; hard refresh the Application soon",
    )
    choice = Kept(Keep.INCOMPLETE, why)
    return Verdict(flight.question.repository, flight.policy, choice, error=error)
