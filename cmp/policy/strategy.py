"""How the tags that pass the filters are ordered: one class a strategy, the greatest key wins.

A strategy sees what is compared of a tag (its name, or what filterTags extracts of it) and, if it
asks for it, a time. It answers with a key, or in a few words why it refuses the tag. Ties
are decided by name, alike for all, where the keys are compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Protocol

from cmp.policy.constraint import Constraint, InvalidConstraintError
from cmp.policy.fault import PolicyFault
from cmp.policy.settings import Settings
from cmp.policy.version import parse_version

# Comparable among the keys of one strategy only.
Key = tuple[Any, ...]

_ANY_VERSION = Constraint.parse(">=0-0")  # pre-releases too
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


class Time(Enum):
    """Which time of a tag decides."""

    BUILT = "built"
    PUSHED = "pushed"


class Strategy(Protocol):
    """An order of tags."""

    time: ClassVar[Time | None]  # None: the name decides alone

    def rank(self, value: str, time: int | None, /) -> Key | str:
        """The key of a tag, or the reason that refuses it."""
        ...

    def why(self, allowed: int, /) -> str:
        """By which rule the greatest of *allowed* tags is chosen."""
        ...


@dataclass(frozen=True, slots=True)
class HighestVersion:
    """`semver`: the greatest version that the constraint allows."""

    time: ClassVar[Time | None] = None
    constraint: Constraint
    written: str  # "" where there is no constraint; then `constraint` refuses pre-releases

    def rank(self, value: str, _time: int | None, /) -> Key | str:
        version = parse_version(value)
        if version is None:
            return "not a version"
        reason = self.constraint.refusal(version)
        if reason is None:
            return version.precedence
        return reason if self.written else "a pre-release, and no constraint asks for one"

    def why(self, allowed: int, /) -> str:
        within = f" in {self.written}" if self.written else ""
        return f"newest of {_counted(allowed, 'allowed version')}{within}"

    def __str__(self) -> str:
        return f"semver {self.written}".rstrip()


class NewestBuild:
    """`newest-build`: the image that was built last."""

    time: ClassVar[Time | None] = Time.BUILT

    def rank(self, _value: str, time: int | None, /) -> Key | str:
        return "no build time" if time is None else (time,)

    def why(self, allowed: int, /) -> str:
        return f"newest build of {_counted(allowed, 'allowed tag')}"

    def __str__(self) -> str:
        return "newest-build"


class NewestPush:
    """`newest-build` with `orderBy: pushed`: the tag that was pushed, or moved, last."""

    time: ClassVar[Time | None] = Time.PUSHED

    def rank(self, _value: str, time: int | None, /) -> Key | str:
        return "no push time" if time is None else (time,)

    def why(self, allowed: int, /) -> str:
        return f"pushed last of {_counted(allowed, 'allowed tag')}"

    def __str__(self) -> str:
        return "newest-build"


class LastByName:
    """`alphabetical`: the last in the order of bytes, which is that of code points."""

    time: ClassVar[Time | None] = None

    def rank(self, value: str, _time: int | None, /) -> Key | str:
        return (value,)

    def why(self, allowed: int, /) -> str:
        return f"last by name of {_counted(allowed, 'allowed tag')}"

    def __str__(self) -> str:
        return "alphabetical"


class GreatestNumber:
    """`numerical`: the greatest number, exact at any length (Flux compares as float64)."""

    time: ClassVar[Time | None] = None

    def rank(self, value: str, _time: int | None, /) -> Key | str:
        return (Decimal(value),) if _NUMBER.fullmatch(value) else "not a number"

    def why(self, allowed: int, /) -> str:
        return f"greatest of {_counted(allowed, 'allowed number')}"

    def __str__(self) -> str:
        return "numerical"


@dataclass(frozen=True, slots=True)
class OneTag:
    """`digest`: the one tag *name*, wherever it points now."""

    time: ClassVar[Time | None] = None
    name: str

    def rank(self, value: str, _time: int | None, /) -> Key | str:
        return () if value == self.name else f"not the tag {self.name}"

    def why(self, _allowed: int, /) -> str:
        return f"the tag {self.name}, where it points now"

    def __str__(self) -> str:
        return f"digest of {self.name}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def compile_strategy(settings: Settings, faults: list[PolicyFault]) -> Strategy:
    """The strategy of *settings*; what is wrong goes to *faults*.

    An unknown one means semver, as in the peer. With a fault of `imageName`, which holds the
    constraint, what the strategy chooses must not be followed.
    """
    match settings.strategy.lower():
        case "newest-build" | "latest":
            return NewestPush() if settings.order_by == "pushed" else NewestBuild()
        case "alphabetical" | "name":
            return LastByName()
        case "numerical":
            return GreatestNumber()
        case "digest":
            if not settings.constraint:
                faults.append(PolicyFault("imageName", "the digest strategy needs a tag"))
            return OneTag(settings.constraint or "")
        case "semver" | "":
            return _highest_version(settings.constraint, faults)
        case unknown:
            names = "semver, newest-build, alphabetical, digest or numerical"
            what = f"{unknown!r} is not a strategy, so semver is used; write {names}"
            faults.append(PolicyFault("updateStrategy", what))
            return _highest_version(settings.constraint, faults)


def _highest_version(constraint: str | None, faults: list[PolicyFault]) -> Strategy:
    written = constraint or ""
    try:
        return HighestVersion(Constraint.parse(written or "*"), written)
    except InvalidConstraintError as error:
        # It orders versions all the same: whether there are any decides if the fault matters.
        faults.append(PolicyFault.of("imageName", error))
        return HighestVersion(_ANY_VERSION, written)
