"""Whether files changed, cheaply: what the system says of them, without reading any."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from cmp.registry.secrets import file_stamp

_DEEPEST = 3  # folders below a path, as in <namespace>/<name>/<key> of Secrets
# Entries below one path: a folder of so many is no folder of rules or Secrets, and to look at all
# of them every few seconds would take more than it is worth.
_MOST = 10_000


def stamp_of(paths: Iterable[Path]) -> Hashable:
    """Another value than before, once what one of *paths* leads to may be another.

    Links are followed: when a mounted ConfigMap or Secret is swapped by its link `..data`, each of
    its files has another inode and time of change. Raises nothing.
    """
    return tuple(
        (str(place), file_stamp(place))
        for path in paths
        for place in islice(_walk(path, _DEEPEST), _MOST)
    )


def _walk(path: Path, deeper: int) -> Iterator[Path]:
    """*path* and what is in it; of folders with a leading dot only the folder."""
    yield path
    if not deeper or (deeper < _DEEPEST and path.name.startswith(".")):
        return
    try:
        inside = sorted(path.iterdir())
    except (OSError, ValueError):  # no folder, or none that may be read
        return
    for each in inside:
        yield from _walk(each, deeper - 1)
