"""How fast images are found in manifests and others written in their place."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.corpus import RULED, dense, sparse
from benchmarks.row import Row
from cmp.manifests import find_images, rewrite
from cmp.reference import Reference

SIZE = 2_000_000
ROUNDS = 9
_METHOD = f"find_images and rewrite, CPU time, best of {ROUNDS}"


def run() -> Iterator[Row]:
    """Measures a stream in which few documents matter, and one in which all do."""
    inputs = (
        ("rewriting 2 MB, 5 % of the documents with ruled images", sparse(SIZE), "≥ 60"),
        ("rewriting 2 MB, a ruled image in every document", dense(SIZE), "≥ 7"),
    )
    for name, stream, target in inputs:
        seconds = min(_seconds(stream) for _ in range(ROUNDS))
        yield Row(name, round(len(stream) / seconds / 1e6, 1), "MB/s", target, _METHOD)


def _seconds(stream: bytes) -> float:
    repository = Reference.parse(RULED).repository
    start = time.process_time()
    sites = find_images(stream, {repository})
    after = rewrite(stream, {site: str(site.image.with_tag("v2.0.0")) for site in sites})
    seconds = time.process_time() - start
    assert after.count(b":v2.0.0") == len(sites) > 0
    return seconds
