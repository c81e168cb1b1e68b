"""All that `retag serve` may be told, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cmp.errors import UsageError
from cmp.registry.duration import parse_duration
from sidecar.cluster.flags import ClusterFlags
from sidecar.configuration import Paths

SOCKET = Path("/run/retag/resolver.sock")
# The Image Updater's place for registries.conf and for Argo CD's ConfigMap of certificates; the
# rules lie beside them.
RULES = Path("/app/config/rules")
REGISTRIES = Path("/app/config/registries.conf")
CERTIFICATES = Path("/app/config/tls")
PROBES = ":8080"
MAX_STALE = "168h"
PLUGIN_UID = 999  # who runs Argo CD's containers, argocd-cmp-server among them

# repo-server's own, in whose Pod the resolver runs (argo-cd common/common.go).
_TAKEN = {8081: "its gRPC", 8084: "its metrics"}
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where probes are answered: *host* "" is every address, *port* 0 any that is free."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the flags say. *max_stale* is in seconds; *probes* is None where they are off.

    Who has one of *uids* may connect to *socket*. *rules_named* is whether the operator named
    files of rules; where nobody did, those of *paths* count if there is no cluster.
    """

    socket: Path
    uids: frozenset[int]
    paths: Paths
    store: str
    max_stale: float
    probes: Address | None
    cluster: ClusterFlags = field(default_factory=ClusterFlags)
    rules_named: bool = True


def default_uids() -> frozenset[int]:
    """Argo CD's, and our own, for whoever looks from inside the container."""
    return frozenset({PLUGIN_UID, os.getuid()})


def parse_address(
    text: str,
    flag: str = "--health-probe-bind-address",
    *,
    taken: Mapping[int, str] = MappingProxyType(_TAKEN),
) -> Address | None:
    """`:PORT` or `HOST:PORT`, as controller-runtime takes it; None for `0`, which is off.

    *flag* is who says so; *taken* has the ports of others in the same Pod, argocd-repo-server's
    by default. Raises `UsageError`.
    """
    if text in ("", "0"):
        return None
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    good = colon and port.isascii() and port.isdigit() and int(port) < 65536
    if not good or (":" in host and not bracketed):
        what = f"{flag} {text!r} is no address"
        raise UsageError("RT248", what, remedy="write :8080 or HOST:8080; 0 switches it off")
    if int(port) in taken:
        raise UsageError(
            "RT249",
            f"{flag} {text}: in its Pod, argocd-repo-server has port "
            f"{port} for {taken[int(port)]}",
            remedy=f"take another, as {PROBES}",
        )
    return Address(host, int(port))


def parse_age(text: str) -> float:
    """Seconds of a duration as Go writes it, such as `168h`. Raises `UsageError`."""
    try:
        age = parse_duration(text)
    except ValueError as error:
        raise UsageError("RT250", f"--max-stale: {error}") from None
    if age < 0:
        raise UsageError("RT250", f"--max-stale {text} is before now", remedy="write one as 168h")
    return age / _NANOSECONDS
