"""A model keeps and forgets as a real Zot did when the same was done to it."""

from __future__ import annotations

from tests.servers import images
from tests.servers.model import Model

_A = images.image("2026-01-01T00:00:00Z")
_B = images.image("2026-01-02T00:00:00Z")
_NAME = "team/app"


def _pullable(model: Model, *documents: images.Document) -> list[bool]:
    repository = model.repositories[_NAME]
    return [repository.manifest(document.digest) is not None for document in documents]


def _times(model: Model, tag: str) -> tuple[int, int]:
    """When the tag's digest was pushed and the tag was seen."""
    known = model.repositories[_NAME].known
    return known.statistics[known.tags[tag]].pushed, known.tagged[tag]


def _model() -> Model:
    return Model(iter(range(1, 100)).__next__)


def test_moving_a_tag_takes_the_old_digest_away() -> None:
    model = _model()
    model.push(_NAME, "v1", _A)
    model.push(_NAME, "v1", _B)

    assert _pullable(model, _A, _B) == [False, True]
    assert _times(model, "v1") == (2, 1)


def test_a_digest_with_another_tag_stays() -> None:
    model = _model()
    model.push(_NAME, "v1", _A)
    model.push(_NAME, "v2", _A)
    model.push(_NAME, "v1", _B)

    assert _pullable(model, _A, _B) == [True, True]


def test_a_tag_that_goes_back_keeps_the_times_of_its_old_digest() -> None:
    model = _model()
    for document in (_A, _B, _A):
        model.push(_NAME, "v1", document)

    assert _times(model, "v1") == (1, 1)


def test_a_deleted_tag_leaves_its_digest_and_takes_its_times() -> None:
    model = _model()
    model.push(_NAME, "v1", _A)
    model.delete(_NAME, "v1")

    assert _pullable(model, _A) == [True]
    model.push(_NAME, "v1", _A)
    assert _times(model, "v1") == (2, 2)


def test_a_deleted_digest_takes_all_its_tags() -> None:
    model = _model()
    model.push(_NAME, "v1", _A)
    model.push(_NAME, "v2", _A)
    model.push(_NAME, "v3", _B)
    model.delete(_NAME, _A.digest)

    assert list(model.repositories[_NAME].tags) == ["v3"]
    assert _pullable(model, _A, _B) == [False, True]


def test_an_index_that_is_moved_away_takes_the_children_that_it_alone_had() -> None:
    model = _model()
    model.push(_NAME, "v3", _A)
    index = images.index([_A, _B])
    model.push(_NAME, "x", index)
    assert _pullable(model, _A, _B) == [True, True]
    model.push(_NAME, "x", images.index([_A]))

    assert _pullable(model, index, _A, _B) == [False, True, False]


def test_what_search_forgets_still_exists() -> None:
    model = _model()
    model.push_all(_NAME, [("v1", _A), ("v2", _B)])
    model.forget(_NAME, ["v1"])

    repository = model.repositories[_NAME]
    assert (list(repository.tags), list(repository.known.tags)) == (["v1", "v2"], ["v2"])


def test_tags_of_signatures_are_no_tags_to_search() -> None:
    model = _model()
    model.push(_NAME, "v1", _A)
    model.push(_NAME, images.cosign_tag(_A.digest), images.cosign_signature(_A.digest))

    assert list(model.repositories[_NAME].known.tags) == ["v1"]


def test_only_pulls_of_what_has_statistics_count() -> None:
    model = _model()
    model.push(_NAME, "v1", _A)
    model.pulled(_NAME, _A.digest)
    model.pulled(_NAME, _B.digest)

    statistics = model.repositories[_NAME].known.statistics
    assert {digest: each.pulls for digest, each in statistics.items()} == {_A.digest: 1}
