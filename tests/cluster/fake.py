"""A `Cluster` in memory, whose objects the test changes, and which the test lets fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from sidecar.kubernetes import Change, ClusterError, Kind, Object, Page
from sidecar.kubernetes.port import Happened, Patch

AWAY = ClusterError("RT650", "cannot reach it", remedy="see that it runs")


class FakeCluster:
    """Objects by kind; *errors* are what is answered for a kind instead.

    A kind that is *slow*, or a kind of a namespace ("ImageUpdater team"), is listed once that is
    set.
    """

    namespace = "argocd"

    def __init__(self) -> None:
        self.errors: dict[str, ClusterError] = {}
        self.slow: dict[str, asyncio.Event] = {}
        self._changes: list[Change] = []
        self._changed = asyncio.Event()

    def put(self, *objects: dict[str, Any]) -> None:
        """Create or change *objects*."""
        for each in objects:
            self._happen(Happened.MODIFIED, each)

    def remove(self, each: dict[str, Any]) -> None:
        """Delete the object."""
        self._happen(Happened.DELETED, each)

    def restore(self) -> None:
        """Be as before the last change, as after a restore from a backup; all watches end."""
        del self._changes[-1]
        self._wake()

    def fail(self, kind: Kind, error: ClusterError | None = AWAY) -> None:
        """Answer *error* for *kind* from now on, also to who watches; None: answer again."""
        if error is None:
            self.errors.pop(kind.name, None)
        else:
            self.errors[kind.name] = error
        self._wake()

    async def list_pages(
        self, kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """All of *namespace*."""
        del labels
        self._check(kind)
        for name in (kind.name, f"{kind.name} {namespace}"):
            if name in self.slow:
                await self.slow[name].wait()
        found: dict[str, Object] = {}
        for change in self._changes:
            if _is_of(change.object, kind, namespace):
                found[change.object["metadata"]["name"]] = change.object
                if change.happened is Happened.DELETED:
                    del found[change.object["metadata"]["name"]]
        yield Page(list(found.values()), str(len(self._changes)))

    async def version(self, kind: Kind, _namespace: str, /) -> str:
        """How many changes there were."""
        self._check(kind)
        return str(len(self._changes))

    async def watch(
        self, kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """What changes from *version* on."""
        del labels
        at = int(version)
        while at <= len(self._changes):
            self._check(kind)
            for change in self._changes[at:]:
                at += 1
                if _is_of(change.object, kind, namespace):
                    yield change
            if at == len(self._changes):
                await self._changed.wait()

    async def get(self, _kind: Kind, _namespace: str, _name: str, /) -> Object:
        """Nobody asks for it."""
        raise NotImplementedError

    async def create(self, _kind: Kind, _namespace: str, _manifest: Object, /) -> Object:
        """Nobody asks for it."""
        raise NotImplementedError

    replace = create

    async def patch(
        self, _kind: Kind, _namespace: str, _name: str, _patch: Patch, /, *, of: str = ""
    ) -> Object:
        """Nobody asks for it."""
        raise NotImplementedError(of)

    async def delete(self, _kind: Kind, _namespace: str, _name: str, /) -> None:
        """Nobody asks for it."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""

    def _check(self, kind: Kind) -> None:
        if kind.name in self.errors:
            raise self.errors[kind.name]

    def _happen(self, happened: Happened, manifest: Object) -> None:
        version = str(len(self._changes) + 1)
        metadata = {**manifest["metadata"], "resourceVersion": version}
        self._changes.append(Change(happened, {**manifest, "metadata": metadata}))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _is_of(manifest: Object, kind: Kind, namespace: str) -> bool:
    return bool(manifest["kind"] == kind.name and manifest["metadata"]["namespace"] == namespace)
