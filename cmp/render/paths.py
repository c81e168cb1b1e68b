"""Paths in a source, which a tenant writes: they lead nowhere but into the repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cmp.errors import RenderError

MOST_FILES = 100_000  # below one folder; Kubernetes' own repository has 30,000
_MOST_LINKED = 1_000  # folders that links lead to; each is walked by itself
_LARGEST_COPY = 256 * 1024 * 1024  # bytes; the plugin's folder for temporary files is a small one


def shown(root: Path, path: Path) -> str:
    """*path* for people: as it stands in *root*, if it does."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def locate(root: Path, path: Path, *, where: str = "") -> Path | None:
    """The real path of *path*, all links followed, in *root*; None if nothing is there.

    *root* is a real path, *path* is usually *root* and what a tenant wrote behind it, *where* the
    place he wrote it in. Raises `RenderError` if it leads out of *root*, be it there or not.
    """
    name = shown(root, path)
    try:
        real = path.resolve()
        if real.is_relative_to(root):
            return real if real.exists() else None
    except (OSError, RuntimeError):  # no right to look, or a loop of links
        raise RenderError("RT435", f"{name} cannot be read", where=where) from None
    raise RenderError(
        "RT434",
        f"{name} leads out of the repository",
        where=where,
        remedy="only what is in the repository is read",
    )


def inside(root: Path, path: Path, *, where: str = "") -> Path:
    """As `locate`, for what must be there: raises `RenderError` if it is not."""
    real = locate(root, path, where=where)
    if real is None:
        raise RenderError("RT435", f"{shown(root, path)} is not there", where=where)
    return real


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of *path*, a real path of a regular file, of which there are *limit* at most.

    Raises `RenderError` for anything else. Devices and pipes are not waited for.
    """
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RenderError("RT435", f"{path.name} is not a regular file")
            content = file.read(limit + 1)
    except OSError as error:
        raise RenderError("RT435", f"{path.name} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise RenderError("RT436", f"{path.name} is longer than {limit} bytes")
    return content


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def walk(folder: Path, *, recurse: bool = True) -> Iterator[os.DirEntry[str]]:
    """The entries of *folder*, or all below it, but `.git`, in the order of Go's filepath.Walk.

    Links are given and not followed. Raises `RenderError` where there are too many.
    """
    waiting = _children(folder)
    for _ in range(MOST_FILES):
        if not waiting:
            return
        entry = waiting.pop()
        yield entry
        if recurse and entry.is_dir(follow_symlinks=False):
            waiting += _children(Path(entry.path))
    raise RenderError("RT436", f"{folder.name} has more than {MOST_FILES} files below it")


def _children(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of *folder*, the first name last."""
    try:
        with os.scandir(folder) as entries:
            # Git's own files are thousands, and none of them is a source's.
            kept = [entry for entry in entries if entry.name != ".git"]
    except OSError as error:
        raise RenderError("RT435", f"{folder.name} cannot be read: {error.strerror}") from None
    return sorted(kept, key=lambda entry: entry.name, reverse=True)


def check_links(root: Path, folder: Path) -> None:
    """See that no link below *folder* leads out of *root*, for programs that follow links.

    Raises `RenderError` for the first one that does.
    """
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        if len(seen) > _MOST_LINKED:
            raise RenderError("RT436", f"{folder.name} links to more than {_MOST_LINKED} folders")
        links = (Path(entry.path) for entry in walk(here) if entry.is_symlink())
        waiting += [real for link in links if (real := inside(root, link)).is_dir()]


def shadow(root: Path, folder: Path, into: Path) -> Path:
    """A private tree *into* that looks like *root*, where *folder* is a writable copy.

    What lies beside that folder, and beside each one above it, is linked, so that relative paths
    out of the copy lead to the original files. Gives the path of the copy.
    """
    original, copy = root, into
    copy.mkdir()
    for part in folder.relative_to(root).parts:
        for entry in _children(original):
            if entry.name != part:
                (copy / entry.name).symlink_to(entry.path)
        original, copy = original / part, copy / part
        copy.mkdir()
    _copy(original, copy)
    return copy


def check_own(copy: Path, path: Path) -> None:
    """See that what is written to *path* stays in *copy*, and does not follow a link out of it."""
    if not path.resolve().is_relative_to(copy):
        raise RenderError(
            "RT437",
            f"{path.name} is a link out of the source, and would have to be written",
            remedy="put the file or folder itself into the source",
        )


def _copy(original: Path, copy: Path) -> None:
    left = _LARGEST_COPY
    for entry in walk(original):
        path = Path(entry.path)
        target = copy / path.relative_to(original)
        if entry.is_symlink():
            target.symlink_to(path.readlink())
        elif entry.is_dir():
            target.mkdir()
        elif entry.is_file():
            content = read_file(path, left)
            left -= len(content)
            target.write_bytes(content)
            target.chmod(path.stat().st_mode & 0o700 | 0o600)
