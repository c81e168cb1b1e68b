"""`retag doctor`, the real command, and a cluster that lacks the kind, has another, or is gone."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import DEPLOY
from tests.servers.access import Htpasswd
from tests.servers.kubernetes import ApiServer
from tests.servers.model import Model
from tests.servers.zot import ZotServer

RETAG = Path(sys.executable).parent / "retag"
NAME = "imageupdaters.argocd-image-updater.argoproj.io"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A cluster without Argo CD and Retag."""
    with ApiServer(tmp_path_factory.mktemp("empty")) as server:
        server.namespace("argocd")
        yield server


def doctor(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RETAG, "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONWARNINGS": "error", "PATH": str(DEPLOY)},
    )


def _asked(server: ApiServer, folder: Path) -> dict[str, str]:
    done = doctor("--kubeconfig", str(server.kubeconfig), "-o", "json", folder=folder)
    assert done.returncode == 1, done.stderr
    return {each["code"]: each["what"] for each in json.loads(done.stdout)["results"]}


def test_with_a_cluster_this_machine_is_not_looked_at(empty: ApiServer, tmp_path: Path) -> None:
    assert "RT106" not in _asked(empty, tmp_path)


def _without(schema: Any, *names: str) -> Any:
    """*schema* without the fields *names*, wherever they are."""
    if isinstance(schema, list):
        return [_without(each, *names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without(value, *names) for key, value in schema.items() if key not in names}


def test_a_cluster_without_the_kind_then_with_another_then_with_ours(
    empty: ApiServer, tmp_path: Path
) -> None:
    ours = yaml.safe_load((DEPLOY / "base/00-crd.yaml").read_text())
    other = _without(copy.deepcopy(ours), "denyTags", "minAge")

    assert "could not find the requested resource" in _asked(empty, tmp_path)["RT110"]
    empty.apply(other)
    empty.wait_for_crd(NAME)
    assert "denyTags" in _asked(empty, tmp_path)["RT111"]
    empty.apply(ours)
    assert not {"RT110", "RT111"} & _asked(empty, tmp_path).keys()


def test_a_cluster_that_is_gone_ends_with_6_and_one_line(empty: ApiServer, tmp_path: Path) -> None:
    empty.kill()
    try:
        done = doctor("--kubeconfig", str(empty.kubeconfig), folder=tmp_path)
    finally:
        empty.start()  # for whichever test comes next

    assert (done.returncode, done.stdout) == (6, "")
    assert "RT650" in done.stderr


def test_a_line_says_what_and_what_to_do(tmp_path: Path) -> None:
    done = doctor("--rules", "rules", "--socket", "it.sock", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == ""
    socket, rules, programs = done.stdout.splitlines()
    assert socket.startswith("error    socket   it.sock: No such file or directory; see whether ")
    assert socket.endswith(" [RT102]")
    assert programs.startswith("warning  programs kustomize and helm cannot be found; install ")
    assert rules == (
        "error    rules    rules is not there; mount the ConfigMap that holds it there, or name "
        "another place [RT100]"
    )


def test_arguments_in_a_manifest_are_looked_at_without_a_cluster(tmp_path: Path) -> None:
    container = {"name": "it", "args": ["controller", "--git-commit-user=a", "--interval=5m"]}
    spec = {"template": {"spec": {"containers": [container]}}}
    manifest = {"kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump_all([manifest, {"kind": "Service"}, 1]))

    done = doctor("--manifest", "x.yaml", folder=tmp_path)

    assert "x/it is given --git-commit-user of the Image Updater" in done.stdout
    assert "--interval" not in done.stdout


def test_a_registry_of_registries_conf_is_asked(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text(
        "registries:\n- {name: here, prefix: registry.example.com, api_url: 'file:zot'}\n"
    )

    done = doctor("--registries", "registries.conf", folder=tmp_path)

    assert "ok       here" in done.stdout


def test_a_login_is_read_from_the_secret_in_the_cluster(empty: ApiServer, tmp_path: Path) -> None:
    named = {"name": "zot-login", "namespace": "argocd"}
    login = {"apiVersion": "v1", "kind": "Secret", "metadata": named}
    empty.apply({**login, "stringData": {"it": "made-up-user:made-up-password"}})
    with ZotServer(Model(), access=Htpasswd({"made-up-user": "made-up-password"})) as zot:
        entry = {"name": "zot", "prefix": "registry.example.com", "api_url": zot.url}
        entry["credentials"] = "secret:argocd/zot-login#it"
        (tmp_path / "registries.conf").write_text(json.dumps({"registries": [entry]}))
        # Whoever calls it from a laptop has another namespace in mind, or none.
        path = empty.kubeconfig_for(empty.token, "laptop", "default")

        done = doctor(
            *("--kubeconfig", str(path), "--argocd-namespace", "argocd"),
            *("--registries", "registries.conf"),
            folder=tmp_path,
        )

    assert "login: accepted (basic)" in done.stdout
