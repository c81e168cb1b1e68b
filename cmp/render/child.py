"""Runs a program for a tenant's source: no shell, no secrets, no network, no end without a result.

`subprocess.Popen` starts it with vfork, which is as quick as posix_spawn (os.posix_spawn cannot
change the folder). The child stays in our process group, since Argo CD ends a plugin by its group.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cmp.errors import RenderError

# Argo CD takes no longer answer from a plugin (ARGOCD_GRPC_MAX_SIZE_MB).
LARGEST_OUTPUT = 100 * 1024 * 1024
_LARGEST_STDERR = 64 * 1024  # bytes kept; the text becomes part of the Application's status
_CHUNK = 64 * 1024  # a pipe's buffer on Linux
# Bytes. A Go program reserves one GB and takes little of it; `range until 2000000000` in a chart
# would take all there is.
_MOST_MEMORY = 4 * 1024**3

_PASSED = ("LANG", "LC_ALL", "TZ")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")
_PASSED_ONLINE = ("SSL_CERT_FILE", "SSL_CERT_DIR", *_PROXIES)
# A Go program with these variables sends no request. Port 0 of a proxy refuses each connection,
# and REQUEST_METHOD makes plain HTTP fail before one (golang.org/x/net/http/httpproxy: HTTP_PROXY
# is not trusted in CGI). Loopback addresses go past a proxy: there plain HTTP fails all the same,
# and a TLS handshake ends without a request, for no certificate is trusted.
_OFFLINE = {
    "HTTP_PROXY": "http://127.0.0.1:0",
    "HTTPS_PROXY": "http://127.0.0.1:0",
    "REQUEST_METHOD": "GET",
    "SSL_CERT_FILE": "/dev/null",
    "SSL_CERT_DIR": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "none",
}
_ONLINE = {"GIT_ALLOW_PROTOCOL": "https", "GIT_TERMINAL_PROMPT": "0"}
# How Go programs complain of being offline.
SIGNS_OF_FETCHING = ("HTTP_PROXY value in CGI", "proxyconnect tcp", "no 'git' program on path")


def environment(
    private: Path, parent: Mapping[str, str], *, network: bool = False, programs: bool = False
) -> dict[str, str]:
    """The whole environment of a child that writes to *private* alone.

    From *parent*, our own environment, it gets a short list of names; with *network* also those
    about certificates and proxies; with *programs* the PATH, which otherwise leads to nothing:
    kustomize finds no git.
    """
    passed = (*_PASSED, *(_PASSED_ONLINE if network else ()), *(("PATH",) if programs else ()))
    return {
        "PATH": str(private / "no-programs"),
        "HOME": str(private),
        "TMPDIR": str(private),
        "XDG_CACHE_HOME": str(private / "cache"),
        "XDG_CONFIG_HOME": str(private / "config"),
        "XDG_DATA_HOME": str(private / "data"),
        **(_ONLINE if network else _OFFLINE),
        **{name: parent[name] for name in passed if name in parent},
    }


def find_program(name: str) -> str:
    """The absolute path of the program *name*. Raises `RenderError` if it is not on PATH."""
    path = shutil.which(name)
    if path is None:
        raise RenderError(
            "RT430", f"{name} is not on PATH", remedy=f"install {name} to render this source"
        )
    return str(Path(path).absolute())


def run(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], ends: float
) -> bytes:
    """What the program *arguments*[0] writes to stdout; at *ends* (`time.monotonic`) it is killed.

    Raises `RenderError` with the program's stderr if it fails, or does not end in time.
    """
    program = find_program(arguments[0])
    title = " ".join(arguments[:2])
    try:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
            [program, *arguments[1:]],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:  # it is no program, or its arguments are too long
        raise RenderError("RT430", f"{title} cannot be started: {error.strerror}") from None
    except BaseException:  # a signal: the program may run already, and nobody would know it
        _kill(_descendants(os.getpid()))
        raise
    stdout, stderr = bytearray(), bytearray()
    with process:
        _bound(process.pid)
        try:
            fault = _read(process, stdout, stderr, ends) or _wait(process, ends)
        finally:
            if process.poll() is None:
                _kill([*_descendants(process.pid), process.pid])
    if fault:
        raise RenderError(
            fault[0], f"{title} {fault[1]}", output=stderr.decode("utf-8", "replace")
        )
    return bytes(stdout)


def _bound(pid: int) -> None:
    """Bound the address space of the process *pid*, where that can be done from without."""
    # It has ended, or has less already; other systems than Linux have no prlimit.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        resource.prlimit(pid, resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


_Fault = tuple[str, str]  # the error's code, and what the program did
_LATE: _Fault = ("RT432", "did not end in time")
_TOO_LONG: _Fault = ("RT433", f"wrote more than {LARGEST_OUTPUT} bytes")


def _read(
    process: subprocess.Popen[bytes], stdout: bytearray, stderr: bytearray, ends: float
) -> _Fault | None:
    """Fill *stdout* and *stderr* until both are closed. Of stderr the beginning is kept."""
    assert process.stdout
    assert process.stderr
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, stdout)
        selector.register(process.stderr, selectors.EVENT_READ, stderr)
        while selector.get_map():
            left = ends - time.monotonic()
            if left <= 0 or not (ready := selector.select(left)):
                return _LATE
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del stderr[_LARGEST_STDERR:]
            if len(stdout) > LARGEST_OUTPUT:
                return _TOO_LONG
    return None


def _wait(process: subprocess.Popen[bytes], ends: float) -> _Fault | None:
    try:
        status = process.wait(max(ends - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return _LATE
    if status < 0:
        return "RT431", f"was ended by signal {-status}"
    return ("RT431", f"failed with exit status {status}") if status else None


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """On Linux what *pid* started and did not disown, and what that started; else nothing."""
    found, waiting = [], [pid]
    while waiting:
        for children in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                started = [int(each) for each in children.read_text(encoding="ascii").split()]
                found += started
                waiting += started
    return found
