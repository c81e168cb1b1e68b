"""Instants as the API server writes them, RFC 3339 in UTC and whole seconds, and as numbers."""

from __future__ import annotations

from datetime import UTC, datetime


def instant_of(seconds: float) -> str:
    """*seconds* since the epoch as the API server writes instants."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(instant: object) -> float:
    """The other way; 0 for what is none."""
    try:
        return datetime.fromisoformat(str(instant)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
