"""Durations are Go's; each answer is that of time.ParseDuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.duration import parse_duration

DURATIONS = [
    ("0", 0),
    ("-0", 0),
    ("10m", 600_000_000_000),
    ("1h30m", 5_400_000_000_000),
    ("1.5h", 5_400_000_000_000),
    (".5s", 500_000_000),
    ("5.s", 5_000_000_000),
    ("-3ms", -3_000_000),
    ("+3us", 3_000),
    ("3µs", 3_000),
    ("3μs", 3_000),
    ("1h1h", 7_200_000_000_000),
    ("9223372036854775807ns", 2**63 - 1),
    ("-9223372036854775808ns", -(2**63)),
]


@pytest.mark.parametrize(("text", "nanoseconds"), DURATIONS)
def test_a_duration_is_nanoseconds(text: str, nanoseconds: int) -> None:
    assert nanoseconds == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "+", "10", "1d", "m", ".s", "1 m", " 1m", "1m ", "1.2.3s", "--1s", "1M", "٣s",
     "9223372036854775808ns", "-9223372036854775809ns", "1" * 70 + "s"],
)  # fmt: skip
def test_what_is_no_duration_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration like"):
        parse_duration(text)


@given(
    st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["h", "m", "s", "ms", "us", "ns"])))
)
def test_the_parts_of_a_duration_are_added(parts: list[tuple[int, str]]) -> None:
    texts = [f"{number}{unit}" for number, unit in parts[:9]]

    assert parse_duration("".join(texts) or "0") == sum(map(parse_duration, texts))
