"""A `Cluster` in memory whose listings and watches fail when a test says so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from sidecar.kubernetes import AbsentError, Change, GoneError, Kind, Object, Page
from sidecar.kubernetes.port import Happened, Patch

PAGE = 2


class HeldCluster:
    """Holds objects by namespace and name; *value* of each is what its mirror keeps."""

    namespace = "own"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.listings = 0
        self.watches = 0
        self.open = 0
        # Raised by the next pages of listings, None lets one pass; and by watches, where None
        # ends one without a word.
        self.listing_faults: deque[Exception | None] = deque()
        self.watch_faults: deque[Exception | None] = deque()
        self.compacted = 0
        self._changes: list[Change] = []
        self._changed = asyncio.Event()

    def put(self, namespace: str, name: str, value: Any) -> None:
        """Make the object, or change it."""
        key = namespace, name
        happened = Happened.MODIFIED if key in self.objects else Happened.ADDED
        self.objects[key] = self._tell(happened, namespace, name, value)

    def remove(self, namespace: str, name: str) -> None:
        """Delete the object, if there is one."""
        if (namespace, name) in self.objects:
            gone = self.objects.pop((namespace, name))
            self._tell(Happened.DELETED, namespace, name, gone["value"])

    def compact(self) -> None:
        """Forget all that happened until now: who watches from before has to list anew."""
        self.compacted = len(self._changes)

    def restore(self) -> None:
        """Go back to the first half of what happened, as from a backup."""
        del self._changes[len(self._changes) // 2 :]
        self.compacted = min(self.compacted, len(self._changes))
        self.objects.clear()
        for change in self._changes:
            metadata = change.object["metadata"]
            key = metadata["namespace"], metadata["name"]
            if change.happened is Happened.DELETED:
                self.objects.pop(key, None)
            else:
                self.objects[key] = change.object
        self.break_watches(None)

    def break_watches(self, *faults: Exception | None) -> None:
        """Have the open watches, and those after them, end so."""
        self.watch_faults.extend(faults)
        self._wake()

    def list_pages(
        self, _kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """Pages of two objects each."""
        assert labels == ""
        return self._pages(namespace)

    async def version(self, _kind: Kind, _namespace: str, /) -> str:
        """How many changes there were."""
        await asyncio.sleep(0)
        return str(len(self._changes))

    async def _pages(self, namespace: str) -> AsyncIterator[Page]:
        self.listings += 1
        found = [each for key, each in sorted(self.objects.items()) if _in(key, namespace)]
        version = str(len(self._changes))
        for start in range(0, max(len(found), 1), PAGE):
            await asyncio.sleep(0)
            fault = self.listing_faults.popleft() if self.listing_faults else None
            if fault:
                raise fault
            yield Page(found[start : start + PAGE], version)

    async def watch(
        self, _kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """What happened since, and goes on to happen."""
        assert labels == ""
        self.watches += 1
        at = int(version)
        self.open += 1
        try:
            if at < self.compacted:
                raise GoneError("RT655", "too old")
            yield Change(Happened.BOOKMARK, {"metadata": {"resourceVersion": version}})
            while True:
                if self.watch_faults:
                    fault = self.watch_faults.popleft()
                    if fault is None:
                        return
                    raise fault
                if at >= len(self._changes):
                    await self._changed.wait()
                    continue
                change = self._changes[at]
                at += 1
                metadata = change.object["metadata"]
                if _in((metadata["namespace"], metadata["name"]), namespace):
                    yield change
        finally:
            self.open -= 1

    async def get(self, _kind: Kind, namespace: str, name: str, /) -> Object:
        """The object."""
        if (namespace, name) not in self.objects:
            raise AbsentError("RT652", f"no {name}")
        return self.objects[namespace, name]

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

    def _tell(self, happened: Happened, namespace: str, name: str, value: Any) -> Object:
        version = str(len(self._changes) + 1)
        metadata = {"namespace": namespace, "name": name, "resourceVersion": version}
        manifest = {"metadata": metadata, "value": value}
        self._changes.append(Change(happened, manifest))
        self._wake()
        return manifest

    def _wake(self) -> None:
        """Let all watches look."""
        self._changed.set()
        self._changed = asyncio.Event()


def _in(key: tuple[str, str], namespace: str) -> bool:
    return namespace in ("", key[0])
