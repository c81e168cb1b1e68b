"""Globs match as Go's filepath.Match does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.policy.glob import InvalidGlobError, compile_glob

MATCHING = [
    pytest.param("app", "app", id="letters stand for themselves"),
    pytest.param("", "", id="nothing matches nothing"),
    pytest.param("*", "", id="a star may be empty"),
    pytest.param("*", "a-b.c", id="a star takes any run"),
    pytest.param("**", "abc", id="two stars are one"),
    pytest.param("a*b*c", "aXbYc", id="several stars"),
    pytest.param("*-rc*", "1.2.0-rc1", id="a star on both sides"),
    pytest.param("**/x", "a/x", id="two stars are one before a slash too"),
    pytest.param("???", "été", id="a question mark takes one character"),
    pytest.param("[a-c]", "b", id="class with a range"),
    pytest.param("[^a-c]", "d", id="negated class"),
    pytest.param("[^a]", "/", id="a negated class takes a slash"),
    pytest.param("[!a]", "!", id="an exclamation mark is a member"),
    pytest.param("[à-ü]x", "éx", id="class outside ASCII"),
    pytest.param(r"[\]a]", "]", id="escaped bracket in a class"),
    pytest.param(r"[\--a]", "-", id="escaped hyphen starts a range"),
    pytest.param("[[a]", "[", id="opening bracket is a member"),
    pytest.param("[^z-a]b", "/b", id="negated inverted range takes any character"),
    pytest.param(r"app\*", "app*", id="escaped star"),
    pytest.param(r"\a", "a", id="escaped letter"),
    pytest.param("app]", "app]", id="closing bracket outside a class"),
    pytest.param("{a,b}", "{a,b}", id="braces stand for themselves"),
    pytest.param("1.2", "1.2", id="a dot is a dot"),
    pytest.param("a?b", "a\nb", id="a question mark takes a line feed"),
]

FAILING = [
    pytest.param("app", "app1", id="the whole name must match"),
    pytest.param("app", "App", id="case counts"),
    pytest.param("*", "a/b", id="a star stops at a slash"),
    pytest.param("?", "/", id="a question mark is no slash"),
    pytest.param("?", "", id="a question mark is not empty"),
    pytest.param("a*b*c", "acb", id="order counts"),
    pytest.param("[z-a]", "m", id="an inverted range is empty"),
    pytest.param("[a]", "", id="a class is not empty"),
    pytest.param("[!a]", "b", id="an exclamation mark does not negate"),
    pytest.param("{a,b}", "a", id="no alternatives"),
    pytest.param("1.2", "1x2", id="a dot is only a dot"),
    pytest.param("*[^a]*b", "x/yb", id="a chunk takes the first place that fits, as in Go"),
    pytest.param("a", "a\n", id="no line feed is forgiven"),
]

MALFORMED = [
    # A class ends with a bracket.
    pytest.param("app-[", 4, id="class never closed"),
    pytest.param("app-[a", 4, id="class with a member never closed"),
    pytest.param("[^", 0, id="negated class never closed"),
    pytest.param("[a-", 0, id="range without an end"),
    pytest.param("[a\\", 0, id="class ends in a backslash"),
    # A bracket or hyphen cannot stand first, nor a hyphen before the end.
    pytest.param("[]", 1, id="empty class"),
    pytest.param("[]a]", 1, id="bracket first"),
    pytest.param("[-a]", 1, id="hyphen first"),
    pytest.param("[a-]", 3, id="hyphen last"),
    pytest.param("[a-c-e]", 4, id="hyphen after a range"),
    # A backslash needs something to escape.
    pytest.param("app\\", 3, id="backslash last"),
    pytest.param("a*[", 2, id="fault behind a star"),
]


@pytest.mark.parametrize(("pattern", "name"), MATCHING)
def test_a_glob_matches(pattern: str, name: str) -> None:
    assert compile_glob(pattern).match(name)


@pytest.mark.parametrize(("pattern", "name"), FAILING)
def test_a_glob_does_not_match(pattern: str, name: str) -> None:
    assert not compile_glob(pattern).match(name)


@pytest.mark.parametrize(("pattern", "position"), MALFORMED)
def test_a_malformed_glob_is_told_with_its_place(pattern: str, position: int) -> None:
    with pytest.raises(InvalidGlobError) as caught:
        compile_glob(pattern)
    assert caught.value.position == position
    assert caught.value.drawn.endswith(f"    {pattern}\n    {' ' * position}^")


@given(name=st.text())
def test_a_quoted_name_matches_itself_alone(name: str) -> None:
    quoted = compile_glob("".join(f"\\{character}" for character in name))
    assert quoted.match(name)
    assert not quoted.match(name + "x")


@given(before=st.text(), after=st.text(alphabet="ab-."), between=st.text(alphabet="abc-."))
def test_a_star_takes_whatever_stands_between(before: str, after: str, between: str) -> None:
    quoted = "".join(f"\\{character}" for character in before)
    assert compile_glob(f"{quoted}*{after}").match(before + between + after)


def test_many_stars_do_not_explode() -> None:
    # Backtracking would take longer than the age of the universe.
    assert not compile_glob("a*" * 50 + "b").match("a" * 5000)
