"""`kustomize build`, after the edits that Argo CD's own kustomize source makes.

The edits are made by `kustomize edit`, as Argo CD makes them, in a private copy of the source.
Functions, plugins, charts and remote bases are off unless the operator allows them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cmp.render.child import find_program
from cmp.render.cluster import api_versions, kube_version
from cmp.render.kustomization import check_references, kustomization_of
from cmp.render.paths import check_own, inside, locate, shadow
from cmp.render.permissions import Permissions
from cmp.render.workspace import Workspace
from cmp.request import Request


def render_kustomize(request: Request, permissions: Permissions, workspace: Workspace) -> bytes:
    """What `kustomize build` makes of the source. Raises `RenderError`, `UsageError`."""
    check_references(workspace, remote=permissions.remote_bases)
    folder = workspace.source
    edits = edit_commands(request, _components(request, workspace))
    if edits or permissions.kustomize_helm:  # helm puts charts that it fetches into the source
        folder = shadow(workspace.reach, workspace.source, workspace.private / "source")
        check_own(folder, kustomization_of(folder) or folder)
    for command in edits:
        workspace.run(*command, cwd=folder)
    return workspace.run(
        *build_command(request, permissions),
        cwd=folder,
        network=permissions.remote_bases,
        programs=permissions.remote_bases or permissions.exec_plugins,
    )


def build_command(request: Request, permissions: Permissions) -> list[str]:
    """The command that builds the kustomization in the working folder."""
    command = ["kustomize", "build", "--load-restrictor=LoadRestrictionsRootOnly"]
    if permissions.exec_plugins:
        command += ["--enable-alpha-plugins", "--enable-exec"]
    if permissions.kustomize_helm:
        options = request.options
        version = kube_version(options.text("kustomize-kube-version") or request.kube_version)
        apis = api_versions(options.array("kustomize-api-versions") or request.api_versions)
        command += ["--enable-helm", f"--helm-command={find_program('helm')}"]
        command += [f"--helm-kube-version={version}"] if version else []
        command += [f"--helm-api-versions={api}" for api in apis]
    return [*command, "--", "."]


def edit_commands(request: Request, components: Sequence[str]) -> list[list[str]]:
    """The commands, in Argo CD's order, that put the parameters into the kustomization."""
    options = request.options
    expand = request.expand
    expand_annotations = options.flag("kustomize-common-annotations-envsubst")
    labels = [f"{key}:{expand(v)}" for key, v in options.map("kustomize-common-labels").items()]
    annotations = [
        f"{key}:{expand(text) if expand_annotations else text}"
        for key, text in options.map("kustomize-common-annotations").items()
    ]
    label_flags = {
        "--force": options.flag("kustomize-force-common-labels"),
        "--without-selector": options.flag("kustomize-label-without-selector"),
        "--include-templates": options.flag("kustomize-label-include-templates"),
    }
    annotation_flags = {"--force": options.flag("kustomize-force-common-annotations")}
    edits = [
        (["set", "nameprefix"], _one(options.text("kustomize-name-prefix"))),
        (["set", "namesuffix"], _one(options.text("kustomize-name-suffix"))),
        (["set", "image"], [expand(image) for image in options.array("kustomize-images")]),
        (["set", "replicas"], [f"{n}={c}" for n, c in options.map("kustomize-replicas").items()]),
        (["add", "label", *_given(label_flags)], labels),
        (["add", "annotation", *_given(annotation_flags)], annotations),
        (["set", "namespace"], _one(options.text("kustomize-namespace"))),
        (["add", "component"], list(components)),
    ]
    return [["kustomize", "edit", *edit, "--", *texts] for edit, texts in edits if texts]


def _components(request: Request, workspace: Workspace) -> list[str]:
    """The components that are to be added, all of them in the repository."""
    parameter = "kustomize-components"
    ignore_missing = request.options.flag("kustomize-ignore-missing-components")
    found = []
    for component in request.options.array(parameter):
        path = Path(os.path.normpath(workspace.source / component))  # the dots first, as it does
        if not ignore_missing or locate(workspace.root, path, where=parameter):
            inside(workspace.root, path, where=parameter)
            found.append(component)
    return found


def _one(text: str) -> list[str]:
    return [text] if text else []


def _given(flags: dict[str, bool]) -> list[str]:
    return [flag for flag, given in flags.items() if given]
