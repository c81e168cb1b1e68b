"""`ObservedTags`: what a registry showed last is kept, and serves while it gives no answer.

An outage then changes nothing: the last whole listing, and what was known of its tags, stand in.
Nobody waits for a registry that is known to be silent: it is asked again beside that, and once it
answers, the next who asks gets what there is now.

What a registry does answer counts: a login that is refused is shown nothing that another saw, or
that it saw itself before. A repository that is suddenly missing is another matter: registries say
so while they restart or their disk is away, so that it takes two looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TypeVar

from cachetools import LRUCache

from cmp.cosign import Claim
from cmp.errors import (
    BadReplyError,
    DeniedError,
    NotFoundError,
    RegistryError,
    ThrottledError,
    UnreachableError,
)
from cmp.meter import Meter, Unmetered
from cmp.reference import Repository
from cmp.registry.observation import tags_key
from cmp.registry.port import TagSource
from cmp.registry.silence import Silences
from cmp.store import Store
from cmp.tags import Fault, Listing, Needs, StaleTags, Tag

# Seconds. A week-end and some days: longer than any outage that somebody works on.
MAX_STALE = 7 * 24 * 3600.0
# Seconds after which a missing repository is missed again, and then believed to be gone.
SECOND_LOOK = 30.0
# Seconds after which a listing is kept again though its names are the same, for its age.
KEPT_AGAIN = 3600.0
# Seconds that a registry has for its listing if an older one may serve: so many that a request,
# which waits 10 (`sidecar.resolver.BUDGET`), can still be answered with that.
PATIENCE = 8.0
# Seconds after which a silent registry is asked again: shorter than old listings are remembered
# (`cmp.registry.cache.GRACE`).
ASKED_AGAIN = 3.0

# Repositories, as one login sees them, of which it is known what was kept: some 300 bytes each.
_MOST = 10_000
_MOST_ANSWERS = 50_000  # the same for answers about tags

# No answer, or nothing that is one. Not refusals: who is refused has lost the right to look.
_SILENT = (UnreachableError, ThrottledError, BadReplyError)
# What `retag_registry_answers_total` calls them.
_OUTCOMES: Sequence[tuple[type[RegistryError], str]] = (
    (UnreachableError, "unreachable"),
    (ThrottledError, "throttled"),
    (DeniedError, "denied"),
    (NotFoundError, "not-found"),
)

Identity = Callable[[Repository, str], str]
_Answer = TypeVar("_Answer")


@dataclass(slots=True, eq=False)
class _Seen:
    """What is known of one repository as one login sees it; seconds of a clock, if not of *wall*.

    *listed* is a hash of the last listing, which was seen at *observed_at* (*wall*) and kept at
    *kept_at*; None if there was none, or one without tags. It is *missing* since then, unless that
    is None. *silent* says why the last listing was an old one, and *told* that in full; "" if it
    was not. *again* is then a look whether it answers again; the next begins not *before*.
    """

    listed: int | None = None
    observed_at: float = 0.0
    kept_at: float = float("-inf")  # so that after a start an empty listing replaces one kept
    missing: float | None = None
    silent: str = ""
    told: str = ""
    again: asyncio.Task[Listing] | None = None
    before: float = 0.0


class ObservedTags:
    """The registries behind *origin*, whose observations are kept in *store*.

    *identity* names a repository as the login of a pull secret sees it, and tells no secret. An
    observation serves until it is *max_stale* seconds old by *wall*, seconds since the epoch;
    *clock* gives some that never go back. Where one may serve, the registry has *patience* seconds
    for its answer. *meter* counts `retag_stale_observations_served_total`
    and `retag_registry_answers_total`; the log has when a silence begins and ends.
    """

    def __init__(  # noqa: PLR0913 - what is not pure is passed in
        self,
        origin: TagSource,
        store: Store,
        identity: Identity,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        max_stale: float = MAX_STALE,
        patience: float = PATIENCE,
        meter: Meter | None = None,
    ) -> None:
        self._origin = origin
        self._store = store
        self._identity = identity
        self._wall = wall
        self._clock = clock
        self._max_stale = max_stale
        self._patience = patience
        self._meter = meter or Unmetered()
        self._pull_secret = ""
        self._since = 0.0
        self._seen: LRUCache[str, _Seen] = LRUCache(_MOST)
        self._answers: LRUCache[tuple[str, int], int] = LRUCache(_MOST_ANSWERS)
        self._looks: set[asyncio.Task[Listing]] = set()
        self._silences = Silences(clock)

    def authorised(self, pull_secret: str) -> ObservedTags:
        """The same, asked with the login of *pull_secret*, whose observations are its own."""
        view = copy(self)
        view._origin = self._origin.authorised(pull_secret)  # noqa: SLF001  # its own class
        view._pull_secret = pull_secret  # noqa: SLF001
        return view

    def since(self, instant: float) -> ObservedTags:
        """The same, where no observation serves that is older than *instant*."""
        view = copy(self)
        view._origin = self._origin.since(instant)  # noqa: SLF001  # its own class
        view._since = instant  # noqa: SLF001
        return view

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*; those of the last listing, if the registry is silent.

        Raises `RegistryError`: a passing one where a repository that had tags is missing for the
        first time.
        """
        key = self._identity(repository, self._pull_secret)
        seen = self._seen.setdefault(key, _Seen())
        listing = await self._last(key, seen) if seen.silent else None
        if listing is not None and seen.silent:  # and it has not answered meanwhile
            self._look_again(key, seen, repository)
        else:
            listing = await self._patiently(key, seen, repository)
        if listing.stale:
            self._meter.count(
                "retag_stale_observations_served_total", registry=repository.registry
            )
        return replace(listing, repository=repository) if listing.stale else listing

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; as it was once, while listings are old ones.

        With a listing that is not, what cannot be read is not known: the tag may have moved.
        """
        key = self._identity(repository, self._pull_secret)
        kept = tags_key(key, needs)
        seen = self._seen.get(key)
        if seen is not None and seen.silent:
            known = await self._store.tags(kept, names)
            unread = (Tag(name, fault=Fault.UNREADABLE, detail=seen.silent) for name in names)
            return StaleTags({tag.name: known.get(tag.name, tag) for tag in unread})
        tags = await self._asked(repository, self._origin.describe(repository, names, needs))
        await self._keep_tags(kept, tags)
        return tags

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest* now: none is kept, for they are withdrawn."""
        return await self._asked(repository, self._origin.signatures(repository, digest))

    async def aclose(self) -> None:
        """End what is asked of registries still."""
        looks = list(self._looks)
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    async def _patiently(self, key: str, seen: _Seen, repository: Repository) -> Listing:
        """The listing; an older one, if one may serve, where the registry takes too long."""
        look = self._begin(key, seen, repository)
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(look)
        except TimeoutError:
            last = await self._last(key, seen)
        if last is None or look.done():
            return await asyncio.shield(look)
        registry = repository.registry
        what = f"the registry {registry} gave no whole answer in {self._patience:g} s"
        late = UnreachableError("RT560", what, remedy="look at its load and at its limit here")
        return self._fall_silent(repository, seen, last, late)

    def _look_again(self, key: str, seen: _Seen, repository: Repository) -> None:
        """Ask the registry, which was silent, though nobody waits for it."""
        if (seen.again is None or seen.again.done()) and self._clock() >= seen.before:
            seen.again = self._begin(key, seen, repository)

    def _begin(self, key: str, seen: _Seen, repository: Repository) -> asyncio.Task[Listing]:
        """A look at what the registry holds now, which goes on whoever waits for it."""
        look = asyncio.create_task(self._look(key, seen, repository))
        self._looks.add(look)
        look.add_done_callback(self._end)
        return look

    def _end(self, look: asyncio.Task[Listing]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            look.exception()  # whoever waits gets it, and nobody may

    async def _look(self, key: str, seen: _Seen, repository: Repository) -> Listing:
        """What the registry says; the last listing, if it says nothing and that may serve."""
        known_at = seen.observed_at
        try:
            listing = await self._asked(repository, self._origin.list_tags(repository))
        except _SILENT as error:
            last = await self._last(key, seen)
            if last is None:
                raise
            if seen.observed_at != known_at:  # it has answered somebody who asked later
                return replace(last, stale=str(error))
            return self._fall_silent(repository, seen, last, error)
        except NotFoundError as error:
            self._hear(repository, seen)
            if await self._is_gone(key, seen, repository):
                raise
            raise _missed(error) from error
        except RegistryError:
            self._hear(repository, seen)
            raise
        self._hear(repository, seen)
        await self._keep(key, seen, listing)
        return listing

    async def _asked(self, repository: Repository, answer: Awaitable[_Answer]) -> _Answer:
        try:
            found = await answer
        except RegistryError as error:
            kinds = (name for kind, name in _OUTCOMES if isinstance(error, kind))
            self._count(repository, next(kinds, "bad-reply"))
            raise
        self._count(repository, "answered")
        return found

    def _count(self, repository: Repository, outcome: str) -> None:
        registry = repository.registry
        self._meter.count("retag_registry_answers_total", registry=registry, outcome=outcome)

    async def _last(self, key: str, seen: _Seen) -> Listing | None:
        """The last listing, if it may serve in the place of an answer."""
        last = await self._store.listing(key)
        if last is None or not last.names:
            return None
        if _hash(last) == seen.listed:  # it was seen since it was kept
            last = replace(last, observed_at=max(last.observed_at, seen.observed_at))
        if last.observed_at < max(self._since, self._wall() - self._max_stale):
            return None
        return replace(last, stale=seen.told)

    def _fall_silent(
        self, repository: Repository, seen: _Seen, last: Listing, error: RegistryError
    ) -> Listing:
        """*last*, which serves because of *error*, or of what it was that began the silence."""
        self._silences.failed(repository.registry, error)
        seen.before = self._clock() + ASKED_AGAIN
        if not seen.silent:
            seen.silent, seen.told = _cause(error).brief, str(error)
        return replace(last, stale=seen.told)

    def _hear(self, repository: Repository, seen: _Seen) -> None:
        """Note that the registry has answered."""
        if seen.silent:
            seen.silent = ""
            self._silences.answered(repository.registry)

    async def _is_gone(self, key: str, seen: _Seen, repository: Repository) -> bool:
        """Whether *repository*, which is missing, had no tags before, or is missing for good."""
        if seen.listed is None:
            last = await self._store.listing(key)
            if last is None or not last.names:
                return True
        now = self._clock()
        if seen.missing is None:
            seen.missing = now
        if now - seen.missing < SECOND_LOOK:
            return False
        seen.listed = seen.missing = None
        await self._store.keep_listing(key, Listing(repository, (), self._wall()))
        return True

    async def _keep(self, key: str, seen: _Seen, listing: Listing) -> None:
        """Keeps *listing* if it is another, or if the age of what is kept is off by much."""
        seen.missing, seen.observed_at = None, listing.observed_at
        listed, now = _hash(listing) if listing.names else None, self._clock()
        if listed != seen.listed or now - seen.kept_at >= KEPT_AGAIN:
            seen.listed, seen.kept_at = listed, now
            await self._store.keep_listing(key, listing)

    async def _keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """Keeps those of *tags* that were read, if they are not as they were."""
        read = {name: tag for name, tag in tags.items() if tag.fault is not Fault.UNREADABLE}
        asked, answer = (key, hash(tuple(read))), hash(tuple(read.values()))
        if read and self._answers.get(asked) != answer:
            self._answers[asked] = answer
            await self._store.keep_tags(key, read)


def _hash(listing: Listing) -> int:
    return hash((listing.names, listing.newest_first))


def _cause(error: RegistryError) -> RegistryError:
    """What *error* says without that it was of a listing, where it says that."""
    inner = error.__cause__
    return inner if isinstance(inner, RegistryError) else error


def _missed(error: NotFoundError) -> UnreachableError:
    return UnreachableError(
        "RT531",
        f"{error.what}, but it had tags before",
        remedy=f"if it was deleted, that counts once it is missing for {SECOND_LOOK:.0f} s",
    )
