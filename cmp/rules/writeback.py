"""What the Image Updater would write back, and where. A render writes nothing back.

It is read all the same, because a ref whose write-back is faulty is one that the Image Updater
passes over: the next ref that matches governs the Application, and so it is here.
Follows newWBCFromSettings, getApplicationSource and getApplicationSourceType of its v1.3.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from cmp.rules.application import Application, Source
from cmp.rules.model import GitConfig, WriteBackConfig

_KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_CREDENTIALS = re.compile(r"repocreds|secret:.*", re.DOTALL)
_USABLE = ("Helm", "Kustomize", "Plugin")


@dataclass(frozen=True, slots=True)
class WriteBack:
    """*method* is `argocd` or `git`; *source_type* what the Application counts as: with git, a
    plugin counts as Helm.
    """

    method: str
    target: str
    source_type: str
    kustomize_base: str = ""
    repository: str = ""
    branch: str = ""
    write_branch: str = ""


def write_back_fault(config: WriteBackConfig) -> str | None:
    """Why the Image Updater refuses *config* (merged); None if it does not."""
    if _method(config) == "argocd":
        return None
    method, colon, credentials = _method(config).partition(":")
    if method != "git":
        return f"{config.method!r} is not argocd, git or git:<credentials>"
    if colon and not _CREDENTIALS.fullmatch(credentials):
        return "git credentials are repocreds or secret:<name>"
    return _git_fault(config.git_config or GitConfig())


def _git_fault(config: GitConfig) -> str | None:
    target, branch = config.write_back_target or "", config.branch or ""
    bare = not target.startswith(("kustomization", "helmvalues"))
    if bare and posixpath.basename(target.rstrip("/")) in _KUSTOMIZATION_FILES:
        return f"writing overrides to {target} would discard its content"
    if branch.strip().count(":") > 1:
        return f"{branch!r} is not a branch, or base:template"
    request = config.pull_request
    if request is not None and ":" in branch:
        return "a pull request takes its base branch alone"
    if request is not None and (request.github is None) == (request.gitlab is None):
        return "a pull request is for github or for gitlab"
    return None


def write_back(
    config: WriteBackConfig, application: Application, controller_namespace: str
) -> WriteBack | None:
    """Where a sound *config* writes to; None if the Application has no source."""
    if not application.sources:
        return None
    path = _source(application, "", "").path
    file = f".argocd-source-{application.name}.yaml"
    if application.namespace not in ("", controller_namespace):
        file = f".argocd-source-{application.namespace}_{application.name}.yaml"
    target, base, git = _join(path, file), "", config.git_config or GitConfig()
    if _method(config) == "argocd":
        return WriteBack("argocd", target, _type(application, target, base))
    stated = git.write_back_target
    if stated is not None and stated.startswith("kustomization"):
        base = _below(path, stated, "kustomization", ".")
    elif stated is not None and stated.startswith("helmvalues"):
        target = _below(path, stated, "helmvalues", "values.yaml")
    elif stated is not None:
        target = stated
    branch, _, write_branch = (git.branch or "").strip().partition(":")
    repository = _source(application, target, base).repository
    if git.repository is not None:
        repository = git.repository
    kind = _type(application, target, base)
    kind = "Helm" if kind == "Plugin" else kind
    return WriteBack("git", target, kind, base, repository, branch, write_branch)


def _method(config: WriteBackConfig) -> str:
    return "argocd" if config.method is None else config.method.strip()


def _below(path: str, target: str, prefix: str, default: str) -> str:
    """The path that `prefix[:path]` means: from the source's path, or from the root (`/…`)."""
    if target == prefix:
        return _join(path, default)
    stated = target[len(prefix) + 1 :]
    return stated[1:] if stated.startswith("/") else _join(path, stated)


def _join(*parts: str) -> str:
    """Go's filepath.Join."""
    joined = re.sub("/+", "/", "/".join(filter(None, parts)))
    return posixpath.normpath(joined) if joined else ""


def _type(application: Application, target: str, base: str) -> str:
    """The source type that *target* or *base* turn the Application into, or else its own."""
    if base:
        return "Kustomize"
    if target.endswith((".yaml", ".yml")):
        file = posixpath.basename(target)
        if not file.startswith(".argocd-source-"):
            return "Helm"
    if application.several_sources:
        return next((each for each in application.source_types if each in _USABLE), "Directory")
    if application.hydrated:
        tools = [
            kind for kind in _USABLE for source in application.sources if kind in source.tools
        ]
        if tools:
            return tools[0]
    return next(iter(application.source_types), "")


def _source(application: Application, target: str, base: str) -> Source:
    """The source that is written to."""
    sources = application.sources
    if not application.several_sources:
        return sources[0]
    kind = _type(application, target, base)
    for source in sources:
        if kind in source.tools:
            return source
    if kind != "Directory" and len(application.source_types) == len(sources):
        for source, found in zip(sources, application.source_types, strict=True):
            if found == kind:
                return source
    return next((source for source in sources if source.tools), sources[0])
