"""One leader among the controller's replicas, by a Lease (docs/decisions/0020-one-leader.md).

The rules and the numbers are those of client-go's leaderelection: who does not lead waits until
the Lease was left unchanged for its whole duration, by the waiter's own clock; nobody's clock is
compared with another's. Who leads stops well before that, if it cannot renew.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cmp.meter import Meter, Unmetered
from sidecar.kubernetes.errors import (
    AbsentError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    UnknownAccountError,
    UnservedError,
)
from sidecar.kubernetes.kinds import LEASES
from sidecar.kubernetes.port import Cluster, Object

_log = logging.getLogger("retag.controller")

LEASE = "retag-controller"  # the Role in deploy/ has it too
_LONGEST = 3600.0  # seconds that somebody else's Lease is believed to last
_JITTER = 1.2  # client-go's
_RIGHTS = "let the account get, create and update Leases there; deploy/ has the Role"


def _since_boot() -> float:
    """Seconds that go on while the machine is suspended, unlike `time.monotonic` on Linux."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a Lease lasts, all in seconds, and by which clocks.

    A leader that has not renewed for *deadline* leads no more; others wait for *lease*, so that
    what it has begun has the difference to end. *clock* must go on while the process is stopped.
    """

    lease: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0
    clock: Callable[[], float] = _since_boot
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class Leadership:
    """Takes the Lease *name*, and lets go of it again.

    *identity* names this process, and no other one, not even the one before it in its Pod.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        *,
        pace: Pace | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._pace = pace or Pace()
        self._meter = meter or Unmetered()
        self._until = float("-inf")  # by the clock: when this process leads no more
        self._held: Object | None = None  # the Lease as this process wrote it last
        self._seen: Object = {}  # the Lease's spec as it was seen last
        self._seen_at = float("-inf")
        self._said = ""

    def leads(self) -> bool:
        """Whether this process leads at this very moment. Ask before each write."""
        return self._pace.clock() < self._until

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work* while this process leads: again each time, until it ends by itself.

        When the Lease is lost, *work* is cancelled and awaited; it does not begin anew before. It
        may take as long as it likes, and must write nothing while `leads` is false. At the end,
        and when this is cancelled, the Lease is given back. Raises what *work* raises.
        """
        self._meter.set("retag_leader", 0)
        try:
            while not await self._lead(work):
                _log.warning("this replica leads no more")
        finally:
            self._until = float("-inf")
            await self._release()

    async def _lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Wait for the Lease and run *work* as long as it lasts; whether *work* has ended."""
        while not await self._attempt():
            await self._pace.sleep(self._pace.retry * (1 + _JITTER * self._pace.chance()))
        _log.info("this replica leads, as %s", self._identity)
        self._meter.set("retag_leader", 1)
        working = asyncio.create_task(work())
        renewing = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            has_ended = working.done()
        finally:
            self._meter.set("retag_leader", 0)
            await _end(working, renewing)
        if not working.cancelled():
            working.result()  # or what it raised
        return has_ended

    async def _renew(self) -> None:
        """Return when the Lease is lost."""
        while self.leads():
            await self._pace.sleep(self._pace.retry)
            if self.leads():
                await self._within(self._until - self._pace.clock(), self._attempt())

    async def _within(self, seconds: float, attempt: Coroutine[Any, Any, object]) -> None:
        """Await *attempt*, but no longer than *seconds*."""
        attempting = asyncio.create_task(attempt)
        waiting = asyncio.create_task(self._pace.sleep(seconds))
        try:
            await asyncio.wait({attempting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(attempting, waiting)
        if not attempting.cancelled():
            attempting.result()

    async def _attempt(self) -> bool:
        """Take the Lease, or renew it; whether this process leads now."""
        try:
            await self._take()
            if self._said:
                _log.info("Lease %s/%s can be used again", self._namespace, self._name)
            self._said = ""
        except ConflictError:  # somebody was faster
            pass
        except ClusterError as error:
            self._say(error)
        return self.leads()

    async def _take(self) -> None:
        """Write the Lease as it was written last, else as it is, if it may be taken."""
        if self._held:
            try:
                await self._write(self._held)
            except (ConflictError, AbsentError):  # somebody has changed or deleted it
                self._held = None
            else:
                return
        lease = await self._look()
        if lease:
            await self._write(lease)

    async def _write(self, lease: Object) -> None:
        begun = self._pace.clock()  # others count from later on, when they see what is written
        is_there = "resourceVersion" in lease["metadata"]
        write = self._cluster.replace if is_there else self._cluster.create
        self._held = await write(LEASES, self._namespace, {**lease, "spec": self._claim(lease)})
        self._until = begun + self._pace.deadline

    async def _look(self) -> Object | None:
        """The Lease, if it may be taken; one that is yet to be made has no resourceVersion."""
        try:
            lease = await self._cluster.get(LEASES, self._namespace, self._name)
        except AbsentError:
            metadata = {"name": self._name, "namespace": self._namespace}
            return {"apiVersion": LEASES.api_version, "kind": LEASES.name, "metadata": metadata}
        spec = lease.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._pace.clock()
        holder = spec.get("holderIdentity")
        if holder in (None, "", self._identity):
            return lease
        self._until = float("-inf")
        lasts = min(_number(spec.get("leaseDurationSeconds"), self._pace.lease), _LONGEST)
        return None if self._pace.clock() < self._seen_at + lasts else lease

    def _claim(self, lease: Object) -> Object:
        """The spec of *lease* with this process as the holder."""
        before: Object = lease.get("spec") or {}
        now = _micro_time(self._pace.wall())
        claim = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._pace.lease)),
            "renewTime": now,
        }
        if before.get("holderIdentity") == self._identity:
            return {**before, **claim}
        changes = _number(before.get("leaseTransitions"), -1) + 1
        return {**claim, "acquireTime": now, "leaseTransitions": changes}

    async def _release(self) -> None:
        """Give the Lease back, if it is held, so that another need not wait."""
        if self._held:
            self._held = None
            with suppress(ClusterError):  # it runs out by itself
                await self._within(self._pace.deadline, self._free())

    async def _free(self) -> None:
        # What was written last may not be known, where the answer was not waited for.
        lease = await self._cluster.get(LEASES, self._namespace, self._name)
        if lease["spec"].get("holderIdentity") == self._identity:
            spec = {**lease["spec"], "leaseDurationSeconds": 1}
            del spec["holderIdentity"]
            await self._cluster.replace(LEASES, self._namespace, {**lease, "spec": spec})

    def _say(self, error: ClusterError) -> None:
        """Log *error*, unless it is the one that was logged last."""
        if isinstance(error, ForbiddenError | UnservedError):
            lease = f"Lease {self._namespace}/{self._name}"
            error = ClusterError(
                "RT675",
                f"cannot use {lease}, so that this replica does nothing: {error.what}",
                remedy=error.remedy if isinstance(error, UnknownAccountError) else _RIGHTS,
            )
        if str(error) != self._said:
            _log.warning("%s", error)
        self._said = str(error)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel *tasks* and wait until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _number(value: Any, default: float) -> Any:
    return value if isinstance(value, int) and value >= 0 else default


def _micro_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
