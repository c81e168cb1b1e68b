"""The cluster: objects are read, watched and written here, and nothing of them is judged."""

from sidecar.kubernetes.errors import (
    AbsentError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    RefusedError,
    UnknownAccountError,
    UnservedError,
)
from sidecar.kubernetes.kinds import (
    APPLICATIONS,
    CONFIG_MAPS,
    CRDS,
    EVENTS,
    IMAGE_UPDATERS,
    LEASES,
    PROJECTS,
    SECRETS,
    Kind,
)
from sidecar.kubernetes.port import Change, Cluster, Object, Page

__all__ = [
    "APPLICATIONS",
    "CONFIG_MAPS",
    "CRDS",
    "EVENTS",
    "IMAGE_UPDATERS",
    "LEASES",
    "PROJECTS",
    "SECRETS",
    "AbsentError",
    "Change",
    "Cluster",
    "ClusterError",
    "ConflictError",
    "ForbiddenError",
    "GoneError",
    "Kind",
    "Object",
    "Page",
    "RefusedError",
    "UnknownAccountError",
    "UnservedError",
]
