"""The few writes of a delivery to the cluster, each only by who leads and within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cmp.meter import Meter
from sidecar.cluster.record import Record
from sidecar.controller import refresh
from sidecar.controller.limits import Bucket
from sidecar.controller.model import Target, target_of
from sidecar.controller.records import Key, Records
from sidecar.kubernetes.errors import AbsentError, ClusterError, ConflictError, RefusedError
from sidecar.kubernetes.kinds import APPLICATIONS
from sidecar.kubernetes.port import Cluster, Object, Patch


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is written.

    *gap* seconds lie between two refreshes of one Application: each costs Argo CD a rendering and
    a comparison. *refreshes* a second are asked for in all, a few times what one repo-server
    renders, so that a tag of many Applications does not keep other work waiting. *records* a
    second are written; a first start records what runs in each Application.
    """

    gap: float = 10.0
    refreshes: float = 10.0
    records: float = 50.0


class NotLeadingError(Exception):
    """Another controller leads by now, so nothing is written."""


class StaleError(Exception):
    """What was to be written on has changed; it was read anew."""


class Writer:
    """Writes to *cluster* and *records* while *leads* says so."""

    def __init__(  # noqa: PLR0913 - what is not pure is passed in
        self,
        cluster: Cluster,
        records: Records,
        leads: Callable[[], bool],
        *,
        limits: Limits,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        meter: Meter,
    ) -> None:
        self._cluster = cluster
        self._records = records
        self._leads = leads
        self._meter = meter
        rate = limits.refreshes
        self._refreshes = Bucket(rate, int(rate), clock=clock, sleep=sleep)
        self._writes = Bucket(limits.records, int(limits.records), clock=clock, sleep=sleep)

    async def record(self, record: Record) -> None:
        """Write *record*; `StaleError` if another was written meanwhile."""
        await self._writes.take()
        self._check()
        try:
            await self._records.write(record)
        except (ConflictError, AbsentError):
            await self._records.read((record.namespace, record.name))
            raise StaleError from None

    async def forget(self, key: Key) -> None:
        """Delete the record of an Application that is gone."""
        await self._writes.take()
        self._check()
        await self._records.delete(key)

    async def refresh(self, target: Target, stamp: str, reason: str) -> Target | None:
        """Ask for a hard refresh of *target*; the Application after that.

        `ConflictError` if it has changed since it was seen.
        """
        await self._refreshes.take()
        written = await self._patch(target, refresh.patch(target, stamp))
        self._meter.count("retag_refreshes_total", reason=reason)
        return target_of(written, target.instance)

    async def sync(self, target: Target, patch: Sequence[dict[str, Any]]) -> Target | None:
        """Start an operation by *patch*; the Application after that. As for `refresh`."""
        await self._refreshes.take()
        try:
            written = await self._patch(target, patch)
        except ClusterError as error:
            stale = isinstance(error, ConflictError | RefusedError)
            outcome = "conflict" if stale else "failed"
            self._meter.count("retag_syncs_started_total", outcome=outcome)
            raise
        self._meter.count("retag_syncs_started_total", outcome="started")
        return target_of(written, target.instance)

    async def read(self, target: Target) -> Target | None:
        """*target* as it is now; None if it is gone, or no more the plugin's."""
        try:
            found = await self._cluster.get(APPLICATIONS, *target.key)
        except AbsentError:
            return None
        return target_of(found, target.instance)

    async def _patch(self, target: Target, patch: Patch) -> Object:
        self._check()
        return await self._cluster.patch(APPLICATIONS, *target.key, patch)

    def _check(self) -> None:
        if not self._leads():
            raise NotLeadingError
