"""Zot's rule of build times, case by case; each is told by search and by the documents alike."""

from __future__ import annotations

import pytest

from cmp.errors import BadReplyError
from cmp.registry.buildtime import MOST_CHILDREN, Child, tell
from cmp.registry.endpoint import Kind
from cmp.registry.instant import parse_instant
from cmp.tags import Fault, Needs, Platform, Tag
from tests.registry.zot.fake import Asking, FakeZot
from tests.servers.images import (
    LAYER,
    Blob,
    Document,
    artifact,
    compact,
    image,
    index,
    manifest,
)

CREATED = "org.opencontainers.image.created"
BUILD_DATE = "org.label-schema.build-date"
ZERO = "0001-01-01T00:00:00Z"
T1, T2, T3, T4 = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 5))
AMD, ARM = "linux/amd64", "linux/arm64/v8"


def described(document: Document, *platforms: str) -> Tag:
    """The tag v1 that names *document*: by search, which says the same as the documents."""
    needs = Needs(created=True, platforms=platforms)
    told = Asking(FakeZot({"v1": document}), Kind.ZOT).describe(["v1"], needs)
    read = Asking(FakeZot({"v1": document}, search=False)).describe(["v1"], needs)
    assert told == read
    return told["v1"]


IMAGES = {
    "config": (image(T1), T1),
    "annotation before config": (image(T1, annotations={CREATED: T2}), T2),
    "label before config": (image(T1, labels={CREATED: T2}), T2),
    "annotation before label": (
        image(T1, labels={CREATED: T2}, annotations={CREATED: T3}),
        T3,
    ),
    "older key of an annotation": (image(T1, annotations={BUILD_DATE: T2}), T2),
    "older key of a label": (image(T1, labels={BUILD_DATE: T2}), T2),
    "newer key before the older": (image(T1, annotations={BUILD_DATE: T2, CREATED: T3}), T3),
    "empty newer key": (image(T1, annotations={BUILD_DATE: T2, CREATED: ""}), T2),
    "newer key that is no time hides the older": (
        image(T1, annotations={BUILD_DATE: T2, CREATED: "today"}),
        T1,
    ),
    "annotation that is no time leaves it to the label": (
        image(T1, labels={CREATED: T2}, annotations={CREATED: "today"}),
        T2,
    ),
    "config before history": (image(T1, history=[{"created": T2}]), T1),
    "last of the history": (image(None, history=[{"created": T1}, {"created": T2}]), T2),
    "history without a time": (
        image(None, history=[{"created": T1}, {"created_by": "x"}]),
        "1970-01-01T00:00:00Z",
    ),
    "zero time in the config": (image(ZERO, history=[{"created": T1}]), T1),
    "other offset": (image("2026-01-01T02:00:00.5+02:00"), "2026-01-01T00:00:00.5Z"),
}


@pytest.mark.parametrize(("document", "built"), IMAGES.values(), ids=IMAGES)
def test_the_build_time_of_an_image(document: Document, built: str) -> None:
    tag = described(document)

    assert parse_instant(built) == tag.created
    assert document.digest == tag.digest
    assert tag.platforms == (Platform("linux", "amd64"),)


WITHOUT = {
    "nothing": image(None),
    "zero time alone": image(ZERO),
    "zero time in the history": image(None, history=[{"created": ZERO}]),
    "zero time as annotation hides the config": image(T1, annotations={CREATED: ZERO}),
    "index of images without a time": index([image(None)]),
}


@pytest.mark.parametrize("document", WITHOUT.values(), ids=WITHOUT)
def test_without_a_build_time_a_tag_is_refused(document: Document) -> None:
    tag = described(document)

    assert tag.fault is Fault.MALFORMED
    assert "history has a time" in tag.detail
    assert tag.created is None


OLD, NEW = image(T1, platform=AMD), image(T2, platform=ARM)
SAID = image(T1, annotations={CREATED: T3})
ATTESTATION = image(T4, platform="unknown/unknown")
CHART = artifact("application/vnd.cncf.helm.config.v1+json", annotations={CREATED: T4})
_LISTED, _CACHED = index([OLD]), Blob(LAYER, b"cached layer")
CACHE = Document(
    _LISTED.media_type,
    compact(_LISTED.content | {"manifests": [OLD.descriptor(), _CACHED.descriptor()]}),
    blobs=(_CACHED,),
    children=(OLD,),
)

INDEXES = {
    "newest child": (index([OLD, NEW]), (), T2),
    "newest wanted child": (index([OLD, NEW]), (AMD,), T1),
    "variant not asked for": (index([OLD, NEW]), ("linux/arm64",), T2),
    "own annotation": (index([OLD, NEW], annotations={CREATED: T3}), (AMD,), T3),
    "own annotation under the older key": (index([OLD], annotations={BUILD_DATE: T3}), (), T3),
    "own annotation that is a child's time": (
        index([OLD, NEW], annotations={CREATED: T2}),
        (AMD,),
        T1,
    ),
    "first child's annotation, which Zot says of the index": (index([SAID, NEW]), (ARM,), T2),
    "own annotation that is no time": (index([OLD], annotations={CREATED: "today"}), (), T1),
    "own annotation that is the zero time": (index([OLD], annotations={CREATED: ZERO}), (), T1),
    "child without a time": (index([image(None), OLD]), (), T1),
    "cache of buildkit, which lists layers": (CACHE, (), T1),
    "artifact whose config is no image's, whatever it says": (
        index([OLD, manifest(Blob("application/vnd.example.config", b'{"created":7}'), [])]),
        (),
        T1,
    ),
    "attestation": (index([OLD, ATTESTATION]), (), T1),
    "attestation that is asked for": (index([OLD, ATTESTATION]), ("unknown/unknown",), T4),
    "artifact among the children": (index([OLD, CHART]), (), T1),
    "index in an index": (index([OLD, index([NEW])]), (), T2),
    "the same child twice": (index([OLD, OLD]), (), T1),
    "platform stated by the index alone": (
        index([image(T1, platform="")], platforms=[ARM]),
        ("linux/arm64/v8",),
        T1,
    ),
    "platform of the config before the index's": (
        index([OLD, NEW], platforms=[ARM, AMD]),
        (AMD,),
        T1,
    ),
}


@pytest.mark.parametrize(("document", "platforms", "built"), INDEXES.values(), ids=INDEXES)
def test_the_build_time_of_an_index(
    document: Document, platforms: tuple[str, ...], built: str
) -> None:
    tag = described(document, *platforms)

    assert parse_instant(built) == tag.created
    assert document.digest == tag.digest


def test_platforms_are_those_of_images_and_in_order() -> None:
    tag = described(index([NEW, OLD, ATTESTATION, CHART]))

    assert tag.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64", "v8"))


REFUSED = {
    "other platform": (OLD, (ARM,), "no image for linux/arm64/v8"),
    "other platforms": (index([OLD]), (ARM, "solaris/sparc"), "linux/arm64/v8 or solaris/sparc"),
    "other variant": (NEW, ("linux/arm64/v9",), "no image for linux/arm64/v9"),
    "no platform": (image(T1, platform=""), (AMD,), "no image for linux/amd64"),
    "attestations alone": (index([ATTESTATION]), (), "only attestations"),
    "chart": (CHART, (), "an artifact (application/vnd.cncf.helm.config.v1+json) is no image"),
    "index of charts": (index([CHART]), (), "an artifact (application/vnd.cncf.helm"),
    "empty index": (index([]), (), "the index is empty"),
}


@pytest.mark.parametrize(("document", "platforms", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_wanted_image_is_refused(
    document: Document, platforms: tuple[str, ...], says: str
) -> None:
    tag = described(document, *platforms)

    assert tag.fault is Fault.MALFORMED
    assert says in tag.detail
    assert document.digest == tag.digest


def test_a_manifest_that_does_not_say_what_it_is_is_no_image() -> None:
    with pytest.raises(BadReplyError, match="no stated type"):
        tell(None, [Child(Platform("linux", "amd64"), 0, "")], Needs(created=True))


@pytest.mark.parametrize(("width", "fits"), [(MOST_CHILDREN, True), (MOST_CHILDREN + 1, False)])
def test_an_index_is_no_wider_than_it_may_be(width: int, *, fits: bool) -> None:
    tag = described(index([OLD] * width))

    assert fits is (tag.created is not None)
    assert fits is not ("more than 500" in tag.detail)


def test_documents_are_opened_only_so_far() -> None:
    children = [image(f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z") for n in range(MOST_CHILDREN)]
    nested = index([index(children), index([NEW])])
    zot = FakeZot({"v1": nested}, search=False)

    tag = Asking(zot).describe(["v1"], Needs(created=True))["v1"]

    assert tag.fault is Fault.MALFORMED
    assert "more than 500" in tag.detail
    assert zot.asked["blob"] == 2


def test_a_child_that_is_not_there_is_passed_over() -> None:
    lost = index([OLD, NEW])
    there = Document(lost.media_type, lost.body, children=(OLD,))
    zot = FakeZot({"v1": there}, search=False)

    tag = Asking(zot).describe(["v1"], Needs(created=True))["v1"]

    assert parse_instant(T1) == tag.created
