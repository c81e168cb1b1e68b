"""Secrets that credentials name: from a folder, or from nowhere.

A folder has `<folder>/<namespace>/<name>/<key>`, as Kubernetes mounts a Secret or ConfigMap: its
keys are links to `..data/<key>`, and `..data` is a link to a folder that changes as a whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Protocol

from cmp.errors import DeniedError, NotFoundError, RegistryError
from cmp.registry.files import Files

# A Secret holds 1 MiB in all.
_LARGEST = 1024 * 1024
# Kubernetes' own rules: RFC 1123 labels and subdomains; for keys also upper case and underscores.
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"(?!.*\.\.)[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_KEY = re.compile(r"(?!\.\.)[-._a-zA-Z0-9]{1,253}")
# Between finding where `..data` leads and reading there, kubelet may take the old folder away.
_LOOKS = 3
_MOUNT = "check that the Secret is mounted there, and may be read"


class Secrets(Protocol):
    """Who has Secrets. It raises `DeniedError`, and `UnreachableError` where that will pass."""

    async def data(
        self, namespace: str, name: str, /, *, afresh: bool = False
    ) -> Mapping[str, str]:
        """The data of the Secret, decoded; what is no UTF-8 is left out.

        With *afresh*, as what it held was refused, nothing that is remembered counts.
        """
        ...

    def stamp(self, namespace: str, name: str, /) -> Hashable:
        """Another value than before, once the data may be another. Raises nothing."""
        ...


class NoSecrets:
    """Where no folder of Secrets is named."""

    async def data(
        self, namespace: str, name: str, /, *, afresh: bool = False
    ) -> Mapping[str, str]:
        """Nothing: raises `DeniedError`."""
        del afresh
        raise DeniedError(
            "RT562",
            f"the Secret {namespace}/{name} cannot be read: no folder of Secrets is named",
            remedy="name the folder that has <namespace>/<name>/<key> with --secrets DIR",
        )

    def stamp(self, _namespace: str, _name: str, /) -> Hashable:
        """Always the same."""
        return None


class SecretFiles:
    """The Secrets below *folder*, and nothing that lies outside of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def data(
        self, namespace: str, name: str, /, *, afresh: bool = False
    ) -> Mapping[str, str]:
        """What the files of the Secret hold, each by its key, of one moment."""
        del afresh  # nothing is remembered
        return self._data(namespace, name)

    def _data(self, namespace: str, name: str) -> Mapping[str, str]:
        place = _place(namespace, name)
        for _ in range(_LOOKS):
            home = self._home(namespace, name)
            try:
                return _read(home)
            except (FileNotFoundError, NotFoundError):
                continue
            except (OSError, RegistryError) as error:
                reason = error.strerror if isinstance(error, OSError) else error.what
                raise DeniedError(
                    "RT563", f"{place} cannot be read: {reason}", remedy=_MOUNT
                ) from None
        raise DeniedError(
            "RT563",
            f"{place} is not in the folder of Secrets",
            remedy="its keys belong there as files, <namespace>/<name>/<key>",
        )

    def stamp(self, namespace: str, name: str, /) -> Hashable:
        """Names, places, sizes and times of change of all its files."""
        try:
            home = self._home(namespace, name)
            return tuple(sorted((path.name, file_stamp(path)) for path in home.iterdir()))
        except (DeniedError, OSError):
            return None

    def _home(self, namespace: str, name: str) -> Path:
        """The folder that has the Secret's files now. Raises `DeniedError`."""
        check_name(namespace, name)
        folder = _real(self._folder)
        home = _real(folder / namespace / name / "..data")
        if not home.is_dir():  # plain files, without the layout of a mounted Secret
            home = _real(folder / namespace / name)
        _check_inside(home, folder, _place(namespace, name))
        return home


def check_name(namespace: str, name: str) -> None:
    """Raise `DeniedError` RT563 for what cannot be a Secret's *namespace* and *name*."""
    if not (_NAMESPACE.fullmatch(namespace) and _NAME.fullmatch(name)):
        what = f"{namespace!r}/{name!r} is no name of a Secret"
        raise DeniedError("RT563", what, remedy="write namespace/name")


def file_stamp(path: Path) -> tuple[int, ...]:
    """Another value than before, once the file that *path* leads to was changed or replaced."""
    try:
        stat = path.stat()
    except (OSError, ValueError):  # the second for a name that no file has
        return ()
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _read(home: Path) -> dict[str, str]:
    files = Files(home)
    data = {}
    room = _LARGEST
    for path in home.iterdir():
        target = _real(path)
        if not _KEY.fullmatch(path.name) or target.is_dir():
            continue
        _check_inside(target, home, f"its key {path.name}")
        content = files.read(str(target.relative_to(home)), room)
        room -= len(content)
        try:
            data[path.name] = content.decode()
        except UnicodeDecodeError:  # no login is in it
            continue
    return data


def _real(path: Path) -> Path:
    """*path* without links, as far as there is one; unlike `resolve`, no error for a loop."""
    return Path(os.path.realpath(path))


def _check_inside(target: Path, folder: Path, place: str) -> None:
    if not target.is_relative_to(folder):
        what = f"{place} is a link that leads out of its folder"
        raise DeniedError("RT563", what, remedy=_MOUNT)


def _place(namespace: str, name: str) -> str:
    return f"the Secret {namespace}/{name}"
