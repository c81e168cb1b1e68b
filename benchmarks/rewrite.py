"""How fast images are found in manifests and others written in their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from yaml._yaml import CParser

from benchmarks.corpus import RULED, dense, sparse
from benchmarks.row import Row
from cmp.manifests import find_images, rewrite
from cmp.reference import Reference

SIZE = 2_000_000
ROUNDS = 9
_METHOD = f"find_images and rewrite, CPU time, best of {ROUNDS}"
_BESIDE = f"the same, divided by PyYAML's reading of all libyaml events; best of {ROUNDS} each"


def run() -> Iterator[Row]:
    """Measures a stream in which few documents matter, and one in which all do."""
    inputs = (
        ("rewriting 2 MB, 5 % of the documents with ruled images", sparse(SIZE), "≥ 60"),
        ("rewriting 2 MB, a ruled image in every document", dense(SIZE), "≥ 7"),
    )
    for name, stream, target in inputs:
        seconds = _best(_rewritten, stream)
        yield Row(name, round(len(stream) / seconds / 1e6, 1), "MB/s", target, _METHOD)
        yield Row(f"{name}: time", seconds / _best(_parsed, stream), "times", "", _BESIDE)


def _best(measured: Callable[[bytes], None], stream: bytes) -> float:
    """The least CPU seconds of some rounds."""
    return min(_seconds(measured, stream) for _ in range(ROUNDS))


def _seconds(measured: Callable[[bytes], None], stream: bytes) -> float:
    start = time.process_time()
    measured(stream)
    return time.process_time() - start


def _rewritten(stream: bytes) -> None:
    repository = Reference.parse(RULED).repository
    sites = find_images(stream, {repository})
    after = rewrite(stream, {site: str(site.image.with_tag("v2.0.0")) for site in sites})
    assert after.count(b":v2.0.0") == len(sites) > 0


def _parsed(stream: bytes) -> None:
    parser = CParser(stream)
    while parser.get_event() is not None:
        pass
