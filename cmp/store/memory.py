"""`MemoryStore`: what one process remembers, within bytes; the least lately used goes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cachetools import LRUCache

from cmp.store import choices as law
from cmp.store.port import LastGood
from cmp.tags import Listing, Tag

_Value = TypeVar("_Value")

_MIB = 1024 * 1024
# Some 40,000 choices; 1,000 Applications of 5 images have 5,000.
_CHOICES = 16 * _MIB
# 200 repositories of 1,000 described tags take 100 MiB: what is served while registries are down.
OBSERVATIONS = 128 * _MIB
# Beside a store that holds all, memory serves only while that one is down.
BESIDE_A_STORE = 32 * _MIB
# Bytes that each takes in CPython besides its texts: objects, and references to them.
_EACH = 256
_CHOICE = 400
_NAME = 64
_TAG = 350
_PLATFORM = 256


class MemoryStore:
    """A `Store` of this process; *room* bounds the bytes of observations.

    *wall* is seconds since the epoch; what a wrong clock said to be of later gives way.
    """

    def __init__(self, *, wall: Callable[[], float], room: int = OBSERVATIONS) -> None:
        self._wall = wall
        self._choices: LRUCache[str, tuple[LastGood, ...]] = LRUCache(_CHOICES, _of_choices)
        self._listings: LRUCache[str, Listing] = LRUCache(room // 2, _of_listing)
        self._tags: LRUCache[str, dict[str, Tag]] = LRUCache(room // 2, _of_tags)

    async def choices(self, application: str) -> Sequence[LastGood]:
        """All that is remembered of *application*, the last kept first."""
        return law.dated(self._choices.get(application, ()), self._wall())

    async def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """Remember *choices*, each in the place of one that is not newer."""
        self.learn(application, law.keep(await self.choices(application), choices))

    def learn(self, application: str, choices: Sequence[LastGood]) -> None:
        """Remember *choices*, the last kept first, as all that there are of *application*."""
        _put(self._choices, application, tuple(choices))

    async def listing(self, key: str) -> Listing | None:
        """The last listing under *key*, the same object."""
        listing = self._listings.get(key)
        ahead = listing is not None and listing.observed_at > self._wall() + law.SKEW
        return None if ahead else listing

    async def keep_listing(self, key: str, listing: Listing) -> None:
        """Remember *listing* in the place of one that is not newer."""
        known = await self.listing(key)
        if known is None or known.observed_at <= listing.observed_at:
            _put(self._listings, key, listing)

    async def tags(self, key: str, names: Sequence[str]) -> Mapping[str, Tag]:
        """Those of *names* that were described under *key*."""
        known = self._tags.get(key, {})
        return {name: known[name] for name in names if name in known}

    def all_tags(self, key: str) -> Mapping[str, Tag]:
        """All that were described under *key*."""
        return self._tags.get(key, {})

    async def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """Remember *tags* under *key*; where all together are too many, these alone."""
        if not _put(self._tags, key, {**self._tags.get(key, {}), **tags}):
            _put(self._tags, key, dict(tags))

    async def seen(self, _kind: str) -> Mapping[str, bytes] | None:
        """Nothing: it would not outlive the process, which has seen it."""
        return None

    async def keep_seen(
        self, _kind: str, _changed: Mapping[str, bytes | None], *, whole: bool
    ) -> bool:
        """Nothing is kept, nor asked for again."""
        del whole
        return True

    async def aclose(self) -> None:
        """Nothing is open."""


def _put(cache: LRUCache[str, _Value], key: str, value: _Value) -> bool:
    """Whether *value* has room in *cache* at all; what was there under *key* is gone if not."""
    cache.pop(key, None)
    fits = cache.getsizeof(value) <= cache.maxsize
    if fits:
        cache[key] = value
    return fits


def _of_choices(choices: Sequence[LastGood]) -> int:
    return _EACH + sum(_CHOICE + len(each.rule) + len(each.repository) for each in choices)


def _of_listing(listing: Listing) -> int:
    return _EACH + _NAME * len(listing.names) + sum(map(len, listing.names))


def _of_tags(tags: Mapping[str, Tag]) -> int:
    return _EACH + sum(map(_of_tag, tags.values()))


def _of_tag(tag: Tag) -> int:
    texts = len(tag.name) + len(tag.detail) + len(tag.unanswered) + sum(map(len, tag.signers))
    return _TAG + texts + _NAME * len(tag.signers) + _PLATFORM * len(tag.platforms)
