"""What holds for every stream."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given

from cmp.manifests import find_images, objects, rewrite
from cmp.reference import InvalidReferenceError, Reference
from tests.manifests.generated import streams
from tests.manifests.streams import NEW_TAG, NUMERIC, RULED, retagged

RULED_BOTH = {RULED, NUMERIC}
LISTS = ("containers", "initContainers", "ephemeralContainers")


def moved(image: Any) -> Any:
    """*image* at the new tag, if it is a ruled one."""
    try:
        reference = Reference.parse(image)
    except (InvalidReferenceError, AttributeError, TypeError):
        return image
    return str(reference.with_tag(NEW_TAG)) if reference.repository in RULED_BOTH else image


def expected(value: Any) -> Any:
    """*value* with its images moved: the rule once more, on data instead of text."""
    if isinstance(value, list):
        return [expected(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _field(key, item) for key, item in value.items()}


def _field(key: str, value: Any) -> Any:
    if key in LISTS and isinstance(value, list):
        return [{**expected(item), "image": moved(item["image"])} for item in value]
    if key == "volumes":
        return [{"image": {"reference": moved(item["image"]["reference"])}} for item in value]
    return expected(value)


def loaded(stream: bytes) -> list[Any]:
    """The data of *stream*, all scalars as text."""
    return list(yaml.load_all(stream, Loader=yaml.CBaseLoader))  # builds text only


@given(stream=streams())
def test_only_the_images_change_in_the_data(stream: bytes) -> None:
    assert loaded(retagged(stream)) == expected(loaded(stream))


@given(stream=streams())
def test_every_byte_outside_of_the_sites_stays(stream: bytes) -> None:
    sites = find_images(stream, RULED_BOTH)
    marked = rewrite(stream, dict.fromkeys(sites, "example.com/mark:0"))

    ends = [0, *(site.end for site in sites)]
    starts = [*(site.start for site in sites), len(stream)]
    assert marked.split(b"example.com/mark:0") == [
        stream[end:start] for end, start in zip(ends, starts, strict=True)
    ]


@given(stream=streams())
def test_rewriting_again_changes_nothing(stream: bytes) -> None:
    once = retagged(stream)

    assert retagged(once) == once


@given(stream=streams())
def test_sites_stand_in_order_and_spell_their_image(stream: bytes) -> None:
    sites = find_images(stream, RULED_BOTH)

    assert sites == sorted(sites, key=lambda site: site.start)
    for site in sites:
        assert loaded(b'"' + stream[site.start : site.end] + b'"') == [str(site.image)]
        assert stream.count(b"\n", 0, site.start) + 1 == site.place.line


@given(stream=streams())
def test_objects_stay_where_they_are(stream: bytes) -> None:
    assert list(objects(retagged(stream))) == list(objects(stream))


@given(stream=streams())
def test_without_rules_the_stream_itself_comes_back(stream: bytes) -> None:
    assert find_images(stream, ()) == []
    assert rewrite(stream, {}) is stream
