"""What a Deployment says of the containers that concern Retag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.kubernetes import ClusterError, Object

_COMPONENT = "app.kubernetes.io/component"
_SERVER = "argocd-repo-server"
_PROGRAM = "argocd-cmp-server"
SOCKETS = "/run/retag"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, of which *pod* is the Pod's spec; *is_ready* unless none of its Pods is."""

    name: str
    labels: Mapping[str, Any]
    replicas: int
    pod: Object
    is_ready: bool = True

    @property
    def account(self) -> str:
        """Its ServiceAccount."""
        return str(self.pod.get("serviceAccountName") or "default")

    @property
    def containers(self) -> list[Object]:
        """All of them, the initial ones too."""
        initial, others = (self.pod.get(key) or [] for key in ("initContainers", "containers"))
        return [*initial, *others]

    @property
    def is_repo_server(self) -> bool:
        """Whether it is argocd-repo-server: by its name, or as the chart labels it."""
        return self.name == _SERVER or self.labels.get(_COMPONENT) == "repo-server"

    @property
    def resolver(self) -> Object | None:
        """The container of `retag serve`."""
        return self._running("serve")

    @property
    def controller(self) -> Object | None:
        """The container of `retag controller`."""
        return self._running("controller")

    @property
    def ours(self) -> list[Object]:
        """The containers of the resident roles."""
        return [each for each in (self.resolver, self.controller) if each is not None]

    @property
    def plugin(self) -> Object | None:
        """The container of argocd-cmp-server that has the resolver's socket."""
        return next(
            (
                each
                for each in self.containers
                if _PROGRAM in " ".join(words_of(each)) and mount_at(each, SOCKETS)
            ),
            None,
        )

    @property
    def server(self) -> Object | None:
        """Argo CD's own container: the first that is not initial."""
        return next(iter(self.pod.get("containers") or []), None)

    def volume(self, name: str) -> Object:
        """The volume *name*; nothing where there is none."""
        volumes = self.pod.get("volumes") or []
        return next((each for each in volumes if each.get("name") == name), {})

    def _running(self, command: str) -> Object | None:
        return next((e for e in self.containers if (e.get("args") or [""])[0] == command), None)


def workload_of(deployment: Object) -> Workload:
    """The workload of *deployment*."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    pod = spec["template"].get("spec") or {}
    labels, replicas = metadata.get("labels") or {}, spec.get("replicas", 1)
    status = deployment.get("status") or {}  # a manifest has none
    is_ready = not status or bool(status.get("readyReplicas"))
    return Workload(metadata["name"], labels, replicas, pod, is_ready)


def words_of(container: Object) -> list[str]:
    """Its command and arguments."""
    return [str(each) for key in ("command", "args") for each in container.get(key) or []]


def mount_at(container: Object, path: str) -> Object | None:
    """Its mount at *path*."""
    mounts = container.get("volumeMounts") or []
    return next((each for each in mounts if each.get("mountPath") == path), None)


def flag_of(container: Object, name: str) -> str:
    """The value of the flag *name*, as `--name=VALUE` or `--name VALUE`; "" if it is not given."""
    words = words_of(container)
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def registries_path(container: Object) -> str:
    """Where *container* looks for registries.conf."""
    path = flag_of(container, "--registries") or flag_of(container, "--registries-conf-path")
    return path or "/app/config/registries.conf"


def mounted_file(workload: Workload, container: Object, path: str) -> tuple[str, str] | None:
    """The ConfigMap ("" where it is none) and its key at *path*, None if nothing is mounted."""
    folder, _, file = path.rpartition("/")
    mount = mount_at(container, folder) or mount_at(container, path)
    if mount is None:
        return None
    source = workload.volume(mount["name"]).get("configMap") or {}
    return str(source.get("name") or ""), file


def mounted_config_maps(workloads: Iterable[Workload | ClusterError | None]) -> Sequence[str]:
    """The ConfigMaps that containers of Retag's mount, and that have to be there."""
    names = set()
    for each in workloads:
        if isinstance(each, Workload):
            for container in each.ours:
                for mount in container.get("volumeMounts") or []:
                    source = each.volume(mount["name"]).get("configMap") or {}
                    if source and not source.get("optional"):
                        names.add(str(source["name"]))
    return sorted(names)
