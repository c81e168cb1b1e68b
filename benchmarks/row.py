"""One line of the benchmarks' table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What *name* took: *figure* of *unit* (`ms CPU`, `MB/s`), *target* being what to reach.

    *method* says how it was measured.
    """

    name: str
    figure: float
    unit: str
    target: str
    method: str
