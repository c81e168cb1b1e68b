"""What one render asks for: which Application, which source, with which options.

A value; nothing is read or checked here but what Argo CD's variables mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmp.errors import UsageError
from cmp.options import Options, parse_environment, parse_items, parse_json, parse_params

__all__ = [
    "Options",
    "Request",
    "from_environment",
    "parse_items",
    "parse_params",
    "repository_of",
    "split_source",
    "without_source",
]

# Characters of `namespace_name`, as Kubernetes has them at most. Under it choices are remembered.
_LONGEST_NAME = 63 + len("_") + 253
# Argo CD's build environment; what plugins get besides (ARGOCD_APP_PARAMETERS) is not in it.
_BUILD = (
    "ARGOCD_APP_NAME",
    "ARGOCD_APP_NAMESPACE",
    "ARGOCD_APP_PROJECT_NAME",
    "ARGOCD_APP_REVISION",
    "ARGOCD_APP_REVISION_SHORT",
    "ARGOCD_APP_REVISION_SHORT_8",
    "ARGOCD_APP_SOURCE_PATH",
    "ARGOCD_APP_SOURCE_REPO_URL",
    "ARGOCD_APP_SOURCE_TARGET_REVISION",
)
# Go's os.Expand, with which Argo CD puts in its build environment: `$NAME`, `${NAME}`, `$$`.
_VARIABLE = re.compile(
    r"\$(?:\{(?P<braced>[^}]+)\}|\{\}?|(?P<special>[*#$@!?0-9-])|(?P<plain>[A-Za-z0-9_]+))"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One render. *name* is Argo CD's instance name, `name` or `namespace_name`.

    The source is the folder *path* of the repository *root*, or for itself where *root* is None;
    nothing else is read, save kustomize bases beside a source that has no repository.
    *manifests*, where not None, are rendered already and used as they are. *namespace* is the
    destination's; *kube_version* and *api_versions* are what charts see of its cluster. *build* is
    what is known of Argo CD's build environment.
    """

    name: str
    root: Path | None = None
    path: str = "."
    manifests: bytes | None = None
    project: str = ""
    namespace: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    build: Mapping[str, str] = field(default_factory=dict)

    @property
    def application(self) -> str:
        """The Application's own name: the instance name without its namespace."""
        return self.name.rpartition("_")[2]

    def expand(self, text: str) -> str:
        """*text* with the build environment put in; what is unknown there is empty."""
        known = {
            "$": "$",
            "ARGOCD_APP_NAME": self.name,
            "ARGOCD_APP_NAMESPACE": self.namespace,
            "ARGOCD_APP_PROJECT_NAME": self.project,
            "ARGOCD_APP_SOURCE_PATH": self.path,
            **self.build,
        }
        return _VARIABLE.sub(lambda match: known.get(match[match.lastgroup or 0], ""), text)


def from_environment(environment: Mapping[str, str], directory: Path) -> Request:
    """The request that Argo CD makes of a plugin, by its variables and the working *directory*.

    Raises `UsageError` for parameters that are wrong. A parameter wins over a variable.
    """
    root, path = split_source(directory, environment.get("ARGOCD_APP_SOURCE_PATH", ""))
    return replace(without_source(environment), root=root, path=path)


def without_source(environment: Mapping[str, str]) -> Request:
    """The same for who has no source at hand, or none that it trusts: no path is in it.

    Raises `UsageError` as `from_environment` does, and for a name that Argo CD does not give.
    """
    name = environment.get("ARGOCD_APP_NAME")
    if not name:
        raise UsageError(
            "RT229",
            "ARGOCD_APP_NAME is not set: this is how Argo CD calls a plugin",
            remedy="on a laptop use `retag render PATH --app NAME`",
        )
    if len(name) > _LONGEST_NAME:
        raise UsageError("RT229", f"ARGOCD_APP_NAME has more than {_LONGEST_NAME} characters")
    stated = parse_environment(environment)
    return Request(
        name,
        project=environment.get("ARGOCD_APP_PROJECT_NAME", ""),
        namespace=environment.get("ARGOCD_APP_NAMESPACE", ""),
        kube_version=environment.get("KUBE_VERSION", ""),
        api_versions=tuple(filter(None, environment.get("KUBE_API_VERSIONS", "").split(","))),
        options=stated | parse_json(environment.get("ARGOCD_APP_PARAMETERS", "")),
        build={name: environment[name] for name in _BUILD if name in environment},
    )


def split_source(directory: Path, path: str) -> tuple[Path, str]:
    """The repository's root, and the source's path in it.

    Argo CD unpacks the repository, or the part of it that the annotation manifest-generate-paths
    names, and runs the plugin in the source's folder. So the root is *directory* without the
    trailing parts that it shares with *path*.
    """
    root = directory
    for part in reversed(Path(path).parts):
        if part != root.name:
            break
        root = root.parent
    return root, directory.relative_to(root).as_posix()


def repository_of(folder: Path) -> tuple[Path | None, str]:
    """Root and path, as of a `Request`, of the source in *folder* on a laptop.

    The root is the nearest folder upwards that holds `.git`, None without one.
    """
    folder = folder.resolve()
    root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    return root, str(folder.relative_to(root) if root else folder)
