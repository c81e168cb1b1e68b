"""One comparison of a constraint, `>=1.2` or `~1.x`, as Masterminds/semver v3.4.0 decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cmp.policy.version import Precedence, Version


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison: *operator* as written, its *bound*, and how many segments were *stated*.

    What follows the first wildcard is not stated: `1.x` and `1` state one segment, `*` none.
    """

    operator: str
    bound: Version
    stated: int
    text: str
    floor: Precedence = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "floor", self.bound.precedence)

    def holds(self, version: Version) -> bool:
        """Whether *version* fulfils this term, leaving the rule about pre-releases aside."""
        return _OPERATORS[self.operator](self, version)


def _equal(term: Term, version: Version) -> bool:
    if term.stated < 3:
        return _tilde(term, version)
    return version.precedence == term.floor


def _not_equal(term: Term, version: Version) -> bool:
    match term.stated:
        case 1:
            return version.major != term.bound.major
        case 2 if version.release[:2] == term.bound.release[:2]:
            return version.prerelease != term.bound.prerelease
        case 2:
            return True
        case _:
            return version.precedence != term.floor


def _greater(term: Term, version: Version) -> bool:
    if term.stated in {1, 2}:  # `>1.2` starts at 1.3.0
        return version.release[: term.stated] > term.bound.release[: term.stated]
    return version.precedence > term.floor


def _less_or_equal(term: Term, version: Version) -> bool:
    if term.stated < 3:  # `<=1.2` ends before 1.3.0, `<=x` before 0.1.0
        width = term.stated or 2
        return version.release[:width] <= term.bound.release[:width]
    return version.precedence <= term.floor


def _tilde(term: Term, version: Version) -> bool:
    """Reasonably close: patch may grow, and minor where it is not stated."""
    if version.precedence < term.floor:
        return False
    if term.stated in {0, 3} and term.bound.release == (0, 0, 0):
        return True  # `~0.0.0` is anything, in the peer as in `~*`
    width = min(term.stated, 2)
    return version.release[:width] == term.bound.release[:width]


def _caret(term: Term, version: Version) -> bool:
    """Compatible: what stands up to the first number that is not zero must not change."""
    if term.bound.major or term.stated == 1:
        width = 1
    elif term.bound.minor or term.stated == 2:
        width = 2
    else:
        width = 3
    same = version.release[:width] == term.bound.release[:width]
    return same and version.precedence >= term.floor


_OPERATORS: dict[str, Callable[[Term, Version], bool]] = {
    "": _equal,
    "=": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": lambda term, version: version.precedence < term.floor,
    ">=": lambda term, version: version.precedence >= term.floor,
    "=>": lambda term, version: version.precedence >= term.floor,
    "<=": _less_or_equal,
    "=<": _less_or_equal,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}
