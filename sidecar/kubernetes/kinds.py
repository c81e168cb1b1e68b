"""The kinds of objects that Retag reads or writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource of the API: *group* is "" for the core; *plural* is its name in paths."""

    group: str
    version: str
    plural: str
    name: str
    is_namespaced: bool = True

    def __str__(self) -> str:
        """As kubectl and RBAC call it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As manifests state it."""
        return f"{self.group}/{self.version}" if self.group else self.version


IMAGE_UPDATERS = Kind(
    "argocd-image-updater.argoproj.io", "v1alpha1", "imageupdaters", "ImageUpdater"
)
APPLICATIONS = Kind("argoproj.io", "v1alpha1", "applications", "Application")
PROJECTS = Kind("argoproj.io", "v1alpha1", "appprojects", "AppProject")
CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap")
SECRETS = Kind("", "v1", "secrets", "Secret")
EVENTS = Kind("", "v1", "events", "Event")
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease")
CRDS = Kind(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    is_namespaced=False,
)
