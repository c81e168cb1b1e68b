"""The image's root, made once by what the Dockerfile says, without an image."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.image.libraries import ARCHITECTURES
from tests.image.dockerfile import PROJECT, Build, Dockerfile, read

# Building them takes minutes, so what `go` would install starts what the tests have on PATH.
_GO = """\
#!/bin/sh
put() {
    mkdir -p "$GOPATH/bin"
    printf '#!/bin/sh\\nexec %s "$@"\\n' "$(command -v "$1")" > "$GOPATH/bin/$1"
}
case "$*" in
env*) echo "$PWD" ;;
install*kustomize/v5@v*) put kustomize ;;
install*helm@v*) put helm ;;
*) exit 2 ;;
esac
"""


def architecture_here() -> str:
    """Docker's name of this machine's processor."""
    return {machine: name for name, machine in ARCHITECTURES.items()}[platform.machine()]


@pytest.fixture(scope="session")
def dockerfile() -> Dockerfile:
    return read((PROJECT / "Dockerfile").read_text())


@pytest.fixture(scope="session")
def image(dockerfile: Dockerfile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of the image, read-only."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "programs").mkdir()
    (folder / "programs" / "go").write_text(_GO)
    (folder / "programs" / "go").chmod(0o755)
    interpreter = str(Path(sys.executable).resolve())
    build = Build(
        dockerfile,
        folder,
        # pip is that of the virtual environment, the image's interpreter the one below it.
        {"python3": sys.executable, "/usr/local/bin/python3": interpreter, "sh": "/bin/sh"},
        {
            "PATH": f"{folder / 'programs'}:{os.environ['PATH']}",
            "TARGETARCH": architecture_here(),
        },
    )
    root = build.run()
    _allow(root, write=False)
    yield root
    _allow(root, write=True)
    shutil.rmtree(folder)


def _allow(root: Path, *, write: bool) -> None:
    for path in [root, *root.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | 0o200 if write else mode & ~0o222)
