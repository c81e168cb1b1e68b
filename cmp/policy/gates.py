"""What holds a tag back for what its registry knows of it: minAge, maxSeverity, requireTrusted.

A gate that is on and is not answered refuses the tag: not known is never taken for good enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cmp.policy.fault import PolicyFault
from cmp.policy.settings import Settings
from cmp.tags import Needs, Tag

SECOND = 1_000_000_000  # nanoseconds
_UNITS = {"w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}  # seconds
_AGE = re.compile(r"(?:[0-9]+[wdhms])+", re.ASCII)
_LONGEST_AGE = 32  # characters; more is more than the age of the world, or padding

# Zot's own order (and so Trivy's), which tells the worst that a scan found. "unknown" is what
# nobody has rated: it is more than nothing, and hides behind anything worse in what Zot tells,
# so that a gate which feared it more than "low" would refuse less where there is more.
_SEVERITIES = ("none", "unknown", "low", "medium", "high", "critical")
# The settings by which a Zot knows; it does not tell whether they are off, or found nothing.
_SCANS = "extensions.search.cve"
_TRUST = "extensions.trust"
LIMITS = tuple(name for name in _SEVERITIES if name != "unknown")


class InvalidAgeError(ValueError):
    """The text is no age."""


def parse_age(text: str) -> int:
    """Nanoseconds of an age, as `90s`, `12h`, `7d` or `1d12h`; a day has 24 hours, a week 7 days.

    Raises `InvalidAgeError`.
    """
    if len(text) > _LONGEST_AGE or not _AGE.fullmatch(text):
        raise InvalidAgeError("a duration is due here, as 12h, 7d or 1d12h")
    parts = re.findall(r"([0-9]+)([wdhms])", text)
    return sum(int(number) * _UNITS[unit] for number, unit in parts) * SECOND


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of one rule: *min_age* in nanoseconds; None or False is off.

    *age* is *min_age* as written, for reasons.
    """

    min_age: int | None = None
    age: str = ""
    max_severity: str | None = None
    trusted: bool = False

    @property
    def any(self) -> bool:
        """Whether one is on."""
        return self.min_age is not None or self.max_severity is not None or self.trusted

    @property
    def needs(self) -> Needs:
        """What must be known of each tag, besides its digest."""
        return Needs(
            pushed=self.min_age is not None,
            severity=self.max_severity is not None,
            trusted=self.trusted,
        )

    def refusal(self, tag: Tag, now: float) -> str | None:
        """Why *tag* is held back at *now* (seconds since the epoch): the gate and the fact."""
        return self._too_young(tag, now) or self._too_severe(tag) or self._not_trusted(tag)

    def _too_young(self, tag: Tag, now: float) -> str | None:
        if self.min_age is None:
            return None
        if tag.pushed is None:
            return f"minAge {self.age}: {tag.unanswered or 'its push time is not known'}"
        age = int(now * SECOND) - tag.pushed
        if age >= self.min_age:
            return None
        return f"minAge {self.age}: pushed {_span(age)}"

    def _too_severe(self, tag: Tag) -> str | None:
        if self.max_severity is None:
            return None
        gate, severity = f"maxSeverity {self.max_severity}", tag.severity
        if severity is None:
            return f"{gate}: {tag.unanswered or 'what a scan found is not known'}"
        if severity == "":
            return f"{gate}: not scanned (Zot: {_SCANS})"
        if severity not in _SEVERITIES:
            return f"{gate}: a scan found {severity!r}, which is no severity known here"
        if _SEVERITIES.index(severity) <= _SEVERITIES.index(self.max_severity):
            return None
        return f"{gate}: a scan found {severity}"

    def _not_trusted(self, tag: Tag) -> str | None:
        if not self.trusted or tag.trusted:
            return None
        if tag.trusted is None:
            return f"requireTrusted: {tag.unanswered or 'whether it is trusted is not known'}"
        signed = f"signed by {', '.join(tag.signers)}, and " if tag.signers else ""
        return f"requireTrusted: {signed}no signature of it is trusted (Zot: {_TRUST})"


def compile_gates(settings: Settings, faults: list[PolicyFault]) -> Gates:
    """The gates of *settings*; what is wrong goes to *faults*, and then they must not be used."""
    min_age, max_severity = None, settings.max_severity
    if settings.min_age is not None:
        try:
            min_age = parse_age(settings.min_age)
        except InvalidAgeError as error:
            faults.append(PolicyFault("minAge", f"{settings.min_age[:_LONGEST_AGE]!r}: {error}"))
    if max_severity is not None and max_severity not in LIMITS:
        what = f"{max_severity!r} is not one of {', '.join(LIMITS)}"
        faults.append(PolicyFault("maxSeverity", what))
        max_severity = None
    age = settings.min_age or ""
    return Gates(min_age, age, max_severity, settings.require_trusted)


def _span(age: int) -> str:
    """How long ago, in whole units of the greatest that fits; *age* in nanoseconds."""
    if age < 0:
        return "in the future, by the clock here"
    seconds = age // SECOND
    size, unit = next(((s, u) for u, s in _UNITS.items() if u != "w" and seconds >= s), (1, "s"))
    return f"{seconds // size} {'min' if unit == 'm' else unit} ago"
