"""Globs as gobwas/glob reads them, in bounded time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.render.glob import Glob, InvalidGlobError


@pytest.mark.parametrize(
    ("glob", "text"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("a.yaml", "a.yaml", id="plain"),
        pytest.param("*.yaml", "dir/a.yaml", id="a star crosses folders"),
        pytest.param("**", "dir/a.yaml", id="two stars"),
        pytest.param("a?c", "a/c", id="a question mark is any character"),
        pytest.param("[ab]", "b", id="list"),
        pytest.param("[!ab]", "c", id="list turned round"),
        pytest.param("[a-c]", "b", id="range"),
        pytest.param("[!a-c]", "d", id="range turned round"),
        pytest.param("[^a]", "^", id="a caret is a character"),
        pytest.param(r"[a\]]", "]", id="escape in a list"),
        pytest.param("[!!]", "a", id="list of an exclamation mark, turned round"),
        pytest.param("[-a]", "-", id="a dash in front"),
        pytest.param("{*.yml,*.yaml}", "x/a.yaml", id="alternatives"),
        pytest.param("{a,b{c,d*}}", "bdx", id="alternatives in alternatives"),
        pytest.param("{config.yaml,env-use2/*}", "env-use2/x.yaml", id="as in Argo CD's manual"),
        pytest.param("x{,y}z", "xz", id="an empty alternative"),
        pytest.param("a,b}", "a,b}", id="outside of braces these are characters"),
        pytest.param("{a,b", "b", id="braces that stay open"),
        pytest.param(r"\*\{", "*{", id="escapes"),
        pytest.param("a\\", "a", id="an escape of nothing"),
        pytest.param("日*", "日本", id="not ASCII"),
    ],
)
def test_a_glob_matches_the_whole_text(glob: str, text: str) -> None:
    assert Glob(glob).match(text)


@pytest.mark.parametrize(
    ("glob", "text"),
    [
        pytest.param("a", "", id="too short"),
        pytest.param("?", "", id="any character is one"),
        pytest.param("[!a]", "a", id="list turned round"),
        pytest.param("[!a-c]", "b", id="range turned round"),
        pytest.param("a**a", "a", id="stars do not share what is beside them"),
        pytest.param("{a,b}c", "c", id="one of the alternatives must be there"),
        pytest.param("A", "a", id="case counts"),
        pytest.param("a", "a\n", id="a line's end is a character"),
        pytest.param("a", "ba", id="the beginning counts"),
    ],
)
def test_a_glob_does_not_match(glob: str, text: str) -> None:
    assert not Glob(glob).match(text)


def test_a_star_at_the_end_matches_line_ends_too() -> None:
    assert Glob("a*").match("a\n")


@pytest.mark.parametrize(
    "glob", ["[", "[]", "[!]", "[a", "[a-", "[a-]", "[b-a]", "[a-z0]", "x" * 1001]
)
def test_what_is_no_glob_is_refused(glob: str) -> None:
    with pytest.raises(InvalidGlobError):
        Glob(glob)


def test_a_hostile_glob_takes_no_exponential_time() -> None:
    assert not Glob("{a,{a,{a,a}}}" * 70).match("a" * 69 + "b")
    assert not Glob("*a" * 400 + "b").match("a" * 400)


_PARTS = st.recursive(
    st.sampled_from(["a", "b", "/", "?", "*", "[ab]", "[!a]", "[a-b]"]),
    lambda parts: st.lists(st.lists(parts, max_size=3).map("".join), min_size=1, max_size=3).map(
        lambda alternatives: "{" + ",".join(alternatives) + "}"
    ),
    max_leaves=6,
)
_AS_REGEX = {"?": ".", "*": ".*", "{": "(?:", ",": "|", "}": ")", "[!": "[^"}


@given(st.lists(_PARTS, max_size=4).map("".join), st.text("ab/", max_size=6))
def test_a_glob_means_what_its_regular_expression_means(glob: str, text: str) -> None:
    regex = re.sub(r"\[!|[?*{,}]", lambda found: _AS_REGEX[found[0]], glob)

    assert Glob(glob).match(text) == bool(re.fullmatch(regex, text, re.DOTALL))
