"""Build times are read as Go's time.Parse reads RFC 3339; each answer is Go's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.instant import NO_DATE, parse_instant

S = 1_000_000_000

TIMES = [
    ("1970-01-01T00:00:00Z", 0),
    ("1969-12-31T23:59:59Z", -S),
    ("2024-02-29T23:59:59Z", 1_709_251_199 * S),
    ("2023-01-01T00:00:00.123456789Z", 1_672_531_200_123_456_789),
    ("2023-01-01T00:00:00.5Z", 1_672_531_200_500_000_000),
    ("2023-01-01T00:00:00,5Z", 1_672_531_200_500_000_000),
    ("2023-01-01T00:00:00.1234567899999Z", 1_672_531_200_123_456_789),
    ("2023-01-01T5:00:00Z", 1_672_549_200 * S),
    ("2023-01-01T02:00:00+02:00", 1_672_531_200 * S),
    ("2022-12-31T22:00:00-02:00", 1_672_531_200 * S),
    ("2023-01-02T00:00:00+24:00", 1_672_531_200 * S),
    ("2023-01-01T01:00:00+00:60", 1_672_531_200 * S),
    ("0001-01-01T00:00:00Z", NO_DATE),
    ("9999-12-31T23:59:59Z", 253_402_300_799 * S),
]


@pytest.mark.parametrize(("text", "nanoseconds"), TIMES)
def test_a_time_is_nanoseconds_since_the_epoch(text: str, nanoseconds: int) -> None:
    assert nanoseconds == parse_instant(text)


NO_TIMES = [
    "",
    "2023-01-01",
    "2023-01-01T00:00:00",
    "2023-01-01 00:00:00Z",
    "2023-01-01t00:00:00z",
    "2023-13-01T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2023-01-01T24:00:00Z",
    "2023-01-01T00:60:00Z",
    "2023-01-01T00:00:60Z",
    "2023-01-01T00:00:00+25:00",
    "2023-01-01T00:00:00+00:61",
    "2023-01-01T00:00:00+0200",
    "2023-01-01T00:00:00.Z",
    "2023-01-01T00:00:00Z ",
    "\N{FULLWIDTH DIGIT TWO}023-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_instant(text) is None


@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_a_time_is_the_same_instant_in_any_zone(moment: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    in_utc = parse_instant(moment.isoformat(timespec="microseconds") + "Z")

    elsewhere = parse_instant(moment.isoformat(timespec="microseconds") + zone)

    since_epoch = moment.replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)
    assert in_utc == since_epoch // timedelta(microseconds=1) * 1000
    assert elsewhere == in_utc - minutes * 60 * S
