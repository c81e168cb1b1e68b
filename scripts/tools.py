"""Puts programs that the tests run into a folder's `bin`: kustomize, helm, and servers.

    python scripts/tools.py --into .tools

Kustomize and helm are those that Argo CD ships; docker-registry (CNCF distribution), redis-server
and etcd are Debian's. What is there already stays; what PATH has in the right version is linked;
else kustomize and helm are built with `go install`, and kube-apiserver from the module that lies
with the tests; Debian's are taken out of their packages, which apt-get downloads into the folder:
nothing is installed, and root is not needed.
Exits with 1 and one line if that cannot be done.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_OLDEST_GO = (1, 26)  # what helm's go.mod asks for


@dataclass(frozen=True)
class Tool:
    """A program, its version, how it tells that version, and its package for Go or in Debian.

    *module* is the folder of this repository that has it as a Go module, for what lacks a package.
    In Debian these are packages: the first has the program, the others what that needs and a
    small system lacks.
    """

    name: str
    version: str
    question: tuple[str, ...]
    answer: str
    go: str = ""
    module: str = ""
    debian: tuple[str, ...] = ()

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
    Tool(
        "kustomize",
        "v5.8.1",
        ("version",),
        r"v5\.8\.1",
        go="sigs.k8s.io/kustomize/kustomize/v5",
    ),
    # A helm of `go install` knows its version only to the minor number.
    Tool(
        "helm",
        "v4.2.4",
        ("version", "--short"),
        r"v4\.2(\.4)?(\+.*)?",
        go="helm.sh/helm/v4/cmd/helm",
    ),
    # 2.8.2 in Debian 12, 2.8.3 in Debian 13: the same to whoever only reads.
    Tool(
        "docker-registry",
        "2.8",
        ("--version",),
        r".* v?2\.8\.\d+(\W.*)?",
        debian=("docker-registry",),
    ),
    # 7.0 in Debian 12, 8.0 in Debian 13; what a store asks of it is older than both.
    Tool(
        "redis-server",
        "7 or 8",
        ("--version",),
        r"Redis server v=[78]\..*",
        debian=("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1"),
    ),
    # 3.4 in Debian 12, 3.5 in Debian 13.
    Tool(
        "etcd",
        "3.4 or newer",
        ("--version",),
        r"etcd Version: 3\.[4-9]\.(.|\n)*",
        debian=("etcd-server",),
    ),
    Tool(
        "kube-apiserver",
        "v1.36.3",
        ("--version",),
        r"Kubernetes v1\.36\.3",
        module="tests/apiserver",
    ),
)


def main() -> None:
    """Make sure that all tools are there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True, help="folder of the tools")
    folder = parser.parse_args().into.absolute()
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        if not tool.is_at(folder / "bin" / tool.name):
            _provide(tool, folder)


def _provide(tool: Tool, folder: Path) -> None:
    target = folder / "bin" / tool.name
    found = Path(shutil.which(tool.name) or target).absolute()
    target.unlink(missing_ok=True)
    if tool.is_at(found):
        print(f"== {tool.name} {tool.version}: {found}")
        target.symlink_to(found)
        return
    if tool.debian:
        _unpack(tool, folder / "debian", target)
    else:
        _build(tool, target)


def _build(tool: Tool, target: Path) -> None:
    """Build *tool* with Go; exit with one line if that fails."""
    _check_go()
    print(f"== building {tool.name} {tool.version}, the first time takes minutes", flush=True)
    if tool.module:
        version = f"-X k8s.io/component-base/version.gitVersion={tool.version}"
        command = ["go", "build", "-trimpath", f"-ldflags=-s -w {version}"]
        folder = _ROOT / tool.module
        subprocess.run([*command, "-o", target, "."], cwd=folder, check=False)
    else:
        subprocess.run(
            ["go", "install", f"{tool.go}@{tool.version}"],
            env={**os.environ, "GOBIN": str(target.parent)},
            check=False,
        )
    if not tool.is_at(target):
        sys.exit(f"{tool.name} {tool.version} could not be built: see what go says above")


def _unpack(tool: Tool, folder: Path, target: Path) -> None:
    """Take *tool* out of its Debian packages, below *folder*; exit with one line if that fails."""
    package = tool.debian[0]
    remedy = f"put {tool.name} {tool.version} on PATH (Debian's package {package})"
    missing = [name for name in ("apt-get", "dpkg") if shutil.which(name) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} not on PATH, so no Debian here: {remedy}")
    print(f"== unpacking {tool.name} {tool.version} of Debian", flush=True)
    files = _download(tool.debian, folder)
    if files is None:
        sys.exit(f"apt-get could not download {package}: see what it says above, or {remedy}")
    for file in files:
        subprocess.run(["dpkg", "-x", file, folder / "unpacked"], check=False)
    _place(folder / "unpacked" / "usr", tool, target)
    shutil.rmtree(folder)
    if not tool.is_at(target):
        target.unlink(missing_ok=True)
        sys.exit(f"{files[0].name} holds no {tool.name} {tool.version} that runs here: {remedy}")


def _place(unpacked: Path, tool: Tool, target: Path) -> None:
    """Put *tool* at *target*, and beside that folder the libraries that came along."""
    program = unpacked / "bin" / tool.name
    libraries = list((unpacked / "lib").glob("*/lib*.so.*"))
    if not program.exists():
        return
    if not libraries:
        program.replace(target)
        return
    place = target.parent.parent / tool.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for file in (program, *libraries):
        shutil.copy2(file, place / file.name)  # what a link leads to
    target.write_text(
        f'#!/bin/sh\nLD_LIBRARY_PATH="{place}" exec "{place / tool.name}" "$@"\n',
        encoding="utf-8",
    )
    target.chmod(0o755)


def _download(names: Sequence[str], folder: Path) -> list[Path] | None:
    """The packages *names*, in *folder*: by the system's package lists, or by own; or None."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    # Without a user of its own apt-get can write where only we can.
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    own = ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
    asked = subprocess.run(
        [*apt, "download", *names], cwd=folder, capture_output=True, check=False
    )
    if asked.returncode != 0:
        subprocess.run([*apt, *own, "update"], cwd=folder, check=False)
        subprocess.run([*apt, *own, "download", *names], cwd=folder, check=False)
    files = [next(folder.glob(f"{name}_*.deb"), None) for name in names]
    found = [file for file in files if file is not None]
    return found if len(found) == len(names) else None


def _check_go() -> None:
    """Exit with one line unless Go is there and new enough."""
    needed = ".".join(map(str, _OLDEST_GO))
    wanted = ", ".join(f"{tool.name} {tool.version}" for tool in TOOLS if not tool.debian)
    remedy = f"install Go {needed} or newer (https://go.dev/dl), or {wanted} on PATH"
    if shutil.which("go") is None:
        sys.exit(f"go is not on PATH: {remedy}")
    asked = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", asked.stdout)
    if not found or (int(found[1]), int(found[2])) < _OLDEST_GO:
        sys.exit(f"go is {asked.stdout.strip() or 'not working'}: {remedy}")


if __name__ == "__main__":
    main()
