"""Which outcomes are told by an Event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from sidecar.cluster.record import Recorded, State
from sidecar.controller.model import Target
from sidecar.controller.steps import Outcome, Told
from sidecar.controller.teller import Teller
from tests.controller.situations import recorded, target
from tests.metering import Metered


@dataclass
class Events:
    told: list[str] = field(default_factory=list)

    async def updated(self, _target: Target, choices: Iterable[Recorded], /) -> None:
        self.told += [f"updated {each.choice.tag}" for each in choices]

    async def failed(self, _target: Target, _reason: str, /) -> None:
        self.told.append("failed")


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome.ADOPTED, []),
        (Outcome.DELIVERED, ["updated 2"]),
        (Outcome.SYNCED, ["updated 2"]),
        (Outcome.LEFT, ["updated 2"]),
        (Outcome.FAILED, ["failed"]),
    ],
)
def test_what_came_to_run_and_what_failed_is_an_event(outcome: Outcome, told: list[str]) -> None:
    events = Events()
    each = Told(outcome, recorded("2", State.DELIVERED).choices[0])

    asyncio.run(Teller(events, Metered()).tell(target(), [each]))

    assert events.told == told
