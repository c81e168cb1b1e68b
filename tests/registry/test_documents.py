"""Manifests, indexes and configs are read by their media type, and refused if they are not it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cmp.errors import BadReplyError
from cmp.registry.documents import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Config,
    Descriptor,
    Entry,
    Image,
    Index,
    read_config,
    read_manifest,
)
from cmp.tags import Platform

DIGEST = "sha256:" + "a" * 64
IMAGE = {"schemaVersion": 2, "config": {"digest": DIGEST, "size": 2}, "layers": []}
INDEX = {"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": DIGEST}]}


def dump(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_a_manifest_names_its_config(media_type: str) -> None:
    body = dump(IMAGE | {"mediaType": media_type})

    assert Image(DIGEST) == read_manifest(media_type, body)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_names_its_manifests(media_type: str) -> None:
    entries = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": DIGEST,
            "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
            "annotations": {"org.opencontainers.image.ref.name": "v1", "other": None},
        },
        {"digest": DIGEST, "platform": None, "mediaType": None},
        None,
    ]
    body = dump({"mediaType": media_type, "manifests": entries})

    index = read_manifest(media_type, body)

    manifest = Descriptor(OCI_MANIFEST, DIGEST)
    assert index == Index(
        (
            Entry(manifest, Platform("linux", "arm", "v7"), "v1"),
            Entry(Descriptor("", DIGEST), Platform("", "")),
            Entry(Descriptor("", ""), Platform("", "")),
        )
    )


@pytest.mark.parametrize("served", [OCI_INDEX, OCI_INDEX.upper(), f"{OCI_INDEX}; charset=utf-8"])
def test_oci_documents_need_not_say_their_media_type(served: str) -> None:
    assert isinstance(read_manifest(served, dump(INDEX)), Index)


def test_a_document_served_as_nothing_is_what_it_says() -> None:
    body = dump(IMAGE | {"mediaType": DOCKER_MANIFEST})

    assert Image(DIGEST) == read_manifest("", body)


REFUSED = {
    "no media type anywhere": ("", IMAGE),
    "a media type that is no image's": ("application/json", IMAGE),
    "schema 1": ("application/vnd.docker.distribution.manifest.v1+json", IMAGE),
    "docker's manifest that does not say so": (DOCKER_MANIFEST, IMAGE),
    "docker's list that does not say so": (DOCKER_LIST, INDEX),
    "manifest served as index": (OCI_INDEX, INDEX | {"mediaType": OCI_MANIFEST}),
    "index served as manifest": (OCI_MANIFEST, IMAGE | {"mediaType": OCI_INDEX}),
    "manifest that could be an index": (OCI_MANIFEST, IMAGE | INDEX),
    "index that could be a manifest": (OCI_INDEX, INDEX | {"layers": []}),
    "index with a config": (OCI_INDEX, INDEX | {"config": {}}),
    "manifest without config": (OCI_MANIFEST, {"layers": []}),
    "config of the wrong type": (OCI_MANIFEST, {"config": "x"}),
    "digest of the wrong type": (OCI_MANIFEST, {"config": {"digest": 5}}),
    "a list": (OCI_INDEX, []),
    "null": (OCI_INDEX, None),
}


@pytest.mark.parametrize(("served", "document"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_manifest_is_refused(served: str, document: Any) -> None:
    with pytest.raises(BadReplyError, match="RT512"):
        read_manifest(served, dump(document))


BROKEN = {
    "empty": b"",
    "text": b"not json",
    "cut off": b'{"manifests": [',
    "more behind it": b"{} {}",
    "not UTF-8": b'{"mediaType": "\xff"}',
    "nested without end": b'{"manifests":' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadReplyError, match="RT512"):
        read_manifest(OCI_INDEX, body)
    with pytest.raises(BadReplyError, match="RT512"):
        read_config(body)


def test_a_config_tells_platform_and_build_time() -> None:
    config = {
        "os": "linux",
        "architecture": "arm",
        "variant": "v7",
        "created": "1970-01-01T00:00:01Z",
    }

    assert Config(Platform("linux", "arm", "v7"), 1_000_000_000) == read_config(dump(config))


@pytest.mark.parametrize("created", [{}, {"created": None}, {"created": ""}, {"created": "today"}])
def test_a_config_without_a_build_time_has_none(created: dict[str, Any]) -> None:
    labels = {"config": {"Labels": {"a": "b", "c": None}}}

    assert Config(Platform("", ""), None) == read_config(dump(created | labels))


def test_a_config_that_is_null_is_an_empty_one() -> None:
    assert Config(Platform("", ""), None) == read_config(b" null\n")


@pytest.mark.parametrize(
    "config",
    [{"created": 5}, {"os": ["linux"]}, {"config": "x"}, {"config": {"Labels": {"a": 1}}}],
    ids=["created", "os", "config", "labels"],
)
def test_a_config_that_no_runtime_could_read_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BadReplyError, match="image config is malformed"):
        read_config(dump(config))
