"""What stores write for the objects of a kind, each its own record, and how a set is read.

A set is whole if it has the record of the key "", which is written with all others at once; and it
counts only if each of its records is well-formed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cmp.store import records

# Bytes of all records of a set: 10,000 Applications have some 10 MB.
LARGEST = 64 * 1024 * 1024
MOST = 100_000  # records
WHOLE = b""  # the key of the record that says so
_SAID = b"whole"


def encode(kind: str, values: Mapping[str, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Key and record of each of *values*, which are objects of *kind*."""
    for key, value in values.items():
        yield key.encode(), records.seal(_name(kind, key), value)


def whole(kind: str) -> bytes:
    """The record that says that the set of *kind* is whole."""
    return records.seal(_name(kind, ""), _SAID)


def decode(kind: str, found: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes] | None:
    """The objects of *kind* by key, of all keys and records there are; None for no whole set."""
    values: dict[str, bytes] = {}
    for key, record in found:
        name = key.decode("utf-8", "replace")
        value = records.unseal(_name(kind, name), record)
        if value is None:
            return None
        values[name] = value
    return values if values.pop("", None) == _SAID else None


def _name(kind: str, key: str) -> str:
    return f"{kind}\0{key}"
