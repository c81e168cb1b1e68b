"""Durations as Go programs write them: `90s`, `1h30m`, `1.5h`, `-3ms`; there are no days."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # MICRO SIGN
    "μs": 1_000,  # GREEK SMALL LETTER MU
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(rf"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?({'|'.join(_UNITS)})")
_LONGEST = 64  # characters; what is longer overflows 64 bits of nanoseconds, or pads with zeros
_GREATEST = 2**63 - 1  # nanoseconds: 292 years


def parse_duration(text: str) -> int:
    """Nanoseconds, as Go's time.ParseDuration gives them. Raises `ValueError`."""
    fault = f"{text[:_LONGEST]!r} is not a duration like 90s, 10m or 1h30m"
    unsigned = text[1:] if text[:1] in ("-", "+") else text
    if unsigned == "0":
        return 0
    if not unsigned or len(text) > _LONGEST:
        raise ValueError(fault)
    total = position = 0
    while position < len(unsigned):
        part = _PART.match(unsigned, position)
        if part is None:
            raise ValueError(fault)
        whole, fraction, unit = part[1] or "0", part[2] or "", _UNITS[part[3]]
        total += int(whole) * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = part.end()
    if total > _GREATEST + text.startswith("-"):
        raise ValueError(fault)
    return -total if text.startswith("-") else total
