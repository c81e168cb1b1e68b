"""What the documentation says of clusters is true: real API server, real kustomize."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.zot_storage import PROFANITY_API, write_repository
from tests.cli.conftest import Laptop, laptop_in
from tests.cli.recorded import past, put_record
from tests.deploy.conftest import Deployed, deployed, in_order
from tests.deploy.rendering import DEPLOY, build
from tests.doctor.conftest import application, lease
from tests.kubernetes import crds
from tests.servers.kubernetes import ApiServer
from tests.test_docs import PAGES

__all__ = ["deployed"]  # a fixture

_FOLDER = re.compile(r"(?<=[ /])(?:my-)?deploy/[\w./-]+")
_INSTALLED = ("ClusterRole", "ImageUpdater")
_RULE = re.compile(r"^kind: ImageUpdater$", re.MULTILINE)


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Each block of *language*, with its page; what is in a list is moved to the margin."""
    fence = re.compile(rf"^( *)```{language}\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    for page in PAGES:
        for indent, text in fence.findall(page.read_text(encoding="utf-8")):
            yield page, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def commands(pattern: str) -> list[str]:
    """The lines of console blocks that *pattern* is found in, without comments, each once."""
    lines = (line for _, text in blocks("console") for line in text.splitlines())
    asked = (line.removeprefix("$ ").partition("   #")[0] for line in lines if "$ " in line)
    return sorted({line for line in asked if re.search(pattern, line)})


def run(laptop: Laptop, command: str) -> subprocess.CompletedProcess[str]:
    """*command* in the laptop's folder, which is its home."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=laptop.folder,
        env={"PATH": path, "HOME": str(laptop.folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def here(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A laptop whose kubeconfig leads to a cluster in which docs/install.md was followed."""
    laptop = laptop_in(tmp_path_factory.mktemp("laptop"))
    write_repository(laptop.folder / "zot", "team/api", PROFANITY_API)
    with ApiServer(tmp_path_factory.mktemp("documented")) as server:
        server.namespace("argocd")
        crds.install(server)
        server.apply(*(e for e in in_order(deployed.argocd) if e["kind"] not in _INSTALLED))
        server.apply(_in_argocd(lease(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")))
        server.apply(_in_argocd(application("my-app")), _rule())
        put_record(server, "argocd", past("v1.9.0", "v1.10.0"), name="my-app")
        kubeconfig = server.kubeconfig.read_text(encoding="utf-8")
        laptop.write(".kube/config", kubeconfig)
        yield laptop


def _in_argocd(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["metadata"]["namespace"] = "argocd"
    return manifest


def _rule() -> dict[str, Any]:
    """The example of deploy/, for the Application `my-app`."""
    path = DEPLOY / "overlays/argocd/imageupdater.yaml"
    text = path.read_text(encoding="utf-8")
    rule = yaml.safe_load(text.replace("my-app-*", "my-app"))
    assert isinstance(rule, dict)
    return rule


@pytest.mark.parametrize("command", commands("^retag .*--kubeconfig"))
def test_the_commands_on_a_cluster_run(here: Laptop, command: str) -> None:
    done = run(here, command)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout or "--dry-run" in command or "lint" in command
    assert "Traceback" not in done.stderr


def test_the_steps_on_a_copy_of_deploy_run_in_their_order(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    page = next(page for page in PAGES if page.name == "install.md").read_text(encoding="utf-8")
    steps = [line for line in commands("my-deploy") if f"$ {line}" in page]
    steps.sort(key=lambda line: page.index(f"$ {line}"))

    ran = [run(laptop, step) for step in steps]

    assert len(steps) >= 5
    assert [done.stderr for done in ran if done.returncode] == []
    assert "image: registry.example.com/platform/retag:0.1.0\n" in "".join(e.stdout for e in ran)
    patched = (tmp_path / "my-deploy/components/repo-server/repo-server.yaml").read_text()
    assert patched.count("image: registry.example.com/platform/retag:0.1.0") == 2
    moved = build(tmp_path / "my-deploy/base")  # to another namespace, by the last step
    assert {each["metadata"].get("namespace") for each in moved} == {None, "gitops"}
    assert not re.search(r"(serviceaccount|secret):argocd", str(moved))
    assert "'namespace': 'argocd'" not in str(moved)


def test_each_file_of_deploy_that_is_named_is_there() -> None:
    named = {
        (page.name, path.rstrip("."))
        for page in PAGES
        for path in _FOLDER.findall(page.read_text(encoding="utf-8"))
    }

    assert len(named) > 10
    assert [
        (page, path)
        for page, path in named
        if not (DEPLOY.parent / path.removeprefix("my-")).exists()
    ] == []


@pytest.mark.parametrize(
    "folder",
    sorted({f for _, text in blocks("sh") for f in re.findall(r"kubectl \w+ .*-k (\S+)", text)}),
)
def test_what_kubectl_is_given_as_a_kustomization_is_one(folder: str) -> None:
    assert build(DEPLOY.parent / folder.removeprefix("my-"))


def test_rules_on_the_pages_are_taken_by_a_cluster(api_server: ApiServer) -> None:
    path = "/apis/argocd-image-updater.argoproj.io/v1alpha1/namespaces/argocd/imageupdaters"
    api_server.namespace("argocd")
    rules = [text for _, text in blocks("yaml") if _RULE.search(text)]

    assert rules
    for rule in rules:
        query = "dryRun=All&fieldValidation=Strict"
        api_server.request("POST", f"{path}?{query}", yaml.safe_load(rule))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_of_yaml_can_be_read(page: Path) -> None:
    for where, text in blocks("yaml"):
        if where == page:
            list(yaml.safe_load_all(text))
