"""What the flags say of the cluster, and allow, reaches the renderers."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.cli.conftest import PROFANITY, Laptop

# A renderer that tells how it was called.
TELLING = """\
#!/bin/sh
echo "kind: Seen"
command -v git > /dev/null && echo "# git is found"
for argument; do echo "# $argument"; done
"""
# A helm whose chart lacks what a host has, and that cannot reach it.
LACKING = """\
#!/bin/sh
case "$1 $2" in
  "template "*) echo "found in Chart.yaml, but missing in charts/ directory: a" >&2; exit 1 ;;
  "dependency list") printf 'NAME\\tREPOSITORY\\na\\thttps://charts.example.com/x\\n' ;;
  *) exit 3 ;;
esac
"""


def rendered_by(
    laptop: Laptop, name: str, script: str, *flags: str
) -> subprocess.CompletedProcess[bytes]:
    """`retag render` of a source for *name*, which is *script*."""
    for program in ("helm", "kustomize"):
        laptop.write(f"bin/{program}", script).chmod(0o755)
    path = f"{laptop.folder / 'bin'}:{os.environ['PATH']}"
    laptop.write(f"{name}/{'Chart' if name == 'helm' else 'kustomization'}.yaml", "")
    return laptop.retag("render", name, *PROFANITY, *flags, PATH=path)


@pytest.mark.parametrize(
    ("name", "flags", "told"),
    [
        pytest.param("helm", ["--namespace=prod"], "# --namespace=prod", id="namespace"),
        pytest.param("helm", ["--kube-version=v1.30"], "# --kube-version=1.30", id="version"),
        pytest.param(
            "helm",
            ["--api-versions=a/v1", "--api-versions=b/v1"],
            "# --api-versions=a/v1,b/v1",
            id="API versions",
        ),
        pytest.param("kustomize", ["--allow-exec"], "# --enable-exec", id="programs"),
        pytest.param("kustomize", ["--allow-kustomize-helm"], "# --enable-helm", id="charts"),
        pytest.param("kustomize", ["--allow-remote-bases"], "# git is found", id="remote bases"),
    ],
)
def test_flags_reach_the_renderer(laptop: Laptop, name: str, flags: list[str], told: str) -> None:
    done = rendered_by(laptop, name, TELLING, *flags)

    assert told in done.stdout.decode().splitlines(), done.stderr


@pytest.mark.parametrize(
    ("host", "code"),
    [("charts.example.com", "RT431"), ("other.example.com", "RT447")],
    ids=["listed", "not listed"],
)
def test_chart_dependencies_come_from_the_hosts_that_flags_list(
    laptop: Laptop, host: str, code: str
) -> None:
    done = rendered_by(
        laptop, "helm", LACKING, "--helm-host", "x.example.com", "--helm-host", host
    )

    assert (done.returncode, done.stdout) == (4, b"")
    assert f"[{code}]" in done.stderr.decode()
