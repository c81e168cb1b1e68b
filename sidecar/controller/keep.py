"""`Keeper`: what the watch of all Applications keeps, and what it says of those left alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cmp.identity import instance_name
from cmp.rules import Application
from sidecar.controller.model import Target, target_of, uses_plugin
from sidecar.kubernetes import Object

_log = logging.getLogger("retag.controller")

# Applications that are left alone and are known to have been named; each of them takes more
# than 256 KiB of the cluster's own store.
MOST_NAMED = 1000


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """In the place of an Application that is ours and too large, or that cannot be read.

    It is there, so its record stays; no more is kept of it, and nothing is decided for it.
    """


class Keeper:
    """Keeps of Applications those that are ours; *control* is Argo CD's own namespace.

    One that is too large is named when it is seen first, not with each of its changes.
    """

    def __init__(self, control: str) -> None:
        self._control = control
        self._named: dict[tuple[str, str], str] = {}

    def __call__(self, manifest: Object) -> Target | LeftAlone | None:
        """What is kept of the Application in *manifest*; None for nothing."""
        metadata = manifest.get("metadata") or {}
        named = Application.from_manifest({"metadata": metadata})
        found = target_of(manifest, instance_name(named, self._control))
        key = named.namespace, named.name
        if found is not None or not uses_plugin(manifest):
            self._named.pop(key, None)
            return found
        if self._is_new(key, str(metadata.get("uid") or "")):
            _log.warning("Application %s is left alone: it is too large", named)
        return LeftAlone()

    def _is_new(self, key: tuple[str, str], uid: str) -> bool:
        """Remember that *key* with *uid* is named; whether it was not before."""
        if self._named.get(key) == uid:
            return False
        self._named[key] = uid
        if len(self._named) > MOST_NAMED:
            del self._named[next(iter(self._named))]
        return True
