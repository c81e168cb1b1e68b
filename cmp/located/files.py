"""Files and folders that people name: bounded, UTF-8, with one error for what cannot be read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cmp.errors import Place, RuleError
from cmp.located.reader import LONGEST_TEXT, YamlError

_SUFFIXES = (".yaml", ".yml", ".json")


def files_in(path: Path, *, also: Collection[str] = ()) -> list[Path]:
    """*path*, or the YAML and JSON files of a folder, and those named like one of *also*.

    As kubectl reads a folder: none below it. Hidden files are left out, since a mounted ConfigMap
    has a `..data`. Raises `RuleError`.
    """
    try:
        if not path.is_dir():
            return [path]
        return sorted(
            each
            for each in path.iterdir()
            if (each.suffix in _SUFFIXES or each.name in also)
            and not each.name.startswith(".")
            and each.is_file()
        )
    except OSError as error:
        raise _unreadable(path, error) from error


def read_text(path: Path) -> str:
    """The file's text, without a byte order mark.

    Raises `YamlError` if it is too long or not UTF-8, `RuleError` where it cannot be read at all.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_TEXT + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > LONGEST_TEXT:
        raise YamlError("RT301", f"longer than {LONGEST_TEXT} bytes", Place(str(path)))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError("RT300", "is not UTF-8", Place(str(path))) from error


def _unreadable(path: Path, error: OSError) -> RuleError:
    what = f"cannot be read: {error.strerror}"
    return RuleError("RT308", what, where=str(path), remedy="check the path")
