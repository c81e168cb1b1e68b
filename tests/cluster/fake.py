"""A `Cluster` in memory, whose objects the test changes, and which the test lets fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from sidecar.kubernetes import Change, ClusterError, Kind, Object, Page
from sidecar.kubernetes.port import Happened, Patch

AWAY = ClusterError("RT650", "cannot reach it", remedy="see that it runs")


class FakeCluster:
    """Objects by kind; *errors* are what is answered for a kind instead."""

    namespace = "argocd"

    def __init__(self) -> None:
        self.errors: dict[str, ClusterError] = {}
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._watches: dict[str, list[asyncio.Queue[Change | None]]] = {}

    def put(self, *objects: dict[str, Any]) -> None:
        """Create or change *objects*."""
        for each in objects:
            self._happen(Happened.MODIFIED, each)
            self._of(each["kind"])[_key(each)] = each

    def remove(self, each: dict[str, Any]) -> None:
        """Delete the object."""
        del self._of(each["kind"])[_key(each)]
        self._happen(Happened.DELETED, each)

    def fail(self, kind: Kind, error: ClusterError | None = AWAY) -> None:
        """Answer *error* for *kind* from now on, also to who watches; None: answer again."""
        if error is None:
            self.errors.pop(kind.name, None)
            return
        self.errors[kind.name] = error
        for queue in self._watches.pop(kind.name, []):
            queue.put_nowait(None)

    async def list_pages(
        self, kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """All of *namespace*."""
        del labels
        self._check(kind)
        found = self._of(kind.name)
        yield Page([found[key] for key in sorted(found) if key[0] == namespace], "1")

    async def watch(
        self, kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """What changes from now on."""
        del namespace, version, labels
        self._check(kind)
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._watches.setdefault(kind.name, []).append(queue)
        while (change := await queue.get()) is not None:
            yield change
        self._check(kind)

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        raise NotImplementedError

    async def create(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        raise NotImplementedError

    async def replace(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        raise NotImplementedError

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        raise NotImplementedError

    async def delete(self, kind: Kind, namespace: str, name: str, /) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""

    def _of(self, kind: str) -> dict[tuple[str, str], Object]:
        return self._objects.setdefault(kind, {})

    def _check(self, kind: Kind) -> None:
        if kind.name in self.errors:
            raise self.errors[kind.name]

    def _happen(self, happened: Happened, each: Object) -> None:
        for queue in self._watches.get(each["kind"], []):
            queue.put_nowait(Change(happened, each))


def _key(manifest: Object) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
