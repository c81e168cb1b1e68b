"""What is counted while the work goes on, for whoever wants to know; by default nobody does."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts and gauges by name and labels. It never raises and takes no time."""

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        """Add *amount* to the counter *name*."""
        ...

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """The gauge *name* is *value* now."""
        ...


class Unmetered:
    """Counts nothing."""

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        """Nothing."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Nothing."""
