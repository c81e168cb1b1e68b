"""ImageUpdaters as the controller sees them: what they state, and the status that they have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cmp.rules import Resource, RuleSet
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.controller.targets import Key
from sidecar.kubernetes import IMAGE_UPDATERS, Object
from sidecar.kubernetes.mirror import Mirror, Watched

GATHER = 0.1  # seconds in which changes gather: `kubectl apply` of a folder is one


@dataclass(frozen=True, slots=True)
class Updater:
    """An ImageUpdater: *rules* as `keep_rules` keeps them, its *generation* and *status*."""

    rules: bytes
    generation: int
    status: Mapping[str, Any] = field(default_factory=dict)


def keep_updater(manifest: Object) -> Updater:
    """What is kept of an ImageUpdater."""
    generation = (manifest.get("metadata") or {}).get("generation") or 0
    return Updater(keep_rules(manifest), generation, manifest.get("status") or {})


def watched(namespaces: tuple[str, ...]) -> Watched[Updater]:
    """The ImageUpdaters of *namespaces*."""
    return Watched(IMAGE_UPDATERS, namespaces, keep_updater)


class RulesOf:
    """The rules that the ImageUpdaters in *mirror* state; *argocd* is Argo CD's own namespace.

    *sleep* waits that many seconds.
    """

    def __init__(
        self,
        mirror: Mirror[Updater],
        argocd: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._mirror = mirror
        self._reader = RulesReader(argocd)
        self._sleep = sleep
        self._news = asyncio.Event()
        self.resources: Mapping[Key, Resource] = {}
        mirror.on_change(self._change)

    async def run(self, take: Callable[[RuleSet], None]) -> None:
        """Have *take* use the rules there are, for ever, each time they change."""
        while True:
            await self._news.wait()
            await self._sleep(GATHER)
            take(await self.read())

    async def read(self) -> RuleSet:
        """The rules there are now."""
        self._news.clear()
        kept = {key: updater.rules for key, updater in self._mirror.objects.items()}
        resources = await asyncio.to_thread(self._reader.read, kept)
        self.resources = dict(zip(kept, resources, strict=True))
        return await asyncio.to_thread(RuleSet.of, resources)

    def _change(self, _key: Key, before: Updater | None, now: Updater | None) -> None:
        if before is None or now is None or before.rules != now.rules:
            self._news.set()
