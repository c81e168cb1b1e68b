"""What a tag's manifest tells: digest, build time, and whether it has an image for the platforms.

Which build time counts is a rule that is passed in (`cmp.registry.buildtime`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from cachetools import LRUCache

from cmp.errors import BadReplyError, NotFoundError, RegistryError
from cmp.reference import Repository
from cmp.registry.buildtime import BuildTimes, ConfigTimes
from cmp.registry.digest import check_digest, verify
from cmp.registry.documents import (
    Config,
    Descriptor,
    Image,
    Index,
    read_config,
    read_manifest,
)
from cmp.registry.progress import current
from cmp.tags import Fault, Needs, Tag

# The limit on manifests that the OCI distribution specification asks of registries ("SHOULD
# be at least 4 MiB"); image configs are smaller than that.
LARGEST_DOCUMENT = 4 * 1024 * 1024
# Questions under way at once; the Image Updater asks 20 at a time, for each image.
AT_ONCE = 10
# Entries of indexes, images and configs kept, of about 400 bytes each.
REMEMBERED = 50_000

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Content(Protocol):
    """What lies in one repository, as bytes. Raises `cmp.errors.RegistryError` and nothing else.

    Who answers keeps to `LARGEST_DOCUMENT`; who asks checks digests.
    """

    async def resolve(self, tag: str) -> Descriptor:
        """The manifest that *tag* names now."""
        ...

    async def manifest(self, manifest: Descriptor) -> tuple[str, bytes]:
        """The media type that a manifest or index is served as (else *manifest*'s), its bytes."""
        ...

    async def blob(self, digest: str) -> bytes:
        """The bytes of a blob, here always an image config."""
        ...


class Describer:
    """Describes tags, and remembers what is known by digest, which cannot change.

    Documents are remembered, not answers: a platform or a strategy never leaks into another's.
    *times* is the rule by which documents tell a build time, the Image Updater's if none is given.
    """

    def __init__(self, remembered: int = REMEMBERED, *, times: BuildTimes | None = None) -> None:
        self._times = times or ConfigTimes()
        self._documents: LRUCache[tuple[Repository, Descriptor], Image | Index] = LRUCache(
            remembered, getsizeof=_size
        )
        self._configs: LRUCache[tuple[Repository, str], Config] = LRUCache(remembered)

    async def describe(
        self, repository: Repository, content: Content, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; a digest that several of them name is looked at once."""
        if needs.names_only:
            return {name: Tag(name) for name in names}
        opened = _Opened(repository, content, self._documents, self._configs)
        progress = current()
        progress.expect(len(set(names)))
        resolved = await _each(names, content.resolve, lambda _: progress.advance())
        named = Counter(found for found in resolved.values() if isinstance(found, Descriptor))
        progress.advance(len(resolved) - named.total())  # of which no more can be read
        described = await _each(
            named,
            lambda manifest: self._tag(opened, manifest, needs),
            lambda manifest: progress.advance(named[manifest]),
        )
        tags = {
            name: found if isinstance(found, Tag) else described[found]
            for name, found in resolved.items()
        }
        return {name: replace(tag, name=name) for name, tag in tags.items()}

    async def _tag(self, opened: _Opened, manifest: Descriptor, needs: Needs) -> Tag:
        """The tag, still nameless, that names *manifest*."""
        if not self._times.opens(needs):
            check_digest(manifest.digest)
            return Tag("", manifest.digest)
        document = await opened.document(manifest)
        try:
            found = await self._times.find(opened, document, needs)
        except RegistryError as error:
            # The digest is known all the same, for those who need nothing else.
            return replace(faulty(error), digest=manifest.digest)
        return Tag("", manifest.digest, found.created, platforms=found.platforms)


@dataclass(frozen=True, slots=True)
class _Opened:
    """The documents of one repository, each read once and then remembered."""

    repository: Repository
    content: Content
    documents: LRUCache[tuple[Repository, Descriptor], Image | Index]
    configs: LRUCache[tuple[Repository, str], Config]
    # What is being read: an image that has a tag of its own is often in an index with another.
    reading: dict[Descriptor | str, asyncio.Task[Any]] = field(default_factory=dict)

    async def document(self, manifest: Descriptor) -> Image | Index:
        """The manifest or index *manifest*, which is what its digest says."""
        document = self.documents.get((self.repository, manifest))
        if document is None:
            document = await self._once(manifest, lambda: self._read_document(manifest))
        return document

    async def config(self, digest: str) -> Config:
        """The image config *digest*, which is what its digest says."""
        config = self.configs.get((self.repository, digest))
        if config is None:
            config = await self._once(digest, lambda: self._read_config(digest))
        return config

    async def _once(
        self, key: Descriptor | str, read: Callable[[], Coroutine[Any, Any, _Answer]]
    ) -> _Answer:
        """What *read* brings, or who reads the same already."""
        task: asyncio.Task[_Answer] | None = self.reading.get(key)
        if task is None:
            task = self.reading[key] = asyncio.create_task(read())
            task.add_done_callback(lambda _: self.reading.pop(key))
        return await task

    async def _read_document(self, manifest: Descriptor) -> Image | Index:
        check_digest(manifest.digest)
        media_type, body = await self.content.manifest(manifest)
        verify(manifest.digest, body)
        document = read_manifest(media_type, body)
        if _size(document) <= self.documents.maxsize:
            self.documents[self.repository, manifest] = document
        return document

    async def _read_config(self, digest: str) -> Config:
        check_digest(digest)
        body = await self.content.blob(digest)
        verify(digest, body)
        config = self.configs[self.repository, digest] = read_config(body)
        return config


def _size(document: Image | Index) -> int:
    return 1 + len(document.entries) if isinstance(document, Index) else 1


def faulty(error: RegistryError) -> Tag:
    """The tag, still nameless, that could not be described because of *error*."""
    if isinstance(error, NotFoundError):
        fault = Fault.GONE
    elif isinstance(error, BadReplyError):
        fault = Fault.MALFORMED
    else:
        fault = Fault.UNREADABLE
    detail = error.brief if fault is Fault.UNREADABLE else error.what
    return Tag("", fault=fault, detail=detail)


async def _each(
    items: Iterable[_Item],
    ask: Callable[[_Item], Awaitable[_Answer]],
    tell: Callable[[_Item], None],
) -> dict[_Item, _Answer | Tag]:
    """The answer for each of *items*, or the tag that an error makes of it; some at a time.

    Whatever it is, *tell* is told that it is there.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def answer(item: _Item) -> _Answer | Tag:
        async with gate:
            try:
                return await ask(item)
            except RegistryError as error:
                return faulty(error)
            finally:
                tell(item)

    unique = list(dict.fromkeys(items))
    return dict(zip(unique, await asyncio.gather(*map(answer, unique)), strict=True))
