"""The steps of a delivery, and the situation that decides which is the next (`delivery`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sidecar.cluster.record import MOST_CHOICES, Record, Recorded, State
from sidecar.controller import autosync
from sidecar.controller.model import Target, Wanted


class Outcome(StrEnum):
    """What has become of a choice."""

    ADOPTED = "adopted"  # it ran already when it was first seen
    DELIVERED = "delivered"  # Argo CD has it, and syncs or has synced
    SYNCED = "synced"  # the same, and the sync was started for it
    LEFT = "left"  # Argo CD has it, and leaves the sync to people
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Told:
    """That *recorded* came to *outcome*."""

    outcome: Outcome
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is to be done before the Application or the choices change."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at *until* (seconds since the epoch); *why* is for people, if they may ask."""

    until: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Record *record*, and tell *told*."""

    record: Record
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Intend:
    """Record *record*; its INTENDED choices have *stamp*, with which the refresh is asked for."""

    record: Record
    stamp: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """Ask for the hard refresh with *stamp*, then record what `asked` gives."""

    stamp: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Start *operation*, then note what `synced` gives."""

    operation: autosync.Operation


Step = Nothing | Wait | Note | Intend | Refresh | Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """An Application as it is, what is recorded of it, and what it should run.

    Times are in seconds since the epoch: *now*; *came* when the first and the last of the new
    choices came; *pending_since* when the refresh that *target* waits for was first seen. *unsent*
    is the stamp of which it is certain that the refresh was not asked for with it yet.
    """

    target: Target
    record: Record
    wanted: Sequence[Wanted]
    now: float
    came: tuple[float, float] = (0, 0)
    pending_since: float = 0
    unsent: str = ""

    @property
    def by_key(self) -> Mapping[tuple[str, str], Wanted]:
        """The wanted choices by rule and repository, no more than can be recorded."""
        return {key_of(each): each for each in self.wanted[:MOST_CHOICES]}

    @property
    def new(self) -> Iterator[Wanted]:
        """Choices of which nothing is recorded yet."""
        for key, each in self.by_key.items():
            recorded = self.record.of(key)
            if recorded is None or not is_same(recorded, each):
                yield each

    def by_now(self, time: float) -> float:
        """*time*; now for one that lies ahead, which a clock gave that was wrong."""
        return min(time, self.now)

    def is_wanted(self, recorded: Recorded) -> bool:
        """Whether *recorded* is the choice that the Application should run."""
        wanted = self.by_key.get(recorded.key)
        return wanted is not None and is_same(recorded, wanted)

    @property
    def is_open(self) -> bool:
        """Whether something is still to be delivered."""
        open_ = (each for each in self.record.choices if not each.state.is_settled)
        ours = (each.state is State.RENDERED or self.is_wanted(each) for each in open_)
        return any(ours) or any(self.new)

    def is_replaced(self, recorded: Recorded) -> bool:
        """Whether there is another choice by now."""
        return recorded.key in self.by_key and not self.is_wanted(recorded)


def is_same(recorded: Recorded, wanted: Wanted) -> bool:
    """Whether both are one choice, whatever edit of the rule made it."""
    one, other = recorded.choice, wanted.choice
    return (one.tag, one.digest) == (other.tag, other.digest)


def key_of(wanted: Wanted) -> tuple[str, str]:
    """What *wanted* is the choice of: rule and repository."""
    return wanted.choice.rule, wanted.choice.repository
