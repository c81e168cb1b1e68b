"""AppProjects as Argo CD sees them when it decides on a sync: with what global ones add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.controller import globalprojects
from sidecar.controller.globalprojects import GlobalProject, GlobalProjects
from sidecar.kubernetes import PROJECTS, Object
from sidecar.kubernetes.mirror import Mirror, Watched

Project = Mapping[str, Any]  # what `keep_project` keeps of one


class Projects:
    """The AppProjects of *namespace*, Argo CD's own, by what two mirrors have.

    *own* are AppProjects, *settings* is argocd-cm.
    """

    def __init__(
        self, own: Mirror[Project], settings: Mirror[GlobalProjects], namespace: str
    ) -> None:
        self._own = own
        self._settings = settings
        self._namespace = namespace

    def get(self, name: str) -> Project | None:
        """The project *name* with windows of its global ones; None where that is not known.

        That is also so before argocd-cm was read, or as long as it may not be: what a window
        closes is not opened by not seeing it. Without argocd-cm there are no global projects.
        """
        if not (self._own.is_synced and self._settings.is_synced):
            return None
        settings = self._settings.objects.get((self._namespace, globalprojects.CONFIG_MAP))
        listed = settings.listed if settings else ()
        if listed is None:
            return None
        return virtual(name, self._by_name(), listed)

    def _by_name(self) -> dict[str, Project]:
        return {name: project for (_, name), project in self._own.objects.items()}


def watched(namespace: str) -> Watched[Project]:
    """The AppProjects of *namespace*."""
    return Watched(PROJECTS, (namespace,), keep_project)


def keep_project(manifest: Object) -> Project:
    """What is asked of an AppProject: its windows, and the labels that global ones select."""
    windows = (manifest.get("spec") or {}).get("syncWindows") or []
    labels = manifest["metadata"].get("labels") or {}
    return {"metadata": {"labels": labels}, "spec": {"syncWindows": windows}}


def virtual(
    name: str, projects: Mapping[str, Project], listed: tuple[GlobalProject, ...]
) -> Project | None:
    """The project *name* of *projects* with the windows that *listed* ones add; None without it.

    As `GetAppVirtualProject` of Argo CD has it (util/argo/argo.go).
    """
    own = projects.get(name)
    if own is None:
        return None
    several = (own, *_global_projects(name, projects, listed))
    windows = [window for each in several for window in each["spec"]["syncWindows"]]
    return {**own, "spec": {"syncWindows": windows}}


def _global_projects(
    name: str, projects: Mapping[str, Project], listed: tuple[GlobalProject, ...]
) -> Iterator[Project]:
    """As `GetGlobalProjects`: a selector or a project that is not valid ends the list."""
    labels = projects[name]["metadata"]["labels"]
    for each in listed:
        if each.name == name:
            continue
        if not each.is_valid:
            return
        if each.selects(labels):
            if each.name not in projects:
                return
            yield projects[each.name]
