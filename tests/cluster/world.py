"""A resolver process beside a real API server, with a registry on disk, and what lies in both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.resolver import Reply
from tests.servers.kubernetes import ApiServer
from tests.servers.resolver import ResolverProcess
from tests.sidecar.mounts import registries, zot_storage
from tests.sidecar.place import IMAGE, pod

PATIENCE = 60.0  # seconds, which only a test that fails ever waits
REPOSITORY = "https://git.example.com/web.git"


def updater(
    namespace: str, name: str = "web", constraint: str = "1.x", **ref: Any
) -> dict[str, Any]:
    """An ImageUpdater for the Application web, or as *ref* says."""
    images = [{"alias": "api", "imageName": f"{IMAGE}:{constraint}"}]
    return {
        "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"applicationRefs": [{"namePattern": "web", "images": images, **ref}]},
    }


def application(
    namespace: str,
    name: str = "web",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    images: Sequence[str] = (),
) -> dict[str, Any]:
    """An Application with one source that the plugin renders."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {}),
        },
        "spec": {
            "project": "default",
            "source": {"repoURL": REPOSITORY, "path": "app", "plugin": {"name": "retag"}},
        },
        "status": {"summary": {"images": list(images)}, "sourceType": "Plugin"},
    }


def until(is_so: Callable[[], bool]) -> None:
    """Return when *is_so*, which another process brings about."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.02)


@dataclass
class World:
    """A resolver for Argo CD in *namespace*, in a *folder* with its registry."""

    server: ApiServer
    namespace: str
    folder: Path
    kubeconfig: Path | None = None
    options: Sequence[str] = ()
    silent: bool = False
    resolver: ResolverProcess = field(init=False)

    def __post_init__(self) -> None:
        zot_storage(self.folder / "zot")
        url = "https://127.0.0.1:1" if self.silent else f"file://{self.folder}/zot"
        (self.folder / "registries.conf").write_text(registries(url))
        kubeconfig = self.kubeconfig or self.server.kubeconfig
        flags = ["--kubeconfig", str(kubeconfig), "--argocd-namespace", self.namespace]
        flags += ["--watch-namespaces", self.namespace, *self.options]
        self.resolver = ResolverProcess(self.folder, flags, rules=False)

    def ask(self, image: str = f"{IMAGE}:v1.0.0", **environment: str) -> Reply:
        """What Argo CD gets for the Application web, or another."""
        told = {
            "ARGOCD_APP_PROJECT_NAME": "default",
            "ARGOCD_APP_SOURCE_REPO_URL": REPOSITORY,
            "ARGOCD_APP_SOURCE_PATH": "app",
        }
        return self.resolver.ask(pod(image), **{**told, **environment})

    def tag(self, image: str = f"{IMAGE}:v1.0.0", **environment: str) -> str:
        """The tag of the only image that Argo CD gets."""
        reply = self.ask(image, **environment)
        assert reply.exit_code == 0, reply.stderr
        return reply.stdout.decode().rpartition(":")[2].rstrip("}\n")

    def metric(self, name: str) -> float:
        """The sample *name*, with its labels as Prometheus writes them."""
        lines = self.resolver.get("/metrics")[1].splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


@contextmanager
def resolving(world: World) -> Iterator[World]:
    """*world*, whose resolver runs meanwhile."""
    with world.resolver:
        yield world
