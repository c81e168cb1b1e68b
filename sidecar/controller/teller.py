"""`Teller`: what became of a choice, in the log, in an Event and in the metrics."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cmp.meter import Meter
from sidecar.controller.events import Events
from sidecar.controller.model import Target
from sidecar.controller.steps import Outcome, Told

_log = logging.getLogger("retag.deliver")

_LEVELS = {Outcome.ADOPTED: logging.DEBUG, Outcome.FAILED: logging.WARNING}
_CHANGES = (Outcome.DELIVERED, Outcome.SYNCED, Outcome.LEFT)


class Teller:
    """Tells people by *events* and the log, and counts with *meter*."""

    def __init__(self, events: Events, meter: Meter) -> None:
        self._events = events
        self._meter = meter

    async def tell(self, target: Target, told: Sequence[Told]) -> None:
        """Say what became of choices of *target*: one Event for all that came to run."""
        for each in told:
            self._meter.count("retag_deliveries_total", outcome=each.outcome)
            _log_it(target, each)
            if each.outcome is Outcome.FAILED:
                await self._events.failed(target, _failure(each))
        if changes := [each.recorded for each in told if each.outcome in _CHANGES]:
            await self._events.updated(target, changes)


def _log_it(target: Target, told: Told) -> None:
    each = told.recorded
    reason = f": {each.reason}" if each.reason else ""
    _log.log(
        _LEVELS.get(told.outcome, logging.INFO),
        "%s: %s: %s → %s, %s (%s)%s",
        target,
        told.outcome,
        each.before or "none",
        each.after,
        each.title,
        each.why,
        reason,
    )


def _failure(told: Told) -> str:
    each = told.recorded
    return f"{each.after} ({each.title}): {each.reason}"
