"""Checks of this machine or container: the socket, and the programs that rendering needs."""

from __future__ import annotations

import shutil
import socket
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sidecar.doctor.result import Result, warning, well, wrong
from sidecar.settings import PLUGIN_UID

_SOCKET = "socket"
_MODE = 0o660
_PATIENCE = 2.0  # seconds for a connect, which the kernel answers
_PEER = struct.Struct("3i")  # ucred of unix(7): process, user, group
_PROGRAMS = ("kustomize", "helm")


def check_socket(path: Path, *, plugin: int = PLUGIN_UID) -> Iterator[Result]:
    """Whether the resolver answers at *path*; *plugin* is the user that must not own it."""
    try:
        found = path.lstat()
    except OSError as error:
        remedy = "see whether the resolver's container runs, and mount its folder here"
        yield wrong("RT102", _SOCKET, f"{path}: {error.strerror}", remedy)
        return
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISSOCK(found.st_mode):
        what, remedy = f"{path} is no socket", "remove it, and start the resolver again"
        yield wrong("RT103", _SOCKET, what, remedy)
    elif found.st_uid == plugin:
        what = f"{path} belongs to user {plugin}, the plugin's own user"
        yield wrong("RT103", _SOCKET, what, "run the resolver as another user, such as 998")
    elif mode != _MODE:
        what = f"{path} has mode {mode:04o}, and the resolver makes it {_MODE:04o}"
        yield wrong("RT103", _SOCKET, what, "see who has made it; restart the resolver")
    else:
        yield _answering(path, found.st_uid)


def _answering(path: Path, owner: int) -> Result:
    """Who answers at *path*."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(path))
        except OSError as error:
            what = f"nobody answers at {path}: {error.strerror or error}"
            return wrong("RT104", _SOCKET, what, "see the resolver's log, and its user and group")
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    user = _PEER.unpack(peer)[1]
    if user != owner:
        what = f"{path} belongs to user {owner}, and user {user} answers"
        return wrong("RT104", _SOCKET, what, "end what answers there, and restart the resolver")
    return well(_SOCKET, f"user {user} answers at {path}")


def check_programs(find: Callable[[str], str | None] = shutil.which) -> Iterator[Result]:
    """Whether the renderers are there."""
    missing = [name for name in _PROGRAMS if find(name) is None]
    if missing:
        what = f"{' and '.join(missing)} cannot be found"
        remedy = "install it, or run Retag's image, which has it: sources that need it fail"
        yield warning("RT106", "programs", what, remedy)
    else:
        yield well("programs", f"{' and '.join(_PROGRAMS)} are there")


def check_present(subject: str, paths: Iterable[Path]) -> Iterator[Result]:
    """Whether files of the configuration are where they are looked for."""
    for path in paths:
        if path.exists():
            yield well(subject, f"{path} is there")
        else:
            remedy = "mount the ConfigMap that holds it there, or name another place"
            yield wrong("RT100", subject, f"{path} is not there", remedy)
