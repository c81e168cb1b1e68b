"""Build times: RFC 3339 as Go's time.Parse reads it, since Go programs wrote and read them."""

from __future__ import annotations

import re
from datetime import date

# Looser than RFC 3339 in what Go's parser lets pass: an hour of one digit, a comma for the point.
_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:Z|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_EPOCH = date(1970, 1, 1).toordinal()
_SECOND = 1_000_000_000  # nanoseconds

# Go's zero time, 0001-01-01: what the Image Updater takes for "no date found".
NO_DATE = (date.min.toordinal() - _EPOCH) * 86_400 * _SECOND


def parse_instant(text: str) -> int | None:
    """Nanoseconds since the epoch, digits beyond them dropped; None if *text* is no such time.

    Year 0000, which Go can count from and Python cannot, is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = int(match[4]), int(match[5]), int(match[6])
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = _offset(match[8], match[9], match[10])
    try:
        days = date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _EPOCH
    except ValueError:
        return None
    if offset is None:
        return None
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * _SECOND + int((match[7] or "")[:9].ljust(9, "0"))


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> int | None:
    """Seconds east of UTC. Go lets offsets of 24 hours and of 60 minutes pass."""
    if sign is None or hours is None or minutes is None:
        return 0
    if int(hours) > 24 or int(minutes) > 60:
        return None
    seconds = int(hours) * 3600 + int(minutes) * 60
    return -seconds if sign == "-" else seconds
