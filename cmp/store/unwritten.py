"""`Unwritten`: what a persistent store could not be told, and must not be believed about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cmp.store import choices as law
from cmp.store.port import LastGood

# Applications, and keys of observations: ten times those of a large installation.
_MOST = 10_000


class Unwritten:
    """Last good choices by Application, and keys of observations, the oldest of too many gone.

    *wall* is seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._choices: dict[str, tuple[LastGood, ...]] = {}
        self._keys: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._choices or self._keys)

    def choices(self, application: str) -> Sequence[LastGood]:
        """The choices of *application* that are not written, the last kept first."""
        return law.dated(self._choices.get(application, ()), self._wall())

    def all_choices(self) -> Mapping[str, Sequence[LastGood]]:
        """As they are now, by Application."""
        return {application: self.choices(application) for application in self._choices}

    def add_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """*choices* of *application*, the newest of theirs, are not written."""
        identities = {law.identity(choice) for choice in choices}
        others = self._choices.pop(application, ())
        self._choices[application] = (
            *choices,
            *(choice for choice in others if law.identity(choice) not in identities),
        )
        _bound(self._choices)

    def wrote_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """*choices* of *application* are written, so older ones of theirs need not be."""
        written = {law.identity(choice): choice.observed_at for choice in choices}
        left = tuple(
            choice
            for choice in self._choices.pop(application, ())
            if written.get(law.identity(choice), -1) < choice.observed_at
        )
        if left:
            self._choices[application] = left

    def keys(self) -> Sequence[str]:
        """The keys of observations of which some are not written."""
        return tuple(self._keys)

    def has(self, key: str) -> bool:
        """Whether observations under *key* are not written."""
        return key in self._keys

    def add(self, key: str) -> None:
        """Observations under *key* are not written."""
        self._keys[key] = None
        _bound(self._keys)

    def discard(self, key: str) -> None:
        """Those under *key* are being written."""
        self._keys.pop(key, None)


def _bound(kept: dict[str, tuple[LastGood, ...]] | dict[str, None]) -> None:
    if len(kept) > _MOST:
        del kept[next(iter(kept))]
