"""When an image was built, which is told by two rules.

`ConfigTimes` is the Image Updater's (registry-scanner, `TagMetadata`), kept with what surprises:
an image whose config has no build time is refused even where only its digest is asked; the build
time of an index is that of its newest wanted child, attestations included where no platform is
asked for; where only the digest of an index is asked, its children are not opened.

`ZotTimes` is Zot's own (`convert.ImageManifest2ImageSummary`, `ImageIndex2ImageSummary`), which
its search tells of a whole repository at once. It is computed here from the documents as well,
so that a tag has one build time whoever was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cmp.errors import BadReplyError, NotFoundError
from cmp.registry.documents import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Config,
    Descriptor,
    Image,
    Index,
)
from cmp.registry.instant import NO_DATE
from cmp.tags import Needs, Platform, wants

# Official multi-platform images have about 20 children, half of them attestations. Digests are
# checked, so indexes cannot form a ring; this bounds how wide and how deep they nest.
MOST_CHILDREN = 500
# The configs that make a manifest an image: OCI's, and Docker's (Zot with `compat: docker2s2`).
IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
# What Zot looks at in an index; buildkit's caches list layers there.
_MANIFESTS = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)


class Opener(Protocol):
    """Reads what a digest names, checked. Raises `cmp.errors.RegistryError`."""

    async def document(self, manifest: Descriptor) -> Image | Index:
        """The manifest or index *manifest*."""
        ...

    async def config(self, digest: str) -> Config:
        """The image config *digest*."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """*created* in nanoseconds since the epoch (None: not asked); *platforms* where it is told."""

    created: int | None
    platforms: tuple[Platform, ...] = ()


class BuildTimes(Protocol):
    """A rule by which a tag's documents tell its build time."""

    def opens(self, needs: Needs) -> bool:
        """Whether *needs* take more than the digest that a tag names."""
        ...

    async def find(self, opener: Opener, document: Image | Index, needs: Needs) -> Found:
        """What *document* tells. Raises `RegistryError`, for a tag that is no wanted image too."""
        ...


class ConfigTimes:
    """The Image Updater's rule: the config's `created`."""

    def opens(self, _needs: Needs) -> bool:
        """Always: a tag that has no wanted image is refused even where its digest is all."""
        return True

    async def find(self, opener: Opener, document: Image | Index, needs: Needs) -> Found:
        """The build time of *document*; that of an index only where it is asked for."""
        if isinstance(document, Index):
            children = _listed(document, needs)
            if not children:
                raise _no_platform(needs)
            return Found(await _newest(opener, children, needs) if needs.created else None)
        created = await _image_created(opener, document, needs)
        if created is None:
            raise _no_platform(needs)
        return Found(created)


async def _newest(opener: Opener, children: Iterable[Descriptor], needs: Needs) -> int:
    """The build time of the newest image below an index.

    A child that contradicts the index about its platform counts as one without a date.
    """
    newest = NO_DATE
    waiting = list(dict.fromkeys(children))
    for manifest in waiting:  # grows while it is walked, by what nested indexes hold
        _check_width(waiting)
        document = await opener.document(manifest)
        if isinstance(document, Index):
            known = set(waiting)
            found = _listed(document, needs)
            waiting.extend(each for each in dict.fromkeys(found) if each not in known)
            continue
        created = await _image_created(opener, document, needs)
        if created is not None:
            newest = max(newest, created)
    return newest


async def _image_created(opener: Opener, image: Image, needs: Needs) -> int | None:
    """The build time of *image*; None if it is not for a wanted platform."""
    config = await opener.config(image.config)
    if not wants(needs.platforms, config.platform):
        return None
    if config.created is None:
        raise BadReplyError("RT514", "the image config has no valid build time")
    return config.created


def _listed(index: Index, needs: Needs) -> list[Descriptor]:
    if not index.entries:
        raise BadReplyError("RT512", "the index is empty")
    platforms = needs.platforms
    return [entry.manifest for entry in index.entries if wants(platforms, entry.platform)]


@dataclass(frozen=True, slots=True)
class Child:
    """An image, or an artifact, that a tag names or that lies below its index.

    *kind* is its artifactType, else its config's media type; *created* its build time.
    """

    platform: Platform
    created: int | None
    kind: str


class ZotTimes:
    """Zot's rule: annotation, else label, else the config's `created`, else its last history.

    Of an index its own annotation, else the newest wanted child. Attestations never count unless
    a filter asks for `unknown/unknown`, and artifacts that are no images never do.
    """

    def opens(self, needs: Needs) -> bool:
        """A digest alone is what HEAD tells."""
        return needs.created or bool(needs.platforms)

    async def find(self, opener: Opener, document: Image | Index, needs: Needs) -> Found:
        """What *document*, and all that lies below it, tells."""
        if isinstance(document, Index):
            return tell(document.annotated, await _children(opener, document), needs)
        return tell(None, [await _child(opener, document, Platform("", ""))], needs)


def tell(own: int | None, children: Sequence[Child], needs: Needs) -> Found:
    """What a tag of these *children* is, where its index (if it is one) says *own* of itself.

    *own* says nothing of its own if one of all the children says the same, for then Zot may have
    taken it from that child. Raises `BadReplyError` if none is a wanted image, or none has a time.
    """
    _check_width(children)
    images = [child for child in children if child.kind in IMAGE_CONFIGS]
    if not images:
        raise _no_image(children)
    wanted = [child for child in images if _counts(needs.platforms, child.platform)]
    if not wanted:
        raise _no_platform(needs)
    there = {child.platform for child in images if not _is_attestation(child.platform)}
    platforms = tuple(sorted(there, key=str))
    return Found(_told(own, children, wanted) if needs.created else None, platforms)


def told_time(nanoseconds: int | None) -> int | None:
    """*nanoseconds*, unless it is Go's zero time, by which Zot says that there is none."""
    return None if nanoseconds == NO_DATE else nanoseconds


def zot_platform(os: str, architecture: str) -> Platform:
    """The platform that Zot's search writes as *os* and *architecture*, a variant behind "/"."""
    name, _, variant = architecture.partition("/")
    return Platform(os, name, variant)


def _told(own: int | None, children: Iterable[Child], wanted: Iterable[Child]) -> int:
    own = told_time(own)
    if own is not None and own not in {child.created for child in children}:
        return own
    times = [child.created for child in wanted if child.created is not None]
    if not times:
        raise BadReplyError("RT514", "neither annotation, label, config nor history has a time")
    return max(times)


async def _children(opener: Opener, index: Index) -> list[Child]:
    """All images and artifacts below *index*; what is listed and not there is passed over."""
    stated = {
        entry.manifest.digest: entry.platform
        for entry in index.entries
        if entry.platform != Platform("", "")
    }
    children = []
    waiting = _manifests(index)
    for manifest in waiting:  # grows while it is walked, by what nested indexes hold
        _check_width(waiting)
        try:
            document = await opener.document(manifest)
            if isinstance(document, Index):
                waiting.extend(_manifests(document))
                continue
            platform = stated.get(manifest.digest, Platform("", ""))
            children.append(await _child(opener, document, platform))
        except NotFoundError:
            continue
    return children


def _manifests(index: Index) -> list[Descriptor]:
    """What is listed twice is there twice, as for Zot; it is opened once, and remembered."""
    listed = (entry.manifest for entry in index.entries)
    return [manifest for manifest in listed if manifest.media_type in _MANIFESTS]


async def _child(opener: Opener, image: Image, stated: Platform) -> Child:
    """*image*; its platform is its config's, where that names none the *stated* one.

    An artifact may have an image's config, and Zot then reads it.
    """
    if image.config_type in IMAGE_CONFIGS:
        config = await opener.config(image.config)
    else:
        config = Config(Platform("", ""), None)
    platform = stated if config.platform == Platform("", "") else config.platform
    architecture = "/".join(filter(None, (platform.architecture, platform.variant)))
    return Child(
        zot_platform(platform.os, architecture),
        _built(image, config),
        image.artifact_type or image.config_type,
    )


def _built(image: Image, config: Config) -> int | None:
    """A stated time that is the zero time is none, and hides what would come after it."""
    for stated in (image.annotated, config.labelled):
        if stated is not None:
            return told_time(stated)
    created = told_time(config.created)
    return told_time(config.history) if created is None else created


def _counts(platforms: tuple[str, ...], platform: Platform) -> bool:
    return wants(platforms, platform) and bool(platforms or not _is_attestation(platform))


def _is_attestation(platform: Platform) -> bool:
    """Whether it is what buildkit states for attestations, which are no images to run."""
    return (platform.os, platform.architecture) == ("unknown", "unknown")


def _check_width(children: Sequence[object]) -> None:
    if len(children) > MOST_CHILDREN:
        raise BadReplyError("RT513", f"the index has more than {MOST_CHILDREN} manifests")


def _no_image(children: Sequence[Child]) -> BadReplyError:
    if not children:
        return BadReplyError("RT512", "the index is empty")
    kind = children[0].kind or "no stated type"
    return BadReplyError("RT581", f"an artifact ({kind}) is no image")


def _no_platform(needs: Needs) -> BadReplyError:
    wanted = " or ".join(needs.platforms) or "any platform, only attestations"
    return BadReplyError("RT515", f"no image for {wanted}")
