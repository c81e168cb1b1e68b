"""An Application in a cluster, with what the controller recorded of it."""

from __future__ import annotations

from typing import Any

from sidecar.cluster.record import Past, Record
from sidecar.cluster.record_format import config_map
from tests.servers.kubernetes import ApiServer

REPOSITORY = "registry.example.com/team/api"
DIGEST = "sha256:" + "a" * 64
RULE = "ImageUpdater argocd/rule, ref web, image api"


def past(before: str, after: str, *, at: float = 1_767_225_600, **stated: str) -> Past:
    """A change of the image `api` from one tag to another, on the first of January of 2026."""
    fields = {"rule": RULE, "alias": "api", "image": REPOSITORY, "why": "the newest", **stated}
    image = fields["image"]
    return Past(
        at=at,
        before=f"{image}:{before}" if before else "",
        after=f"{image}:{after}",
        **fields,
    )


def put_record(server: ApiServer, namespace: str, *history: Past, name: str = "web") -> None:
    """Record *history*, the newest first, of the Application *name* of *namespace*."""
    record = Record(namespace=namespace, name=name, uid="1", history=history)
    server.apply(config_map(record, namespace))


def application(namespace: str, **spec: Any) -> dict[str, Any]:
    """The Application `web`, which names the plugin if *spec* states nothing else."""
    source = {
        "repoURL": "https://git.example.com/r.git",
        "path": "web",
        "plugin": {"name": "retag"},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": spec or {"source": source},
    }


def updater(namespace: str, **settings: Any) -> dict[str, Any]:
    """A rule for the image `api` of the Application `web`."""
    image = {"alias": "api", "imageName": REPOSITORY, "commonUpdateSettings": settings}
    return {
        "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": "rule", "namespace": namespace},
        "spec": {"applicationRefs": [{"namePattern": "web", "images": [image]}]},
    }
