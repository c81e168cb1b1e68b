"""Secrets of the cluster: each read by its name when it is used, and never listed or watched."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cachetools import LRUCache

from cmp.errors import DeniedError, RegistryError, UnreachableError
from cmp.registry.secrets import NoSecrets, SecretFiles, Secrets, check_name
from sidecar.kubernetes import (
    SECRETS,
    AbsentError,
    Cluster,
    ClusterError,
    ForbiddenError,
    Object,
    UnknownAccountError,
)

_LIFE = 60.0  # seconds that what was read counts: a Secret that is changed is known by then
# Seconds until a Secret that could not be read, or whose login was refused, is asked for again:
# a registry that refuses a hundred calls makes one request of them.
_PAUSE = 5.0
_MOST = 1000  # Secrets; no installation names so many


@dataclass(slots=True)
class _Known:
    """A Secret: what it held when it was last read, None if never; why it cannot be read now.

    *since* is when it was last asked for, *until* when it is to be asked for again.
    """

    data: Mapping[str, str] | None = field(default=None, repr=False)
    error: RegistryError | None = None
    since: float = 0.0
    until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClusterSecrets:
    """The Secrets of *namespaces* in *cluster*; None is those of all. *clock* gives seconds.

    What was read serves for as long as the API server is away, as rules do: a login that was
    changed meanwhile is refused by its registry, so nothing is gained by forgetting it. It serves
    no more once the API server says that the Secret is gone, or may not be read.
    """

    def __init__(
        self, cluster: Cluster, namespaces: frozenset[str] | None, clock: Callable[[], float]
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._clock = clock
        self._known: LRUCache[tuple[str, str], _Known] = LRUCache(_MOST)

    async def data(
        self, namespace: str, name: str, /, *, afresh: bool = False
    ) -> Mapping[str, str]:
        """The data of the Secret, asked for by one at a time.

        Raises `UnreachableError` RT566 while the API server gives no answer, `DeniedError` RT567
        without the right, RT568 for no such Secret, RT569 where the operator allows none.
        """
        self._check(namespace, name)
        known = self._known.get((namespace, name))
        if known is None:
            known = self._known[namespace, name] = _Known()
        async with known.asking:
            now = self._clock()
            if now >= known.until or (afresh and now >= known.since + _PAUSE):
                await self._read(namespace, name, known)
        if known.error is not None:
            raise known.error
        assert known.data is not None
        return known.data

    def stamp(self, namespace: str, name: str, /) -> Hashable:
        """Another value after each reading, and once another is due."""
        known = self._known.get((namespace, name))
        return (known.until, self._clock() < known.until) if known else None

    async def _read(self, namespace: str, name: str, known: _Known) -> None:
        try:
            data = _decoded(await self._cluster.get(SECRETS, namespace, name))
        except ClusterError as error:
            is_answer = isinstance(error, ForbiddenError | AbsentError)
            if is_answer:
                known.data = None
            is_stale = known.data is not None
            known.error = None if is_stale else _denied(error, f"{namespace}/{name}")
            life = _PAUSE
        else:
            known.data, known.error, life = data, None, _LIFE
        known.since = self._clock()
        known.until = known.since + life

    def _check(self, namespace: str, name: str) -> None:
        check_name(namespace, name)
        if self._namespaces is not None and namespace not in self._namespaces:
            raise DeniedError(
                "RT569",
                f"the Secret {namespace}/{name} may not be read: its namespace is not allowed",
                remedy="move it, or have the operator allow its namespace with "
                "--secret-namespaces and a Role there",
            )


def secrets_of(
    folder: Path | None,
    cluster: Cluster | None,
    namespaces: frozenset[str] | None,
    clock: Callable[[], float],
) -> Secrets:
    """Those that lie in *folder*, else those of *namespaces* in the *cluster*, else none."""
    if folder is not None:
        return SecretFiles(folder)
    if cluster is not None:
        return ClusterSecrets(cluster, namespaces, clock)
    return NoSecrets()


def _decoded(secret: Object) -> Mapping[str, str]:
    """The data of *secret*; what is no UTF-8 is left out, as no login and no key is in it."""
    stated = secret.get("data")
    data = {}
    for key, value in stated.items() if isinstance(stated, dict) else ():
        try:
            data[str(key)] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, TypeError, ValueError):
            continue
    return data


def _denied(error: ClusterError, name: str) -> RegistryError:
    """Why the Secret *name* cannot be read."""
    if isinstance(error, UnknownAccountError):
        return DeniedError(
            "RT567",
            f"the Secret {name} cannot be read: the API server does not know the account",
            remedy=error.remedy,
        )
    if isinstance(error, ForbiddenError):
        return DeniedError(
            "RT567",
            f"the Secret {name} cannot be read: the account may not read it",
            remedy="add its name to the resourceNames of the Role for Secrets, in its namespace",
        )
    if isinstance(error, AbsentError):
        return DeniedError(
            "RT568",
            f"there is no Secret {name}",
            remedy="create it, or name the one that is there",
        )
    return UnreachableError(
        "RT566", f"the Secret {name} cannot be read: {error.what}", remedy=error.remedy
    )
