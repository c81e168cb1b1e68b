"""In the place of what writes to the cluster: `DryRun` logs, and `NoEvents` does nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sidecar.cluster.record import Recorded
from sidecar.controller.model import Target, Wanted
from sidecar.controller.targets import Key

_log = logging.getLogger("retag.controller")


class DryRun:
    """Takes the place of a `Deliverer`, and tells each choice once."""

    def __init__(self) -> None:
        self._told: dict[Key, frozenset[str]] = {}

    def want(self, target: Target, wanted: Sequence[Wanted]) -> None:
        """Log what of *wanted* does not run, and was not logged before."""
        lines = {
            f"{target}: {each.before or 'what does not run'} → {each.after} "
            f"({each.title}; {each.why})"
            for each in wanted
            if not each.runs
        }
        for line in sorted(lines - self._told.get(target.key, frozenset())):
            _log.info("dry run: %s", line)
        self._told[target.key] = frozenset(lines)

    def changed(self, target: Target) -> None:
        """Nothing."""

    def gone(self, key: Key) -> None:
        """Forget what was told of it."""
        self._told.pop(key, None)

    def leave(self, key: Key) -> None:
        """Forget what was told of it."""
        self._told.pop(key, None)

    def heal(self, target: Target, reason: str) -> None:
        """Log it."""
        _log.info(
            "dry run: %s would be rendered anew, since what failed is over (%s)", target, reason
        )


class NoEvents:
    """`Events` that are not written."""

    async def updated(self, target: Target, choices: Iterable[Recorded], /) -> None:
        """Nothing."""

    async def failed(self, target: Target, reason: str, /) -> None:
        """Nothing."""
