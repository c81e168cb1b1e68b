"""Sources in a temporary repository, and what renders them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmp.options import parse_params
from cmp.render import Permissions, render
from cmp.request import Request


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """*folder* with *files*: path and text."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def rendered(
    root: Path, path: str, *params: str, permissions: Permissions | None = None, name: str = "web"
) -> str:
    """The manifests of the source *path* in the repository *root*, with `-p` *params*."""
    request = Request(
        name, root, path, namespace="prod", kube_version="1.34.0", options=parse_params(params)
    )
    return render(request, permissions).decode()


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """All that is in *folder*, to see that nothing was left behind or changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }
