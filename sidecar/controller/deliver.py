"""`Deliverer`: brings the choices of all Applications to Argo CD, a step at a time.

What is to be done says `delivery`; here is when, by whom, and what if the cluster says no. Each
step looks at the Application and its record as they are then, so a step that fails is no more
than a step that is taken later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cmp.meter import Meter, Unmetered
from sidecar.controller import asking, attempts, autosync, delivery, refresh, syncing
from sidecar.controller.events import Events
from sidecar.controller.heal import Healing, ailment, resumed
from sidecar.controller.limits import Agenda
from sidecar.controller.model import Target, Wanted
from sidecar.controller.records import Key, Records, is_older
from sidecar.controller.steps import (
    Intend,
    Note,
    Nothing,
    Refresh,
    Situation,
    Step,
    Sync,
    Wait,
    key_of,
)
from sidecar.controller.teller import Teller
from sidecar.controller.writer import Limits, NotLeadingError, StaleError, Writer
from sidecar.kubernetes.errors import ClusterError, ConflictError, RefusedError
from sidecar.kubernetes.port import Cluster

_log = logging.getLogger("retag.deliver")

_WORKERS = 8  # writes at a time; the API server answers each in some milliseconds
_MOST_STEPS = 12  # of one Application in a row, before another has its turn
_FIRST, _LONGEST = 1.0, 60.0  # seconds of back-off after an error of the cluster
_NOT_LEADING = 1.0  # seconds until it is looked at again who leads
_FAR = 3600.0  # seconds after which any wait is looked at again: clocks may be set


@dataclass(slots=True)
class _Application:
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


class Deliverer:
    """Delivers what is wanted, by one who *leads*. *project* gives an AppProject by its name.

    *clock* and *sleep* are in seconds, *wall* in seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913 - what is not pure is passed in
        self,
        cluster: Cluster,
        records: Records,
        events: Events,
        leads: Callable[[], bool],
        *,
        project: Callable[[str], Mapping[str, Any] | None],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limits: Limits | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._records = records
        self._leads = leads
        self._project = project
        self._clock = clock
        self._wall = wall
        self._limits = limits or Limits()
        self._meter = meter or Unmetered()
        self._teller = Teller(events, self._meter)
        self._writer = Writer(
            cluster,
            records,
            leads,
            limits=self._limits,
            clock=clock,
            sleep=sleep,
            meter=self._meter,
        )
        self._agenda: Agenda[Key] = Agenda(clock=clock, sleep=sleep)
        self._known: dict[Key, _Application] = {}
        self._gone: set[Key] = set()
        self._pending: set[Key] = set()

    @property
    def pending(self) -> int:
        """How many Applications have a choice that is not delivered yet, as far as was seen."""
        return len(self._pending)

    def want(self, target: Target, wanted: Sequence[Wanted]) -> None:
        """*wanted* are all choices of *target*, as they are now."""
        application = self._take(target)
        news = frozenset((*key_of(w), w.choice.tag, w.choice.digest) for w in wanted)
        asked, wanted = wanted, tuple(filter(attempts.is_recordable, wanted))
        if len(wanted) < len(asked) and not application.unrecordable:
            application.unrecordable = True
            _log.warning("%s: a choice is not delivered: it is too long to be recorded", target)
        if news - application.news:
            application.came = _came(application.came, self._wall())
        application.news = news
        if application.wanted != wanted:
            application.wanted = wanted
            self._soon(target.key)

    def changed(self, target: Target) -> None:
        """*target* is as it is now."""
        self._take(target)
        self._soon(target.key)

    def gone(self, key: Key) -> None:
        """The Application *key* is deleted, or no longer the plugin's."""
        self._known.pop(key, None)
        self._gone.add(key)
        self._soon(key)

    def heal(self, target: Target, reason: str) -> None:
        """Have *target* rendered anew: what kept it from that, *reason*, is over."""
        application = self._take(target)
        application.heal = reason
        self._soon(target.key)

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._agenda.take()
            try:
                await self._look(key)
            except NotLeadingError:
                self._later(key, _NOT_LEADING)
            except ClusterError as error:
                self._failed(key, error)
            except Exception:  # noqa: BLE001 - a bug in one delivery must not end all others
                _log.exception("%s/%s: the delivery failed", *key)
                self._later(key, _LONGEST)
            finally:
                self._agenda.done(key)

    async def _look(self, key: Key) -> None:
        """Take the steps that are due for *key*."""
        if key in self._gone:
            await self._writer.forget(key)
            self._gone.discard(key)
            self._settle(key, pending=False)
        application = self._known.get(key)
        if application is None:
            return
        if self._clock() < application.not_before:
            self._later(key, application.not_before - self._clock())
            return
        if not self._leads():
            raise NotLeadingError
        for _ in range(_MOST_STEPS):
            if not await self._step(application):
                application.failures = 0
                return
        self._later(key, _FIRST)

    async def _step(self, application: _Application) -> bool:
        """Take the next step; False if none is due now."""
        situation = self._situation(application)
        step = delivery.next_step(situation, lambda: self._would_sync(application.target))
        self._settle(application.target.key, pending=situation.is_open)
        try:
            return await self._do(application, situation, step)
        except StaleError:
            return True

    async def _do(self, application: _Application, situation: Situation, step: Step) -> bool:
        match step:
            case Note():
                await self._note(application, step)
            case Intend():
                await self._writer.record(step.record)
                application.unsent = step.stamp
            case Refresh():
                return await self._refresh(application, situation, step.stamp)
            case Sync():
                await self._sync(application, situation, step)
            case Nothing() | Wait():
                self._wait(application, step)
                return await self._heal(application)
        return True

    async def _note(self, application: _Application, note: Note) -> None:
        await self._writer.record(note.record)
        await self._teller.tell(application.target, note.told)

    async def _refresh(self, application: _Application, situation: Situation, stamp: str) -> bool:
        again = any(e.stamp == stamp and e.attempts > 1 for e in situation.record.choices)
        before = await self._ask(application, stamp, "again" if again else "choice")
        if before is None:
            return False
        await self._writer.record(attempts.asked(situation.record, stamp, before))
        return True

    async def _ask(self, application: _Application, stamp: str, reason: str) -> Target | None:
        """Ask for a refresh; the Application right after that, None if it is too early."""
        now, last = self._clock(), application.refreshed
        if last is not None and now - last < self._limits.gap:
            self._later(application.target.key, last + self._limits.gap - now)
            return None
        target = application.target
        try:
            found = await self._writer.refresh(target, stamp, reason)
        except ClusterError as error:
            if type(error) is ClusterError:
                application.unsent = ""  # no answer: perhaps it was taken
            await self._stale(target, error)
        application.unsent, application.refreshed = "", self._clock()
        return self._take(found).target if found else target

    async def _sync(self, application: _Application, situation: Situation, step: Sync) -> None:
        target = application.target
        patch = autosync.operation_patch(target, step.operation)
        try:
            found = await self._writer.sync(target, patch)
        except ClusterError as error:
            await self._stale(target, error)
        if found:
            self._take(found)
        await self._note(application, syncing.synced(situation))

    async def _stale(self, target: Target, error: ClusterError) -> None:
        """Read anew what was written on as *target*, if that is why *error* was raised."""
        if not isinstance(error, ConflictError | RefusedError):
            raise error
        found = await self._writer.read(target)
        if found is None or found.version == target.version:
            raise error
        self._take(found)
        raise StaleError

    async def _heal(self, application: _Application) -> bool:
        """Ask for a refresh because of an error that is over, if one is due."""
        target = application.target
        hopeless = target.deleting or target.application.hydrated or delivery.is_skipped(target)
        if not application.heal or hopeless:
            return False
        if refresh.asked_for(target):
            return False
        if (due := application.healing.due) > self._clock():
            self._later(target.key, due - self._clock())
            return False
        stamp = refresh.stamp_at(self._wall())
        if await self._ask(application, stamp, "heal") is None:
            return False
        application.healing = application.healing.again(self._clock())
        _log.info("%s: refreshed, since what failed is over (%s)", target, application.heal)
        application.heal = ""
        return False

    def _situation(self, application: _Application) -> Situation:
        return Situation(
            target=application.target,
            record=self._records.of(application.target),
            wanted=application.wanted,
            now=self._wall(),
            came=application.came,
            pending_since=application.pending_since,
            unsent=application.unsent,
        )

    def _would_sync(self, target: Target) -> autosync.Answer:
        project = self._project(target.application.project)
        return autosync.would_sync(target, project, self._wall(), changed=True)

    def _wait(self, application: _Application, step: Nothing | Wait) -> None:
        if isinstance(step, Nothing):
            return
        if step.why and step.why != application.said:
            _log.info("%s: the sync waits: %s", application.target, step.why)
            application.said = step.why
        self._later(application.target.key, step.until - self._wall())

    def _take(self, target: Target) -> _Application:
        """Remember *target*, unless a later version of it is known."""
        self._gone.discard(target.key)
        application = self._known.get(target.key)
        if application is None or application.target.uid != target.uid:
            healing = resumed(target, self._clock(), self._wall())
            application = self._known[target.key] = _Application(target, healing=healing)
        elif not is_older(target.version, application.target.version):
            application.target = target
        asked = refresh.asked_for(application.target)
        application.pending_since = (application.pending_since or self._wall()) if asked else 0
        if not ailment(application.target):
            application.heal, application.healing = "", Healing()
        return application

    def _failed(self, key: Key, error: ClusterError) -> None:
        application = self._known.get(key)
        if application is None:  # its record could not be deleted
            _log.warning("%s/%s: %s", *key, error)
            self._later(key, _LONGEST)
            return
        if str(error) != application.said:
            _log.warning("%s: %s", application.target, error)
            application.said = str(error)
        delay = min(_LONGEST, _FIRST * 2.0 ** min(application.failures, 10))
        application.failures += 1
        application.not_before = self._clock() + delay
        self._later(key, delay)

    def _soon(self, key: Key) -> None:
        self._later(key, 0)

    def _later(self, key: Key, delay: float) -> None:
        application = self._known.get(key)
        urgent = application is not None and delivery.is_urgent(self._situation(application))
        self._agenda.put(key, self._clock() + min(max(0.0, delay), _FAR), urgent=urgent)

    def _settle(self, key: Key, *, pending: bool) -> None:
        (self._pending.add if pending else self._pending.discard)(key)
        self._meter.set("retag_deliveries_pending", len(self._pending))


def _came(before: tuple[float, float], now: float) -> tuple[float, float]:
    """When the first and the last of the choices came that are delivered together."""
    first, last = before
    return (first if 0 <= now - last < asking.QUIET else now), now
