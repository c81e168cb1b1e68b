"""A Lease in memory and time that a test moves, for `Leadership`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from typing import Any

from sidecar.controller.lease import Pace
from sidecar.kubernetes.errors import AbsentError, ClusterError, ConflictError
from sidecar.kubernetes.kinds import LEASES, Kind
from sidecar.kubernetes.port import Change, Object, Page, Patch

NAMESPACE, NAME = "argocd", "retag-controller"


class Time:
    """What goes on when the test says so; `pace` sleeps by it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        """Return when that much time has passed."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((self.now + seconds, future))
        await future

    async def pass_by(self, seconds: float) -> None:
        """Let that much time pass, and everybody do what they do meanwhile."""
        end = self.now + seconds
        await self.settle()
        while due := [at for at, future in self._waiting if at <= end and not future.done()]:
            self.now = max(self.now, min(due))
            self._wake()
            await self.settle()
        self.now = max(self.now, end)
        await self.settle()

    def jump(self, seconds: float) -> None:
        """Let time pass while nobody does anything, as in a process that is stopped."""
        self.now += seconds

    async def settle(self) -> None:
        """Let everybody go on until they wait for time."""
        for _ in range(50):
            await asyncio.sleep(0)

    def _wake(self) -> None:
        for at, future in self._waiting:
            if at <= self.now and not future.done():
                future.set_result(None)
        self._waiting = [each for each in self._waiting if not each[1].done()]

    def pace(self, ahead: float = 0.0, chance: float = 0.0) -> Pace:
        """As in production, by clocks that are *ahead*."""
        return Pace(
            clock=lambda: self.now + ahead,
            wall=lambda: self.now + ahead,
            sleep=self.sleep,
            chance=lambda: chance,
        )


class OneLease:
    """The `Cluster` as far as Leases go; one of them, as the API server would keep it.

    *trouble* is raised instead of an answer; while *hangs* is set, none comes.
    """

    namespace = NAMESPACE

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.trouble: ClusterError | None = None
        self.hangs = False
        self.asked: list[str] = []
        self.before_write: Callable[[], None] | None = None

    @property
    def holder(self) -> str | None:
        """Who holds the Lease."""
        holder: str | None = self.lease["spec"].get("holderIdentity") if self.lease else None
        return holder

    def write(self, **spec: Any) -> None:
        """Change the Lease's spec, as somebody else does."""
        lease = self.lease or {"metadata": {"name": NAME, "namespace": NAMESPACE}}
        version = int(lease["metadata"].get("resourceVersion", 0)) + 1
        metadata = {**lease["metadata"], "resourceVersion": str(version)}
        self.lease = {**lease, "metadata": metadata, "spec": {**lease.get("spec", {}), **spec}}

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        """The Lease."""
        await self._ask("get", kind, namespace, name)
        if self.lease is None:
            raise AbsentError("RT652", "there is no Lease")
        return deepcopy(self.lease)

    async def create(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The Lease as it was made."""
        await self._ask("create", kind, namespace, manifest["metadata"]["name"])
        if self.lease is not None:
            raise ConflictError("RT654", "there is one")
        return self._put(manifest)

    async def replace(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The Lease as it is now."""
        await self._ask("replace", kind, namespace, manifest["metadata"]["name"])
        if self.lease is None:
            raise AbsentError("RT652", "there is no Lease")
        if manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError("RT654", "it has changed")
        return self._put(manifest)

    def _put(self, manifest: Object) -> Object:
        version = int(manifest["metadata"].get("resourceVersion", 0)) + 1
        metadata = {**manifest["metadata"], "resourceVersion": str(version)}
        self.lease = deepcopy({**manifest, "metadata": metadata})
        return deepcopy(self.lease)

    async def _ask(self, what: str, kind: Kind, namespace: str, name: str) -> None:
        assert (kind, namespace, name) == (LEASES, NAMESPACE, NAME)
        self.asked.append(what)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.trouble:
            raise self.trouble
        if what != "get" and self.before_write:
            self.before_write()

    def list_pages(
        self, kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """Not asked."""
        raise NotImplementedError

    async def version(self, kind: Kind, namespace: str, /) -> str:
        """Not asked."""
        raise NotImplementedError

    def watch(
        self, kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """Not asked."""
        raise NotImplementedError

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        """Not asked."""
        raise NotImplementedError

    async def delete(self, kind: Kind, namespace: str, name: str, /) -> None:
        """Not asked."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing."""
