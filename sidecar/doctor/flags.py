"""Checks of the arguments of Retag's containers: does it take them, and do they do anything?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sidecar.doctor.pods import Workload
from sidecar.doctor.result import Result, naming, warning, well, wrong

_ROLES = ("serve", "controller")


@dataclass(frozen=True, slots=True)
class Known:
    """The flags of a command, as `--name`: those *taken*, and those *ignored*, with why."""

    taken: frozenset[str]
    ignored: Mapping[str, str]


def check_flags(workload: Workload, known: Mapping[str, Known]) -> Iterator[Result]:
    """The arguments of each container of Retag in *workload*; *known* is by command."""
    for container in workload.containers:
        command, *arguments = container.get("args") or [""]
        if command in _ROLES and command in known:
            where = f"{workload.name}/{container['name']}"
            yield from _check(where, command, arguments, known[command])


def _check(where: str, command: str, arguments: Sequence[str], known: Known) -> Iterator[Result]:
    given = [str(each).partition("=")[0] for each in arguments if str(each).startswith("--")]
    unknown = [each for each in given if each not in known.taken | known.ignored.keys()]
    if unknown:
        what = f"{where} is given {naming(unknown)}, which Retag does not know: it does not start"
        yield wrong("RT105", "flags", what, f"leave it out; docs/{command}.md lists the flags")
    idle = [each for each in given if each in known.ignored]
    if idle:
        what = f"{where} is given {naming(idle)} of the Image Updater, without effect"
        yield warning("RT108", "flags", what, known.ignored[idle[0]])
    if not (unknown or idle):
        yield well("flags", f"all of {where} are known")
