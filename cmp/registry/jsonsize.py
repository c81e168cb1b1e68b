"""How much there is in JSON, counted before it is read."""

from __future__ import annotations

_MARKS = (b",", b"[", b"{")


def count_values(body: bytes) -> int:
    """No fewer values than *body* holds, save the one that it is.

    Behind each mark stands one value or none, but for strings, where marks mean nothing. Short
    values take some hundred times their bytes once they are read: `{}` in an index takes 700.
    """
    return sum(map(body.count, _MARKS))
