"""As whom the API server is asked: a token, a file that is written anew, or a command's answer.

The command is what kubeconfigs call `exec`, by client-go's protocol (client.authentication.k8s.io,
v1 and v1beta1). Certificates of clients are part of the connection (`account.py`).
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from sidecar.kubernetes.errors import ClusterError

_LARGEST = 64 * 1024  # bytes of a token; those of ServiceAccounts have 1 KB, of OIDC some KB
_PATIENCE = 120.0  # seconds for a command: it may open a browser and wait for a login
_TOKEN = re.compile(r"[\x21-\x7e]+")  # what a header may hold
_VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1"))


class Credential(Protocol):
    """Says as whom to ask. Raises `ClusterError` RT657, which shows no token."""

    async def authorization(self, refused: str = "") -> str:
        """The header's value now, another than *refused* if there is one; "" for no header."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same for ever."""

    header: str = field(repr=False)

    async def authorization(self, refused: str = "") -> str:
        """The header's value."""
        del refused
        return self.header


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The token that *path* holds now: kubelet writes it anew each hour."""

    path: Path

    async def authorization(self, refused: str = "") -> str:
        """`Bearer` and the token; the file is read each time, which takes some microseconds."""
        del refused
        try:
            with self.path.open("rb") as file:
                content = file.read(_LARGEST)
        except OSError as error:
            raise unusable(f"the token {self.path} cannot be read: {error.strerror}") from None
        return bearer(content.decode("utf-8", "replace").strip(), f"the token {self.path}")


class Command:
    """What the command of a kubeconfig answers, until that expires or is refused.

    *command* is a path, or a name on PATH; *environment* is its own. It writes to our stderr,
    where people read how to log in, and reads nothing. *wall* is in seconds since the epoch.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        version: str,
        *,
        wall: Callable[[], float] = time.time,
        patience: float = _PATIENCE,
    ) -> None:
        if version not in _VERSIONS:
            known = " and ".join(_VERSIONS)
            raise unusable(f"exec of {version or 'no apiVersion'} is not supported, {known} are")
        self._command = command
        info = {
            "apiVersion": version,
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        said = msgspec.json.encode(info).decode()
        self._environment = {**environment, "KUBERNETES_EXEC_INFO": said}
        self._wall = wall
        self._patience = patience
        self._header = ""
        self._until = 0.0
        self._running = asyncio.Lock()

    async def authorization(self, refused: str = "") -> str:
        """What it answered, or answers now; one run at a time."""
        async with self._running:
            is_over = self._wall() >= self._until
            if not self._header or is_over or self._header == refused:
                self._header, self._until = self._read(await self._run())
            return self._header

    async def _run(self) -> bytes:
        """What the command writes."""
        name = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise unusable(f"the kubeconfig's command {name} cannot be run: {reason}") from None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._patience):
                written = await _bounded(process.stdout)
                status = await process.wait()
        except TimeoutError:
            raise unusable(f"{name} gave no credential in {self._patience:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status != 0:
            raise unusable(f"the kubeconfig's command {name} ended with {status}")
        return written

    def _read(self, written: bytes) -> tuple[str, float]:
        """The header, and until when it counts."""
        name = self._command[0]
        try:
            status = msgspec.json.decode(written, type=_ExecCredential).status
        except (msgspec.MsgspecError, RecursionError):
            raise unusable(f"{name} wrote no ExecCredential") from None
        if not status.token:
            kind = "a client certificate" if status.certificate else "no token"
            raise unusable(f"{name} gave {kind}, and only a token can be used")
        until = status.expires.timestamp() if status.expires else float("inf")
        return bearer(status.token, f"the token of {name}"), until


class _Status(msgspec.Struct):
    token: str = ""
    certificate: str = msgspec.field(name="clientCertificateData", default="")
    expires: datetime | None = msgspec.field(name="expirationTimestamp", default=None)

    def __post_init__(self) -> None:
        if self.expires is not None and self.expires.tzinfo is None:
            self.expires = self.expires.replace(tzinfo=UTC)


class _ExecCredential(msgspec.Struct):
    status: _Status


def bearer(token: str, what: str) -> str:
    """The header for *token*. Raises `ClusterError` unless a header can hold it."""
    if not _TOKEN.fullmatch(token):
        raise unusable(f"{what} is none: it is empty, or holds what no header may")
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """The header for a name and a password."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def command_of(name: str, home: Path) -> str:
    """What to run for the *name* in a kubeconfig that lies in *home*, as client-go has it."""
    return str(home / name) if os.sep in name else name


def unusable(why: str) -> ClusterError:
    """That no account can be used, and *why*."""
    remedy = "name a kubeconfig with --kubeconfig, or mount the account's token"
    return ClusterError("RT657", f"no account of a cluster: {why}", remedy=remedy)


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """What *stream* holds, if that is not too much: then it is cut, and so no JSON."""
    written = b""
    while len(written) < _LARGEST and (more := await stream.read(_LARGEST)):
        written += more
    return written
