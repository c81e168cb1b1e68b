"""A `Meter` that remembers what it is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

_Series = tuple[str, tuple[tuple[str, str], ...]]


class Metered:
    """Counts in memory; a gauge is what it was set to last."""

    def __init__(self) -> None:
        self._values: dict[_Series, float] = defaultdict(float)

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        """Adds *amount*."""
        self._values[name, tuple(sorted(labels.items()))] += amount

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Sets *value*."""
        self._values[name, tuple(sorted(labels.items()))] = value

    def of(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """The labels and value of each series of *name*."""
        for (each, labels), value in self._values.items():
            if each == name:
                yield dict(labels), value

    def value(self, name: str, **labels: str) -> float:
        """That of one series; 0 if nothing was said of it."""
        return self._values.get((name, tuple(sorted(labels.items()))), 0)
