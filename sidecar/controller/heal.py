"""Healing: an Application that could not be rendered is rendered anew once that can work.

Argo CD keeps a failure of the plugin for an hour and more, also when its cause is gone; only a
hard refresh ends that. It is asked for where the cause is none that a commit mends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sidecar.controller.model import Target
from sidecar.controller.refresh import reconciled_at
from sidecar.kubernetes.instants import seconds_of

_CODE = re.compile(r"\[RT(\d{3})\]")

# Of a registry: that it cannot be read, or does not tell all. What it says of one tag (gone, no
# image, no build time) only refuses that tag, and stays as it is.
_REGISTRY = frozenset(
    (
        *(500, 501, 502, 503, 504, 507, 517),
        *(521, 522, 524, 525),
        *(530, 531, 532, 533, 534),
        *(540, 541, 542, 543, 544, 545, 546, 547, 548),
        *(550, 551, 552, 553, 554, 555, 556, 557, 559, 560, 561, 562, 563, 564, 565),
        *(566, 567, 568, 569),
        *(570, 571, 572, 573, 574, 577, 580),
    )
)
# Of the resolver: that it is away, busy, of another version, or has its configuration rewritten.
# Manifests that are too long (612), and what ends a resolver before it serves, are not among them.
_RESOLVER = frozenset((600, 601, 602, 603, 604, 605, 613, 614, 615, 630))
_CLUSTER = frozenset(range(650, 670))
PASSING = _REGISTRY | _RESOLVER | _CLUSTER

# Parameters, rules and manifests: a hard refresh would only meet them again.
_LASTING = (2, 3, 4)

# A soft refresh after a failure cancels the plugin, and that is kept in the place of its error.
_CACHED, _CANCELLED = "Manifest generation error (cached)", "context canceled"

_FIRST, _LONGEST = 60.0, 3600.0  # seconds between two attempts; Argo CD forgets after an hour


@dataclass(frozen=True, slots=True)
class Healing:
    """*attempts* refreshes, the last at *at* (seconds), because Argo CD could not render."""

    attempts: int = 0
    at: float = 0.0

    @property
    def due(self) -> float:
        """When the next may follow."""
        if not self.attempts:
            return 0.0
        return self.at + min(_LONGEST, _FIRST * 2.0 ** min(self.attempts - 1, 10))

    def again(self, now: float) -> Healing:
        """With one more at *now*."""
        return Healing(self.attempts + 1, now)


def resumed(target: Target, now: float, wall: float) -> Healing:
    """As if the last reconciliation of *target* was one: a process before this may have asked.

    *now* is by the clock, *wall* in seconds since the epoch.
    """
    last = seconds_of(reconciled_at(target))
    return Healing(1, now - max(0.0, wall - last)) if last else Healing()


def ailment(target: Target) -> frozenset[str]:
    """The codes of what keeps *target* from being rendered and may be over; none for nothing.

    A rendering that was cancelled has no code of its own: RT603, no answer in time.
    """
    errors = (
        str(each.get("message") or "")
        for each in target.status.get("conditions") or ()
        if each.get("type") == "ComparisonError"
    )
    return frozenset(code for message in errors for code in _passing(message))


def _passing(message: str) -> frozenset[str]:
    codes = {int(code) for code in _CODE.findall(message)}
    if any(code // 100 in _LASTING for code in codes):
        return frozenset()
    if not codes and _CACHED in message and _CANCELLED in message:
        return frozenset({"RT603"})
    return frozenset(f"RT{code}" for code in codes & PASSING)
