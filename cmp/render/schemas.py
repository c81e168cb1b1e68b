"""The schemas that helm checks a chart's values against: they may refer to themselves alone.

Helm loads whatever a reference in a `values.schema.json` names: `file:///…`, a path, which it
starts at `/` and not at the chart, an address. Its errors say whether a file is there and what is
wrong with its content, so a chart's author could read in the plugin's container. Looked at is all
that helm's loader may take for a schema (pkg/chart/v2/loader), rather too much than too little.
"""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cmp.errors import RenderError
from cmp.render.paths import read_file, walk

_SCHEMA = "values.schema.json"
_ARCHIVE = ".tgz"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef", "$schema")
# A place in the schema itself; a draft, which helm carries; a name, for which it takes "anything".
_HARMLESS = re.compile(r"#.*|https?://json-schema\.org/[\w./#-]*|urn:.*", re.DOTALL)
_LARGEST_FILE = 5 * 1024 * 1024  # bytes; helm's MaxDecompressedFileSize
_LARGEST_CHART = 100 * 1024 * 1024  # bytes; helm's MaxDecompressedChartSize
_MOST_CHARTS = 1_000  # folders of subcharts
_DEEPEST = 8  # archives in each other; charts that depend on charts are packed so


def check_schemas(chart: Path) -> None:
    """See that no schema of *chart*, a folder, or of its subcharts refers to something outside.

    Links are followed, as helm does, and have been checked before. Raises `RenderError`.
    """
    for folder in _charts(chart):
        place = folder.relative_to(chart) if folder.is_relative_to(chart) else folder.name
        if (schema := folder / _SCHEMA).exists():
            _check(read_file(schema.resolve(), _LARGEST_FILE), f"{place / Path(_SCHEMA)}")
        for entry in _entries(folder / "charts"):
            if entry.suffix == _ARCHIVE and not entry.is_dir():
                content = read_file(entry.resolve(), _LARGEST_FILE)
                _check_archive(content, f"{place / Path('charts') / entry.name}", _DEEPEST)


def _charts(chart: Path) -> Iterator[Path]:
    """The folders of *chart* and its subcharts, each once."""
    seen: set[Path] = set()
    waiting = [chart.resolve()]
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        if len(seen) > _MOST_CHARTS:
            raise RenderError("RT444", f"the chart has more than {_MOST_CHARTS} subcharts")
        yield folder
        waiting += [each.resolve() for each in _entries(folder / "charts") if each.is_dir()]


def _entries(folder: Path) -> list[Path]:
    return [Path(each.path) for each in walk(folder, recurse=False)] if folder.is_dir() else []


def _check(content: bytes, where: str) -> None:
    """See that the schema *content* refers to itself alone."""
    try:
        # Go's decoder takes no JSON that this one does not, and replaces what is no UTF-8 too.
        json.loads(
            content.decode("utf-8-sig", "replace"),
            object_pairs_hook=partial(_check_members, where),
            parse_int=str,
            strict=False,
        )
    except (ValueError, RecursionError):
        raise RenderError("RT443", "the schema is not JSON", where=where) from None


def _check_members(where: str, members: list[tuple[str, Any]]) -> None:
    """See to one object; what it holds has been seen to already."""
    for name, value in members:
        if name in _REFERENCES and isinstance(value, str) and not _HARMLESS.fullmatch(value):
            raise RenderError(
                "RT442",
                f"the schema refers to {value!r}, which is not in it: helm would look for it on "
                "this machine or in the network",
                where=where,
                remedy="write `#/$defs/…`, or set the parameter helm-skip-schema-validation",
            )


def _check_archive(content: bytes, where: str, depth: int) -> None:
    """See to the schemas in a packed chart, which may hold others, at most *depth* in each other.

    What follows an archive's end counts too: Go and Python may not agree where that is.
    """
    if not depth:
        raise RenderError("RT444", f"more than {_DEEPEST} charts are packed in each other")
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            unpacked = packed.read(_LARGEST_CHART + 1)
        if len(unpacked) > _LARGEST_CHART:
            what = f"the chart is longer than {_LARGEST_CHART} bytes"
            raise RenderError("RT444", what, where=where)
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:", ignore_zeros=True) as files:
            for member in files:
                _check_member(files, member, where, depth)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError):
        raise RenderError("RT443", "the chart cannot be unpacked", where=where) from None


def _check_member(
    files: tarfile.TarFile, member: tarfile.TarInfo, archive: str, depth: int
) -> None:
    # As helm reads names: those with a `\` are Windows', and dots are taken out.
    name = posixpath.normpath(member.name.replace("\\", "/"))
    is_schema, is_chart = name.endswith(_SCHEMA), name.endswith(_ARCHIVE)
    if not (is_schema or is_chart) or member.issym() or member.islnk():  # links are empty files
        return
    file = files.extractfile(member)
    if file is None:  # a folder
        return
    content, where = file.read(_LARGEST_FILE + 1), f"{archive}: {member.name}"
    if len(content) > _LARGEST_FILE:
        raise RenderError("RT444", f"the file is longer than {_LARGEST_FILE} bytes", where=where)
    if is_schema:
        _check(content, where)
    else:
        _check_archive(content, where, depth - 1)
