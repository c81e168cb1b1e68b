"""Writes other references into the image fields of a stream, and touches no other byte."""

from __future__ import annotations

from collections.abc import Mapping

from cmp.manifests.scalars import reads_alike
from cmp.manifests.sites import Quoting, Site
from cmp.reference import Reference


def rewrite(stream: bytes, edits: Mapping[Site, str]) -> bytes:
    """*stream* with the reference at each site of *edits* replaced; the sites are of that stream.

    What is written reads back as that reference in YAML 1.1 and JSON: quotes stay, and a plain
    scalar gets some where it would be read as something else (`190:20` is a number to many
    readers). Raises `cmp.reference.InvalidReferenceError` for a text that is no reference.
    """
    pieces: list[bytes] = []
    end = len(stream)
    for site in sorted(edits, key=lambda site: site.start, reverse=True):
        text = str(Reference.parse(edits[site]))
        if text != site.image.text:
            pieces += stream[site.end : end], _written(text, site.quoting)
            end = site.start
    if not pieces:
        return stream
    return b"".join([stream[:end], *reversed(pieces)])


def _written(text: str, quoting: Quoting) -> bytes:
    # A reference holds no quote and no backslash; an IPv6 registry (`[::1]:5000/app`) would
    # open a list.
    if quoting is Quoting.PLAIN and (text.startswith("[") or not reads_alike(text)):
        return f'"{text}"'.encode()
    return text.encode()
