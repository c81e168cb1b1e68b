"""What the log says of registries that are silent: that it began, why, and that it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import LRUCache

from cmp.errors import RegistryError

# Seconds after an end in which no beginning is told: a registry that answers some requests and
# refuses others would fill the log. What lasts longer is told then.
PAUSE = 60.0
# Seconds without a failure after which one is told again, for who was silent may never be asked
# again, so that nothing tells of an end. Argo CD refreshes an Application within 3 min or so.
FORGOTTEN = 3600.0
_MOST = 1000  # registries

_log = logging.getLogger("retag.registry")


@dataclass(slots=True, eq=False)
class _Told:
    """What was told of one registry: error *codes*; the *last* failure; nothing *before*."""

    codes: set[str] = field(default_factory=set)
    last: float = float("-inf")
    before: float = float("-inf")


class Silences:
    """Tells each registry's silence once for each kind of error, and its end once.

    *clock* gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: LRUCache[str, _Told] = LRUCache(_MOST)

    def failed(self, registry: str, error: RegistryError) -> None:
        """What *registry* listed last serves because of *error*."""
        told = self._told.setdefault(registry, _Told())
        now = self._clock()
        if now - told.last >= FORGOTTEN:
            told.codes.clear()
        told.last = now
        if error.code not in told.codes and now >= told.before:
            told.codes.add(error.code)
            _log.warning("%s is silent, so the tags it listed last serve: %s", registry, error)

    def answered(self, registry: str) -> None:
        """*registry* answers a question for whose answer old tags stood in."""
        told = self._told.get(registry)
        if told is not None and told.codes:
            told.codes.clear()
            told.before = self._clock() + PAUSE
            _log.info("%s answers again", registry)
