"""The part of a document that matters: collections, the scalars that may be images, their places.

An alias makes its anchor's value stand in a second place, and `<<` makes a mapping's entries stand
in another; both are kept as uses of one node and never expanded, so an alias bomb stays small.
"""

from __future__ import annotations

from enum import Enum

from yaml.events import ScalarEvent


class Special(Enum):
    """Keys that are none."""

    ITEM = "[]"  # in patterns: any index of a list
    ROOT = "root"  # the document's root stands in a list of its own
    MERGE = "<<"  # the value's entries stand in the mapping itself
    KEY = "key"  # the value is itself a key


# A key of a mapping, the index in a list, or a special.
Key = str | int | Special


class Node:
    """A value: it stands in *holder* under *key*, and in every further one of *uses*."""

    holder: Collection | None
    key: Key
    uses: tuple[tuple[Collection, Key], ...] = ()


class Scalar(Node):
    """A scalar, with the *event* that brought it."""

    size = 1

    def __init__(self, holder: Collection, key: Key, event: ScalarEvent) -> None:
        self.holder = holder
        self.key = key
        self.event = event


class Collection(Node):
    """A mapping or a list, *depth* collections deep, with brackets if *is_flow*.

    *length* counts the items of a list; *facts* are the scalars of a mapping that may tell what
    an object is, None elsewhere; *metadata* is the mapping under that key. *size* is the number
    of nodes, aliases expanded, None while the collection is being read; *before* those before it.
    """

    # Defaults of the class, because there are many collections, and few that need them.
    is_flow = False
    length = 0
    facts: dict[Key, str] | None = None
    metadata: Collection | None = None
    before = 0
    size: int | None = None

    def __init__(self, holder: Collection | None, key: Key, *, is_mapping: bool) -> None:
        self.holder = holder
        self.key = key
        self.is_mapping = is_mapping
        self.depth: int = holder.depth + 1 if holder else 0

    def fact(self, key: str) -> str:
        """The text under *key*, "" if there is none."""
        return (self.facts or {}).get(key, "")
