"""`helm template`, with the arguments that Argo CD's own helm source gives it.

Each argument with a tenant's text in it has the form `--option=text`, and the release name stands
behind `--`, so no text becomes an option. Helm is told of no cluster, post-renderer or plugin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cmp.errors import RenderError, UsageError
from cmp.render.cluster import api_versions, kube_version
from cmp.render.dependencies import build_dependencies
from cmp.render.paths import check_links, inside, locate, shadow
from cmp.render.permissions import Permissions
from cmp.render.schemas import check_schemas
from cmp.render.workspace import Workspace
from cmp.request import Request

# Helm's ValidateReleaseName.
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_RELEASE = re.compile(rf"(?=.{{1,53}}$){_LABEL}(?:\.{_LABEL})*", re.DOTALL)
# The name in `--set=name=value`: a bare `,` or `=` in it would start another name, or its value.
_NAME = re.compile(r"(?:\\.|[^\\,=])+", re.DOTALL)
_BARE_COMMA = re.compile(r"(?<!\\),")
# `$name/…`, a file of the source with that `ref`; but not the build environment.
_REFERENCE = re.compile(r"\$(?!\$|\{?ARGOCD_APP_)")
_GLOB = re.compile(r"[*?[]")
_MISSING_DEPENDENCIES = "missing in charts/ directory"


def render_helm(request: Request, permissions: Permissions, workspace: Workspace) -> bytes:
    """What `helm template` makes of the source's chart, after fetching dependencies it lacks.

    Raises `RenderError`, and `UsageError` for parameters that helm would refuse or misread.
    """
    check_links(workspace.root, workspace.source)
    arguments = template_arguments(
        request, _values_files(request, workspace), _file_parameters(request, workspace)
    )
    try:
        return _template(_chart(workspace), arguments, request, workspace)
    except RenderError as error:
        if _MISSING_DEPENDENCIES not in error.output:
            raise
    chart = build_dependencies(permissions, workspace)
    return _template(chart, arguments, request, workspace)


def _chart(workspace: Workspace) -> Path:
    """The source; or a copy, where the private folder would be among the chart's own files."""
    if workspace.private.is_relative_to(workspace.source):
        return shadow(workspace.root, workspace.source, workspace.private / "chart")
    return workspace.source


def _template(
    chart: Path, arguments: Sequence[str], request: Request, workspace: Workspace
) -> bytes:
    if not request.options.flag("helm-skip-schema-validation"):
        check_schemas(chart)
    return workspace.run(*arguments, cwd=chart)


def template_arguments(
    request: Request, values: Sequence[Path], files: Mapping[str, Path]
) -> list[str]:
    """The command for the chart in the working folder.

    *values* are values files, the last one wins; *files* are those of `helm-file-parameters`.
    """
    options = request.options
    parameters = options.map("helm-parameters").items()
    strings = options.map("helm-string-parameters").items()
    texts = {
        "--namespace": options.text("helm-namespace") or request.namespace,
        "--kube-version": kube_version(options.text("helm-kube-version") or request.kube_version),
        "--api-versions": ",".join(
            api_versions(options.array("helm-api-versions") or request.api_versions)
        ),
    }
    flags = {
        "--include-crds": not options.flag("helm-skip-crds"),
        "--skip-tests": options.flag("helm-skip-tests"),
        "--skip-schema-validation": options.flag("helm-skip-schema-validation"),
    }
    return [
        "helm",
        "template",
        *(f"{option}={text}" for option, text in texts.items() if text),
        *(f"--values={_as_csv(path)}" for path in values),
        *(f"--set={_name(name)}={_value(request, text)}" for name, text in parameters),
        *(f"--set-string={_name(name)}={_value(request, text)}" for name, text in strings),
        *(f"--set-file={_name(name)}={_escaped(path)}" for name, path in files.items()),
        *(flag for flag, given in flags.items() if given),
        "--",
        _release(request),
        ".",
    ]


def _release(request: Request) -> str:
    name = request.options.text("helm-release-name") or request.application
    if not _RELEASE.fullmatch(name):
        raise UsageError(
            "RT227",
            f"{name!r} is no release name: lower case letters, digits, `-` and `.`, at most 53",
            remedy="set the parameter helm-release-name",
        )
    return name


def _values_files(request: Request, workspace: Workspace) -> list[Path]:
    """The values files in their order, and one with the inline values behind them."""
    parameter = "helm-values-files"
    ignore_missing = request.options.flag("helm-ignore-missing-values-files")
    files: list[Path] = []
    for text in request.options.array(parameter):
        path = _path(request, workspace, text, parameter)
        if not ignore_missing or locate(workspace.root, path, where=parameter):
            files.append(inside(workspace.root, path, where=parameter))
    if inline := request.options.text("helm-values"):
        files.append(workspace.private / "values.yaml")
        files[-1].write_text(inline, encoding="utf-8")
    return files


def _file_parameters(request: Request, workspace: Workspace) -> dict[str, Path]:
    parameter = "helm-file-parameters"
    return {
        name: inside(workspace.root, _path(request, workspace, text, parameter), where=parameter)
        for name, text in request.options.map(parameter).items()
    }


def _path(request: Request, workspace: Workspace, text: str, parameter: str) -> Path:
    """The file that *text* names, unchecked; with a leading `/` it starts at the repository."""
    expanded = request.expand(text)
    fault = ""
    if "://" in expanded:
        fault = "is an address; only files of the repository are read"
    elif _REFERENCE.match(text):
        fault = "is a file of another source, which Argo CD does not give to plugins"
    elif _GLOB.search(expanded):
        fault = "is a glob; name the files one by one"
    if fault:
        raise UsageError("RT227", f"parameter {parameter}: {text!r} {fault}")
    start = workspace.root if expanded.startswith("/") else workspace.source
    return start / expanded.lstrip("/")


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            "RT227",
            f"{name!r} is no name of a value",
            remedy="write `,` and `=` in it as \\, and \\=",
        )
    return name


def _value(request: Request, text: str) -> str:
    """*text* with the build environment in it and its commas escaped, unless it is `{a,list}`."""
    expanded = request.expand(text)
    if expanded.startswith("{") and expanded.endswith("}"):
        return expanded
    return _BARE_COMMA.sub(r"\,", expanded)


def _escaped(path: Path) -> str:
    """*path* as the value of --set-file, which reads `\\` and `,` as signs of its own."""
    return re.sub(r"([\\,])", r"\\\1", str(path))


def _as_csv(path: Path) -> str:
    """*path* as the value of --values, which is read as a line of comma-separated values."""
    return '"' + str(path).replace('"', '""') + '"'
