"""Bytes are what their digest says, and a digest is nothing else."""

from __future__ import annotations

import hashlib

import pytest

from cmp.errors import BadReplyError
from cmp.registry.digest import check_digest, verify

BODY = b'{"schemaVersion":2}'


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_content_of_each_algorithm_is_verified(algorithm: str) -> None:
    digest = f"{algorithm}:{hashlib.new(algorithm, BODY).hexdigest()}"

    verify(digest, BODY)

    with pytest.raises(BadReplyError, match="not what its digest"):
        verify(digest, BODY + b" ")


NO_DIGESTS = {
    "empty": "",
    "no algorithm": "a" * 64,
    "unknown algorithm": "md5:" + "a" * 32,
    "too short": "sha256:" + "a" * 63,
    "too long": "sha256:" + "a" * 65,
    "length of another algorithm": "sha256:" + "a" * 128,
    "upper case": "sha256:" + "A" * 64,
    "a way out": "sha256:../../../../etc/passwd",
    "another script's digits": "sha256:" + "٣" * 64,
    "line end": "sha256:" + "a" * 64 + "\n",
}


@pytest.mark.parametrize("text", NO_DIGESTS.values(), ids=NO_DIGESTS)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(BadReplyError, match="RT510"):
        check_digest(text)
