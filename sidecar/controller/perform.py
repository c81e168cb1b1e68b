"""`Performer`: takes a step of a delivery, on the Application as it was seen last."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sidecar.controller import attempts, autosync, delivery, refresh, syncing
from sidecar.controller.known import Known, KnownApplications
from sidecar.controller.model import Target
from sidecar.controller.records import Key
from sidecar.controller.steps import Intend, Note, Refresh, Situation, Sync
from sidecar.controller.teller import Teller
from sidecar.controller.writer import StaleError, Writer
from sidecar.kubernetes.errors import ClusterError, ConflictError, RefusedError

_log = logging.getLogger("retag.deliver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """Takes the steps of *applications*, by *writer*, and tells of them by *teller*.

    *gap* seconds lie between two refreshes of one; *later* has it looked at after some seconds.
    *clock* is in seconds, *wall* in seconds since the epoch.
    """

    applications: KnownApplications
    writer: Writer
    teller: Teller
    gap: float
    later: Callable[[Key, float], None]
    clock: Callable[[], float]
    wall: Callable[[], float]

    async def take(
        self, known: Known, situation: Situation, step: Note | Intend | Refresh | Sync
    ) -> bool:
        """Take *step*; False if it is too early. `StaleError` if it has to be decided anew."""
        match step:
            case Note():
                await self._note(known, step)
            case Intend():
                await self.writer.record(step.record)
                known.unsent = step.stamp
            case Refresh():
                return await self._refresh(known, situation, step.stamp)
            case Sync():
                await self._sync(known, situation, step)
        return True

    async def heal(self, known: Known) -> None:
        """Ask for a refresh because of an error that is over, if one is due."""
        target = known.target
        hopeless = target.deleting or target.application.hydrated or delivery.is_skipped(target)
        if not known.heal or hopeless:
            return
        if refresh.asked_for(target):
            return
        if (due := known.healing.due) > self.clock():
            self.later(target.key, due - self.clock())
            return
        stamp = refresh.stamp_at(self.wall())
        if await self._ask(known, stamp, "heal") is None:
            return
        known.healing = known.healing.again(self.clock())
        _log.info("%s: refreshed, since what failed is over (%s)", target, known.heal)
        known.heal = ""

    async def _note(self, known: Known, note: Note) -> None:
        await self.writer.record(note.record)
        await self.teller.tell(known.target, note.told)

    async def _refresh(self, known: Known, situation: Situation, stamp: str) -> bool:
        again = any(e.stamp == stamp and e.attempts > 1 for e in situation.record.choices)
        before = await self._ask(known, stamp, "again" if again else "choice")
        if before is None:
            return False
        await self.writer.record(attempts.asked(situation.record, stamp, before))
        return True

    async def _ask(self, known: Known, stamp: str, reason: str) -> Target | None:
        """Ask for a refresh; the Application right after that, None if it is too early."""
        now, last = self.clock(), known.refreshed
        if last is not None and now - last < self.gap:
            self.later(known.target.key, last + self.gap - now)
            return None
        target = known.target
        try:
            found = await self.writer.refresh(target, stamp, reason)
        except ClusterError as error:
            if type(error) is ClusterError:
                known.unsent = ""  # no answer: perhaps it was taken
            await self._stale(target, error)
        known.unsent, known.refreshed = "", self.clock()
        return self.applications.see(found) if found else target

    async def _sync(self, known: Known, situation: Situation, step: Sync) -> None:
        target = known.target
        patch = autosync.operation_patch(target, step.operation)
        try:
            found = await self.writer.sync(target, patch)
        except ClusterError as error:
            await self._stale(target, error)
        if found:
            self.applications.see(found)
        await self._note(known, syncing.synced(situation))

    async def _stale(self, target: Target, error: ClusterError) -> None:
        """Read anew what was written on as *target*, if that is why *error* was raised."""
        if not isinstance(error, ConflictError | RefusedError):
            raise error
        found = await self.writer.read(target)
        if found is None or found.version == target.version:
            raise error
        self.applications.see(found)
        raise StaleError
