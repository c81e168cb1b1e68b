"""The documentation tells the truth: its commands run, its codes exist, its excerpt is real."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import EXAMPLE, Laptop, laptop
from tests.servers import images
from tests.servers.model import Model
from tests.servers.zot import ZotServer

__all__ = ["laptop"]  # a fixture

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [*sorted((ROOT / "cmp").rglob("*.py")), *sorted((ROOT / "sidecar").rglob("*.py"))]


def commands() -> Iterator[str]:
    """Each `$ retag …` or `$ … | retag …` line of a console block that needs no cluster."""
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", "").splitlines():
                is_ours = re.match(r"\$ (retag |.* \| retag )", line)
                if is_ours and "--kubeconfig" not in line and "my-deploy" not in line:
                    yield line.removeprefix("$ ").partition("   #")[0]


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    "values.yaml": "tag: v1.2.0\n",
    "templates/pod.yaml": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        '  - {name: c, image: "registry.example.com/app:{{ .Values.tag }}"}\n'
    ),
}


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_the_commands_of_the_documentation_run(laptop: Laptop, command: str) -> None:
    shutil.copytree(EXAMPLE / "kustomize", laptop.folder / "app", dirs_exist_ok=True)
    shutil.copytree(laptop.folder / "zot/profanity-api", laptop.folder / "zot/app")
    for name, text in CHART.items():
        laptop.write(f"chart/{name}", text)
    rules = (EXAMPLE / "rules.yaml").read_text()
    laptop.write("rules.yaml", rules.replace("profanity-*", "my-*"))
    laptop.write("rules/rules.yaml", rules.replace("profanity-*", "my-*"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    with ZotServer(_team()) as zot:
        if "registry check" in command:  # a folder has nobody to ask
            laptop.write("registries.conf", _listed(zot.url))
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=laptop.folder,
            env={"PATH": path, "HOME": str(laptop.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    found = "--diff" in command or "lint" in shlex.split(command)
    assert done.returncode == int(found), done.stderr
    assert done.stdout


def _team() -> Model:
    model = Model()
    model.push("team/app", "v1.0.0", images.image("2026-01-01T10:00:00Z"))
    return model


def _listed(url: str) -> str:
    return f"registries:\n- {{name: zot, prefix: registry.example.com, api_url: '{url}'}}\n"


def test_the_excerpt_in_the_readme_is_what_the_demo_prints() -> None:
    excerpts = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "examples/demo.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    printed = (done.stdout + done.stderr).splitlines()
    for line in filter(None, excerpts[0].splitlines()):
        assert line in printed


def test_every_code_of_the_source_is_documented_and_the_other_way_round() -> None:
    stated = re.compile(r'["\[](RT\d{3})["\]]')
    used = {code for path in SOURCES for code in stated.findall(path.read_text())}
    documented = re.findall(
        r"^### (RT\d{3}) \S", (ROOT / "docs/errors.md").read_text(), re.MULTILINE
    )

    assert sorted(used) == documented


def test_every_relative_link_of_the_documentation_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
