"""What docs/plugin.md tells people to apply can be applied."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cmp.cli.serve import command
from tests.image.dockerfile import PROJECT

_PAGE = (PROJECT / "docs/plugin.md").read_text()
_BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
# What Argo CD's own Deployment has of all that the patch builds on.
_ARGO_CD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: argocd-repo-server}
spec:
  template:
    spec:
      automountServiceAccountToken: false
      initContainers:
        - {name: copyutil, image: argocd}
      containers:
        - {name: argocd-repo-server, image: argocd}
      volumes:
        - {name: var-files, emptyDir: {}}
        - {name: plugins, emptyDir: {}}
        - {name: tls-certs, configMap: {name: argocd-tls-certs-cm}}
"""


def _block(title: str) -> str:
    [block] = [each for each in _BLOCKS if each.startswith(f"# {title}\n")]
    assert isinstance(block, str)
    return block


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The Pod of argocd-repo-server, as kustomize makes it of the page."""
    folder = tmp_path_factory.mktemp("installation")
    (folder / "argocd").mkdir()
    (folder / "argocd" / "deployment.yaml").write_text(_ARGO_CD)
    (folder / "argocd" / "kustomization.yaml").write_text("resources: [deployment.yaml]\n")
    (folder / "kustomization.yaml").write_text(_block("kustomization.yaml"))
    shutil.copytree(PROJECT / "deploy", folder / "deploy")
    patch = folder / "deploy/components/repo-server/repo-server.yaml"
    patch.write_text(_block("repo-server.yaml"))
    built = subprocess.run(["kustomize", "build", folder], check=True, capture_output=True)
    [deployment] = [
        each
        for each in yaml.safe_load_all(built.stdout)
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", "argocd-repo-server")
    ]
    spec = deployment["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def _container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in pod["initContainers"] + pod["containers"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("block", _BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_each_block_is_yaml(block: str) -> None:
    assert isinstance(yaml.safe_load(block), dict)


def test_argo_cds_own_containers_stay(pod: dict[str, Any]) -> None:
    assert {each["name"] for each in pod["initContainers"]} == {"copyutil", "retag-resolver"}
    assert {each["name"] for each in pod["containers"]} == {"argocd-repo-server", "retag"}


def test_each_volume_that_is_mounted_is_there_and_no_other(pod: dict[str, Any]) -> None:
    containers = pod["initContainers"] + pod["containers"]
    mounted = {
        mount["name"] for container in containers for mount in container.get("volumeMounts", [])
    }

    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert not any("subPath" in m for c in containers for m in c.get("volumeMounts", []))


@pytest.mark.parametrize(("name", "user"), [("retag", 999), ("retag-resolver", 998)])
def test_containers_run_with_nothing_that_they_do_not_need(
    pod: dict[str, Any], name: str, user: int
) -> None:
    context = _container(pod, name)["securityContext"]

    assert context == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": 999,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_plugin_can_connect_and_not_replace_the_socket(pod: dict[str, Any]) -> None:
    mounts = {each["name"]: each for each in _container(pod, "retag")["volumeMounts"]}

    assert mounts["retag-socket"]["readOnly"]
    assert not {"retag-cache", "retag-token", "retag-registries"} & set(mounts)


def test_the_resolver_is_there_first_and_holds_nothing_back(pod: dict[str, Any]) -> None:
    resolver = _container(pod, "retag-resolver")

    assert resolver["restartPolicy"] == "Always"
    assert "startupProbe" not in resolver
    assert resolver["ports"][0]["containerPort"] == 8080
    assert {mount["mountPath"] for mount in resolver["volumeMounts"]} >= {"/run/retag"}


def test_all_variables_that_the_plugin_reads_are_told_and_no_other() -> None:
    told = re.findall(r"^\| `(RETAG_\w+)` \|", _PAGE, re.MULTILINE)
    sources = "".join(path.read_text() for path in (PROJECT / "cmp/plugin").glob("*.py"))

    assert sorted(told) == sorted(set(re.findall(r"(?<![A-Z_])RETAG_[A-Z_]+[A-Z]", sources)))


def test_the_resolver_knows_each_flag(pod: dict[str, Any]) -> None:
    told = CliRunner().invoke(command, ["--help"]).output
    _, *flags = _container(pod, "retag-resolver")["args"]

    assert flags
    assert all(re.search(rf"{flag.partition('=')[0]}[ ,]", told) for flag in flags)


def test_the_command_line_in_the_message_is_that_of_plugin_yaml() -> None:
    generate = yaml.safe_load((PROJECT / "plugin.yaml").read_text())["spec"]["generate"]

    assert f"`{' '.join(generate['command'])}` failed exit status 6" in _PAGE
