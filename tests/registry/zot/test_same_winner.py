"""A tag has one build time, whether Zot's search tells it or its documents do."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.endpoint import Kind
from cmp.tags import Needs
from tests.registry.zot.fake import Asking, FakeZot
from tests.registry.zot.repositories import FILTERS, documents
from tests.servers.images import Document

NAMES = tuple(f"v{number}" for number in range(6))


@given(
    tags=st.dictionaries(st.sampled_from(NAMES), documents, min_size=2),
    platforms=st.sampled_from(FILTERS),
    known=st.sets(st.sampled_from(NAMES)),
)
def test_search_and_documents_tell_the_same(
    tags: dict[str, Document], platforms: tuple[str, ...], known: set[str]
) -> None:
    needs = Needs(created=True, platforms=platforms)
    searching = FakeZot(tags, known=sorted(known & tags.keys()))

    told = Asking(searching, Kind.ZOT).describe(list(tags), needs)
    read = Asking(FakeZot(tags, search=False)).describe(list(tags), needs)

    assert told == read
    assert searching.asked["search"] == 1


@given(document=documents, platforms=st.sampled_from(FILTERS))
def test_a_tag_that_is_asked_for_itself_is_told_the_same(
    document: Document, platforms: tuple[str, ...]
) -> None:
    needs = Needs(created=True, platforms=platforms)
    zot = FakeZot({"v1": document, "v2": document})

    alone = Asking(zot, Kind.ZOT).describe(["v1"], needs)["v1"]
    among = Asking(zot, Kind.ZOT).describe(["v1", "v2"], needs)

    assert among == {"v1": alone, "v2": replace(alone, name="v2")}
    assert zot.queries[0].startswith("{Image(")
    assert zot.queries[1].startswith("{ExpandedRepoInfo(")
