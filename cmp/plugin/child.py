"""Starts one renderer early and reads what it wrote late, with what is built in.

As `cmp.render.child` does: no shell, a short list of variables, no network, bounded memory, in our
process group, killed with us. Its stdout is a file in memory, so that nobody has to wait on it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed has `signal` alone, which needs enum
import posix
import resource

from cmp.plugin import wire

TYPE_CHECKING = False  # `typing` itself would take longer than the rest
if TYPE_CHECKING:
    from typing import Self

_MOST_MEMORY = 4 * 1024**3  # bytes; as in `cmp.render.child`
_NOWHERE = b"/nonexistent"  # nothing is there, and only root could put something there
_PASSED = (b"LANG", b"LC_ALL", b"TZ")


def find(name: str, environment: dict[bytes, bytes]) -> str | None:
    """The absolute path of the program *name* on PATH; None if it is not found by plain means."""
    for folder in environment.get(b"PATH", b"").decode("utf-8", "replace").split(":"):
        if not folder.startswith("/"):
            return None
        path = f"{folder}/{name}"
        if posix.access(path, posix.X_OK):
            return path
    return None


def surroundings(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The whole environment of the child, of which *environment* is our own.

    The same as `cmp.render.child.environment`, but that it has no folder to write to.
    """
    return {
        b"PATH": _NOWHERE,
        b"HOME": _NOWHERE,
        b"TMPDIR": _NOWHERE,
        b"XDG_CACHE_HOME": _NOWHERE,
        b"XDG_CONFIG_HOME": _NOWHERE,
        b"XDG_DATA_HOME": _NOWHERE,
        b"HTTP_PROXY": b"http://127.0.0.1:0",
        b"HTTPS_PROXY": b"http://127.0.0.1:0",
        b"REQUEST_METHOD": b"GET",
        b"SSL_CERT_FILE": b"/dev/null",
        b"SSL_CERT_DIR": b"/dev/null",
        b"GIT_ALLOW_PROTOCOL": b"none",
        **{name: environment[name] for name in _PASSED if name in environment},
    }


class Child:
    """A program that runs in the working folder, until the `with` block ends at the latest."""

    def __init__(
        self, program: str, arguments: tuple[str, ...], environment: dict[bytes, bytes]
    ) -> None:
        self._stdout = posix.memfd_create("stdout")
        self._pid = posix.posix_spawn(
            program,
            arguments,
            surroundings(environment),
            file_actions=[
                (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
                (posix.POSIX_SPAWN_DUP2, self._stdout, 1),
                (posix.POSIX_SPAWN_OPEN, 2, "/dev/null", posix.O_WRONLY, 0),
            ],
            setsigdef=(_signal.SIGPIPE, _signal.SIGXFSZ),  # Python ignores them
        )
        self._bound(resource.RLIMIT_AS, _MOST_MEMORY)
        self._bound(resource.RLIMIT_FSIZE, wire.LARGEST_MANIFESTS + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid:
            posix.kill(self._pid, _signal.SIGKILL)
            posix.waitpid(self._pid, 0)
        posix.close(self._stdout)

    def output(self) -> bytes | None:
        """What it wrote to stdout until its end; None if it failed, or wrote too much."""
        _, status = posix.waitpid(self._pid, 0)
        self._pid = 0
        if status or posix.fstat(self._stdout).st_size > wire.LARGEST_MANIFESTS:
            return None
        posix.lseek(self._stdout, 0, 0)
        with open(self._stdout, "rb", buffering=0, closefd=False) as file:
            return file.readall()

    def _bound(self, limit: int, most: int) -> None:
        _, hard = resource.getrlimit(limit)
        most = hard if 0 <= hard < most else most
        resource.prlimit(self._pid, limit, (most, most))
