"""What a policy answers: a tag, or the reason for none. "Nothing to choose" is a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cmp.tags import Tag


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why *tag* is not chosen, in a few words that `explain` shows."""

    tag: str
    reason: str


class Keep(StrEnum):
    """Why nothing was chosen; decides what happens where there is no last good choice."""

    NOTHING_ALLOWED = "nothing-allowed"  # the tag in the manifest stays, with a warning
    SUSPENDED = "suspended"  # the same
    INCOMPLETE = "incomplete"  # the render fails
    UNREACHABLE = "unreachable"  # the render fails
    DISABLED = "disabled"  # the rule is broken: the render fails


@dataclass(frozen=True, slots=True)
class Chosen:
    """*tag* is the newest allowed one; *why* says by which rule of order.

    *verified* says by which signature its digest is vouched for; "" where none was asked for.
    """

    tag: Tag
    why: str
    refusals: tuple[Refusal, ...] = ()
    verified: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Nothing was chosen: the last good choice stays."""

    keep: Keep
    why: str
    refusals: tuple[Refusal, ...] = ()


Choice = Chosen | Kept
