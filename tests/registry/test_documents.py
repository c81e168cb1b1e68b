"""Manifests, indexes and configs are read by their media type, and refused if they are not it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
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
from cmp.registry.instant import parse_instant
from cmp.registry.referrers import read_referrers
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


TIME = "2026-01-01T00:00:00Z"
AT = parse_instant(TIME)
CREATED, BUILD_DATE = "org.opencontainers.image.created", "org.label-schema.build-date"
STATED = {
    "newer key": ({CREATED: TIME}, AT),
    "older key": ({BUILD_DATE: TIME}, AT),
    "newer key empty": ({CREATED: "", BUILD_DATE: TIME}, AT),
    "newer key null": ({CREATED: None, BUILD_DATE: TIME}, AT),
    "newer key no time": ({CREATED: "today", BUILD_DATE: TIME}, None),
    "other keys": ({"created": TIME}, None),
    "null": (None, None),
}


@pytest.mark.parametrize(("texts", "time"), STATED.values(), ids=STATED)
def test_annotations_and_labels_state_a_build_time(
    texts: dict[str, str] | None, time: int | None
) -> None:
    image = read_manifest(OCI_MANIFEST, dump(IMAGE | {"annotations": texts}))
    index = read_manifest(OCI_INDEX, dump(INDEX | {"annotations": texts}))
    config = read_config(dump({"config": {"Labels": texts}}))

    assert time == image.annotated == index.annotated == config.labelled


@pytest.mark.parametrize("texts", ["x", [TIME], {CREATED: 5}, {CREATED: [TIME]}])
def test_annotations_of_another_type_are_none(texts: object) -> None:
    image = read_manifest(OCI_MANIFEST, dump(IMAGE | {"annotations": texts}))

    assert Image(DIGEST) == image


HISTORY = {
    "none": (None, None),
    "empty": ([], None),
    "of another type": ("x", None),
    "last entry": ([{"created": "today"}, {"created": TIME}], AT),
    "last entry without a time": ([{"created": TIME}, {"comment": "x"}], 0),
    "last entry with another type of time": ([{"created": 5}], 0),
    "null": ([None], 0),
}


@pytest.mark.parametrize(("history", "time"), HISTORY.values(), ids=HISTORY)
def test_the_last_entry_of_the_history_may_tell_a_build_time(
    history: object, time: int | None
) -> None:
    assert read_config(dump({"history": history})).history == time


def test_a_manifest_says_what_it_is() -> None:
    config = {"digest": DIGEST, "mediaType": "application/vnd.example.config"}
    stated = {"config": config, "artifactType": "application/vnd.example"}

    assert read_manifest(OCI_MANIFEST, dump(stated)) == Image(
        DIGEST, "application/vnd.example.config", "application/vnd.example"
    )


def test_only_so_much_of_a_media_type_is_kept() -> None:
    config = {"digest": DIGEST, "mediaType": "x" * 1000}
    stated = {"config": config, "artifactType": "y" * 1000}

    image = read_manifest(OCI_MANIFEST, dump(stated))

    assert Image(DIGEST, "x" * 255, "y" * 255) == image


def test_an_artifact_type_that_is_no_text_is_none() -> None:
    assert Image(DIGEST) == read_manifest(OCI_MANIFEST, dump(IMAGE | {"artifactType": 5}))


def test_no_more_is_kept_of_a_text_than_what_it_may_be() -> None:
    long = "x" * 1_000_000
    platform = {"os": long, "architecture": long, "variant": long}
    entry = {
        "mediaType": f"{OCI_MANIFEST};{long}",
        "digest": long,
        "platform": platform,
        "annotations": {"org.opencontainers.image.ref.name": long},
    }
    index = read_manifest(OCI_INDEX, dump({"manifests": [entry]}))
    image = read_manifest(OCI_MANIFEST, dump({"config": {"mediaType": long, "digest": long}}))

    assert all(len(repr(each)) < 2500 for each in (index, image, read_config(dump(platform))))


@pytest.mark.parametrize(
    ("read", "start"),
    [
        pytest.param(partial(read_manifest, OCI_INDEX), b'{"manifests":[', id="an index"),
        pytest.param(partial(read_manifest, OCI_MANIFEST), b'{"layers":[', id="a manifest"),
        pytest.param(read_config, b'{"history":[', id="a config"),
        pytest.param(read_referrers, b'{"manifests":[', id="a list of referrers"),
    ],
)
@pytest.mark.parametrize("value", [b"{}", b"[]", b"0", b"null"])
def test_what_would_take_many_times_its_bytes_is_not_read(
    read: Callable[[bytes], object], start: bytes, value: bytes
) -> None:
    body = start + b",".join([value] * 200_001) + b"]}"

    with pytest.raises(BadReplyError, match=r"holds more than .*0,000 values"):
        read(body)
