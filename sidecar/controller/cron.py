"""Schedules of sync windows: cron as robfig/cron v3 reads it for Argo CD.

Five fields (minute, hour, day of month, month, day of week), each `*`, `?` or a comma-separated
list of numbers, ranges and steps; months and days by their English names too. There is no
`@daily`. A prefix `TZ=Europe/Berlin ` (or `CRON_TZ=`) makes the fields that zone's. No library
for Python agrees on all of that, and on what follows from it (tests/data/sync_windows.json).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_YEARS = 5  # robfig looks no further ahead
_NUMBER = re.compile(r"\+?[0-9]{1,18}")  # what Go's Atoi takes and is not negative
_STARS = ("*", "?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class InvalidScheduleError(ValueError):
    """The text is no schedule; the message says why."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field's *name*, its *least* and *greatest* number, and names that stand for numbers."""

    name: str
    least: int
    greatest: int
    names: Mapping[str, int] = field(default_factory=dict)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, {name: at for at, name in enumerate(_MONTHS, 1)}),
    _Field("day of week", 0, 6, {name: at for at, name in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moments that come again; `parse` makes it.

    Days of week count from Sunday, 0. With *needs_both* a day has to be one of *days* and one of
    *weekdays*, else one of the two is enough. *zone* is None for the zone of the moment asked for.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    needs_both: bool
    zone: tzinfo | None

    def next(self, after: datetime) -> datetime | None:
        """The first moment later than *after* (both in UTC); None for none within five years."""
        zone = self.zone or UTC
        start = after.replace(microsecond=0) + timedelta(seconds=1)
        first = start.astimezone(zone)
        for day in self._days(first.date()):
            least = first.hour if day == first.date() else 0
            for moment in self._moments(day, least, zone):
                if moment >= start:
                    return moment
        return None

    def _days(self, day: date) -> Iterator[date]:
        last = day.year + _YEARS
        while day.year <= last:
            if day.month in self.months and self._has(day):
                yield day
            day += timedelta(days=1)

    def _has(self, day: date) -> bool:
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_month and by_week) if self.needs_both else (by_month or by_week)

    def _moments(self, day: date, least: int, zone: tzinfo) -> Iterator[datetime]:
        """The moments of *day* from the hour *least* on, in UTC.

        A time that the change to summer skips is none; one that the change back repeats is two.
        """
        for hour in (each for each in self.hours if each >= least):
            for fold in (0, 1):
                for minute in self.minutes:
                    local = datetime(
                        day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold
                    )
                    moment = local.astimezone(UTC)
                    back = moment.astimezone(zone)
                    if (back.hour, back.minute, back.fold) == (hour, minute, fold):
                        yield moment


def parse(text: str) -> Schedule:
    """The schedule that *text* spells. Raises `InvalidScheduleError`."""
    zone, fields = _zone_of(text)
    if len(fields) != len(_FIELDS):
        raise InvalidScheduleError(f"it has {len(fields)} fields, not {len(_FIELDS)}")
    read = [_numbers(each, bounds) for each, bounds in zip(fields, _FIELDS, strict=True)]
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = read
    return Schedule(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(weekdays),
        needs_both=any_day or any_weekday,
        zone=zone,
    )


def zone_of(name: str) -> tzinfo:
    """The time zone *name*, "" for UTC. Raises `InvalidScheduleError` where it is not known."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidScheduleError(f"there is no time zone {name!r}") from None


def _zone_of(text: str) -> tuple[tzinfo | None, list[str]]:
    if not text.startswith(("TZ=", "CRON_TZ=")):
        return None, text.split()
    prefix, *rest = text.split(" ", 1)
    return zone_of(prefix.partition("=")[2]), "".join(rest).split()


def _numbers(text: str, bounds: _Field) -> tuple[set[int], bool]:
    """The numbers that the field *text* means, and whether any of it is a star."""
    numbers: set[int] = set()
    starred = False
    for part in filter(None, text.split(",")):
        some, star = _range(part, bounds)
        numbers.update(some)
        starred |= star
    return numbers, starred


def _range(text: str, bounds: _Field) -> tuple[range, bool]:
    span, *steps = text.split("/")
    low, *high = span.split("-")
    star = low in _STARS
    if len(steps) > 1 or (len(high) > 1 and not star):
        raise InvalidScheduleError(f"{bounds.name}: {text!r} is no range")
    step = _number(steps[0], _Field(bounds.name, 1, 10**18)) if steps else 1
    if star:  # whatever follows it but a step is not looked at
        return range(bounds.least, bounds.greatest + 1, step), step == 1
    least = _number(low, bounds)
    greatest = _number(high[0], bounds) if high else (bounds.greatest if steps else least)
    if least > greatest:
        raise InvalidScheduleError(f"{bounds.name}: {text!r} ends before it begins")
    return range(least, greatest + 1, step), False


def _number(text: str, bounds: _Field) -> int:
    found = bounds.names.get(text.lower())
    if found is None:
        if not _NUMBER.fullmatch(text):
            raise InvalidScheduleError(f"{bounds.name}: {text!r} is no number")
        found = int(text)
    if not bounds.least <= found <= bounds.greatest:
        raise InvalidScheduleError(
            f"{bounds.name}: {text} is not in {bounds.least}-{bounds.greatest}"
        )
    return found
