"""One line of the benchmarks' table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """*name* took *figure* of *unit* (`ms CPU`, `MB/s`, `times`); *target* is what to reach, in words.

    *method* says how it was measured.
    """

    name: str
    figure: float
    unit: str
    target: str
    method: str
