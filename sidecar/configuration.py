"""`Configuration`: rules, registries and image fields as they were at one moment, read whole.

A broken one is a configuration too, since the resolver must be ready with it: requests that it
touches get its faults as their answer, and the others are served.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from cmp.errors import (
    Finding,
    Place,
    ResolverError,
    RetagError,
    Severity,
    error_of,
)
from cmp.lines import bug
from cmp.manifests.configured import read_fields
from cmp.pipeline import Operator
from cmp.rules import RuleSet, read_rules
from cmp.rules.units import Resource
from cmp.shared import SharedLookups
from sidecar.sources import Files, Runtime, Sources
from sidecar.stamps import stamp_of

# A mount is swapped at once, and a folder is copied in less than the time between two looks.
_LOOKS = 3
_NO_RULES = "RT370"

_Read = TypeVar("_Read")

ReadRules = Callable[[Iterable[Path]], RuleSet]


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the configuration is; *rules* are files, or folders of them."""

    rules: tuple[Path, ...]
    files: Files
    fields: Path | None = None

    def stamp(self) -> tuple[Hashable, Hashable]:
        """Another value once any of the files changed: of *rules* and *fields*, and of *files*."""
        fields = [self.fields] if self.fields else []
        return stamp_of([*self.rules, *fields]), self.files.stamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One version. *faults* touch each request, none of which can be rendered with them.

    *named* are the rules of the files alone; `operator.rules` has those of the cluster too.
    A fault of registries.conf is none of them: `operator.tags` and `lookups` answer with it.
    """

    operator: Operator
    named: RuleSet
    sources: Sources
    paths: Paths
    stamp: tuple[Hashable, Hashable]
    faults: tuple[RetagError, ...] = ()

    @property
    def lookups(self) -> SharedLookups:
        """Who makes choices; `Operator.lookups` is its view for one request."""
        return self.sources.lookups

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong with rules and registries.conf, also what disables one rule only."""
        return (*self.operator.rules.findings, *self.sources.findings)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What people should know at each start, though nothing fails.

        That is a place of rules without any, and a registry that is asked without protection.
        """
        unprotected = (each for each in self.sources.findings if each.severity is Severity.WARNING)
        empty = (each for each in self.operator.rules.findings if each.code == _NO_RULES)
        return (*empty, *unprotected)

    @property
    def broken(self) -> tuple[RetagError, ...]:
        """Why it must not take the place of a sound one.

        That is whatever could fail Applications whose own rules are sound: rules that cannot be
        read may be for any of them. A broken unit in a file disables that unit only.
        """
        unreadable = map(error_of, self.operator.rules.unreadable)
        registries = filter(None, [self.sources.fault])
        unique = {str(error): error for error in (*unreadable, *registries, *self.faults)}
        return tuple(unique.values())

    @property
    def is_current(self) -> bool:
        """Whether all files are as they were read."""
        return self.paths.stamp() == self.stamp and self.sources.is_of(self.stamp[1])

    def with_resources(self, resources: Sequence[Resource]) -> Configuration:
        """The same, with *resources* of the cluster besides the rules of the files."""
        named = self.named
        rules = RuleSet.of(
            [*named.resources, *resources], named.unreadable, named.findings, named.notes
        )
        return replace(self, operator=replace(self.operator, rules=rules))

    async def aclose(self) -> None:
        """Close what asks registries; another version may use it still, as `reload` knows."""
        await self.sources.aclose()


def load(
    paths: Paths,
    runtime: Runtime,
    previous: Configuration | None = None,
    *,
    read: ReadRules = read_rules,
) -> Configuration:
    """What *paths* hold now, all of one moment. Never raises.

    *previous* lends its sources where their files are the same.
    """
    for _ in range(_LOOKS):
        stamp = paths.stamp()
        sources = previous.sources if previous else None
        if sources is None or sources.fault or not sources.is_of(stamp[1]):
            sources = Sources.load(paths.files, stamp[1], runtime)
        found = _load(paths, stamp, sources, runtime, read)
        if paths.stamp() == stamp:
            return found
    return _unsettled(found)


def _load(
    paths: Paths,
    stamp: tuple[Hashable, Hashable],
    sources: Sources,
    runtime: Runtime,
    read: ReadRules,
) -> Configuration:
    rules, fault = _read(lambda: read(paths.rules))
    fields, other = _read(lambda: read_fields(paths.fields) if paths.fields else [])
    named = _unknown(fault) if rules is None else rules
    operator = Operator(
        rules=named,
        tags=sources.tags,
        fields=fields or (),
        secrets=sources.secrets,
        memo=runtime.memo,
        meter=runtime.meter,
    )
    faults = tuple(filter(None, (fault, other)))
    return Configuration(
        operator=operator, named=named, sources=sources, paths=paths, stamp=stamp, faults=faults
    )


def _read(read: Callable[[], _Read]) -> tuple[_Read | None, RetagError | None]:
    """What *read* gives, or why it gives nothing."""
    try:
        return read(), None
    except RetagError as error:
        return None, error
    except Exception as error:  # noqa: BLE001  # whatever people write, the resolver lives on
        return None, bug(error)


def _unknown(fault: RetagError | None) -> RuleSet:
    """Rules of which nothing is known, so that no Application is rendered as if it had none."""
    assert fault is not None
    place = Place(fault.where)
    return RuleSet.of(
        (), [Finding(fault.code, Severity.ERROR, fault.what, place, remedy=fault.remedy)]
    )


def _unsettled(found: Configuration) -> Configuration:
    """*found*, which may be a mixture of two versions: nothing is rendered with it."""
    error = ResolverError(
        "RT630",
        "the configuration changes again and again while it is read",
        remedy="it is read once the files have come to rest",
    )
    named = _unknown(error)
    operator = replace(found.operator, rules=named)
    return replace(found, operator=operator, named=named, faults=(error,))
