"""Expressions are RE2's, in Go's dialect; a bad one is told, never printed by the library."""

from __future__ import annotations

import pytest

from cmp.policy.expression import Expression, ExpressionSet, InvalidExpressionError

MATCHING = [
    ("^v1", "v1.2", True),
    ("1.0", "v1x0", True),
    ("^main|latest$", "not-latest", True),
    ("", "anything", True),
    ("x|", "anything", True),
    ("(?i)^LATEST$", "latest", True),
    ("v(?i)B", "vb", True),
    ("^\\pL+$", "main", True),
    ("^[[:alpha:]]+$", "main1", False),
    ("\\Qa.b\\E", "axb", False),
    ("\\Q\\C\\E", "\\C", True),
    ("\\\\C", "\\C", True),
    ("a{,2}", "aa", False),
    ("a{,2}", "a{,2}", True),
    ("3\\z", "1.2.3", True),
    ("^.$", "\n", False),
    ("(?s)^.$", "\n", True),
    ("^a$", "b\na", False),
]

MALFORMED = [
    pytest.param("[a", 0, id="class never closed"),
    pytest.param("ab(", 0, id="group never closed"),
    pytest.param("xa**", 2, id="star upon star"),
    pytest.param("va{1001}", 2, id="over a thousand repeats"),
    pytest.param("^(?!v)", 1, id="look-ahead"),
    pytest.param("(a)\\1", 3, id="back reference"),
    pytest.param("1\\Z", 1, id="another dialect's end of text"),
    pytest.param("ab\\C", 2, id="one byte"),
    pytest.param("(?P<é>a)", 0, id="group name outside ASCII"),
    pytest.param("\\pL{1000}", 0, id="too large a program"),
    pytest.param("a\ud800", 1, id="not Unicode text"),
    pytest.param("a" * 4097, 4096, id="too long"),
]


@pytest.mark.parametrize(("pattern", "text", "is_match"), MATCHING)
def test_an_expression_is_searched_for(pattern: str, text: str, *, is_match: bool) -> None:
    assert (Expression(pattern).search(text) is not None) is is_match
    assert ExpressionSet([pattern]).matches(text) is is_match


@pytest.mark.parametrize(("pattern", "position"), MALFORMED)
def test_a_malformed_expression_is_told_with_its_place(
    pattern: str, position: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidExpressionError) as caught:
        Expression(pattern)
    assert caught.value.position == position
    assert caught.value.reason
    # RE2 would report on stderr, which Argo CD shows to users.
    assert capfd.readouterr().err == ""


def test_the_longest_expression_is_read() -> None:
    assert Expression("a" * 4096).search("a" * 4096) is not None


def test_groups_are_known_by_number_and_name() -> None:
    expression = Expression("(a)|(?P<n>b)")
    assert expression.count == 2
    assert expression.groups == {"n": 2}
    assert expression.search("xb") == ("b", None, "b")


def test_a_set_matches_if_any_of_it_does() -> None:
    either = ExpressionSet(["^a", "b$"])
    assert [name for name in ("ax", "xb", "bx") if either.matches(name)] == ["ax", "xb"]


def test_an_empty_set_matches_nothing() -> None:
    assert not ExpressionSet([]).matches("")


def test_a_set_that_is_too_large_is_told() -> None:
    patterns = [f"{number}\\pL{{100}}" for number in range(40)]
    with pytest.raises(InvalidExpressionError):
        ExpressionSet(patterns)


def test_nested_repeats_cost_no_more_than_they_look() -> None:
    assert Expression("^(a|a)*(a|aa)*$").search("a" * 20_000 + "b") is None
