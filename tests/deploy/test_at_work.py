"""The roles at work, each as the account that `deploy/` gives it, with its policies in force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller.test_controller import World, image, looks, roll_out
from tests.deploy.conftest import Installed
from tests.deploy.rendering import Object
from tests.servers.access import Htpasswd
from tests.servers.controller import ControllerProcess, until
from tests.servers.model import Model
from tests.servers.resolver import ResolverProcess
from tests.servers.zot import ZotServer

LOGIN = {"made-up-user": "made-up-password"}  # as the example of a Secret has it


@pytest.fixture
def world(installed: Installed, tmp_path: Path) -> Iterator[World]:
    """Argo CD's namespace, and a registry that wants the login of the Secret."""
    with ZotServer(Model(), access=Htpasswd(LOGIN)) as zot:
        found = World(installed.server, "argocd", tmp_path, zot)
        path = tmp_path / "registries.conf"
        listed = json.loads(path.read_text())
        listed["registries"][0]["credentials"] = "secret:argocd/zot-login#zot.credentials"
        path.write_text(json.dumps(listed))
        yield found


def _as(world: World, account: str) -> Path:
    token = world.server.token_of("argocd", account)
    return world.server.kubeconfig_for(token, account, "argocd")


def test_the_controller_rolls_a_tag_out(world: World) -> None:
    options = ["--interval", "1s", "--argocd-namespace", "argocd"]
    controller = ControllerProcess(world.folder, _as(world, "retag-controller"), options)
    world.push("1.0.0")
    world.argo.make("web", image("1.0.0"), automated={"prune": True})
    world.rule()
    records = "/api/v1/namespaces/argocd/configmaps/retag.argocd.web"

    with controller:
        looks(controller, 2)
        world.push("1.1.0")
        roll_out(world, controller, "web", "1.1.0")
        until(lambda: bool(world.status()), lambda: controller.log)
        until(lambda: bool(_events(world)), lambda: controller.log)

    assert "RT651" not in controller.log, "that it may not do something"
    assert world.server.request("GET", records)["data"]["record"]
    lease = "/apis/coordination.k8s.io/v1/namespaces/argocd/leases/retag-controller"
    assert world.server.request("GET", lease)["spec"]


def test_a_window_of_a_global_project_keeps_a_sync_from_starting(world: World) -> None:
    options = ["--interval", "1s", "--argocd-namespace", "argocd"]
    controller = ControllerProcess(world.folder, _as(world, "retag-controller"), options)
    listed = "- projectName: closed\n  labelSelector: {matchLabels: {closes: at-night}}\n"
    of_argo_cd = {"app.kubernetes.io/part-of": "argocd"}
    world.server.apply(
        _project("shop", {"closes": "at-night"}),
        _project("closed", {}, {"kind": "deny", "schedule": "* * * * *", "duration": "1h"}),
        _config_map("argocd-cm", of_argo_cd, {"globalProjects": listed}),
    )
    world.push("1.0.0")
    world.argo.make("shop", image("1.0.0"), automated={"prune": True})
    world.argo.patch("shop", {"spec": {"project": "shop"}})
    world.rule()

    with controller:
        looks(controller, 2)
        world.push("1.1.0")
        until(lambda: world.argo.is_asked("shop"), lambda: controller.log)
        world.argo.newest["shop"] = image("1.1.0")
        world.argo.refresh("shop")
        until(lambda: "shop: the sync waits" in controller.log, lambda: controller.log)

    world.server.request("DELETE", "/api/v1/namespaces/argocd/configmaps/argocd-cm")
    assert "the sync waits: a sync window of the project is closed" in controller.log
    assert not world.argo.is_operating("shop")


def _project(name: str, labels: dict[str, str], *windows: dict[str, str]) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd", "labels": labels},
        "spec": {"syncWindows": [{**each, "applications": ["*"]} for each in windows]},
    }


def _config_map(name: str, labels: dict[str, str], data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": "argocd", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _events(world: World) -> list[str]:
    found = world.server.request("GET", "/api/v1/namespaces/argocd/events")["items"]
    return [each["message"] for each in found if each["involvedObject"]["name"] == "web"]


def test_the_resolver_reads_what_it_needs(world: World) -> None:
    options = ["--kubeconfig", str(_as(world, "argocd-repo-server"))]

    world.push("1.0.0")
    world.push("1.1.0")
    world.argo.make("api", image("1.0.0"), automated={"prune": True})
    world.rule()
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": image("1.0.0")}]}}

    with ResolverProcess(world.folder, [*options, "--argocd-namespace=argocd"], rules=False) as it:
        reply = it.ask(json.dumps(pod).encode(), ARGOCD_APP_NAME="api")

    assert image("1.1.0") in reply.stdout.decode(), reply.stderr
    assert "RT651" not in it.log
