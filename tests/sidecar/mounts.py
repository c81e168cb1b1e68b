"""Folders of configuration as Kubernetes mounts them, and rules and registries to put there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from examples.zot_storage import PROFANITY_API, write_repository


class Mount:
    """A mounted ConfigMap: files are links to `..data/<key>`, and `..data` is swapped as a whole.

    As kubelet's atomic writer does it (pkg/volume/util/atomic_writer.go).
    """

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.swap(files)

    def swap(self, files: Mapping[str, str]) -> None:
        """Put *files* in the place of those that are there."""
        data = self.folder / "..data"
        before = data.resolve() if data.is_symlink() else None
        self._version += 1
        folder = self.folder / f"..2026_01_01_00_00_00.{self._version}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        (self.folder / "..data_tmp").symlink_to(folder.name)
        os.replace(self.folder / "..data_tmp", data)  # noqa: PTH105  # of links, as rename(2)
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for path in self.folder.iterdir():
            if path.is_symlink() and path.name not in files and path.name != "..data":
                path.unlink()
        if before is not None:
            shutil.rmtree(before)


def rules(constraint: str = "1.x", image: str = "registry.example.com/profanity-api") -> str:
    """An ImageUpdater for all Applications, whose image may move within *constraint*."""
    return f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: all, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: "*"
      images:
        - alias: api
          imageName: {image}:{constraint}
"""


def registries(url: str = "file:zot", more: str = "") -> str:
    """A registries.conf with registry.example.com at *url*."""
    return f"registries:\n- {{name: r, prefix: registry.example.com, api_url: '{url}'{more}}}\n"


def zot_storage(folder: Path) -> None:
    """A Zot storage root with the tags of the example."""
    write_repository(folder, "profanity-api", PROFANITY_API)
