"""`deploy/` as kustomize renders it, with a small Argo CD in the place of the real one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
_ARGO_CD = Path(__file__).parent / "argocd.yaml"
_INSTALL = re.compile(r"https://\S+/install\.yaml")  # there is no internet

Object = dict[str, Any]

# What people put on top of one another; each component of deploy/ is in one of them.
EVERYTHING = """\
namespace: argocd
resources: [argocd.yaml, ../../base]
components:
  - ../../components/repo-server
  - ../../components/repo-server-settings
  - ../../components/network-policies
  - ../../components/all-namespaces
  - ../../components/webhook
"""


def copy_of(folder: Path) -> Path:
    """deploy/ in *folder*, with the small Argo CD for each that is fetched, and `overlays/all`."""
    copied = folder / "deploy"
    shutil.copytree(DEPLOY, copied)
    shutil.copy(_ARGO_CD, copied / "overlays" / "argocd")
    kustomization = copied / "overlays" / "argocd" / "kustomization.yaml"
    kustomization.write_text(_INSTALL.sub("argocd.yaml", kustomization.read_text()))
    everything = copied / "overlays" / "all"
    everything.mkdir()
    shutil.copy(_ARGO_CD, everything)
    (everything / "kustomization.yaml").write_text(EVERYTHING)
    return copied


def build(folder: Path, *flags: str, programs: Path | None = None) -> list[Object]:
    """What `kustomize build` makes of *folder*; *programs* is a folder of further ones."""
    path = os.environ["PATH"]
    built = subprocess.run(
        ["kustomize", "build", folder, *flags],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{programs}:{path}" if programs else path},
    )
    assert built.returncode == 0, built.stderr
    return [each for each in yaml.safe_load_all(built.stdout) if each]


def pick(objects: Sequence[Object], kind: str, name: str) -> Object:
    """The one object of *kind* that is called *name*."""
    [found] = [e for e in objects if e["kind"] == kind and e["metadata"]["name"] == name]
    return found


def pod_of(objects: Sequence[Object], deployment: str) -> Object:
    """The Pod that *deployment* makes."""
    spec = pick(objects, "Deployment", deployment)["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def container_of(pod: Object, name: str) -> Object:
    """Its container *name*, be it an initial one."""
    [found] = [e for e in pod.get("initContainers", []) + pod["containers"] if e["name"] == name]
    assert isinstance(found, dict)
    return found
