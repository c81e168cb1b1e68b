"""What manifests, indexes and image configs say, read from their bytes. No I/O.

Media types decide how bytes are read. The rules about them are those of the distribution project,
whose code the Image Updater and many registries share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmp.errors import BadReplyError
from cmp.registry.instant import parse_instant
from cmp.registry.jsonsize import count_values
from cmp.tags import Platform

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

_REF_NAME = "org.opencontainers.image.ref.name"
# The keys under which annotations and labels state a build time: OCI's, and the one before it
# ("Back-compatibility with Label Schema", OCI image specification, annotations).
_CREATED = "org.opencontainers.image.created"
_BUILD_DATE = "org.label-schema.build-date"
# In one document: a config of 127 layers with a long history and labels holds some 2,000, and 4 MB
# could hold 3 million.
MOST_VALUES = 50_000
# RFC 6838 allows no longer media type, a digest has 135 characters, a tag 128: what is longer is
# none of them, and is kept only so far, since what is read is remembered.
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A manifest that a tag or an index names: its media type and its digest, unchecked."""

    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an index. *platform* is empty where none is stated; *name* is the ref.name."""

    manifest: Descriptor
    platform: Platform
    name: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An OCI index or a Docker manifest list; *annotated* is the build time it states itself.

    Stated build times are in nanoseconds since the epoch; None: absent, or no RFC 3339 time.
    """

    entries: tuple[Entry, ...]
    annotated: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest of one image or artifact; *config* is the digest of its config, unchecked.

    *config_type* is the media type of its config, *artifact_type* what else it says it is, and
    *annotated* the build time that its annotations state.
    """

    config: str
    config_type: str = ""
    artifact_type: str = ""
    annotated: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """An image config: *created* in nanoseconds since the epoch, None if absent or malformed.

    *labelled* is the build time that its labels state, *history* that of its last history entry.
    """

    platform: Platform
    created: int | None
    labelled: int | None = None
    history: int | None = None


def read_manifest(media_type: str, body: bytes) -> Image | Index:
    """The manifest or index that *body* is under *media_type*. Raises `BadReplyError`.

    Where *media_type* is "", which no registry serves but an index may leave out, *body* says it.
    """
    _check_values(body, "manifest")
    manifest = _read(_Manifest, body, "manifest")
    kind = (media_type or manifest.media_type or "").partition(";")[0].strip().lower()
    if kind not in (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST):
        raise BadReplyError("RT512", f"the media type {kind!r} is not that of an image")
    _check_kind(kind, manifest)
    if kind in (OCI_INDEX, DOCKER_LIST):
        entries = tuple(_entry(descriptor) for descriptor in manifest.manifests or ())
        return Index(entries, _stated(manifest.annotations))
    config = manifest.config
    if config is None:
        raise BadReplyError("RT512", "the manifest names no config")
    artifact = manifest.artifact_type
    return Image(
        _short(config.digest),
        _short(config.media_type),
        _short(artifact) if isinstance(artifact, str) else "",
        _stated(manifest.annotations),
    )


def read_listing(body: bytes) -> Index:
    """The index.json of an image layout, which lists all there is. Raises `BadReplyError`.

    What else may be left out or null would here be a repository without tags: it has to be said.
    """
    manifest = _read(_Manifest, body, "index")
    _check_kind(OCI_INDEX, manifest)
    listed = manifest.manifests
    if listed is None or any(descriptor is None for descriptor in listed):
        raise BadReplyError("RT512", "the index has no list of manifests")
    return Index(tuple(replace(_entry(each), name=_name(each)) for each in listed))


def read_config(body: bytes) -> Config:
    """The image config that *body* is; null is an empty one (Go). Raises `BadReplyError`."""
    _check_values(body, "image config")
    config = _read(_Config, b"{}" if body.strip() == b"null" else body, "image config")
    labels = config.config.labels if config.config else None
    return Config(
        _platform(config),
        parse_instant(config.created or ""),
        _stated(labels),
        _last_created(config.history),
    )


def _check_values(body: bytes, noun: str) -> None:
    if count_values(body) > MOST_VALUES:
        raise BadReplyError("RT512", f"the {noun} holds more than {MOST_VALUES:,} values")


class _Part(BaseModel):
    """A piece of a document: what is read of it has the right type, or is null or absent (Go)."""

    model_config = ConfigDict(strict=True)


class _Platform(_Part):
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None


class _Descriptor(_Part):
    media_type: str | None = Field(None, alias="mediaType")
    digest: str | None = None
    platform: _Platform | None = None
    annotations: dict[str, str | None] | None = None


class _Manifest(_Part):
    media_type: str | None = Field(None, alias="mediaType")
    config: _Descriptor | None = None
    layers: list[Any] | None = None
    manifests: list[_Descriptor | None] | None = None
    # What only says more about an image must not cost it: of any type, read where it fits.
    artifact_type: Any = Field(None, alias="artifactType")
    annotations: Any = None


class _Run(_Part):
    # A runtime cannot read a config where they are anything else.
    labels: dict[str, str | None] | None = Field(None, alias="Labels")


class _Config(_Platform):
    created: str | None = None
    config: _Run | None = None
    history: Any = None


_Model = TypeVar("_Model", bound=_Part)


def _read(model: type[_Model], body: bytes, noun: str) -> _Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        what = f"{place}: {first['msg']}" if place else first["msg"]
        raise BadReplyError("RT512", f"the {noun} is malformed: {what}") from error


def _check_kind(kind: str, manifest: _Manifest) -> None:
    """Refuses what is served as another kind of document than it is, as registries do.

    Docker's kinds always say what they are. OCI's may leave it out, and must then not look like
    the other of the two, or registry and runtime could see different images (CVE-2021-41190).
    """
    stated = manifest.media_type or (kind if kind in (OCI_INDEX, OCI_MANIFEST) else "nothing")
    if stated != kind:
        raise BadReplyError("RT512", f"served as {kind}, the document says {stated!r}")
    is_index = manifest.manifests is not None
    is_manifest = manifest.config is not None or manifest.layers is not None
    if (kind == OCI_INDEX and is_manifest) or (kind == OCI_MANIFEST and is_index):
        raise BadReplyError("RT512", f"served as {kind}, the document could be another kind")


def _entry(descriptor: _Descriptor | None) -> Entry:
    found = descriptor or _Descriptor()
    return Entry(
        Descriptor(_short(found.media_type), _short(found.digest)),
        _platform(found.platform or _Platform()),
        _short(_name(found)),
    )


def _name(descriptor: _Descriptor | None) -> str:
    annotations = descriptor.annotations if descriptor else None
    return (annotations or {}).get(_REF_NAME) or ""


def _platform(stated: _Platform) -> Platform:
    return Platform(_short(stated.os), _short(stated.architecture), _short(stated.variant))


def _short(text: str | None) -> str:
    return (text or "")[:_LONGEST]


def _stated(texts: Any) -> int | None:
    """The build time that annotations or labels state.

    The older key counts only where the other is empty or absent, not where it is no time (Zot,
    `GetAnnotationValue`).
    """
    if not isinstance(texts, dict):
        return None
    return _instant(texts.get(_CREATED) or texts.get(_BUILD_DATE))


def _last_created(history: Any) -> int | None:
    """The build time of the last entry of an image config's history; None without an entry.

    An entry that has none counts as of the epoch, which is what Zot stores for it.
    """
    if not isinstance(history, list) or not history:
        return None
    last = history[-1]
    return (_instant(last.get("created")) if isinstance(last, dict) else None) or 0


def _instant(text: Any) -> int | None:
    return parse_instant(text) if isinstance(text, str) else None
