"""What charts see of the cluster they are rendered for: its version, and the APIs it serves."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cmp.errors import UsageError

# The numbers alone, as Argo CD does: not every helm understands what providers put behind them.
_VERSION = re.compile(r"\s*v?([0-9]+(?:\.[0-9]+)+)")
_API_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]*")


def kube_version(text: str) -> str:
    """The numbers of a Kubernetes version such as `v1.34.1-eks-1`; "" for "".

    Raises `UsageError` for a text without them.
    """
    found = _VERSION.match(text)
    if text and not found:
        raise UsageError(
            "RT227", f"{text!r} is no Kubernetes version", remedy="write it as 1.34.0"
        )
    return found[1] if found else ""


def api_versions(texts: Sequence[str]) -> Sequence[str]:
    """*texts*, each such as `apps/v1` or `apps/v1/Deployment`. Raises `UsageError` for others."""
    for text in texts:
        if not _API_VERSION.fullmatch(text):
            raise UsageError(
                "RT227", f"{text!r} is no API version", remedy="write it as apps/v1/Deployment"
            )
    return texts
