"""How many objects Argo CD would make of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from cmp.errors import ManifestError
from cmp.manifests.document import Document
from cmp.manifests.sites import Location
from cmp.manifests.stream import Splitter


def objects(stream: bytes) -> Iterator[Location]:
    """The place of each object that Argo CD's decoder makes of *stream*, in order.

    A document without content, or with `null`, is none. Raises `ManifestError` at the place where
    Argo CD would fail, after the objects before it.
    """
    for part in Splitter(stream):
        document = Document(stream, part)
        if not document.content.is_null:
            yield document.place(part.start)


def is_empty(stream: bytes) -> bool:
    """Whether Argo CD would make no object of *stream*, and prune all it has.

    Reads no further than the first object. A stream that Argo CD cannot read is not empty: it
    fails there, and nothing is pruned.
    """
    try:
        return next(objects(stream), None) is None
    except ManifestError:
        return False
