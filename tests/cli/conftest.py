"""A folder with an Application, rules, registries.conf and a registry on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.zot_storage import PROFANITY_API, write_repository

RETAG = Path(sys.executable).parent / "retag"
EXAMPLE = Path(__file__).parents[2] / "examples" / "profanity-filter"


@dataclass(frozen=True)
class Laptop:
    """A folder in which the real command is run, without colour and with a private home."""

    folder: Path

    def retag(
        self, *arguments: str, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """`retag ARGUMENTS` in the folder."""
        return subprocess.run(
            [RETAG, *arguments],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            env={**os.environ, "HOME": str(self.folder), **environment},
            check=False,
        )

    def write(self, name: str, text: str) -> Path:
        """A file of the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    """As `laptop_in`, for each test its own."""
    return laptop_in(tmp_path)


def laptop_in(folder: Path) -> Laptop:
    """The example's rules and Application, and its registry at `file:zot`."""
    laptop = Laptop(folder)
    write_repository(folder / "zot", "profanity-api", PROFANITY_API)
    laptop.write("rules.yaml", (EXAMPLE / "rules.yaml").read_text())
    laptop.write(
        "registries.conf",
        "registries:\n- {name: r, prefix: registry.example.com, api_url: 'file:zot'}\n",
    )
    for path in (EXAMPLE / "app").iterdir():
        laptop.write(f"app/{path.name}", path.read_text())
    return laptop


def said(stderr: bytes) -> bytes:
    """*stderr* without the lines of progress, which a slow machine sees more of."""
    return b"".join(line for line in stderr.splitlines(keepends=True) if not line.endswith(SLOW))


SLOW = " …\n".encode()
COMMON = ("--rules", "rules.yaml", "--registries", "registries.conf")
PROFANITY = ("--app", "profanity-filter", *COMMON)
