"""What `deploy/` says: rendered by kustomize, and held to what docs/install.md promises."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cmp.cli import retag
from tests.deploy.conftest import Deployed
from tests.deploy.rendering import (
    DEPLOY,
    PROJECT,
    Object,
    build,
    container_of,
    pick,
    pod_of,
)

RESOLVER = ("argocd-repo-server", "retag-resolver")
PLUGIN = ("argocd-repo-server", "retag")
CONTROLLER = ("retag-controller", "controller")
OURS = [RESOLVER, PLUGIN, CONTROLLER]
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def _container(deployed: Deployed, place: tuple[str, str]) -> Object:
    deployment, name = place
    return container_of(pod_of(deployed.all, deployment), name)


def _mounts(container: Object) -> dict[str, Any]:
    return {each["name"]: each for each in container.get("volumeMounts", [])}


@pytest.mark.parametrize("place", OURS, ids=lambda place: place[1])
def test_each_container_has_nothing_that_it_does_not_need(
    deployed: Deployed, place: tuple[str, str]
) -> None:
    container = _container(deployed, place)

    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 999 if place == PLUGIN else 998,
        "runAsGroup": 999,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize("place", OURS, ids=lambda place: place[1])
def test_each_container_has_probes_and_bounds(deployed: Deployed, place: tuple[str, str]) -> None:
    container = _container(deployed, place)

    assert {"readinessProbe", "livenessProbe"} <= set(container)
    assert "startupProbe" not in container, "it would hold back argocd-repo-server"
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert container["image"] == "registry.example.com/retag:0.1.0"


def test_the_resolver_is_started_before_the_plugin_and_runs_beside_it(deployed: Deployed) -> None:
    pod = pod_of(deployed.all, "argocd-repo-server")

    assert container_of(pod, "retag-resolver")["restartPolicy"] == "Always"
    assert {e["name"] for e in pod["initContainers"]} == {"copyutil", "retag-resolver"}
    assert {e["name"] for e in pod["containers"]} == {"argocd-repo-server", "retag"}


def test_the_token_is_mounted_in_the_resolver_alone(deployed: Deployed) -> None:
    pod = pod_of(deployed.all, "argocd-repo-server")
    projecting = {e["name"] for e in pod["volumes"] if "serviceAccountToken" in str(e)}
    having = {
        container["name"]
        for container in pod["initContainers"] + pod["containers"]
        if projecting & set(_mounts(container))
    }

    assert pod["automountServiceAccountToken"] is False
    assert having == {"retag-resolver"}
    mount = _mounts(container_of(pod, "retag-resolver"))["retag-token"]
    assert (mount["mountPath"], mount["readOnly"]) == (_TOKEN, True)


def test_the_volume_of_the_token_has_what_a_client_reads(deployed: Deployed) -> None:
    pod = pod_of(deployed.all, "argocd-repo-server")
    [volume] = [e for e in pod["volumes"] if e["name"] == "retag-token"]
    sources: Object = {}
    for each in volume["projected"]["sources"]:
        sources |= each

    assert sources["serviceAccountToken"]["path"] == "token"
    assert sources["configMap"]["name"] == "kube-root-ca.crt"
    assert sources["configMap"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert [each["path"] for each in sources["downwardAPI"]["items"]] == ["namespace"]


def test_the_plugin_can_connect_to_the_socket_and_not_replace_it(deployed: Deployed) -> None:
    plugin, resolver = (_mounts(_container(deployed, place)) for place in (PLUGIN, RESOLVER))

    assert plugin["retag-socket"]["readOnly"] is True
    assert plugin["retag-socket"]["mountPath"] == resolver["retag-socket"]["mountPath"]
    assert "readOnly" not in resolver["retag-socket"]


def test_the_plugin_shares_nothing_else_with_the_resolver(deployed: Deployed) -> None:
    plugin, resolver = (_mounts(_container(deployed, place)) for place in (PLUGIN, RESOLVER))

    assert set(plugin) & set(resolver) == {"retag-socket"}
    assert set(plugin) == {"var-files", "plugins", "retag-tmp", "retag-socket"}


@pytest.mark.parametrize("deployment", ["argocd-repo-server", "retag-controller"])
def test_each_volume_that_is_mounted_is_there_and_the_other_way_round(
    deployed: Deployed, deployment: str
) -> None:
    pod = pod_of(deployed.all, deployment)
    containers = pod.get("initContainers", []) + pod["containers"]

    mounted = {name for container in containers for name in _mounts(container)}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    # kubelet never updates what is mounted with subPath
    assert not any("subPath" in m for c in containers for m in _mounts(c).values())


def test_no_rule_of_rbac_has_a_wildcard(deployed: Deployed) -> None:
    rules = [
        rule for each in deployed.all if each["kind"].endswith("Role") for rule in each["rules"]
    ]

    assert len(rules) > 8
    assert not [r for r in rules if "*" in r["apiGroups"] + r["resources"] + r["verbs"]]


def test_secrets_are_got_one_by_one(deployed: Deployed) -> None:
    rules = [
        rule
        for each in deployed.all
        if each["kind"].endswith("Role")
        for rule in each["rules"]
        if "secrets" in rule["resources"]
    ]

    assert [(rule["verbs"], rule["resourceNames"]) for rule in rules] == [(["get"], ["zot-login"])]


def test_the_secrets_of_registries_conf_are_those_of_rbac(deployed: Deployed) -> None:
    text = pick(deployed.all, "ConfigMap", "retag-registries")["data"]["registries.conf"]
    allowed = pick(deployed.all, "Role", "retag-credentials")["rules"][0]["resourceNames"]
    secret = pick(deployed.argocd, "Secret", "zot-login")

    named = re.findall(r"secret:(\w+)/([\w-]+)#([\w.]+)", text)
    assert named == [("argocd", *allowed, *secret["stringData"])]
    assert re.fullmatch(r"[\w-]+:[\w-]+", secret["stringData"]["zot.credentials"])


def _bound(objects: list[Object], kind: str) -> set[tuple[str, str]]:
    return {
        (each["roleRef"]["name"], subject["name"])
        for each in objects
        if each["kind"] == kind
        for subject in each["subjects"]
        if (subject["kind"], subject["namespace"]) == ("ServiceAccount", "argocd")
    }


def test_each_role_is_bound_to_the_account_that_needs_it(deployed: Deployed) -> None:
    assert _bound(list(deployed.argocd), "RoleBinding") == {
        ("retag-credentials", "argocd-repo-server"),
        ("retag-credentials", "retag-controller"),
        ("retag-resolver", "argocd-repo-server"),
        ("retag-controller", "retag-controller"),
    }
    assert _bound(list(deployed.argocd), "ClusterRoleBinding") == set()
    assert _bound(list(deployed.all), "ClusterRoleBinding") == {
        ("retag-resolver", "argocd-repo-server"),
        ("retag-controller", "retag-controller"),
    }


def test_the_kind_comes_first_and_what_is_of_it_last(deployed: Deployed) -> None:
    crd = pick(
        deployed.argocd,
        "CustomResourceDefinition",
        "imageupdaters.argocd-image-updater.argoproj.io",
    )
    resource = pick(deployed.argocd, "ImageUpdater", "my-app")

    assert crd["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == "-1"
    assert resource["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-wave": "1",
        "argocd.argoproj.io/sync-options": "SkipDryRunOnMissingResource=true",
    }


@pytest.mark.parametrize("place", [RESOLVER, CONTROLLER], ids=lambda place: place[1])
def test_the_command_takes_each_flag(deployed: Deployed, place: tuple[str, str]) -> None:
    name, *flags = _container(deployed, place)["args"]
    command = retag.get_command(click.Context(retag), name)

    assert command is not None
    with click.Context(command) as context:
        _, rest, _ = command.make_parser(context).parse_args(list(flags))
    assert not rest


def test_the_controller_is_told_what_the_image_updater_is(deployed: Deployed) -> None:
    flags = _container(deployed, CONTROLLER)["args"]

    assert {"--interval=5m", "--health-probe-bind-address=:8080", "--loglevel=info"} <= set(flags)


def test_probes_and_services_name_ports_that_are_there(deployed: Deployed) -> None:
    for place in (RESOLVER, CONTROLLER):
        container = _container(deployed, place)
        ports = {each["name"] for each in container["ports"]}
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
    service = pick(deployed.all, "Service", "retag-controller")["spec"]["ports"]
    named = {each["name"]: each for each in _container(deployed, CONTROLLER)["ports"]}

    assert {each["targetPort"] for each in service} == set(named)
    assert all(each["port"] == named[each["targetPort"]]["containerPort"] for each in service)


def test_network_policies_let_in_to_our_ports_alone(deployed: Deployed) -> None:
    policies = [
        each
        for each in deployed.all
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"].startswith("retag-")
    ]
    ports = {
        port["containerPort"]
        for place in (RESOLVER, CONTROLLER)
        for port in _container(deployed, place)["ports"]
    }

    assert len(policies) == 3
    assert all(each["spec"]["policyTypes"] == ["Ingress"] for each in policies)
    opened = {p["port"] for e in policies for r in e["spec"]["ingress"] for p in r["ports"]}
    assert opened == ports
    assert all("from" in rule for each in policies for rule in each["spec"]["ingress"])


def test_in_all_namespaces_secrets_and_configmaps_stay_argo_cds(deployed: Deployed) -> None:
    given = [
        resource
        for each in deployed.all
        if each["kind"] == "ClusterRole"
        for rule in each["rules"]
        for resource in rule["resources"]
    ]

    assert set(given) == {"imageupdaters", "imageupdaters/status", "applications", "events"}
    for place in (RESOLVER, CONTROLLER):
        env = {e["name"]: e.get("value") for e in _container(deployed, place)["env"]}
        assert env["IMAGE_UPDATER_WATCH_NAMESPACES"] == "*"


def test_the_settings_are_those_that_the_page_recommends(deployed: Deployed) -> None:
    env = container_of(pod_of(deployed.all, "argocd-repo-server"), "argocd-repo-server")["env"]
    told = {each["name"]: each["value"] for each in env}

    assert told["ARGOCD_PAUSE_GEN_AFTER_FAILED_ATTEMPTS"] == "0"
    assert told["HELM_CACHE_HOME"], "Argo CD's own stay"
    params = pick(deployed.all, "ConfigMap", "argocd-cmd-params-cm")["data"]
    assert params == {"reposerver.plugin.tar.exclusions": ".git"}
    page = (PROJECT / "docs/plugin.md").read_text()
    assert "ARGOCD_PAUSE_GEN_AFTER_FAILED_ATTEMPTS=0" in page
    assert 'reposerver.plugin.tar.exclusions: ".git"' in page


def test_the_values_of_the_chart_have_the_same_containers_and_volumes(deployed: Deployed) -> None:
    values = yaml.safe_load((DEPLOY / "helm/values.yaml").read_text())
    text = (DEPLOY / "components/repo-server/repo-server.yaml").read_text()
    patch = yaml.safe_load(text)["spec"]["template"]["spec"]
    server = values["repoServer"]

    assert server["initContainers"] == patch["initContainers"]
    assert server["extraContainers"] == patch["containers"]
    assert server["volumes"] == patch["volumes"]
    assert server["automountServiceAccountToken"] is patch["automountServiceAccountToken"] is False
    settings = container_of(pod_of(deployed.all, "argocd-repo-server"), "argocd-repo-server")
    assert all(each in settings["env"] for each in server["env"])
    params = pick(deployed.all, "ConfigMap", "argocd-cmd-params-cm")["data"]
    assert values["configs"]["params"] == params
    assert "{{" not in (DEPLOY / "helm/values.yaml").read_text(), "the chart would run it"


def test_the_snippet_of_the_page_is_the_patch() -> None:
    patch = (DEPLOY / "components/repo-server/repo-server.yaml").read_text()

    assert f"```yaml\n{patch}```\n" in (PROJECT / "docs/plugin.md").read_text()


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe"])
def test_the_plugins_probe_tells_whether_somebody_listens(
    deployed: Deployed, tmp_path: Path, probe: str
) -> None:
    python, *rest = _container(deployed, PLUGIN)[probe]["exec"]["command"]
    path = tmp_path / "it.sock"
    rest = [each.replace("/home/argocd/cmp-server/plugins/retag.sock", str(path)) for each in rest]

    def ended() -> int:
        done = subprocess.run([sys.executable, *rest], check=False, capture_output=True)
        return done.returncode

    assert python == "/usr/local/bin/python3"
    assert ended() != 0
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert ended() == 0
    assert ended() != 0, "nobody listens any more"


KSOPS = """\
#!{python}
# KSOPS as kustomize sees it: a resource list comes in, the decrypted file goes out.
import sys
sys.stdin.read()
print("apiVersion: v1\\nkind: Secret\\nmetadata: {{name: zot-login}}")
print("stringData: {{zot.credentials: 'made-up-user:made-up-password'}}")
"""


def test_kustomize_asks_ksops_for_the_secret(deployed: Deployed, tmp_path: Path) -> None:
    program = tmp_path / "ksops"
    program.write_text(KSOPS.format(python=sys.executable))
    program.chmod(0o755)
    flags = ("--enable-alpha-plugins", "--enable-exec")

    [secret] = build(deployed.folder / "overlays/sops", *flags, programs=tmp_path)

    plain = pick(deployed.argocd, "Secret", "zot-login")
    assert secret["metadata"] == plain["metadata"]
    assert secret["stringData"].keys() == plain["stringData"].keys()


def test_nothing_of_the_encrypted_example_looks_real() -> None:
    text = (DEPLOY / "overlays/sops/zot-login.sops.yaml").read_text()
    rules = (DEPLOY / "overlays/sops/.sops.yaml").read_text()

    assert text.count("MADE-UP") >= 8
    assert "age1" not in text + rules
    assert "AGE-SECRET-KEY" not in text + rules


def test_each_file_of_the_folder_is_used() -> None:
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    files = [path for path in files if "monitoring" not in path.parts]
    naming = [path for path in files if path.name in ("kustomization.yaml", "ksops.yaml")]
    naming.append(PROJECT / "docs/install.md")
    named = "".join(path.read_text() for path in naming)

    assert [f for f in files if f.name not in named and f.name != "kustomization.yaml"] == []
