"""Constraints allow what Masterminds/semver v3.4.0 allows, and show where they are malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.policy.constraint import Constraint, InvalidConstraintError
from cmp.policy.version import Version

ALLOWED = {
    # A bare version, and the wildcards that missing segments are.
    "1.2.3": ("1.2.3 v1.2.3 1.2.3+x", "1.2.4 1.2.3-rc"),
    "=1.2.3+b.01": ("1.2.3 1.2.3+x", "1.2.4"),
    "=1.2": ("1.2.0 1.2.9", "1.3.0 1.1.9"),
    "1.x": ("1.0.0 1.99.0", "2.0.0 0.9.0 1.5.0-rc"),
    "1.X.7": ("1.0.0 1.5.3", "2.0.7"),
    "*": ("0.0.0 9.9.9", "1.0.0-rc"),
    "!=1.2.3": ("1.2.4", "1.2.3"),
    "!=1.2": ("1.3.0", "1.2.0 1.2.9"),
    "!=1": ("2.0.0", "1.0.0 1.2.3"),
    "!=*": ("0.0.1 1.0.0", "0.0.0"),
    "!=1.2.x-0": ("1.2.3 1.2.3-1", "1.2.5-0"),
    # Comparisons, where a wildcard spans what it covers.
    ">1": ("2.0.0", "1.9.9 1.0.0"),
    ">1.2": ("1.3.0 2.0.0", "1.2.9"),
    ">1.2.3": ("1.2.4", "1.2.3"),
    ">x": ("0.0.1", "0.0.0"),
    ">=1.2": ("1.2.0 3.0.0", "1.1.9"),
    "=>1.2": ("1.2.0", "1.1.9"),
    "<1.2": ("1.1.9", "1.2.0"),
    "<=1": ("1.9.9", "2.0.0"),
    "<=1.2": ("1.2.9 0.9.9", "1.3.0 2.0.0"),
    "=<1.2.3": ("1.2.3", "1.2.4"),
    "<=x": ("0.0.9", "0.1.0 1.0.0"),
    # Tilde and caret.
    "~1": ("1.0.0 1.9.0", "2.0.0 0.9.0"),
    "~1.2": ("1.2.0 1.2.9", "1.3.0"),
    "~>1.2.3": ("1.2.3 1.2.9", "1.2.2 1.3.0"),
    "~0.0.0": ("0.0.0 7.0.0", "1.0.0-rc"),
    "~*": ("0.0.0 7.0.0", "1.0.0-rc"),
    "^1.2.3": ("1.2.3 1.9.0", "1.2.2 2.0.0"),
    "^0.2.3": ("0.2.3 0.2.9", "0.3.0 1.2.3"),
    "^0.0.3": ("0.0.3", "0.0.4 0.1.3"),
    "^0.0": ("0.0.0 0.0.9", "0.1.0"),
    "^0": ("0.0.0 0.9.0", "1.0.0"),
    "^*": ("0.0.0", "0.0.1 1.0.0"),
    # Groups, and all terms of one.
    ">=1.2 <2, !=1.5.0": ("1.2.0 1.9.9", "1.5.0 2.0.0 1.1.0"),
    ">= 1.2\t<\n2": ("1.2.0", "2.0.0"),
    "~1.2 || ^3": ("1.2.5 3.9.0", "1.3.0 2.0.0"),
    # Ranges.
    "1.2 - 1.4": ("1.2.0 1.4.9", "1.1.9 1.5.0"),
    "0 - 1, <1.5": ("1.4.0", "1.5.0"),
    "1.0.0 - 1.1.0 || 3 - 4": ("1.1.0 4.9.9", "1.1.1 5.0.0"),
    "1.x||2 - 3": ("1.9.0 2.0.0 7.0.0", "0.9.0"),  # `1.x||2` is read as one version first
    # Pre-releases, if a term of the same group carries one.
    ">=1.0.0-0 <2.0.0": ("1.0.0-rc 1.5.0-rc 2.0.0-rc", "2.0.0"),
    ">=1.0.0-0 || 0.9": ("1.0.0-rc", "0.9.0-rc"),
    "~1.2-0": ("1.2.0-rc 1.2.3", "1.3.0-rc"),
    "^1.2.3-beta.2": ("1.2.3-beta.4 1.9.0-rc", "1.2.3-beta.1"),
}

MALFORMED = [
    ("", 0), (" ", 1), ("latest", 0), ("==1", 1), ("~~1", 1), (">>1", 1), ("^", 1), ("> ", 2),
    ("1.2.3.4", 5), ("1..2", 1), ("1.2.3 ||", 8), ("||", 0), ("1 |||| 2", 4), ("1.0.0 -", 6),
    ("1, ,2", 3), ("1,", 2), (",1", 0), (">=1.0.0 and <2", 8), ("~1.2-", 4), ("1.2<3", 3),
    ("1 - 2 - 3", 6), ("0 1 - 2", 2), ("1 - 2, <<3", 8), ("18446744073709551616.x", 0),
    ("1.2.3-01", 0), ("1.x-01", 0), ("1|2", 0), ("1.1x", 0), ("\u0661", 0), ("1\v<2", 1),
    ("1 " * 600, 1024),
]  # fmt: skip

CASES = [
    pytest.param(text, version, verb == "allows", id=f"{text} {verb} {version}")
    for text, sides in ALLOWED.items()
    for verb, side in zip(("allows", "bars"), sides, strict=True)
    for version in side.split()
]  # fmt: skip

segments = st.sampled_from(["0", "1", "2", "x", "*"])
bounds = st.lists(segments, min_size=1, max_size=3).map(".".join)
operators = st.sampled_from(["", "=", "!=", ">", "<", ">=", "<=", "~", "^"])
terms = st.builds("{}{}".format, operators, bounds)
groups = st.lists(terms, min_size=1, max_size=3).map(" ".join)
small = st.integers(0, 3)
versions = st.builds("{}.{}.{}".format, small, small, small).map(Version.parse)


def fault_of(text: str) -> InvalidConstraintError | None:
    try:
        Constraint.parse(text)
    except InvalidConstraintError as error:
        return error
    return None


@pytest.mark.parametrize(("text", "version", "is_allowed"), CASES)
def test_a_constraint_decides_as_masterminds_does(
    text: str, version: str, *, is_allowed: bool
) -> None:
    assert Constraint.parse(text).allows(Version.parse(version)) is is_allowed


@pytest.mark.parametrize(("text", "position"), MALFORMED)
def test_a_malformed_constraint_is_told_with_its_place(text: str, position: int) -> None:
    with pytest.raises(InvalidConstraintError) as caught:
        Constraint.parse(text)
    assert caught.value.position == position
    assert caught.value.text == text


def test_the_caret_stands_under_the_fault() -> None:
    with pytest.raises(InvalidConstraintError) as caught:
        Constraint.parse(">=1.0.0 and <2")
    assert caught.value.drawn.splitlines() == [
        "a version such as 1.2 or 1.2.3 is due here",
        "    >=1.0.0 and <2",
        "            ^",
    ]


def test_the_caret_stays_under_the_fault_of_a_long_text_and_of_control_characters() -> None:
    with pytest.raises(InvalidConstraintError) as caught:
        Constraint.parse("1,\t" * 200 + "!")
    _, shown, caret = caught.value.drawn.splitlines()
    assert shown[caret.index("^")] == "!"
    assert len(shown) < 200


@pytest.mark.parametrize(
    ("text", "version", "reason"),
    [
        pytest.param("~1.2", "1.3.0", "outside ~1.2", id="the only term"),
        pytest.param(">=1 <2", "2.0.0", "outside <2", id="the term that fails"),
        pytest.param("1 - 2", "3.0.0", "outside <= 2", id="half of a range"),
        pytest.param("1 || 2", "3.0.0", "outside every range of 1 || 2", id="no group"),
        pytest.param("~1.2", "1.2.0-rc", "a pre-release, and ~1.2 admits releases only", id="pre"),
        pytest.param("~1.2", "1.2.0", None, id="allowed"),
    ],
)
def test_a_refusal_says_why(text: str, version: str, reason: str | None) -> None:
    assert Constraint.parse(text).refusal(Version.parse(version)) == reason


@given(one=groups, other=groups, version=versions)
def test_groups_are_alternatives(one: str, other: str, version: Version) -> None:
    either = Constraint.parse(f"{one} || {other}").allows(version)
    assert either == any(Constraint.parse(text).allows(version) for text in (one, other))


@given(one=groups, other=groups, version=versions)
def test_terms_of_a_group_must_all_hold(one: str, other: str, version: Version) -> None:
    both = Constraint.parse(f"{one}, {other}").allows(version)
    assert both == all(Constraint.parse(text).allows(version) for text in (one, other))


@given(bound=bounds, version=versions)
def test_a_comparison_and_its_opposite_never_agree(bound: str, version: Version) -> None:
    def allows(operator: str) -> bool:
        return Constraint.parse(operator + bound).allows(version)

    assert allows("<") != allows(">=")


@given(text=st.text(alphabet="0129.x*-|=!<>~^, v+a", max_size=30))
def test_any_text_is_a_constraint_or_a_fault_inside_it(text: str) -> None:
    fault = fault_of(text)
    assert fault is None or 0 <= fault.position <= len(text)
