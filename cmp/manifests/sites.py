"""Site: an image field of a stream, and the place where its text stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cmp.reference import Reference


class Quoting(Enum):
    """How a scalar is written; the value is its quote."""

    PLAIN = ""
    SINGLE = "'"
    DOUBLE = '"'


@dataclass(frozen=True, slots=True)
class Location:
    """Where a field stands: *document* and *line* of the stream, both from 1, and the object.

    *kind*, *name* and *namespace* are "" where the object does not say; *path* is the field within
    the object: `spec.template.spec.containers[0].image`, "" where it is not known.
    """

    document: int
    line: int
    kind: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        name = "/".join(filter(None, (self.namespace, self.name)))
        thing = " ".join(filter(None, (self.kind, name)))
        parts = (f"line {self.line}", f"document {self.document}", thing, self.path)
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Site:
    """An image field whose text can be replaced.

    *start* and *end* bound the bytes of the stream that hold the reference, between the quotes
    where there are any; *image* is what they spell.
    """

    start: int
    end: int
    quoting: Quoting
    image: Reference
    place: Location
