"""`CachedTags`: a `TagSource` in front of another, which is asked once for what many want.

Fifty renders of one image make one listing. What one login sees is never told to another: the
login, as the rule writes it, is part of every key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from cmp.cosign import Claim
from cmp.reference import Repository
from cmp.registry.port import TagSource
from cmp.registry.remembered import Once, OncePerTag, Terms
from cmp.tags import Listing, Needs, Tag

TTL = 60.0
# Seconds: longer than a burst of renders takes, shorter than anyone waits to see a trouble gone.
GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is remembered at most: *names* in listings, described *tags*, and *claims*.

    A name takes about 70 bytes, a described tag 350, a claim 1,000; twice the largest repository
    that is listed at all (`cmp.registry.http.listing`) still fits.
    """

    names: int = 1_000_000
    tags: int = 300_000
    claims: int = 10_000


class CachedTags:
    """What *origin* answered up to *ttl* seconds ago; its errors up to *grace* seconds.

    *clock* gives seconds and never goes back. While a listing is fresh it is the same object.
    """

    def __init__(
        self,
        origin: TagSource,
        *,
        clock: Callable[[], float] = time.monotonic,
        ttl: float = TTL,
        grace: float = GRACE,
        sizes: Sizes | None = None,
    ) -> None:
        room = sizes or Sizes()
        terms = Terms(clock, ttl, grace)
        self._origin = origin
        self._pull_secret = ""
        self._listings: Once[tuple[str, Repository], Listing] = Once(
            terms, room.names, lambda listing: 1 + len(listing.names)
        )
        self._tags: OncePerTag[tuple[str, Repository, Needs]] = OncePerTag(terms, room.tags)
        self._claims: Once[tuple[str, Repository, str], Sequence[Claim]] = Once(
            terms, room.claims, lambda claims: 1 + len(claims)
        )

    def authorised(self, pull_secret: str) -> CachedTags:
        """The same, asked with the login of *pull_secret*, and remembering apart from others."""
        view = copy(self)
        view._origin = self._origin.authorised(pull_secret)  # noqa: SLF001  # its own class
        view._pull_secret = pull_secret  # noqa: SLF001
        return view

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*."""
        key = self._pull_secret, repository
        return await self._listings.get(key, lambda: self._origin.list_tags(repository))

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; the origin is asked, once, for those that are not known."""
        return await self._tags.get(
            (self._pull_secret, repository, needs),
            names,
            lambda missing: self._origin.describe(repository, missing, needs),
        )

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest*."""
        key = self._pull_secret, repository, digest
        return await self._claims.get(key, lambda: self._origin.signatures(repository, digest))
