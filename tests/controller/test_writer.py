"""What is written, by whom: nobody who leads no more, whatever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cmp.meter import Unmetered
from sidecar.cluster.record import Record
from sidecar.controller.writer import Limits, NotLeadingError, StaleError, Writer
from sidecar.kubernetes.errors import AbsentError, ClusterError, ConflictError
from tests.controller.applications import application, target

RECORD = Record(namespace="argocd", name="shop", uid="7")
KEY = ("argocd", "shop")


@dataclass
class World:
    """The cluster and its records, which note what is called; *error* is what a write ends in."""

    error: ClusterError | None = None
    leads: bool = True
    now: float = 0.0
    calls: list[str] = field(default_factory=list)

    def writer(self, limits: Limits | None = None) -> Writer:
        """A writer to it; while that waits for its turn, another comes to lead."""
        it: Any = self
        return Writer(
            it,
            it,
            lambda: self.leads,
            limits=limits or Limits(),
            clock=lambda: self.now,
            sleep=self.sleep,
            meter=Unmetered(),
        )

    async def sleep(self, seconds: float) -> None:
        """Time passes, and the Lease is lost."""
        self.now += seconds
        self.leads = False

    async def write(self, _record: Record) -> None:
        """Of records."""
        self._call("write")

    async def delete(self, _key: tuple[str, str]) -> None:
        """Of records."""
        self._call("delete")

    async def read(self, _key: tuple[str, str]) -> None:
        """Of records."""
        self.calls.append("read")

    async def patch(self, *_: Any) -> dict[str, Any]:
        """Of the cluster."""
        self._call("patch")
        return application()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.error is not None:
            raise self.error


WRITES: dict[str, Callable[[Writer], Awaitable[object]]] = {
    "a record": lambda writer: writer.record(RECORD),
    "that a record is deleted": lambda writer: writer.forget(KEY),
    "a refresh": lambda writer: writer.refresh(target(), "x", "choice"),
    "a sync": lambda writer: writer.sync(target(), []),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_who_leads_writes_and_who_does_not_never_does(
    write: Callable[[Writer], Awaitable[object]],
) -> None:
    async def run(world: World) -> None:
        await write(world.writer())

    leader, other = World(), World(leads=False)
    asyncio.run(run(leader))
    with pytest.raises(NotLeadingError):
        asyncio.run(run(other))

    assert len(leader.calls) == 1
    assert other.calls == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_who_loses_the_lease_while_it_waits_for_its_turn_writes_no_more(
    write: Callable[[Writer], Awaitable[object]],
) -> None:
    world = World()

    async def run() -> None:
        writer = world.writer(Limits(refreshes=1, records=1))
        await write(writer)
        await write(writer)

    with pytest.raises(NotLeadingError):
        asyncio.run(run())
    assert len(world.calls) == 1


@pytest.mark.parametrize(
    "error", [ConflictError("RT658", "made up"), AbsentError("RT658", "made up")]
)
def test_a_record_that_was_written_elsewhere_is_read_anew(error: ClusterError) -> None:
    world = World(error)

    async def run() -> None:
        await world.writer().record(RECORD)

    with pytest.raises(StaleError):
        asyncio.run(run())
    assert world.calls == ["write", "read"]
