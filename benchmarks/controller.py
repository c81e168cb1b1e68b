"""The controller at the size of a large Argo CD: what it asks registries, and writes to a cluster.

1,000 Applications of 5 images each (some of 6), which are 200 repositories, before a real API
server. Argo CD does not answer here: what is counted is what it is asked.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.row import Row
from tests.kubernetes import crds
from tests.servers import images
from tests.servers.controller import ControllerProcess
from tests.servers.kubernetes import ApiServer
from tests.servers.model import Model
from tests.servers.zot import ZotServer

REGISTRY = "registry.example.com"
NAMESPACE = "argocd"
IMAGES = 5  # of each Application
INTERVAL = 20.0  # seconds
_APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
_REFRESH = "argocd.argoproj.io/refresh"
_PATIENCE = 600.0


@dataclass(frozen=True)
class Size:
    """How many there are; each Application has so many *bytes* besides what is looked at."""

    applications: int = 1_000
    repositories: int = 200
    updaters: int = 40
    tags: int = 20
    bytes: int = 2_000


@dataclass
class Cluster:
    """An API server with Applications, and a registry with their images."""

    server: ApiServer
    zot: ZotServer
    size: Size

    def fill(self) -> None:
        """Make all of it."""
        self.server.namespace(NAMESPACE)
        crds.install(self.server)
        content = [(f"v1.0.{number}", images.image()) for number in range(self.size.tags)]
        for number in range(self.size.repositories):
            self.zot.model.push_all(f"team/app-{number}", content)
        made = [self._updater(number) for number in range(self.size.updaters)]
        made += [self._application(number) for number in range(self.size.applications)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._make, made))

    def versions(self) -> dict[str, str]:
        """The resourceVersion of each Application."""
        return {
            each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in self._all()
        }

    def asked(self) -> set[str]:
        """The Applications that wait for a hard refresh."""
        return {
            each["metadata"]["name"]
            for each in self._all()
            if (each["metadata"].get("annotations") or {}).get(_REFRESH) == "hard"
        }

    def listings(self) -> int:
        """How often tags were listed since the registry began."""
        return sum(target.endswith("/tags/list") for target in self.zot.targets())

    def images_of(self, application: int) -> list[int]:
        """The numbers of its repositories: those of its team."""
        return self._of_team(application % (self.size.repositories // IMAGES))

    def _of_team(self, team: int) -> list[int]:
        """Five of its own; the first of all is used by two teams, so by 50 of 1,000."""
        own = list(range(team * IMAGES, team * IMAGES + IMAGES))
        return [0, *own] if team == 1 else own

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.server.request("GET", _APPLICATIONS)["items"]
        return found

    def _make(self, manifest: Mapping[str, Any]) -> None:
        path = _APPLICATIONS
        if manifest["kind"] == "ImageUpdater":
            path = f"/apis/{manifest['apiVersion']}/namespaces/{NAMESPACE}/imageupdaters"
        self.server.request("POST", path, dict(manifest))

    def _updater(self, number: int) -> dict[str, Any]:
        """For the Applications of some teams."""
        teams = self.size.repositories // IMAGES
        mine = range(number, max(teams, number + 1), self.size.updaters)
        refs = [
            {
                "namePattern": f"team-{team}-*",
                "images": [
                    {"alias": f"i{each}", "imageName": f"{REGISTRY}/team/app-{each}:~1"}
                    for each in self._of_team(team)
                ],
            }
            for team in mine
        ]
        return {
            "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
            "kind": "ImageUpdater",
            "metadata": {"name": f"rules-{number}"},
            "spec": {"applicationRefs": refs},
        }

    def _application(self, number: int) -> dict[str, Any]:
        team = number % (self.size.repositories // IMAGES)
        newest = f"v1.0.{self.size.tags - 1}"
        running = [f"{REGISTRY}/team/app-{each}:{newest}" for each in self.images_of(number)]
        resource = {"kind": "ConfigMap", "version": "v1", "namespace": "app", "status": "Synced"}
        one = len(json.dumps({**resource, "name": "made-up-0000"})) + 2
        resources = [
            {**resource, "name": f"made-up-{each:04}"} for each in range(self.size.bytes // one)
        ]
        source = {"repoURL": "https://git.example.com/team", "path": "app"}
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": f"team-{team}-app-{number}"},
            "spec": {
                "project": "default",
                "source": {**source, "plugin": {"name": "retag"}},
                "syncPolicy": {"automated": {"selfHeal": True}},
            },
            "status": {
                "sync": {"status": "Synced", "revision": "1" * 40},
                "reconciledAt": "2026-01-01T00:00:00Z",
                "summary": {"images": running},
                "resources": resources,
            },
        }


@contextmanager
def cluster(size: Size) -> Iterator[tuple[Cluster, ControllerProcess]]:
    """A cluster of *size*, and a controller for it that is not started yet."""
    with tempfile.TemporaryDirectory() as name, ZotServer(Model()) as zot:
        folder = Path(name)
        (folder / "api").mkdir()
        entry = {"name": "zot", "prefix": REGISTRY, "api_url": zot.url, "kind": "zot"}
        (folder / "registries.conf").write_text(json.dumps({"registries": [entry]}))
        with ApiServer(folder / "api") as server:
            found = Cluster(server, zot, size)
            found.fill()
            options = ["--interval", f"{INTERVAL:g}s", "--loglevel", "warn"]
            yield found, ControllerProcess(folder, server.kubeconfig, options)


def run() -> Iterator[Row]:
    """Listings and writes of an interval without news, and of one with a new tag."""
    with cluster(Size()) as (found, controller), controller:
        polled = "retag_repositories_polled_total"
        _until(lambda: controller.metric(polled) >= 2 * found.size.repositories)
        _until(lambda: controller.metric("retag_deliveries_pending") == 0)
        versions, listings = found.versions(), found.listings()
        time.sleep(INTERVAL)
        size = f"{found.size.applications} Applications, {found.size.repositories} repositories"
        method = f"{size}, {INTERVAL:g} s; counted at the registry and the API server"
        listed = found.listings() - listings
        yield Row(
            "a poll without news: listings", listed, "", f"≤ {found.size.repositories}", method
        )
        after = found.versions()
        changed = sum(after[name] != version for name, version in versions.items())
        yield Row("its writes to Applications", changed, "", "0", method)
        yield from _news(found, controller, versions)


def _news(
    found: Cluster, controller: ControllerProcess, versions: Mapping[str, str]
) -> Iterator[Row]:
    """A new tag of an image that some Applications run."""
    users = sum(0 in found.images_of(each) for each in range(found.size.applications))
    found.zot.model.push("team/app-0", "v1.1.0", images.image(labels={"is": "new"}))
    began = time.perf_counter()
    _until(lambda: len(found.asked()) >= users)
    took = time.perf_counter() - began
    time.sleep(INTERVAL)
    asked, after = found.asked(), found.versions()
    changed = {name for name, version in versions.items() if after[name] != version}
    method = f"of {users} Applications that run it; the last after {took:.0f} s"
    yield Row("a new tag: refreshes", len(asked), "", f"{users}", method)
    yield Row("its other writes to Applications", len(changed - asked), "", "0", method)
    yield Row("controller: memory", _held(controller), "MB", "", "VmRSS, after that")


def _until(is_so: Any) -> None:
    ends = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.5)


def _held(controller: ControllerProcess) -> float:
    """Megabytes of memory that the process holds now (Linux)."""
    assert controller.process is not None
    status = Path(f"/proc/{controller.process.pid}/status").read_text()
    [line] = [each for each in status.splitlines() if each.startswith("VmRSS:")]
    return int(line.split()[1]) / 1000
