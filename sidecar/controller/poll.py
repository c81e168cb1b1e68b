"""`Poller`: it has each ruled repository looked at when its `Schedule` says so."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from cmp.meter import Meter, Unmetered
from sidecar.controller.schedule import Outcome, Schedule
from sidecar.controller.targets import Login

_log = logging.getLogger("retag.poll")

Look = Callable[[Login], Awaitable[Outcome]]


class Poller:
    """Has *look* look at each login every *interval* seconds, and whenever something hints.

    *look* does not raise. *clock* gives seconds that never go back, *chance* numbers of [0, 1).
    """

    def __init__(
        self,
        look: Look,
        interval: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        meter: Meter | None = None,
    ) -> None:
        self._look = look
        self._schedule = Schedule(interval, chance)
        self._clock = clock
        self._meter = meter or Unmetered()
        self._wake = asyncio.Event()
        self._looked = asyncio.Event()

    def add(self, login: Login) -> None:
        """Look at *login* from now on."""
        self._schedule.add(login, self._clock())
        self._changed()

    def drop(self, login: Login) -> None:
        """Look at it no more."""
        self._schedule.drop(login)
        self._changed()

    def hint(self, registry: str, repository: str) -> None:
        """Something may have changed in *repository* (its path) of *registry* ("" if unknown)."""
        if self._schedule.hint(registry, repository, self._clock()):
            self._meter.count("retag_repository_hints_total", outcome="ruled")
            self._wake.set()
        else:
            self._meter.count("retag_repository_hints_total", outcome="ignored")

    @property
    def lag(self) -> float:
        """Seconds since when the repository was due that is waiting longest."""
        return self._schedule.lag(self._clock())

    async def all_read(self) -> None:
        """Return when each login was looked at once."""
        while self._schedule.unread:
            self._looked.clear()
            await self._looked.wait()

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                for login in self._schedule.take(self._clock()):
                    group.create_task(self._one(login))
                await self._until_due()

    async def _until_due(self) -> None:
        """Return when something is due, or changes what is."""
        soonest = self._schedule.next
        left = None if soonest is None else max(0.0, soonest - self._clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._wake.wait()
        self._wake.clear()

    async def _one(self, login: Login) -> None:
        outcome = Outcome.SILENT
        try:
            outcome = await self._look(login)
        except Exception:  # noqa: BLE001  # one that cannot be looked at keeps nobody from the others
            _log.exception("a look at a repository failed by a fault of Retag")
        finally:
            self._schedule.done(login, self._clock(), outcome)
            self._meter.count("retag_repositories_polled_total", outcome=outcome.value)
            self._wake.set()
            self._looked.set()

    def _changed(self) -> None:
        self._meter.set("retag_repositories_ruled", len(self._schedule))
        self._wake.set()
        self._looked.set()
