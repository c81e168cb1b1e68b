"""Puts kustomize and helm, in the versions that Argo CD ships, into a folder's `bin`.

    python scripts/tools.py --into .tools

What is there already stays; what PATH has in the right version is linked; the rest is built with
`go install`. Exits with 1 and one line if that cannot be done.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_OLDEST_GO = (1, 26)  # what helm's go.mod asks for


@dataclass(frozen=True)
class Tool:
    """A program: its Go package, its version, and how it tells that version."""

    name: str
    package: str
    version: str
    question: tuple[str, ...]
    answer: str

    def is_at(self, path: Path) -> bool:
        """Whether *path* is this program in this version."""
        try:
            asked = subprocess.run(
                [path, *self.question], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return False
        return re.fullmatch(self.answer, asked.stdout.strip()) is not None


TOOLS = (
    Tool("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1", ("version",), r"v5\.8\.1"),
    # A helm of `go install` knows its version only to the minor number.
    Tool(
        "helm", "helm.sh/helm/v4/cmd/helm", "v4.2.4", ("version", "--short"), r"v4\.2(\.4)?(\+.*)?"
    ),
)


def main() -> None:
    """Make sure that all tools are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True, help="folder of the tools")
    folder = parser.parse_args().into.absolute() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        if not tool.is_at(folder / tool.name):
            _provide(tool, folder)


def _provide(tool: Tool, folder: Path) -> None:
    target = folder / tool.name
    found = Path(shutil.which(tool.name) or target).absolute()
    target.unlink(missing_ok=True)
    if tool.is_at(found):
        print(f"== {tool.name} {tool.version}: {found}")
        target.symlink_to(found)
        return
    _check_go()
    print(f"== building {tool.name} {tool.version}, the first time takes minutes", flush=True)
    subprocess.run(
        ["go", "install", f"{tool.package}@{tool.version}"],
        env={**os.environ, "GOBIN": str(folder)},
        check=False,
    )
    if not tool.is_at(target):
        sys.exit(f"{tool.name} {tool.version} could not be built: see what go says above")


def _check_go() -> None:
    """Exit with one line unless Go is there and new enough."""
    needed = ".".join(map(str, _OLDEST_GO))
    wanted = ", ".join(f"{tool.name} {tool.version}" for tool in TOOLS)
    remedy = f"install Go {needed} or newer (https://go.dev/dl), or {wanted} on PATH"
    if shutil.which("go") is None:
        sys.exit(f"go is not on PATH: {remedy}")
    asked = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", asked.stdout)
    if not found or (int(found[1]), int(found[2])) < _OLDEST_GO:
        sys.exit(f"go is {asked.stdout.strip() or 'not working'}: {remedy}")


if __name__ == "__main__":
    main()
