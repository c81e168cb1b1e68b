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
from cmp.errors import UnreachableError
from cmp.reference import Repository
from cmp.registry.port import TagSource
from cmp.registry.remembered import Once, OncePerTag, Terms
from cmp.tags import Listing, Needs, Tag

TTL = 60.0
# Seconds: longer than a burst of renders takes, shorter than anyone waits to see a trouble gone.
GRACE = 5.0

_MIB = 1024 * 1024
# Bytes that each takes besides its texts, in CPython: objects, and references to them.
_NAME = 64
_TAG = 350
_PLATFORM = 256
_CLAIM = 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of what is remembered at most, for *names* in listings, described *tags*, *claims*.

    The two largest repositories that are listed at all (`cmp.registry.http.listing`) fit, some
    250,000 tags, and 12,000 claims of the usual size or 100 of the largest. A character counts as
    a byte; those that are not ASCII take up to four.
    """

    names: int = 128 * _MIB
    tags: int = 128 * _MIB
    claims: int = 32 * _MIB


class CachedTags:
    """What *origin* answered up to *ttl* seconds ago; its errors up to *grace* seconds.

    So long serves a stale listing, too, since the registry may answer again. *clock* gives seconds
    and never goes back, *wall* those since the epoch. While a listing is fresh it is the same
    object.
    """

    def __init__(
        self,
        origin: TagSource,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        ttl: float = TTL,
        grace: float = GRACE,
        sizes: Sizes | None = None,
    ) -> None:
        room = sizes or Sizes()
        terms = Terms(clock, ttl, grace)
        self._origin = origin
        self._clock = clock
        self._wall = wall
        self._pull_secret = ""
        self._instant = 0.0  # by *wall*
        self._since = float("-inf")  # the same by *clock*
        self._listings: Once[tuple[str, Repository], Listing] = Once(
            terms,
            room.names,
            lambda listing: _of_names(listing.names),
            passes=lambda listing: bool(listing.stale),
        )
        self._tags: OncePerTag[tuple[str, Repository, Needs]] = OncePerTag(
            terms, room.tags, _of_tag
        )
        self._claims: Once[tuple[str, Repository, str], Sequence[Claim]] = Once(
            terms, room.claims, lambda claims: sum(map(_of_claim, claims))
        )

    def authorised(self, pull_secret: str) -> CachedTags:
        """The same, asked with the login of *pull_secret*, and remembering apart from others."""
        view = copy(self)
        view._origin = self._origin.authorised(pull_secret)  # noqa: SLF001  # its own class
        view._pull_secret = pull_secret  # noqa: SLF001
        return view

    def since(self, instant: float) -> CachedTags:
        """The same, that tells nothing seen before *instant* (seconds since the epoch).

        An instant in the future counts as now.
        """
        view = copy(self)
        view._origin = self._origin.since(instant)  # noqa: SLF001  # its own class
        view._instant = instant  # noqa: SLF001
        view._since = self._clock() - max(0.0, self._wall() - instant)  # noqa: SLF001
        return view

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*."""
        listing = await self._listings.get(
            (self._pull_secret, repository),
            lambda: self._origin.list_tags(repository),
            since=self._since,
        )
        if listing.stale and listing.observed_at < self._instant:
            # Another was content with it; to ask again at once would get no answer either.
            what = f"a refresh was asked for, and the registry gives nothing new: {listing.stale}"
            raise UnreachableError("RT533", what)
        return listing

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; the origin is asked, once, for those that are not known."""
        return await self._tags.get(
            (self._pull_secret, repository, needs),
            names,
            lambda missing: self._origin.describe(repository, missing, needs),
            since=self._since,
        )

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest*."""
        key = self._pull_secret, repository, digest
        return await self._claims.get(
            key, lambda: self._origin.signatures(repository, digest), since=self._since
        )


def _of_names(names: Sequence[str]) -> int:
    """Bytes, in a third of a millisecond for 10,000."""
    return _NAME * len(names) + sum(map(len, names))


def _of_tag(tag: Tag) -> int:
    texts = len(tag.name) + len(tag.detail) + len(tag.unanswered)
    signers = _of_names(tag.signers) if tag.signers else 0  # few tags have any
    return _TAG + texts + signers + _PLATFORM * len(tag.platforms)


def _of_claim(claim: Claim) -> int:
    return _CLAIM + len(claim.signed) + len(claim.signature)
