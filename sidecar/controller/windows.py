"""When the sync windows of an AppProject let Argo CD sync an Application by itself.

As `SyncWindows.Matches`, `CanSync` and `Active` of Argo CD have it
(pkg/apis/application/v1alpha1/types.go), for a sync that nobody started by hand and that has not
begun: manualSync and syncOverrun do not count then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from cmp.registry.duration import parse_duration
from cmp.render.glob import Glob, InvalidGlobError
from sidecar.controller.cron import InvalidScheduleError, Schedule, parse, zone_of
from sidecar.controller.model import Target

# How many openings and closings are looked through for the moment from which a sync may start.
# Four days of hourly windows have as many; who needs more is told that it is not known.
_FURTHEST = 200
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """A sync may not start. *until* is when it may (seconds since the epoch), if that is known."""

    why: str
    until: float | None = None


def closed(project: Mapping[str, Any], target: Target, now: float) -> Closed | None:
    """Whether windows of *project* (an AppProject as JSON) keep a sync from starting at *now*.

    None while it may start. A broken window that matches keeps it from starting, as in Argo CD.
    *now* is in seconds since the epoch.
    """
    try:
        windows = [_Window.of(each) for each in _matching(project, target)]
    except ValueError as error:
        return Closed(f"a sync window of the project is broken: {error}")
    moment = datetime.fromtimestamp(now, UTC)
    if _is_open(windows, moment):
        return None
    return Closed("a sync window of the project is closed", _opening(windows, moment))


def _matching(project: Mapping[str, Any], target: Target) -> Iterator[Mapping[str, Any]]:
    for window in _mapping(project, "spec").get("syncWindows") or ():
        if isinstance(window, dict) and _is_meant(window, target):
            yield window


def _is_meant(window: Mapping[str, Any], target: Target) -> bool:
    destination = _mapping(target.spec, "destination")
    asked = {
        "applications": (target.application.name,),
        "clusters": tuple(filter(None, (destination.get("name"), destination.get("server")))),
        "namespaces": (destination.get("namespace") or "",),
    }
    found = [_matches(window[key], texts) for key, texts in asked.items() if window.get(key)]
    return bool(found) and (all if window.get("andOperator") else any)(found)


def _matches(globs: Sequence[Any], texts: Sequence[Any]) -> bool:
    return any(_fits(str(glob), str(text)) for glob in globs for text in texts)


def _fits(glob: str, text: str) -> bool:
    if glob == "*":
        return True
    try:
        return Glob(glob).match(text)
    except InvalidGlobError:  # Argo CD logs it, and goes on
        return False


@dataclass(frozen=True, slots=True)
class _Window:
    allows: bool
    denies: bool
    schedule: Schedule
    duration: timedelta
    zone: tzinfo

    @classmethod
    def of(cls, window: Mapping[str, Any]) -> _Window:
        """Raises `ValueError` for a schedule or a duration that cannot be read."""
        kind = window.get("kind")
        nanoseconds = parse_duration(str(window.get("duration") or ""))
        return cls(
            allows=kind == "allow",
            denies=kind == "deny",
            schedule=parse(str(window.get("schedule") or "")),
            duration=timedelta(microseconds=nanoseconds / 1000),
            zone=_zone(str(window.get("timeZone") or "")),
        )

    def is_active(self, moment: datetime) -> bool:
        """As in Argo CD, one that has no occasion at all is always active (`0 0 30 2 *`)."""
        begins = self._begins(moment)
        return begins is None or begins < moment

    def change(self, moment: datetime) -> datetime | None:
        """When it opens or closes next; None for never, as far as is known."""
        begins = self._begins(moment)
        if begins is None or self.duration <= timedelta(0):
            return None
        return begins + self.duration if begins < moment else begins

    def _begins(self, moment: datetime) -> datetime | None:
        """When the window begins that is open at *moment*, else the next one.

        Argo CD shifts the clock by what the zone is off UTC at that moment, and then knows no
        summer time.
        """
        shift = moment.astimezone(self.zone).utcoffset() or timedelta(0)
        begins = self.schedule.next(moment + shift - self.duration)
        return begins - shift if begins else None


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(name)
    except InvalidScheduleError:  # Argo CD logs it, and takes UTC
        return UTC


def _is_open(windows: Sequence[_Window], moment: datetime) -> bool:
    active = [each for each in windows if each.is_active(moment)]
    if any(each.denies for each in active):
        return False
    return any(each.allows for each in active) or not any(each.allows for each in windows)


def _opening(windows: Sequence[_Window], moment: datetime) -> float | None:
    """When *windows*, closed at *moment*, are open; None where it is not known."""
    for _ in range(_FURTHEST):
        changes = [change for each in windows if (change := each.change(moment))]
        if not changes:
            return None
        moment = min(changes) + _SECOND  # at its very first moment a window is not active yet
        if _is_open(windows, moment):
            return moment.timestamp()
    return None


def _mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
