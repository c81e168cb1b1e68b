"""Digests that registries state, and whether bytes are what a digest says."""

from __future__ import annotations

import hashlib

from cmp.errors import BadReplyError
from cmp.reference import is_digest


def check_digest(text: str) -> None:
    """Nothing if *text* is a digest, which cannot lead out of a folder. Raises `BadReplyError`."""
    if not is_digest(text):
        raise BadReplyError("RT510", f"{text!r} is not a digest")


def verify(digest: str, body: bytes) -> None:
    """Nothing if *digest* is that of *body*. Raises `BadReplyError`."""
    check_digest(digest)
    algorithm, _, expected = digest.partition(":")
    if hashlib.new(algorithm, body).hexdigest() != expected:
        raise BadReplyError("RT511", f"the content is not what its digest {digest} says")
