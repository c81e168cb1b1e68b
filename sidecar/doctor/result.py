"""`Result`: what a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sidecar.kubernetes import ClusterError

_UNREAD = "RT113"
# What Retag itself does not need to read.
_OTHERS = frozenset({"kind", "rights", "repo-server", "controller", "settings", "policies"})
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
    return Result(subject, State.WARNING, what, "run it as an account that may read this", _UNREAD)


def told_in_a_pod(found: Iterable[Result]) -> list[Result]:
    """*found* as it is told in a Pod, whose account may not read how Retag is installed.

    deploy/ gives neither account that right, so nothing is wrong where they lack it.
    """
    every = list(found)
    hidden = {each.subject for each in every if each.code == _UNREAD and each.subject in _OTHERS}
    told = [each for each in every if each.subject not in hidden or each.code != _UNREAD]
    if hidden:
        what = f"not looked at from here: {naming(hidden)}; --kubeconfig names who may read that"
        told.append(well("cluster", what))
    return told


def naming(names: Iterable[str]) -> str:
    """The first of *names*, and how many more there are."""
    every = sorted(names)
    more = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
