"""A real API server on which `deploy/` is installed, and what kustomize makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.rendering import Object, build, copy_of
from tests.kubernetes import crds
from tests.servers.kubernetes import ApiServer


@dataclass(frozen=True)
class Deployed:
    """*folder* is a copy of deploy/; *all* is all of it, *argocd* the overlay of that name."""

    folder: Path
    all: Sequence[Object]
    argocd: Sequence[Object]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """What kustomize makes of deploy/."""
    folder = copy_of(tmp_path_factory.mktemp("deploy"))
    overlays = folder / "overlays"
    return Deployed(folder, build(overlays / "all"), build(overlays / "argocd"))


@dataclass(frozen=True)
class Installed:
    """An API server with all of deploy/ on it."""

    server: ApiServer

    def create(self, manifest: Object, *flags: str) -> Object:
        """Create it; an unknown field is an error."""
        query = "&".join(("fieldValidation=Strict", *flags))
        return self.server.request("POST", f"{self.server.path_of(manifest)}?{query}", manifest)


@pytest.fixture(scope="session")
def installed(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An API server of its own, since kinds, policies and ClusterRoles are everybody's."""
    with ApiServer(tmp_path_factory.mktemp("installed")) as server:
        server.namespace("argocd")
        server.namespace("team")
        for crd in (
            crds.argo_cd("applications", "Application"),
            crds.argo_cd("appprojects", "AppProject"),
        ):
            server.apply(crd)
            server.wait_for_crd(crd["metadata"]["name"])
        whole = Installed(server)
        for each in in_order(deployed.argocd):
            if each["kind"] == "ImageUpdater":
                server.wait_for_crd("imageupdaters.argocd-image-updater.argoproj.io")
            whole.create(each)
        yield whole


def in_order(objects: Sequence[Object]) -> list[Object]:
    """By sync wave, as Argo CD applies them."""
    wave = "argocd.argoproj.io/sync-wave"
    return sorted(objects, key=lambda e: int(e["metadata"].get("annotations", {}).get(wave, 0)))
