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
from typing import Any

from cmp.meter import Meter, Unmetered
from sidecar.controller import attempts, autosync, delivery
from sidecar.controller.events import Events
from sidecar.controller.known import Known, KnownApplications
from sidecar.controller.limits import Agenda
from sidecar.controller.model import Target, Wanted
from sidecar.controller.perform import Performer
from sidecar.controller.records import Key, Records
from sidecar.controller.steps import Nothing, Situation, Wait
from sidecar.controller.teller import Teller
from sidecar.controller.writer import Limits, NotLeadingError, StaleError, Writer
from sidecar.kubernetes.errors import ClusterError
from sidecar.kubernetes.port import Cluster

_log = logging.getLogger("retag.deliver")

_WORKERS = 8  # writes at a time; the API server answers each in some milliseconds
_MOST_STEPS = 12  # of one Application in a row, before another has its turn
_FIRST, _LONGEST = 1.0, 60.0  # seconds of back-off after an error of the cluster
_NOT_LEADING = 1.0  # seconds until it is looked at again who leads
_FAR = 3600.0  # seconds after which any wait is looked at again: clocks may be set


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
        self._meter = meter or Unmetered()
        limits = limits or Limits()
        self._writer = Writer(
            cluster,
            records,
            leads,
            limits=limits,
            clock=clock,
            sleep=sleep,
            meter=self._meter,
        )
        self._agenda: Agenda[Key] = Agenda(clock=clock, sleep=sleep)
        self._applications = KnownApplications(clock, wall)
        self._performer = Performer(
            applications=self._applications,
            writer=self._writer,
            teller=Teller(events, self._meter),
            gap=limits.gap,
            later=self._later,
            clock=clock,
            wall=wall,
        )
        self._pending: set[Key] = set()

    @property
    def pending(self) -> int:
        """How many Applications have a choice that is not delivered yet, as far as was seen."""
        return len(self._pending)

    def want(self, target: Target, wanted: Sequence[Wanted]) -> None:
        """*wanted* are all choices of *target*, as they are now."""
        application = self._applications.take(target)
        application.hear(wanted, self._wall())
        asked, wanted = wanted, tuple(filter(attempts.is_recordable, wanted))
        if len(wanted) < len(asked) and not application.unrecordable:
            application.unrecordable = True
            _log.warning("%s: a choice is not delivered: it is too long to be recorded", target)
        if application.wanted != wanted:
            application.wanted = wanted
            self._soon(target.key)

    def changed(self, target: Target) -> None:
        """*target* is as it is now."""
        self._applications.take(target)
        self._soon(target.key)

    def gone(self, key: Key) -> None:
        """The Application *key* is deleted, or no longer the plugin's."""
        self._applications.lose(key)
        self._soon(key)

    def leave(self, key: Key) -> None:
        """The Application *key* is left alone from now on; what is recorded of it stays."""
        self._applications.leave(key)
        self._settle(key, pending=False)

    def heal(self, target: Target, reason: str) -> None:
        """Have *target* rendered anew: what kept it from that, *reason*, is over."""
        application = self._applications.take(target)
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
        if self._applications.is_gone(key):
            await self._writer.forget(key)
            self._applications.forget(key)
            self._settle(key, pending=False)
        application = self._applications.get(key)
        if application is None:
            return
        if self._clock() < application.not_before:
            self._later(key, application.not_before - self._clock())
            return
        if not self._leads():
            raise NotLeadingError
        for _ in range(_MOST_STEPS):
            if self._applications.get(key) is not application:
                return  # it went, or is left alone, since the step before
            if not await self._step(application):
                application.failures = 0
                return
        self._later(key, _FIRST)

    async def _step(self, application: Known) -> bool:
        """Take the next step; False if none is due now."""
        situation = self._situation(application)
        step = delivery.next_step(situation, lambda: self._would_sync(application.target))
        self._settle(application.target.key, pending=situation.is_open)
        try:
            if not isinstance(step, Nothing | Wait):
                return await self._performer.take(application, situation, step)
            self._wait(application, step)
            await self._performer.heal(application)
        except StaleError:
            return True
        return False

    def _situation(self, application: Known) -> Situation:
        return application.situation(self._records.of(application.target), self._wall())

    def _would_sync(self, target: Target) -> autosync.Answer:
        project = self._project(target.application.project)
        return autosync.would_sync(target, project, self._wall())

    def _wait(self, application: Known, step: Nothing | Wait) -> None:
        if isinstance(step, Nothing):
            return
        if step.why and step.why != application.said:
            _log.info("%s: the sync waits: %s", application.target, step.why)
            application.said = step.why
        self._later(application.target.key, step.until - self._wall())

    def _failed(self, key: Key, error: ClusterError) -> None:
        application = self._applications.get(key)
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
        application = self._applications.get(key)
        urgent = application is not None and delivery.is_urgent(self._situation(application))
        self._agenda.put(key, self._clock() + min(max(0.0, delay), _FAR), urgent=urgent)

    def _settle(self, key: Key, *, pending: bool) -> None:
        (self._pending.add if pending else self._pending.discard)(key)
        self._meter.set("retag_deliveries_pending", len(self._pending))
