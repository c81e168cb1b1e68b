"""The resolver's Unix socket: bound with its mode from the first moment, and ours alone.

A lock beside it, which nobody else may open, says that a resolver runs; the kernel lets go of it
however that one ends. What such a one left behind is replaced, and nothing else ever is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import NoReturn, Self

from cmp.errors import ResolverError

_LONGEST_PATH = 107  # bytes: sun_path of unix(7) has 108, with a NUL
_UMASK = 0o117  # so that bind(2) makes 0660
_LOCK_MODE = 0o600


class UnixSocket:
    """A stream socket at *path*, bound; a context manager that removes it.

    Raises `ResolverError` where it cannot be, because another resolver runs, or something else
    stands there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if len(os.fsencode(path)) > _LONGEST_PATH:
            _refuse(path, f"the path is longer than the {_LONGEST_PATH} bytes that a socket's has")
        self._lock = _lock(path)
        try:
            self.socket = _bind(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._identity = _identity(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
        self.socket.close()
        os.close(self._lock)

    @property
    def in_place(self) -> bool:
        """Whether who connects to the path comes to this socket."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    def remove(self) -> None:
        """Take it from its path, if it is still there, so that nobody finds it any more."""
        if self.in_place:
            self.path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _lock(path: Path) -> int:
    """The descriptor of the lock beside *path*, held."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(f"{path}.lock", flags, _LOCK_MODE)
    except OSError as error:
        _refuse(path, f"{path.name}.lock beside it cannot be opened: {error.strerror}")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        _refuse_second(path)
    return descriptor


def _bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        before = os.umask(_UMASK)
        try:
            bound.bind(os.fsencode(path))
        finally:
            os.umask(before)
    except OSError as error:
        bound.close()
        _refuse(path, error.strerror)
    except ResolverError:
        bound.close()
        raise
    return bound


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at. Raises `OSError` and `ResolverError`."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        _refuse(path, "something that is no socket stands there")
    if _somebody_listens(path):
        _refuse_second(path)
    path.unlink()


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # one whose queue is full would have us wait
        return client.connect_ex(os.fsencode(path)) not in {errno.ECONNREFUSED, errno.ENOENT}


def _refuse(path: Path, why: str | None) -> NoReturn:
    raise ResolverError(
        "RT610",
        f"the resolver cannot listen: {why}",
        where=str(path),
        remedy="name a path in a folder that the resolver alone may write to",
    )


def _refuse_second(path: Path) -> NoReturn:
    raise ResolverError(
        "RT611",
        "another resolver listens there",
        where=str(path),
        remedy="stop it, or give each its own --socket",
    )
