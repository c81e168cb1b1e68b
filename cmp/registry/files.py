"""Regular files below a folder, and nothing else: no links, devices, pipes, or way out of it.

Every step of a path is opened by itself and never through a symbolic link, so that whoever can
write into the folder cannot lead a reader elsewhere. Zot makes no links: it deduplicates with hard
ones, which are files like others.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path

from cmp.errors import (
    BadReplyError,
    DeniedError,
    NotFoundError,
    RegistryError,
    UnreachableError,
)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1024 * 1024


class Files:
    """What lies below *root*, which may itself be a link, since the operator named it.

    Paths are relative to it, their steps joined by `/`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str, limit: int) -> bytes:
        """The bytes of the file at *path*, at most *limit* of them.

        Raises `NotFoundError`; `DeniedError`; `BadReplyError` for what is no regular file, or is
        larger; `UnreachableError` where the root is missing or the disk fails.
        """
        with ExitStack() as stack:
            file = self._open(path, stack)
            try:
                return _read(file, path, limit)
            except OSError as error:
                raise _error(error, path) from error

    def modified(self, path: str) -> float:
        """When the file at *path* was written, in seconds since the epoch. Raises as `read`."""
        with ExitStack() as stack:
            return os.fstat(self._open(path, stack)).st_mtime

    def holds(self, path: str) -> bool:
        """Whether there is a regular file at *path*. Raises as `read`, save `NotFoundError`."""
        with ExitStack() as stack:
            try:
                self._open(path, stack)
            except NotFoundError:
                return False
            return True

    def _open(self, path: str, stack: ExitStack) -> int:
        *folders, name = _steps(path)
        folder = self._open_root(stack)
        try:
            for step in folders:
                folder = os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                stack.callback(os.close, folder)
            file = os.open(name, _FILE, dir_fd=folder)
        except OSError as error:
            raise _error(error, path) from error
        stack.callback(os.close, file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _not_regular(path)
        return file

    def _open_root(self, stack: ExitStack) -> int:
        try:
            root = os.open(self.root, _FOLDER)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise UnreachableError(
                "RT502", f"the registry's folder {self.root} cannot be opened: {reason}"
            ) from error
        stack.callback(os.close, root)
        return root


def _steps(path: str) -> list[str]:
    """The steps of *path*, each of which leads one level down."""
    steps = path.split("/")
    if not all(steps) or {".", ".."} & set(steps) or "\0" in path:
        raise BadReplyError("RT504", f"{path!r} is not a path below the registry's folder")
    return steps


def _read(file: int, path: str, limit: int) -> bytes:
    """All of *file*, whose size is not asked because it may be growing."""
    body = bytearray()
    while chunk := os.read(file, _CHUNK):
        body += chunk
        if len(body) > limit:
            raise BadReplyError("RT505", f"{path} is larger than {limit} bytes")
    return bytes(body)


def _error(error: OSError, path: str) -> RegistryError:
    """What *error*, met on the way to *path*, means."""
    reason = os.strerror(error.errno or 0).lower()
    match error.errno:
        case errno.ENOENT:
            return NotFoundError("RT506", f"there is no {path}")
        case errno.ELOOP | errno.ENOTDIR | errno.ENXIO:  # a link, or a file where a folder is due
            return _not_regular(path)
        case errno.EACCES | errno.EPERM:
            remedy = "read it as the user that Zot runs as, or as one of its group"
            return DeniedError("RT503", f"{path} cannot be read: {reason}", remedy=remedy)
    return UnreachableError("RT507", f"{path} cannot be read: {reason}")


def _not_regular(path: str) -> BadReplyError:
    return BadReplyError("RT504", f"{path} is not a regular file in regular folders")
