"""`Cluster`: what is asked of the API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sidecar.kubernetes.kinds import Kind

Object = dict[str, Any]  # JSON, as the API server gives it
Patch = Sequence[Mapping[str, Any]] | Mapping[str, Any]


class Happened(StrEnum):
    """What a watch tells of an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"  # nothing: how far the watch has come


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch; *object* is as it is after that, or was before it was deleted."""

    happened: Happened
    object: Object


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a listing, whose *version* (`resourceVersion`) a watch may begin from."""

    objects: Sequence[Object]
    version: str


class Cluster(Protocol):
    """One API server, as one account. A *namespace* of "" is all of them, or that of no object.

    All of it raises `ClusterError` and its kinds.
    """

    @property
    def namespace(self) -> str:
        """The account's own: that of its Pod, or of the kubeconfig's context."""
        ...

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        """The object, as it is now."""
        ...

    def list_pages(
        self, kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """All objects that have *labels* (a selector, as kubectl takes it), of one moment."""
        ...

    async def version(self, kind: Kind, namespace: str, /) -> str:
        """That of a listing which were made now, for the price of one object."""
        ...

    def watch(
        self, kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """What changes from *version* on; it ends without an error after some minutes.

        A BOOKMARK comes first, as soon as the API server has agreed.
        """
        ...

    async def create(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The object as it was made."""
        ...

    async def replace(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The object as it is now; `ConflictError` unless its resourceVersion was the last."""
        ...

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        """The object after *patch*: a JSON Patch for a list, a merge patch for a mapping.

        *of* is "" for the object, or "status". A `test` of a JSON Patch that fails is a
        `RefusedError`.
        """
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, /) -> None:
        """Delete the object; `AbsentError` if there is none."""
        ...

    async def aclose(self) -> None:
        """Let go of all connections."""
        ...
