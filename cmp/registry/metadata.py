"""What a tag's manifest tells: digest, build time, and whether it has an image for the platforms.

The rules are the Image Updater's (registry-scanner, `TagMetadata`), kept with what surprises:
an image whose config has no build time is refused even where only its digest is asked; the build
time of an index is that of its newest wanted child, attestations included where no platform is
asked for; where only the digest of an index is asked, its children are not opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from cachetools import LRUCache

from cmp.errors import BadReplyError, NotFoundError, RegistryError
from cmp.reference import Repository
from cmp.registry.digest import check_digest, verify
from cmp.registry.documents import (
    Config,
    Descriptor,
    Image,
    Index,
    read_config,
    read_manifest,
)
from cmp.registry.instant import NO_DATE
from cmp.tags import Fault, Needs, Tag, wants

# The limit on manifests that the OCI distribution specification asks of registries ("SHOULD
# be at least 4 MiB"); image configs are smaller than that.
LARGEST_DOCUMENT = 4 * 1024 * 1024
# Official multi-platform images have about 20 children, half of them attestations. Digests are
# checked, so indexes cannot form a ring; this bounds how wide and how deep they nest.
MOST_CHILDREN = 500
# Questions under way at once; the Image Updater asks 20 at a time, for each image.
AT_ONCE = 10
# Entries of indexes, images and configs kept, of about 400 bytes each.
REMEMBERED = 50_000


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


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, where, and for which platforms."""

    repository: Repository
    content: Content
    needs: Needs


class Describer:
    """Describes tags, and remembers what is known by digest, which cannot change.

    Documents are remembered, not answers: a platform or a strategy never leaks into another's.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
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
        question = _Question(repository, content, needs)
        resolved = await _each(names, content.resolve)
        manifests = [found for found in resolved.values() if isinstance(found, Descriptor)]
        described = await _each(manifests, lambda manifest: self._tag(question, manifest))
        tags = {
            name: found if isinstance(found, Tag) else described[found]
            for name, found in resolved.items()
        }
        return {name: replace(tag, name=name) for name, tag in tags.items()}

    async def _tag(self, question: _Question, manifest: Descriptor) -> Tag:
        """The tag, still nameless, that names *manifest*."""
        document = await self._document(question, manifest)
        try:
            created = await self._created(question, document)
        except RegistryError as error:
            # The digest is known all the same, for those who need nothing else.
            return replace(_faulty(error), digest=manifest.digest)
        return Tag("", manifest.digest, created)

    async def _created(self, question: _Question, document: Image | Index) -> int | None:
        """The build time; None where that of an index is not asked for."""
        if isinstance(document, Index):
            children = _wanted(question, document)
            if not children:
                raise _no_platform(question)
            return await self._newest(question, children) if question.needs.created else None
        created = await self._image_created(question, document)
        if created is None:
            raise _no_platform(question)
        return created

    async def _newest(self, question: _Question, children: Iterable[Descriptor]) -> int:
        """The build time of the newest image below an index.

        A child that contradicts the index about its platform counts as one without a date.
        """
        newest = NO_DATE
        waiting = list(dict.fromkeys(children))
        for manifest in waiting:  # grows while it is walked, by what nested indexes hold
            if len(waiting) > MOST_CHILDREN:
                raise BadReplyError("RT513", f"the index has more than {MOST_CHILDREN} manifests")
            document = await self._document(question, manifest)
            if isinstance(document, Index):
                known = set(waiting)
                found = _wanted(question, document)
                waiting.extend(each for each in dict.fromkeys(found) if each not in known)
                continue
            created = await self._image_created(question, document)
            if created is not None:
                newest = max(newest, created)
        return newest

    async def _image_created(self, question: _Question, image: Image) -> int | None:
        """The build time of *image*; None if it is not for a wanted platform."""
        config = await self._config(question, image.config)
        if not wants(question.needs.platforms, config.platform):
            return None
        if config.created is None:
            raise BadReplyError("RT514", "the image config has no valid build time")
        return config.created

    async def _document(self, question: _Question, manifest: Descriptor) -> Image | Index:
        key = question.repository, manifest
        document = self._documents.get(key)
        if document is None:
            check_digest(manifest.digest)
            media_type, body = await question.content.manifest(manifest)
            verify(manifest.digest, body)
            document = read_manifest(media_type, body)
            if _size(document) <= self._documents.maxsize:
                self._documents[key] = document
        return document

    async def _config(self, question: _Question, digest: str) -> Config:
        key = question.repository, digest
        config = self._configs.get(key)
        if config is None:
            check_digest(digest)
            body = await question.content.blob(digest)
            verify(digest, body)
            config = self._configs[key] = read_config(body)
        return config


def _size(document: Image | Index) -> int:
    return 1 + len(document.entries) if isinstance(document, Index) else 1


def _wanted(question: _Question, index: Index) -> list[Descriptor]:
    if not index.entries:
        raise BadReplyError("RT512", "the index is empty")
    platforms = question.needs.platforms
    return [entry.manifest for entry in index.entries if wants(platforms, entry.platform)]


def _no_platform(question: _Question) -> BadReplyError:
    return BadReplyError("RT515", f"no image for {' or '.join(question.needs.platforms)}")


def _faulty(error: RegistryError) -> Tag:
    """The tag, still nameless, that could not be described because of *error*."""
    if isinstance(error, NotFoundError):
        fault = Fault.GONE
    elif isinstance(error, BadReplyError):
        fault = Fault.MALFORMED
    else:
        fault = Fault.UNREADABLE
    return Tag("", fault=fault, detail=error.what)


_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


async def _each(
    items: Iterable[_Item], ask: Callable[[_Item], Awaitable[_Answer]]
) -> dict[_Item, _Answer | Tag]:
    """The answer for each of *items*, or the tag that an error makes of it; some at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def answer(item: _Item) -> _Answer | Tag:
        async with gate:
            try:
                return await ask(item)
            except RegistryError as error:
                return _faulty(error)

    unique = list(dict.fromkeys(items))
    return dict(zip(unique, await asyncio.gather(*map(answer, unique)), strict=True))
