"""Renders whatever is not plain, as `retag render` does. Importing it takes longer than Python."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from cmp.errors import RenderError, ResolverError
from cmp.render import Permissions
from cmp.render import render as render_source
from cmp.request import from_environment

_ROOM = 0.5  # seconds left for saying that a program did not end in time


def render(environment: dict[bytes, bytes], ends: float) -> bytes:
    """The manifests of the source in the working folder, until *ends* (`time.monotonic`).

    Raises `RetagError`.
    """
    variables = {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
    request = from_environment(variables, _here())
    assert request.root
    return render_source(
        request,
        permissions_of(variables),
        seconds=ends - _ROOM - time.monotonic(),
        temporary=_temporary(request.root),
    )


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # Argo CD no longer waits, and has removed it
        raise RenderError("RT435", "the source's folder is gone") from None


def permissions_of(environment: Mapping[str, str]) -> Permissions:
    """What the operator lets renderers do, by the variables of the plugin's container.

    A tenant cannot set them: Argo CD puts a prefix before the names of his. Raises `ResolverError`
    for a variable that is neither `true` nor `false`.
    """
    hosts = environment.get("RETAG_HELM_HOSTS", "").split(",")
    return Permissions(
        helm_hosts=frozenset(filter(None, map(str.strip, hosts))),
        remote_bases=_flag(environment, "RETAG_ALLOW_REMOTE_BASES"),
        exec_plugins=_flag(environment, "RETAG_ALLOW_EXEC"),
        kustomize_helm=_flag(environment, "RETAG_ALLOW_KUSTOMIZE_HELM"),
    )


def _flag(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "")
    if text not in {"", "true", "false"}:
        raise ResolverError(
            "RT607",
            f"{name} of the plugin's container is neither true nor false",
            remedy="the operator has to mend it",
        )
    return text == "true"


def _temporary(root: Path) -> Path:
    """A folder of the checkout *root*, with which Argo CD removes what is left in it.

    It is `.git`, since that is what no renderer of ours looks into.
    """
    folder = root / ".git"
    if folder.is_symlink():
        raise RenderError("RT435", ".git is a link", remedy="remove it from the source")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        what = f"there is no place for temporary files: {error.strerror}"
        raise RenderError("RT435", what, where=".git") from None
    return folder
