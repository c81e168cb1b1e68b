"""Versions are read as loosely as Masterminds reads them, and ranked as semver.org says."""

from __future__ import annotations

from itertools import pairwise

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from cmp.policy.version import InvalidVersionError, Version, parse_version

LARGEST = 2**64 - 1

VERSIONS = [
    pytest.param("1.2.3", "1.2.3", id="plain"),
    pytest.param("v1.2.3", "1.2.3", id="v in front"),
    pytest.param("1", "1.0.0", id="major alone"),
    pytest.param("1.2", "1.2.0", id="major and minor"),
    pytest.param("01.002.0003", "1.2.3", id="leading zeros in the core"),
    pytest.param("20240131", "20240131.0.0", id="a date is a major"),
    pytest.param("2024.01.31", "2024.1.31", id="a dotted date"),
    pytest.param("1.2-rc.1", "1.2.0-rc.1", id="pre-release of a short version"),
    pytest.param("1-alpine", "1.0.0-alpine", id="pre-release of a major"),
    pytest.param("1.2.3--", "1.2.3--", id="hyphens are identifiers"),
    pytest.param("1.2.3-0a", "1.2.3-0a", id="a word may start with zero"),
    pytest.param("1.2.3+b.01", "1.2.3+b.01", id="metadata"),
    pytest.param(f"{LARGEST}.0.0", f"{LARGEST}.0.0", id="64 bits"),
]

NO_VERSIONS = [
    # Only a small v may stand in front.
    "", " 1.2.3", "V1.2.3", "vv1", "release-1",
    # One to three numbers, each of digits.
    "1.2.3.4", "1.", ".1", "1..2", "x", "1.x", "\u0661.\u0662", "1_0", f"{LARGEST + 1}",
    # Identifiers are letters, digits and hyphens; numbers have no leading zero.
    "1.2.3-", "1.2.3-a..b", "1.2.3-a_b", "1.2.3-01", "1.2.3-a.00", "1.2.3+", "1.2.3+é",
    # A line feed at the end is none of them.
    "1.2.3\n",
    # Longer than any tag, for digits are read in quadratic time.
    "1" * 5000,
]  # fmt: skip

ASCENDING = [
    "0.0.1", "0.1.0", "1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1",
    "1.0.0-alpha.beta", "1.0.0-rc10", "1.0.0-rc2", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2",
    "20240131", f"{LARGEST}",
]  # fmt: skip

numbers = st.integers(0, 30) | st.integers(0, LARGEST)
identifiers = st.from_regex(r"\A(0|[1-9][0-9]{0,18}|[0-9]{0,2}[a-z-][0-9a-z-]{0,3})\Z")
versions = st.builds(
    lambda core, pre: ".".join(map(str, core)) + ("-" + ".".join(pre) if pre else ""),
    st.tuples(numbers, numbers, numbers),
    st.lists(identifiers, max_size=3),
)


@pytest.mark.parametrize(("text", "canonical"), VERSIONS)
def test_a_version_is_read_loosely_and_printed_canonically(text: str, canonical: str) -> None:
    version = Version.parse(text)
    assert str(version) == canonical
    assert version.original == text


@pytest.mark.parametrize("text", NO_VERSIONS)
def test_what_is_no_version_is_refused(text: str) -> None:
    assert parse_version(text) is None
    with pytest.raises(InvalidVersionError):
        Version.parse(text)


def test_versions_rank_by_precedence() -> None:
    ranks = [Version.parse(text).precedence for text in ASCENDING]
    assert all(low < high for low, high in pairwise(ranks))


@pytest.mark.parametrize("other", ["v1.2.0", "1.2", "1.2.0+x", "01.02.00"])
def test_spelling_and_metadata_do_not_count(other: str) -> None:
    assert Version.parse(other).precedence == Version.parse("1.2.0").precedence


def test_a_number_over_64_bits_in_a_pre_release_ranks_as_a_word() -> None:
    large, word = f"1.0.0-{LARGEST + 1}", "1.0.0-2a"
    assert Version.parse(large).precedence < Version.parse(word).precedence
    assert Version.parse(large).precedence > Version.parse(f"1.0.0-{LARGEST}").precedence


@given(a=versions, b=versions)
def test_precedence_is_that_of_semver_org(a: str, b: str) -> None:
    ours, others = Version.parse(a).precedence, Version.parse(b).precedence
    compared = semver.Version.parse(a).compare(b)
    assert (ours > others) - (ours < others) == compared


@given(text=versions)
def test_the_canonical_form_means_the_same(text: str) -> None:
    assert str(Version.parse(str(Version.parse(f"v{text}")))) == text
