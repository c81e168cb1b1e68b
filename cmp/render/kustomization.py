"""What a kustomization refers to, as far as its lines show.

This refuses what kustomize may not read, with a clear message and before it runs. It is no YAML
parser: flow style and escapes pass it unseen. That nothing is fetched all the same is up to the
child's environment, and kustomize itself reads no file outside the folders of kustomizations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cmp.errors import RenderError
from cmp.render.paths import locate, read_file, shown
from cmp.render.workspace import Workspace

# Argo CD's names, in kustomize's order.
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_LISTS = frozenset(
    {
        "bases",
        "components",
        "configurations",
        "crds",
        "generators",
        "patchesStrategicMerge",
        "resources",
        "transformers",
        "validators",
    }
)
_KEY = re.compile(r"(\w+):\s*(?:#.*)?")
_ITEM = re.compile(r"\s*-\s+(['\"]?)(?P<text>[^\s'\"#]+)\1\s*(?:#.*)?")
_REMOTE = re.compile(r"[\w+.:-]+://|[\w.-]+@[\w.-]+:|github\.com/|.*[?&](?:ref|version)=")
_LARGEST = 1024 * 1024  # bytes of a kustomization
_MOST = 1_000  # kustomizations looked into


def kustomization_of(folder: Path) -> Path | None:
    """The kustomization in *folder*, if there is one."""
    return next((p for name in KUSTOMIZATIONS if (p := folder / name).is_file()), None)


def check_references(workspace: Workspace, *, remote: bool) -> None:
    """See that the source, and what it builds on, refers to nothing outside the repository.

    Raises `RenderError` for the first reference that does; one to a host is right if *remote*.
    """
    seen: set[Path] = set()
    waiting = [workspace.source]
    while waiting and len(seen) < _MOST:
        folder = waiting.pop()
        kustomization = kustomization_of(folder)
        if kustomization is None or folder in seen:
            continue
        seen.add(folder)
        text = read_file(kustomization.resolve(), _LARGEST).decode("utf-8", "replace")
        for number, reference in _references(text):
            where = f"{shown(workspace.root, kustomization)}:{number}"
            local = locate(workspace.reach, folder / reference, where=where)
            if local:
                waiting.append(local)
            elif _REMOTE.match(reference) and not remote:
                raise RenderError(
                    "RT440",
                    f"{reference!r} is remote, and nothing may be fetched over the network",
                    where=where,
                    remedy="put it into the repository, or let the operator allow remote bases",
                )


def _references(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each item of the lists that refer to files and folders."""
    key = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _KEY.fullmatch(line):
            key = found[1]
        elif key in _LISTS and (item := _ITEM.fullmatch(line)):
            yield number, item["text"]
