"""What is known of manifests by their digest: where images stand in them, and what came out.

Most renders give the same bytes as the one before. Then nothing is parsed, and nothing is spliced
unless a choice has changed. What is large and new is worked on in a thread, so that the others'
requests go on meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cachetools import LRUCache

from cmp.manifests import ImageField, Site, find_images, is_empty, rewrite
from cmp.meter import Meter, Unmetered
from cmp.reference import Repository
from cmp.threads import MANY_IMAGES, work

_MIB = 1024 * 1024
# Of 2,000 Applications with 5 images each, or 400 with 30. It is little beside what the process
# needs anyway, so that new manifests fill it soon, and memory then grows no more.
ROOM_FOR_SITES = 12 * _MIB
# The outputs of 100 Applications of 100 KB: those that burst. To splice again costs little.
ROOM_FOR_OUTPUTS = 12 * _MIB
_STREAMS = 4_000  # of which it is remembered whether they hold an object

# Bytes from which on work is done in a thread: some 4 ms of parsing.
_LONG_TO_PARSE = 32 * 1024
_LONG_TO_COPY = _MIB  # the same where bytes are hashed, or copied with others put in
_LARGE = 4 * _MIB  # from which on it takes up to some seconds; few Applications have as many

# Bytes that each takes besides its texts, in CPython.
_ENTRY = 500
_SITE = 800

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Manifests:
    """*stream*, by its *digest*."""

    stream: bytes
    digest: bytes


class Memo:
    """What was found in streams of manifests, and made of them; what is used is kept.

    *sites* and *outputs* bound the bytes that each take. *meter* counts `retag_memo_total`.
    """

    def __init__(
        self,
        *,
        sites: int = ROOM_FOR_SITES,
        outputs: int = ROOM_FOR_OUTPUTS,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter or Unmetered()
        self._empty: LRUCache[Hashable, bool] = LRUCache(_STREAMS)
        self._sites: LRUCache[Hashable, Sequence[Site]] = LRUCache(sites, getsizeof=_of_sites)
        self._outputs: LRUCache[Hashable, bytes] = LRUCache(outputs, getsizeof=_of_output)

    async def manifests(self, stream: bytes) -> Manifests:
        """*stream*, to ask for."""
        digest = await work(
            lambda: hashlib.sha256(stream).digest(), is_long=len(stream) > _LONG_TO_COPY
        )
        return Manifests(stream, digest)

    async def is_empty(self, manifests: Manifests) -> bool:
        """As `cmp.manifests.is_empty`."""
        stream = manifests.stream
        return await self._remembered(
            "empty",
            self._empty,
            manifests.digest,
            lambda: work(
                lambda: is_empty(stream),
                is_long=len(stream) > _LONG_TO_PARSE,
                is_large=len(stream) > _LARGE,
            ),
        )

    async def sites(
        self,
        manifests: Manifests,
        repositories: Collection[Repository],
        fields: Sequence[ImageField],
    ) -> Sequence[Site]:
        """As `cmp.manifests.find_images`, whose errors are not remembered: they are rare."""
        stream = manifests.stream
        return await self._remembered(
            "sites",
            self._sites,
            (manifests.digest, frozenset(repositories), tuple(fields)),
            lambda: work(
                lambda: find_images(stream, repositories, fields),
                is_long=len(stream) > _LONG_TO_PARSE,
                is_large=len(stream) > _LARGE,
            ),
        )

    async def rewritten(self, manifests: Manifests, edits: Mapping[Site, str]) -> bytes:
        """As `cmp.manifests.rewrite`."""
        stream = manifests.stream
        if not edits:
            return stream
        are_many = len(edits) > MANY_IMAGES
        written = await work(
            lambda: frozenset((site.start, site.end, text) for site, text in edits.items()),
            is_long=are_many,
        )
        return await self._remembered(
            "outputs",
            self._outputs,
            (manifests.digest, written),
            lambda: work(
                lambda: rewrite(stream, edits),
                is_long=are_many or len(stream) > _LONG_TO_COPY,
                is_large=len(stream) > _LARGE,
            ),
        )

    async def _remembered(
        self,
        memo: str,
        known: LRUCache[Hashable, _Answer],
        key: Hashable,
        find: Callable[[], Awaitable[_Answer]],
    ) -> _Answer:
        answer = known.get(key)
        self._meter.count(
            "retag_memo_total", memo=memo, result="miss" if answer is None else "hit"
        )
        if answer is None:
            answer = await find()
            if known.getsizeof(answer) <= known.maxsize:
                known[key] = answer
        return answer


def _of_sites(sites: Sequence[Site]) -> int:
    return _ENTRY + sum(map(_of_site, sites))


def _of_site(site: Site) -> int:
    place = site.place
    texts = (place.kind, place.namespace, place.name, place.path, site.image.text)
    return _SITE + sum(map(len, texts))


def _of_output(output: bytes) -> int:
    return _ENTRY + len(output)
