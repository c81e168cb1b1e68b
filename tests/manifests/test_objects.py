"""How many objects Argo CD would make, and when a render is empty."""

from __future__ import annotations

import pytest

from cmp.manifests import is_empty, objects

COUNTS = {
    "": 0,
    "\n# c\n": 0,
    "---\n---\n": 0,
    "null\n---\n~\n---\n''\n": 1,
    "!!null ''\n": 0,
    "a: 1\n---\n# c\n---\nb: 2\n": 2,
    "{}\n{}": 2,
    '{"a":1}\nnull\n{"b":1}': 2,
    "- a\n---\nb\n---\n5\n": 3,
    "a: 1\n...\nb: 2\n": 1,
}


@pytest.mark.parametrize(("stream", "count"), COUNTS.items())
def test_documents_with_content_are_objects(stream: str, count: int) -> None:
    assert len(list(objects(stream.encode()))) == count
    assert is_empty(stream.encode()) is (count == 0)


def test_an_object_has_a_place() -> None:
    places = [str(place) for place in objects(b"# c\n---\na: 1\n---\nb: 2\n")]

    assert places == ["line 3, document 2", "line 5, document 3"]


def test_a_stream_that_argo_cd_cannot_read_is_not_empty() -> None:
    assert not is_empty(b"# c\n---\na: [\n")


def test_no_more_is_read_than_the_first_object() -> None:
    assert not is_empty(b"a: 1\n---\nb: [\n")
