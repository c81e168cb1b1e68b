"""Times as Zot reads and writes them: RFC 3339, up to nanoseconds, as Go does it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SECOND = 1_000_000_000
# Times that a test's ten thousand images repeat are read and written once.
_REMEMBERED = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(_REMEMBERED)
def timestamp(nanoseconds: int) -> str:
    """*nanoseconds* since the epoch, in UTC; a fraction has no zeros at its end."""
    seconds, fraction = divmod(nanoseconds, _SECOND)
    whole = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{whole}{_fraction(f'.{fraction:09d}')}Z"


@lru_cache(_REMEMBERED)
def nanoseconds(text: str) -> int:
    """Nanoseconds since the epoch of the time *text*; raises ValueError for what is none."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"no time: {text}")
    since = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")) - _EPOCH
    fraction = int((found[2] or ".0")[1:10].ljust(9, "0"))
    return (since.days * 86_400 + since.seconds) * _SECOND + fraction


@lru_cache(_REMEMBERED)
def as_stated(text: str) -> str | None:
    """*text* as Go would write the time again, in the zone it states; None if it is none."""
    found = _TIME.fullmatch(text)
    try:
        nanoseconds(text)
    except ValueError:  # no time, or no day that there is
        return None
    assert found is not None
    zone = "Z" if found[3] == "+00:00" else found[3]
    return f"{found[1]}{_fraction(found[2] or '')}{zone}"


@lru_cache(_REMEMBERED)
def in_utc(text: str) -> str:
    """The same time in UTC: times of configs go through a database that keeps no zone."""
    return timestamp(nanoseconds(text))


def _fraction(text: str) -> str:
    return text.rstrip("0").rstrip(".")
