"""A registry that lies on disk: a Zot storage root, or one OCI image layout directory.

    <root>/<repository>/index.json   one descriptor for each tag, in the order of the pushes
    <root>/<repository>/blobs/<algorithm>/<hex>

It is what to try things out with: Zot's access rules are passed by, push times are not known.
Reads are plain and block the event loop for as long as a local file takes: a thread for each of
some thousand files of a few kilobytes would cost more than it frees.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cmp.cosign import Claim
from cmp.errors import BadReplyError, NotFoundError, UnreachableError
from cmp.reference import InvalidReferenceError, Reference, Repository, is_repository_path
from cmp.registry.digest import check_digest
from cmp.registry.documents import Descriptor, Index, read_listing
from cmp.registry.files import Files
from cmp.registry.metadata import LARGEST_DOCUMENT, Describer
from cmp.registry.referrers import Referrer
from cmp.registry.signatures import read_claims
from cmp.registry.unsearched import describe_unsearched
from cmp.tags import Listing, Needs, Tag

# A tag takes about 215 bytes of index.json: 300,000 tags, thirty times what Zot was measured with.
LARGEST_INDEX = 64 * 1024 * 1024
# Zot before v2.1.16, and every version when a tag is deleted, writes index.json in place; ten
# thousand tags are written within 10 ms. Seconds before each try.
_PAUSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
# A file this young (seconds) may still be being written: the second look comes a moment later.
_FRESH = 2.0
_MOMENT = 0.01
_NO_SEARCH = "a storage root on disk does not hold this: ask Zot itself, by its https: URL"
# Folders looked through for names like the one that is missing: an error must not take long.
MOST_FOLDERS = 1000
# Manifests without a tag that are looked through for signatures: children of indexes, and those.
MOST_UNTAGGED = 2000

Clock = Callable[[], float]
Pause = Callable[[float], Awaitable[None]]


class LayoutSource:
    """The `TagSource` of what lies at *root*.

    *clock* gives seconds since the epoch, *pause* waits some seconds. *serves* is the path of the
    one repository that a single image layout stands for; a storage root holds many, and has no
    use for it.
    """

    def __init__(
        self, root: Path, *, clock: Clock, pause: Pause = asyncio.sleep, serves: str = ""
    ) -> None:
        self._files = Files(root)
        self._clock = clock
        self._pause = pause
        self._serves = serves
        self._describer = Describer()

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*, in the order of index.json."""
        observed_at = self._clock()
        content = await self._content(repository)
        return Listing(repository, tuple(content.tags), observed_at)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*."""
        content = await self._content(repository)
        return await describe_unsearched(
            self._describer, repository, content, names, needs, why=_NO_SEARCH
        )

    def authorised(self, _pull_secret: str) -> LayoutSource:
        """The same: a folder asks for no login."""
        return self

    def since(self, _instant: float) -> LayoutSource:
        """The same: nothing is remembered that may have changed."""
        return self

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest*."""
        return await read_claims(await self._content(repository), digest)

    async def _content(self, repository: Repository) -> _LayoutContent:
        folder = self._folder(repository)
        index = await self._index(repository, folder)
        untagged = tuple(entry.manifest for entry in index.entries if not entry.name)
        return _LayoutContent(self._files, folder, _tags(index, repository), untagged)

    def _folder(self, repository: Repository) -> str:
        """Where *repository* lies below the root: its path and a slash, or "" for the root."""
        if not is_repository_path(repository.path):
            raise BadReplyError("RT508", f"{repository.path!r} is not a repository's name")
        if not self._files.holds("index.json"):
            return f"{repository.path}/"
        if repository.path != self._serves:
            raise NotFoundError(
                "RT509",
                f"{self._files.root} is one image layout, and not that of {repository}",
                remedy="set the registry's prefix to host/path of the repository it holds",
            )
        return ""

    async def _index(self, repository: Repository, folder: str) -> Index:
        """index.json, whole."""
        path = f"{folder}index.json"
        for seconds in _PAUSES:
            await self._pause(seconds)
            try:
                index = await self._read_index(path)
            except NotFoundError as error:
                raise self._missing(repository) from error
            if index is not None:
                return index
        raise UnreachableError("RT517", f"{path} is being rewritten, or is no index")

    async def _read_index(self, path: str) -> Index | None:
        """index.json; None while it is being written.

        Read twice: from a file that is written in place one can get the head of the old index
        and the tail of the new one, which may well be JSON, but not again a moment later.
        """
        body = self._files.read(path, LARGEST_INDEX)
        if self._clock() - self._files.modified(path) < _FRESH:
            await self._pause(_MOMENT)
        if body != self._files.read(path, LARGEST_INDEX):
            return None
        try:
            return read_listing(body)
        except BadReplyError:
            return None

    def _missing(self, repository: Repository) -> NotFoundError:
        there = list(_repositories(self._files.root))
        near = difflib.get_close_matches(repository.path, there)
        remedy = f"did you mean {' or '.join(near)}?" if near else ""
        if "/" not in repository.path and f"library/{repository.path}" in there:
            remedy = f"there is library/{repository.path}: set the registry's defaultns to library"
        return NotFoundError("RT501", f"there is no repository {repository}", remedy=remedy)


@dataclass(frozen=True, slots=True)
class _LayoutContent:
    """What one repository held when its index was read; *tags* are what it names.

    *untagged* are the manifests that stand there without a name, in the order of the pushes.
    """

    files: Files
    folder: str
    tags: Mapping[str, Descriptor]
    untagged: Sequence[Descriptor]

    async def resolve(self, tag: str) -> Descriptor:
        """The manifest that *tag* names."""
        try:
            return self.tags[tag]
        except KeyError:
            raise NotFoundError("RT506", f"there is no tag {tag}") from None

    async def manifest(self, manifest: Descriptor) -> tuple[str, bytes]:
        """The media type and the bytes of a manifest or index."""
        return manifest.media_type, await self.blob(manifest.digest)

    async def blob(self, digest: str) -> bytes:
        """The bytes of a blob."""
        check_digest(digest)
        path = f"{self.folder}blobs/{digest.replace(':', '/')}"
        return self.files.read(path, LARGEST_DOCUMENT)

    async def referrers(self, digest: str) -> Sequence[Referrer]:
        """The manifests that no tag names and that name *digest*, as what is about it does.

        A layout has no list of referrers; of what was pushed last the most are looked at.
        """
        found = []
        for manifest in self.untagged[-MOST_UNTAGGED:]:
            with suppress(NotFoundError, BadReplyError):
                if digest.encode() in await self.blob(manifest.digest):
                    found.append(Referrer(manifest.media_type, manifest.digest))
        return found


def _tags(index: Index, repository: Repository) -> dict[str, Descriptor]:
    """What *index* calls a tag. Where one stands twice the first counts, as for Zot."""
    tags: dict[str, Descriptor] = {}
    for entry in index.entries:
        if name := _tag(entry.name, repository):
            tags.setdefault(name, entry.manifest)
    return tags


def _tag(name: str, repository: Repository) -> str:
    """The tag that a ref.name means, "" for none.

    The specification leaves its form open. Zot, skopeo and Docker write the tag alone, crane and
    podman the whole reference, of which the tag counts if the rest is *repository*. Other names
    are tags as they stand, for Zot stores any.
    """
    if "/" not in name:
        return name
    try:
        reference = Reference.parse(name)
    except InvalidReferenceError:
        return name
    return (reference.tag or "") if reference.repository == repository else ""


def _repositories(root: Path) -> Iterator[str]:
    """The repositories below *root*, as far as the first folders tell."""
    for count, (folder, folders, files) in enumerate(os.walk(root)):
        if count == MOST_FOLDERS:
            return
        folders[:] = sorted(name for name in folders if name != "blobs" and name[0] != ".")
        if "index.json" in files:
            yield Path(folder).relative_to(root).as_posix()
