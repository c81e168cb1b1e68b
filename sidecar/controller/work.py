"""`Term`: what the one who leads does, from the watches to the deliveries.

Each term of leadership begins anew, from what the cluster holds then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from cmp.meter import Meter
from sidecar.cluster.connect import Connected
from sidecar.controller import globalprojects, projects, records, updaters
from sidecar.controller.deliver import Deliverer
from sidecar.controller.dry import DryRun, NoEvents
from sidecar.controller.events import Events, KubernetesEvents
from sidecar.controller.keep import Keeper, LeftAlone
from sidecar.controller.limits import Bucket
from sidecar.controller.model import Target
from sidecar.controller.outage import Warnings
from sidecar.controller.projects import Projects
from sidecar.controller.read import Current
from sidecar.controller.records import Records
from sidecar.controller.rollout import Parts, Rollout
from sidecar.controller.settings import Settings
from sidecar.controller.statuses import Known, Statuses
from sidecar.controller.tally import Tally
from sidecar.controller.targets import Key
from sidecar.kubernetes import APPLICATIONS
from sidecar.kubernetes.mirror import Mirror, Watched

_log = logging.getLogger("retag.controller")

EVENTS_A_SECOND, EVENTS_AT_ONCE = 5.0, 100
# Of these, for outages: what all Applications are warned of leaves none of them out, nor the Event
# for a change.
WARNINGS_A_SECOND, WARNINGS_AT_ONCE = 2.0, 20
_TOLD = 5.0  # seconds between two looks whether a status says something else
# Seconds for the first look at all repositories, before statuses say what cannot be read.
_FIRST_LOOK = 60.0
_ONCE = 300.0  # seconds that `--once` waits for Argo CD
_GLANCE = 1.0  # seconds between two looks whether it has answered

Leads = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What each term is given; *leads* is whether it goes on."""

    settings: Settings
    connected: Connected
    current: Current
    meter: Meter
    leads: Leads


class Term:
    """Watches, decides and delivers, while it runs."""

    def __init__(self, given: Given) -> None:
        self._given = given
        client, argocd, meter = given.connected.client, given.connected.argocd, given.meter
        self._updaters = Mirror(client, updaters.watched(given.connected.rules), meter=meter)
        watched: Watched[Target | LeftAlone] = Watched(
            APPLICATIONS, given.connected.applications, Keeper(argocd), unread=LeftAlone()
        )
        self._applications = Mirror(client, watched, meter=meter)
        self._projects = Mirror(client, projects.watched(argocd), meter=meter)
        self._settings = Mirror(client, globalprojects.watched(argocd), meter=meter)
        self._held = Mirror(client, records.watched(argocd), meter=meter)
        self._mirrors = (
            self._updaters,
            self._applications,
            self._projects,
            self._settings,
            self._held,
        )
        kept = self._records = Records(client, argocd, self._held)
        events = self._events()
        pace = Bucket(WARNINGS_A_SECOND, WARNINGS_AT_ONCE, clock=time.monotonic)
        self._warnings = Warnings(events, given.leads, pace.take)
        self._deliverer = None if given.settings.dry_run else self._delivering(kept, events)
        self._tally = Tally()
        parts = Parts(
            current=given.current,
            earlier=lambda target: kept.of(target).last_good,
            delivers=self._deliverer or DryRun(),
            on_plan=self._tally.count,
            on_outage=self._warnings.tell,
        )
        interval = given.settings.interval
        self._targets: dict[Key, Target] = {}  # of the Applications, those that are not left alone
        self.rollout = Rollout(parts, self._targets, interval, meter=meter)
        self._applications.on_change(self._application)
        self._rules = updaters.RulesOf(self._updaters, argocd)
        self._statuses = self._telling()

    @property
    def is_outdated(self) -> bool:
        """Whether the cluster was restored from a backup since this term began.

        What was told last of an Application or a record is then not what is there, although its
        resourceVersion is the greater one.
        """
        return any(mirror.was_restored for mirror in self._mirrors)

    async def run(self) -> None:
        """Do so until it `is_outdated`.

        With `once` until each repository was looked at, and Argo CD answered. Nothing is decided
        before all was read that decides.
        """
        try:
            await self._work()
        finally:
            self._rest()

    async def _work(self) -> None:
        rollout = self.rollout
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in self._mirrors]
            for each in (self._updaters, self._applications, self._held):
                await each.synced()
            rollout.rules(await self._rules.read())
            _log.info(
                "the cluster is known",
                extra={"applications": len(self._targets)},
            )
            tasks += [
                group.create_task(rollout.run()),
                group.create_task(self._warnings.run()),
                group.create_task(self._rules.run(rollout.rules)),
            ]
            await rollout.idle()  # so that each repository is looked at once for all who want it
            tasks.append(group.create_task(rollout.poller.run()))
            if self._deliverer:
                self._forget_gone(self._deliverer)
                tasks.append(group.create_task(self._deliverer.run()))
            if self._given.settings.once:
                await self._once()
            else:
                await self._tell()
            for task in tasks:
                task.cancel()

    def _application(
        self, key: Key, _before: Target | LeftAlone | None, now: Target | LeftAlone | None
    ) -> None:
        """Decide for the Application *key* as it is *now*, unless it is left alone."""
        before = self._targets.pop(key, None)
        if isinstance(now, LeftAlone):
            self.rollout.leave(key)
            return
        if now is not None:
            self._targets[key] = now
        self.rollout.application(key, before, now)

    def _rest(self) -> None:
        """Let no gauge tell for ever how this term ended: alerts go by them."""
        meter = self._given.meter
        meter.set("retag_poll_lag_seconds", 0.0)
        meter.set("retag_deliveries_pending", 0.0)
        for mirror in self._mirrors:
            meter.set("retag_watch_connected", 1.0, kind=mirror.called)  # nothing is missed

    def _forget_gone(self, deliverer: Deliverer) -> None:
        """Delete the records of Applications that went while nobody watched.

        Those of namespaces that are not watched may be there still.
        """
        watched = self._given.connected.applications
        for key in self._records.keys() - self._applications.objects.keys():
            if watched == ("",) or key[0] in watched:
                deliverer.gone(key)

    async def _tell(self) -> None:
        """Say what there is, until that is another cluster's."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK):
                await self._all_read()
        while not self.is_outdated:
            await self._say()
            await asyncio.sleep(min(_TOLD, self._given.settings.interval))

    async def _once(self) -> None:
        await self._all_read()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ONCE):
                await self._delivered()
        if self._deliverer and self._deliverer.pending:
            waiting = self._deliverer.pending
            _log.warning("Argo CD has not answered yet", extra={"applications": waiting})
        await self._say()

    async def _all_read(self) -> None:
        await self.rollout.poller.all_read()
        await self.rollout.idle()

    async def _delivered(self) -> None:
        """Return when nothing is on its way at two looks: what is wanted has to be seen first."""
        glances = 0
        while self._deliverer and glances < 2:
            await asyncio.sleep(_GLANCE)
            glances = 0 if self._deliverer.pending else glances + 1

    async def _say(self) -> None:
        meter = self._given.meter
        meter.set("retag_applications_watched", len(self._targets))
        meter.set("retag_images_ruled", self._tally.images)
        meter.set("retag_poll_lag_seconds", self.rollout.poller.lag)
        if not self._given.settings.dry_run:
            await self._statuses.write()

    def _events(self) -> Events:
        given = self._given
        if given.settings.dry_run or not given.settings.events:
            return NoEvents()
        bucket = Bucket(EVENTS_A_SECOND, EVENTS_AT_ONCE, clock=time.monotonic)
        return KubernetesEvents(given.connected.client, bucket, time.time)

    def _delivering(self, kept: Records, events: Events) -> Deliverer:
        given = self._given
        return Deliverer(
            given.connected.client,
            kept,
            events,
            given.leads,
            project=Projects(self._projects, self._settings, given.connected.argocd).get,
            meter=given.meter,
        )

    def _telling(self) -> Statuses:
        given = self._given
        known = Known(
            updaters=self._updaters.objects,
            resources=lambda: self._rules.resources,
            tally=self._tally,
            faults=self.rollout.faults,
        )
        statuses = Statuses(
            given.connected.client,
            known,
            given.settings.interval,
            leads=given.leads,
            meter=given.meter,
        )
        self._held.on_change(statuses.recorded)
        return statuses
