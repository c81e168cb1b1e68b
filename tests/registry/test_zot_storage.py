"""The example's script makes a storage root that is always the same."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from cmp.reference import Repository
from cmp.registry.layout import LayoutSource
from cmp.tags import Needs, is_signature

SCRIPT = Path(__file__).parents[2] / "examples" / "zot_storage.py"
API = Repository("registry.example.com", "profanity-api")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_makes_a_repository_that_can_be_read(tmp_path: Path) -> None:
    done = run(tmp_path)
    source = LayoutSource(tmp_path, clock=lambda: 0)

    names = asyncio.run(source.list_tags(API)).names
    tags = asyncio.run(source.describe(API, names, Needs(created=True)))

    assert (done.returncode, done.stderr) == (0, "")
    assert len(names) == 12
    assert [name for name in names if tags[name].fault] == [n for n in names if is_signature(n)]


def test_the_script_makes_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(tmp_path / name)

    first, second = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second
    assert len(first) > 20


def test_the_script_says_how_it_is_used() -> None:
    done = run()

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr
