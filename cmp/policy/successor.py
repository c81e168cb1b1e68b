"""What is written in the place of a reference once a tag is chosen."""

from __future__ import annotations

from enum import StrEnum

from cmp.reference import Reference
from cmp.tags import Tag


class Output(StrEnum):
    """How a chosen tag is written."""

    TAG = "tag"
    TAG_AND_DIGEST = "tag@digest"
    DIGEST = "digest"


def successor(current: Reference, tag: Tag, output: Output) -> Reference | None:
    """The reference to *tag* that takes the place of *current*; None if *current* may stay.

    As in the Image Updater, where a digest is written it alone tells whether the image is the
    same, whatever tag stands beside it; and where none is written, one that stands there goes.
    For a *tag* without digest the tag alone is written, as there for registries whose order stands
    for dates; whether that may be is up to the caller.
    """
    if output is Output.TAG or tag.digest is None:
        is_same = (current.tag, current.digest) == (tag.name, None)
        return None if is_same else current.with_tag(tag.name)
    if current.digest == tag.digest:
        return None
    return current.with_tag(None if output is Output.DIGEST else tag.name, tag.digest)
