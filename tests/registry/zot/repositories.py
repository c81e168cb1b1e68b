"""Random documents as Zot stores them: images, artifacts, and indexes of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.registry.zot.model import DOCKER_CONFIG
from tests.servers.images import (
    CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    Blob,
    Document,
    compact,
)

# Few values, so that equal times, equal documents and wanted platforms are met often.
TIMES = (
    "2026-01-01T10:00:00Z",
    "2026-01-01T11:00:00+01:00",  # the same
    "2026-01-01T10:00:00.000000001Z",
    "2026-02-01T00:00:00.5Z",
    "2025-12-31T23:59:59-05:00",
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
)
NO_TIMES = ("", "today", "2026-01-01", "2026-02-31T00:00:00Z")
PLATFORMS = (
    ("linux", "amd64", ""),
    ("linux", "arm", "v7"),
    ("linux", "arm64", ""),
    ("linux", "arm64", "v8"),
    ("linux", "arm64/v8", ""),
    ("windows", "amd64", ""),
    ("unknown", "unknown", ""),
    ("", "", ""),
)
FILTERS = (
    (),
    ("linux/amd64",),
    ("linux/arm64",),
    ("linux/arm64/v8",),
    ("linux/arm/v6", "linux/arm/v7"),
    ("unknown/unknown",),
    ("solaris/sparc",),
    ("",),
)
ARTIFACT = "application/vnd.cncf.helm.config.v1+json"

_times = st.sampled_from(TIMES)
_keys = st.sampled_from(
    ["org.opencontainers.image.created", "org.label-schema.build-date", "org.example.other"]
)
_stated = st.dictionaries(_keys, _times | st.sampled_from(NO_TIMES), max_size=2)
_platforms = st.sampled_from(PLATFORMS)
_LAYER = Blob(LAYER, b"layer")


@st.composite
def images(draw: st.DrawFn) -> Document:
    """An image, or now and then an artifact, under OCI's media types or Docker's."""
    os, architecture, variant = draw(_platforms)
    settings: dict[str, Any] = {
        "os": os,
        "architecture": architecture,
        "variant": variant,
        "config": {"Labels": draw(_stated)},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    settings |= draw(st.fixed_dictionaries({}, optional={"created": _times | st.none()}))
    entry = st.fixed_dictionaries({"empty_layer": st.booleans()}, optional={"created": _times})
    settings |= draw(st.fixed_dictionaries({}, optional={"history": st.lists(entry, max_size=2)}))
    docker = draw(st.sampled_from([False, False, True]))
    kinds = [DOCKER_CONFIG] if docker else [CONFIG, CONFIG, CONFIG, CONFIG, ARTIFACT]
    config = Blob(draw(st.sampled_from(kinds)), compact(settings))
    media_type = DOCKER_MANIFEST if docker else MANIFEST
    fields = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.descriptor(),
        "layers": [_LAYER.descriptor()],
        "annotations": draw(_stated),
    }
    if not docker and draw(st.integers(0, 9)) == 0:
        fields["artifactType"] = ARTIFACT
    return Document(media_type, compact(fields), blobs=(config, _LAYER))


@st.composite
def indexes(draw: st.DrawFn, below: st.SearchStrategy[Document]) -> Document:
    """An index of documents of *below*, the same one now and then twice."""
    children = draw(st.lists(below, max_size=4))
    children += children[: draw(st.integers(0, 1))]
    docker = draw(st.sampled_from([False, False, False, True]))
    media_type = DOCKER_INDEX if docker else INDEX
    entries = []
    for child in children:
        os, architecture, variant = draw(_platforms)
        platform = {"os": os, "architecture": architecture}
        platform |= {"variant": variant} if variant else {}
        stated = draw(st.booleans()) and bool(os)
        entries.append(child.descriptor(platform=platform if stated else None))
    fields = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    fields["annotations"] = draw(_stated)
    return Document(media_type, compact(fields), children=tuple(children))


documents = images() | indexes(images()) | indexes(images() | indexes(images()))


def all_of(document: Document) -> dict[str, bytes]:
    """All bytes that *document* refers to and its own, by digest."""
    there = {blob.digest: blob.body for blob in (*document.blobs, document)}
    for child in document.children:
        there |= all_of(child)
    return there


def dump(document: object) -> bytes:
    """JSON as a server writes it."""
    return json.dumps(document).encode()
