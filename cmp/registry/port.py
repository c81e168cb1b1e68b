"""What may be asked of a registry. Who answers: a storage root on disk, HTTP, and caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from cmp.cosign import Claim
from cmp.reference import Repository
from cmp.tags import Listing, Needs, Tag


class TagSource(Protocol):
    """What a repository holds, for given needs. Raises only `cmp.errors.RegistryError`."""

    def authorised(self, pull_secret: str, /) -> Self:
        """The same registries, asked with the login of *pull_secret* (as a rule writes it).

        "" is the registry's own login. What one login sees is never told to another.
        """
        ...

    def since(self, instant: float, /) -> Self:
        """The same registries, of which nothing is told that was seen before *instant*.

        Seconds since the epoch; who remembers nothing needs no view of its own.
        """
        ...

    async def list_tags(self, repository: Repository, /) -> Listing:
        """All tag names of *repository*, whole: a part of a listing is an error, never shorter."""
        ...

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs, /
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; what could not be read of one is its `fault`."""
        ...

    async def signatures(self, repository: Repository, digest: str, /) -> Sequence[Claim]:
        """What claims to be a signature of the manifest or index *digest*, unverified."""
        ...
