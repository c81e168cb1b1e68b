"""Rendering: a source becomes the text of manifests, as Argo CD's own sources would render it.

Standard library only: this runs for each request, beside a tenant's checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from cmp.errors import RenderError, UsageError
from cmp.options import Options
from cmp.parameters import BY_NAME, Tool
from cmp.render.child import LARGEST_OUTPUT
from cmp.render.directory import render_directory
from cmp.render.helm import render_helm
from cmp.render.kustomization import KUSTOMIZATIONS
from cmp.render.kustomize import render_kustomize
from cmp.render.paths import inside, walk
from cmp.render.permissions import Permissions
from cmp.render.workspace import Workspace, workspace
from cmp.request import Request

__all__ = ["Permissions", "detect", "read_manifests", "render"]

DEADLINE = 45.0  # seconds; Argo CD gives 60 for the whole call, of which it needs some itself


def render(
    request: Request,
    permissions: Permissions | None = None,
    *,
    seconds: float = DEADLINE,
    temporary: Path | None = None,
) -> bytes:
    """The manifests of *request*'s source, for which its programs together have *seconds*.

    Temporary files are made in the folder *temporary*, or where the system has them.

    Raises `RenderError` if they cannot be had, `UsageError` for parameters that are wrong.
    """
    if request.manifests is not None:
        _check_options(request.options, None)
        return request.manifests
    root = request.root.resolve() if request.root else None
    source = inside(root, root / request.path) if root else Path(request.path).resolve()
    if not source.is_dir():
        raise RenderError("RT435", f"{request.path} is not a folder")
    tool = request.options.tool or detect(source)
    _check_options(request.options, tool)
    try:
        with workspace(root, source, seconds=seconds, temporary=temporary) as space:
            return _render(tool, request, permissions or Permissions(), space)
    except OSError as error:  # no rights, or no room for temporary files
        what = f"{error.filename}: {error.strerror}"
        raise RenderError("RT435", f"a file cannot be read or written: {what}") from None


def _render(tool: Tool, request: Request, permissions: Permissions, space: Workspace) -> bytes:
    if tool is Tool.KUSTOMIZE:
        return render_kustomize(request, permissions, space)
    if tool is Tool.HELM:
        return render_helm(request, permissions, space)
    return render_directory(request.options, space)


def detect(folder: Path) -> Tool:
    """What renders *folder*: as Argo CD finds out (util/app/discovery), the last name decides."""
    tool = Tool.DIRECTORY
    for entry in walk(folder, recurse=False):
        if entry.is_dir(follow_symlinks=False):
            continue
        if entry.name.endswith("Chart.yaml"):
            tool = Tool.HELM
        if entry.name in KUSTOMIZATIONS:
            tool = Tool.KUSTOMIZE
    return tool


def _check_options(options: Options, tool: Tool | None) -> None:
    """See that no parameter is stated that would have no effect."""
    for name in options.values:
        if BY_NAME[name].tool not in {None, tool}:
            rendered = f"{tool} renders it" if tool else "the manifests are rendered already"
            raise UsageError(
                "RT226",
                f"parameter {name} has no effect: {rendered}",
                remedy="remove it, or set the parameter tool",
            )


def read_manifests(stream: BinaryIO) -> bytes:
    """All of *stream*, such as standard input. Raises `RenderError` if it is too long."""
    manifests = stream.read(LARGEST_OUTPUT + 1)
    if len(manifests) > LARGEST_OUTPUT:
        raise RenderError("RT436", f"the manifests are longer than {LARGEST_OUTPUT} bytes")
    return manifests
