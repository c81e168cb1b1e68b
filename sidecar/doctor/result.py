"""`Result`: what a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sidecar.kubernetes import ClusterError

_SHOWN = 5  # names; whoever has a thousand of them needs none of the others


class State(StrEnum):
    """How a check ended: an error keeps tags from rolling out, a warning may."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of *subject*; *code* and *remedy* are "" where all is well."""

    subject: str
    state: State
    what: str
    remedy: str = ""
    code: str = ""


def well(subject: str, what: str) -> Result:
    """All is as it should be."""
    return Result(subject, State.OK, what)


def warning(code: str, subject: str, what: str, remedy: str) -> Result:
    """Something that may do harm."""
    return Result(subject, State.WARNING, what, remedy, code)


def wrong(code: str, subject: str, what: str, remedy: str) -> Result:
    """Something that keeps tags from rolling out."""
    return Result(subject, State.ERROR, what, remedy, code)


def unread(subject: str, error: ClusterError) -> Result:
    """What the account may not look at, or what the cluster has no such kind of."""
    what = f"cannot be looked at: {error.what}"
    return Result(subject, State.WARNING, what, "run it as an account that may read this", "RT113")


def naming(names: Iterable[str]) -> str:
    """The first of *names*, and how many more there are."""
    every = sorted(names)
    more = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
