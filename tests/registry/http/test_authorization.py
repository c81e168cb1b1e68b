"""No token is asked for that allows more than pulling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.http.authorization import pull_scopes


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("", ()),
        ("repository:demo/app:pull", ("repository:demo/app:pull",)),
        ("repository::pull", ("repository::pull",)),
        ("repository:host:5000/a:pull", ("repository:host:5000/a:pull",)),
        ("repository:a:pull,push", ("repository:a:pull",)),
        ("repository:a:pull repository:b:pull", ("repository:a:pull", "repository:b:pull")),
        ("repository:a:pull  repository:a:pull", ("repository:a:pull",)),
        ("repository:a:push", ()),
        ("repository:a:*", ()),
        ("repository(plugin):a:pull", ()),
        ("registry:catalog:*", ()),
        ("registry:catalog:pull", ()),
        ("repository:a", ()),
        (":::", ()),
    ],
)
def test_only_pulling_is_asked_for(text: str, scopes: tuple[str, ...]) -> None:
    assert scopes == pull_scopes(text)


def test_scopes_without_end_are_cut() -> None:
    assert len(pull_scopes(" ".join(f"repository:{number}:pull" for number in range(9999)))) < 200


@given(st.text() | st.text("repository: pull,*", max_size=300))
def test_nothing_but_pulling_comes_out(text: str) -> None:
    for scope in pull_scopes(text):
        assert scope.startswith("repository:")
        assert scope.endswith(":pull")
        assert " " not in scope
