"""Builds what registries hold: image configs, manifests, indexes, signatures, other artifacts.

Everything is made from plain arguments, compact and always in the same order, so that the same
arguments give the same digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
# The annotation of a layer in which cosign writes its signature, in base 64.
COSIGN_ANNOTATION = "dev.cosignproject.cosign/signature"


def digest_of(body: bytes) -> str:
    """`sha256:…` of *body*."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def compact(document: object) -> bytes:
    """JSON without spaces, in the order given."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Blob:
    """Bytes with a media type: a config, a layer, a manifest or an index."""

    media_type: str
    body: bytes

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of the bytes."""
        return digest_of(self.body)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The bytes as JSON."""
        loaded: dict[str, Any] = json.loads(self.body)
        return loaded

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.body)

    def descriptor(self, **more: object) -> dict[str, Any]:
        """As manifests and indexes refer to it; *more* stands behind the three usual fields."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            **{key: value for key, value in more.items() if value},
        }


@dataclass(frozen=True)
class Document(Blob):
    """A manifest or an index with all that it refers to: *blobs*, and *children* of an index."""

    blobs: tuple[Blob, ...] = ()
    children: tuple[Document, ...] = ()


@dataclass(frozen=True)
class Layer:
    """A layer that nobody downloads: what manifest and config say of it."""

    digest: str
    size: int
    diff_id: str


def config(
    created: str | None = "2026-01-01T10:00:00Z",
    *,
    platform: str = "linux/amd64",
    labels: Mapping[str, str] | None = None,
    history: Sequence[Mapping[str, object]] = (),
    diff_ids: Sequence[str] = (),
) -> Blob:
    """An image config; *created* None leaves the build time out, *platform* "" the platform."""
    os, architecture, variant = (*platform.split("/"), "", "")[:3]
    fields = {
        "created": created,
        "architecture": architecture,
        "os": os,
        "variant": variant,
        "config": {"Labels": dict(labels)} if labels else None,
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [dict(entry) for entry in history],
    }
    return Blob(CONFIG, compact({key: value for key, value in fields.items() if value}))


def image(
    created: str | None = "2026-01-01T10:00:00Z",
    *,
    platform: str = "linux/amd64",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    history: Sequence[Mapping[str, object]] = (),
    layer: Layer | None = None,
) -> Document:
    """An image for one platform, with one layer (by default made of its other arguments)."""
    blobs: list[Blob] = []
    if layer is None:
        made_of = repr((created, platform, labels, annotations, history)).encode()
        blobs.append(Blob(LAYER, hashlib.sha256(made_of).digest()))
        layer = Layer(blobs[0].digest, blobs[0].size, blobs[0].digest)
    settings = config(
        created, platform=platform, labels=labels, history=history, diff_ids=[layer.diff_id]
    )
    return manifest(
        settings,
        [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size}],
        annotations=annotations,
        blobs=blobs,
    )


def manifest(
    settings: Blob,
    layers: Sequence[Mapping[str, object]],
    *,
    annotations: Mapping[str, str] | None = None,
    media_type: str = MANIFEST,
    blobs: Iterable[Blob] = (),
    more: Mapping[str, object] | None = None,
) -> Document:
    """A manifest of the config *settings* and *layers* (descriptors); *more* as `subject`."""
    fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        **(more or {}),
        "config": {
            "digest": settings.digest,
            "size": settings.size,
            "mediaType": settings.media_type,
        },
        "layers": list(layers),
    }
    if annotations:
        fields["annotations"] = dict(annotations)
    return Document(media_type, compact(fields), blobs=(settings, *blobs))


def index(
    children: Sequence[Document],
    *,
    annotations: Mapping[str, str] | None = None,
    platforms: Sequence[str | None] | None = None,
    media_type: str = INDEX,
) -> Document:
    """An index of *children*.

    *platforms* are what it says of them (None: nothing), by default those of their configs.
    """
    told = [_platform_of(child) for child in children] if platforms is None else platforms
    fields: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [
            child.descriptor(platform=_entry(platform) if platform else None)
            for child, platform in zip(children, told, strict=True)
        ],
    }
    if annotations:
        fields["annotations"] = dict(annotations)
    return Document(media_type, compact(fields), children=tuple(children))


def artifact(
    artifact_type: str,
    *,
    subject: Blob | None = None,
    annotations: Mapping[str, str] | None = None,
    content: Blob | None = None,
) -> Document:
    """Something that is no image, attached to *subject* where there is one (OCI 1.1)."""
    settings = Blob(EMPTY, b"{}")
    content = content or Blob(artifact_type, b"{}")
    more: dict[str, object] = {"artifactType": artifact_type}
    if subject is not None:
        more["subject"] = subject.descriptor()
    return manifest(
        settings, [content.descriptor()], annotations=annotations, blobs=(content,), more=more
    )


def cosign_tag(digest: str) -> str:
    """The tag under which cosign keeps the signatures of *digest*."""
    return digest.replace(":", "-") + ".sig"


def cosign_signature(digest: str, signature: str = "bm90IGEgc2lnbmF0dXJl") -> Document:
    """What cosign pushes to `cosign_tag(digest)`; *signature* in base 64, by default a sham."""
    payload = compact(
        {
            "critical": {
                "identity": {"docker-reference": ""},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )
    content = Blob(SIMPLE_SIGNING, payload)
    layer = content.descriptor(annotations={COSIGN_ANNOTATION: signature})
    settings = Blob(CONFIG, compact({"architecture": "", "os": "", "config": {}}))
    return manifest(settings, [layer], blobs=(content,))


def _platform_of(document: Document) -> str:
    if not document.blobs:
        return ""
    settings = document.blobs[0].content
    parts = (settings.get(key, "") for key in ("os", "architecture", "variant"))
    return "/".join(filter(None, parts))


def _entry(platform: str) -> dict[str, str]:
    names = ("os", "architecture", "variant")
    return dict(zip(names, platform.split("/"), strict=False))
