"""The keys of observations tell whose view of what they are, and are told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.observation import View, listing_key, read_key, tags_key
from cmp.tags import Needs

TEXTS = st.text(max_size=9)
VIEWS = st.builds(View, TEXTS, TEXTS, TEXTS, TEXTS)
NEEDS = st.builds(
    Needs, created=st.booleans(), digest=st.booleans(), platforms=st.tuples(TEXTS) | st.just(())
)
APP = View("registry.example.com", "https://zot.example.com", "team/app", "env:LOGIN")


@given(VIEWS)
def test_a_key_of_a_listing_is_read_as_what_it_was_made_of(view: View) -> None:
    assert read_key(listing_key(view)) == view


@given(VIEWS, NEEDS, VIEWS, NEEDS)
def test_different_questions_have_different_keys(
    one: View, needs: Needs, other: View, others: Needs
) -> None:
    same = (one, needs) == (other, others)
    keys = tags_key(listing_key(one), needs), tags_key(listing_key(other), others)
    assert (keys[0] == keys[1]) == same


@pytest.mark.parametrize(
    ("needs", "facts"),
    [
        pytest.param(Needs(), [], id="names"),
        pytest.param(
            Needs(created=True, digest=True, pushed=True, severity=True, trusted=True),
            ["build times", "digests", "push times", "scans", "trust"],
            id="all",
        ),
        pytest.param(Needs(platforms=("linux/arm64",)), ["linux/arm64"], id="platforms"),
    ],
)
def test_what_is_asked_of_tags_is_told_in_words(needs: Needs, facts: list[str]) -> None:
    view = read_key(tags_key(listing_key(APP), needs))
    assert view is not None
    assert (view.repository, view.login, view.facts) == (
        "registry.example.com/team/app",
        "env:LOGIN",
        facts,
    )


@pytest.mark.parametrize(
    ("view", "repository"),
    [
        (
            View("reg.example.com/team", "https://a.example.com", "team/x"),
            "reg.example.com/team/x",
        ),
        (View("", "https://a.example.com", "team/x"), "a.example.com/team/x"),
    ],
    ids=["a prefix with a path", "no prefix"],
)
def test_a_repository_is_named_as_images_name_it(view: View, repository: str) -> None:
    assert view.repository == repository


@pytest.mark.parametrize(
    "key",
    [
        "",
        "zot team/app",
        '["a", "b", "c"]',
        '["a", "b", "c", 4]',
        "7",
        "null",
        '["a", "b", "c", "d"] Needs(created=True)',
        '["a", "b", "c", "d"] []',
        '["a", "b", "c", "d"] {"platforms": 1}',
        "[" * 100_000,
    ],
    ids=range(10),
)
def test_what_is_no_key_of_ours_is_nothing(key: str) -> None:
    assert read_key(key) is None
