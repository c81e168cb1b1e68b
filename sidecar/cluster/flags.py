"""What the command line says of the cluster; no library of the cluster is needed for that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cmp.errors import UsageError

_ALL = "*"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123 labels


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFlags:
    """What the command line says of the cluster, unchecked; "" is what is not said."""

    kubeconfig: Path | None = None
    watch_namespaces: str = ""
    argocd_namespace: str = ""
    secret_namespaces: str = ""


def parse_namespaces(flag: str, text: str, own: str) -> tuple[str, ...]:
    """The namespaces that *flag* names as the Image Updater's does, sorted.

    "" is *own* alone, `*` all of them, which is ("",). Raises `UsageError` RT262.
    """
    names = sorted({name.strip() for name in text.split(",")} - {""})
    if names == [_ALL]:
        return ("",)
    for name in names or (own,):
        if not _NAMESPACE.fullmatch(name):
            raise UsageError(
                "RT262",
                f"{flag}: {name!r} is no namespace",
                remedy="name them with commas, or write * alone for all",
            )
    return tuple(names) or (own,)
