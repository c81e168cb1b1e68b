"""Each strategy orders tags by its own key, and says why it refuses others."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.policy.fault import PolicyFault
from cmp.policy.settings import Settings
from cmp.policy.strategy import Strategy, compile_strategy

NAMES = [
    ("", "semver"), ("semver", "semver"), ("SemVer", "semver"),
    ("newest-build", "newest-build"), ("Latest", "newest-build"),
    ("alphabetical", "alphabetical"), ("name", "alphabetical"),
    ("numerical", "numerical"),
]  # fmt: skip

numbers = st.from_regex(r"\A-?[0-9]{1,40}(\.[0-9]{1,40})?\Z")


def strategy(name: str, constraint: str | None = None) -> Strategy:
    faults: list[PolicyFault] = []
    compiled = compile_strategy(Settings(strategy=name, constraint=constraint), faults)
    assert faults == []
    return compiled


def key(ordering: Strategy, value: str, created: int | None = None) -> Any:
    ranked = ordering.rank(value, created)
    assert isinstance(ranked, tuple)
    return ranked


@pytest.mark.parametrize(("name", "described"), NAMES)
def test_a_strategy_is_known_by_its_names(name: str, described: str) -> None:
    assert str(strategy(name)) == described


def test_an_unknown_strategy_means_semver_and_is_told() -> None:
    faults: list[PolicyFault] = []
    compiled = compile_strategy(Settings(strategy="newest", constraint="~1"), faults)
    assert str(compiled) == "semver ~1"
    assert [fault.field for fault in faults] == ["updateStrategy"]


def test_semver_orders_by_precedence_and_refuses_what_is_outside() -> None:
    semver = strategy("semver", "1.x")
    assert key(semver, "1.10.0") > key(semver, "v1.9")
    assert semver.rank("latest", None) == "not a version"
    assert semver.rank("2.0.0", None) == "outside 1.x"


def test_an_empty_constraint_is_none() -> None:
    semver = strategy("semver", "")
    assert str(semver) == "semver"
    assert semver.rank("1.0-rc", None) == "a pre-release, and no constraint asks for one"


def test_alphabetical_orders_by_bytes_and_ignores_the_constraint() -> None:
    alphabetical = strategy("alphabetical", "~1.2")
    ascending = ["1.10", "1.9", "C", "a", "a-b", "a.b", "aB", "a_b", "b"]
    keys = [key(alphabetical, name) for name in ascending]
    assert all(low < high for low, high in pairwise(keys))


@given(a=numbers, b=numbers)
def test_numbers_are_compared_exactly_at_any_length(a: str, b: str) -> None:
    numerical = strategy("numerical")
    assert (key(numerical, a) < key(numerical, b)) == (Fraction(a) < Fraction(b))


@pytest.mark.parametrize(
    "value", ["", "1.", ".5", "1e5", "+1", "0x1", "inf", "nan", "1_0", "\u0661", "1\n", "--1"]
)
def test_what_is_no_plain_number_is_refused(value: str) -> None:
    assert strategy("numerical").rank(value, None) == "not a number"


def test_newest_build_orders_by_build_time() -> None:
    newest = strategy("newest-build", "~1.2")
    assert key(newest, "a", 2) > key(newest, "b", 1)
    assert key(newest, "a", -1) < key(newest, "b", 0)
    assert newest.rank("a", None) == "no build time"


def test_digest_wants_one_tag() -> None:
    digest = strategy("digest", "1.2.x")
    assert digest.rank("1.2.x", None) == ()
    assert digest.rank("1.2.3", None) == "not the tag 1.2.x"


@pytest.mark.parametrize(
    ("name", "constraint", "allowed", "why"),
    [
        ("semver", "~1.2", 12, "newest of 12 allowed versions in ~1.2"),
        ("semver", None, 1, "newest of 1 allowed version"),
        ("newest-build", None, 3, "newest build of 3 allowed tags"),
        ("alphabetical", None, 2, "last by name of 2 allowed tags"),
        ("numerical", None, 2, "greatest of 2 allowed numbers"),
        ("digest", "main", 1, "the tag main, where it points now"),
    ],
)
def test_a_choice_says_by_which_order(
    name: str, constraint: str | None, allowed: int, why: str
) -> None:
    assert strategy(name, constraint).why(allowed) == why


def test_a_constraint_that_does_not_parse_is_told_and_versions_are_ordered_all_the_same() -> None:
    faults: list[PolicyFault] = []
    semver = compile_strategy(Settings(constraint="bogus"), faults)
    assert [fault.field for fault in faults] == ["imageName"]
    assert str(semver) == "semver bogus"
    assert key(semver, "1.0.0-rc") < key(semver, "1.0.0")
    assert semver.rank("main", None) == "not a version"
