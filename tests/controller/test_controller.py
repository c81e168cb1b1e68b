"""`retag controller` as a process, before a real API server and a registry over HTTP.

Argo CD is played: it answers when a test says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.cluster.record import Record
from sidecar.cluster.record_format import SELECTOR, config_map, name_of
from tests.controller.argo import REFRESH, SOURCE, ArgoCD
from tests.servers import images
from tests.servers.controller import ControllerProcess, until
from tests.servers.kubernetes import ApiServer
from tests.servers.model import Model
from tests.servers.zot import ZotServer

REGISTRY = "registry.example.com"
_UPDATERS = "/apis/argocd-image-updater.argoproj.io/v1alpha1/namespaces/{}/imageupdaters"


def image(tag: str, name: str = "app") -> str:
    """A reference to the registry of the tests."""
    return f"{REGISTRY}/team/{name}:{tag}"


def updater(namespace: str, name: str = "rules", **ref: Any) -> dict[str, Any]:
    """An ImageUpdater for all Applications, or as *ref* says."""
    stated = [{"alias": "app", "imageName": f"{REGISTRY}/team/app:1.x"}]
    return {
        "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"applicationRefs": [{"namePattern": "*", "images": stated, **ref}]},
    }


@dataclass
class World:
    """A namespace with Argo CD, a registry, and a folder for the controller."""

    server: ApiServer
    namespace: str
    folder: Path
    zot: ZotServer
    argo: ArgoCD = field(init=False)

    def __post_init__(self) -> None:
        self.argo = ArgoCD(self.server, self.namespace, time.time)
        named = {"name": "default", "namespace": self.namespace}
        project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": {}}
        self.server.apply({**project, "metadata": named})
        entry = {"name": "zot", "prefix": REGISTRY, "api_url": self.zot.url, "kind": "zot"}
        (self.folder / "registries.conf").write_text(json.dumps({"registries": [entry]}))

    def controller(self, *options: str, interval: str = "1s") -> ControllerProcess:
        """The controller of this world, not started yet."""
        name = f"controller-{self.namespace}"
        kubeconfig = self.server.kubeconfig_for(self.server.token, name, self.namespace)
        return ControllerProcess(self.folder, kubeconfig, ["--interval", interval, *options])

    def push(self, tag: str, name: str = "app") -> None:
        """Push an image."""
        self.zot.model.push(f"team/{name}", tag, images.image(labels={"is": tag}))

    def rule(self, **ref: Any) -> None:
        """Make the ImageUpdater, or change it."""
        self.server.apply(updater(self.namespace, **ref))

    def status(self) -> dict[str, Any]:
        """That of the ImageUpdater."""
        path = _UPDATERS.format(self.namespace)
        status: dict[str, Any] = self.server.request("GET", f"{path}/rules").get("status", {})
        return status

    def records(self) -> set[str]:
        """The names of the records."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps?labelSelector={SELECTOR}"
        return {each["metadata"]["name"] for each in self.server.request("GET", path)["items"]}

    def versions(self) -> dict[str, str]:
        """The resourceVersion of each Application."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/applications"
        found = self.server.request("GET", path)["items"]
        return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found}

    def listings(self) -> int:
        """How often tags were listed."""
        return sum(target.endswith("/tags/list") for target in self.zot.targets())


@pytest.fixture
def world(
    api_server: ApiServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[World]:
    """A world of its own for each test."""
    name = f"controller-{abs(hash(request.node.name)) % 10**8}"
    with ZotServer(Model()) as zot:
        yield World(api_server, api_server.namespace(name), tmp_path, zot)


def roll_out(world: World, controller: ControllerProcess, name: str, tag: str) -> None:
    """Answer as Argo CD does, from the request for a refresh to the end of the sync."""
    until(lambda: world.argo.is_asked(name), lambda: controller.log)
    world.argo.newest[name] = image(tag)
    world.argo.refresh(name)
    until(lambda: world.argo.is_operating(name), lambda: controller.log)
    world.argo.operate(name)


def looks(controller: ControllerProcess, number: int) -> None:
    """Return when so many more looks were made, and what they brought was decided."""
    polled = controller.metric("retag_repositories_polled_total")
    controller.until("retag_repositories_polled_total", polled + number)


def test_a_tag_that_is_pushed_is_rolled_out_once(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"), automated={"prune": True})
    world.rule()

    with world.controller() as controller:
        looks(controller, 2)
        before = world.versions()
        world.push("1.1.0")
        roll_out(world, controller, "web", "1.1.0")
        after = world.versions()
        looks(controller, 3)
        exit_code = controller.stop()

    assert exit_code == 0
    assert before != after
    assert world.versions() == after
    assert world.argo.hard["web"] == 1
    assert len(world.argo.syncs) == 1


def test_with_everything_forgotten_a_pushed_tag_still_rolls_out(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"), automated={"prune": True})
    world.rule()
    controller = world.controller()
    with controller:
        looks(controller, 2)
        controller.kill()
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    world.server.request("DELETE", f"{path}?labelSelector=retag.dev/record")
    world.push("1.1.0")

    with world.controller("--leader-election=false") as again:
        roll_out(world, again, "web", "1.1.0")

    assert world.argo.hard["web"] == 1


def test_an_application_of_several_sources_is_rolled_out_unless_it_says_otherwise(
    world: World,
) -> None:
    world.push("1.0.0")
    other = {"repoURL": "https://git.example.com/team/values", "ref": "values"}
    for name, parameters in {
        "plain": [],
        "frozen": [{"name": "freeze", "string": "true"}],
        "pinned": [{"name": "pins", "map": {"app": "1.0.0"}}],
        "broken": [{"name": "freze", "string": "true"}],
    }.items():
        world.argo.make(name, image("1.0.0"))
        plugin = {"name": "retag", "parameters": parameters}
        sources = [other, {**SOURCE, "plugin": plugin}]
        world.argo.patch(name, {"spec": {"source": None, "sources": sources}})
    world.rule()

    with world.controller() as controller:
        looks(controller, 2)
        world.push("1.1.0")
        until(lambda: world.argo.is_asked("plain"), lambda: controller.log)
        looks(controller, 2)
        until(lambda: "Error" in str(world.status()), lambda: str(world.status()))

    assert not any(map(world.argo.is_asked, ("frozen", "pinned", "broken")))
    error = next(each for each in world.status()["conditions"] if each["type"] == "Error")
    assert (error["status"], error["reason"]) == ("True", "PartialErrors")
    assert error["message"] == (
        f"Application {world.namespace}/broken: there is no parameter 'freze' [RT222]"
    )


def test_the_status_tells_what_is_ruled_and_is_written_only_for_news(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"))
    world.argo.make("api", image("1.0.0"))
    world.rule()

    with world.controller() as controller:
        until(lambda: "conditions" in world.status(), lambda: controller.log)
        looks(controller, 3)  # longer than statuses are looked at again
        status = world.status()
        writes = controller.metric("retag_status_writes_total")

    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert writes == 1
    assert (status["applicationsMatched"], status["imagesManaged"]) == (2, 2)
    assert status["observedGeneration"] == 1
    assert conditions == {
        "Ready": ("True", "ReconcileSucceeded"),
        "Reconciling": ("False", "Idle"),
        "Error": ("False", "NoErrors"),
    }


def test_a_dry_run_tells_what_it_would_do_and_writes_nothing(world: World) -> None:
    world.push("1.1.0")
    world.argo.make("web", image("1.0.0"))
    world.rule()
    before = world.versions()

    with world.controller("--dry-run") as controller:
        until(lambda: "dry run" in controller.log, lambda: controller.log)
        looks(controller, 2)

    told = [each["msg"] for each in controller.lines if each["msg"].startswith("dry run")]
    line = f"dry run: {world.namespace}/web: {image('1.0.0')} → {image('1.1.0')}"
    rule = f"ImageUpdater {world.namespace}/rules, ref *, image app"
    assert told == [f"{line} ({rule}; newest of 1 allowed version in 1.x)"]
    assert world.versions() == before
    assert world.status() == {}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases"
    assert world.server.request("GET", leases)["items"] == []


def test_once_looks_at_all_and_ends(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"))
    world.rule()

    controller = world.controller("--once", interval="5m")

    assert controller.run() == 0
    assert world.listings() == 1
    assert world.status()["applicationsMatched"] == 1


def test_who_leads_no_more_tells_of_nothing_that_waits(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"))
    world.rule()
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/retag-controller"

    with world.controller() as controller:
        looks(controller, 1)
        world.push("1.1.0")
        until(lambda: controller.metric("retag_deliveries_pending") == 1, lambda: controller.log)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        other = {"holderIdentity": "another", "renewTime": now, "leaseDurationSeconds": 3600}
        world.server.patch(lease, {"spec": other})
        until(lambda: controller.metric("retag_leader") == 0, lambda: controller.log)

        until(lambda: controller.metric("retag_deliveries_pending") == 0, lambda: controller.log)


def test_a_replica_that_does_not_lead_asks_nobody_anything(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"))
    world.rule()

    with world.controller() as first:
        looks(first, 1)
        (world.folder / "second").mkdir()
        second = world.controller()
        second.folder = world.folder / "second"
        (second.folder / "registries.conf").write_text(
            (world.folder / "registries.conf").read_text()
        )
        with second:
            looks(first, 2)
            waiting = second.metric("retag_leader"), second.metric("retag_watch_events_total")

            assert waiting == (0, 0)
            assert "the cluster is known" not in second.log

            first.stop()
            looks(second, 1)

            assert second.metric("retag_leader") == 1


def test_a_repository_that_answers_again_heals_who_could_not_be_rendered(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"))
    world.rule()

    with world.controller() as controller:
        looks(controller, 1)
        world.argo.refresh("web", error="plugin failed: no answer of the registry [RT540]")
        until(lambda: world.argo.is_asked("web"), lambda: controller.log)

    assert world.argo.get("web")["metadata"]["annotations"][REFRESH] == "hard"


def test_records_of_applications_that_went_meanwhile_are_deleted(world: World) -> None:
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"))
    world.rule()
    elsewhere = f"{world.namespace}-other"
    gone = [
        Record(namespace=namespace, name="gone", uid="7")
        for namespace in (world.namespace, elsewhere)
    ]
    world.server.apply(*(config_map(each, world.namespace) for each in gone))

    with world.controller() as controller:
        looks(controller, 1)
        kept = {name_of(world.namespace, "web"), name_of(elsewhere, "gone")}
        until(lambda: world.records() == kept, lambda: controller.log)


def test_without_a_cluster_nothing_can_be_controlled(tmp_path: Path) -> None:
    controller = ControllerProcess(tmp_path, tmp_path / "missing")

    assert controller.run() == 6
    assert "RT657" in controller.log
