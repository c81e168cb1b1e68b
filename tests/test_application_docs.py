"""The page on parameters says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent


def test_the_tables_of_parameters_are_those_of_the_code() -> None:
    script = _ROOT / "scripts" / "application_docs.py"

    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_each_option_is_on_the_page_once() -> None:
    page = (_ROOT / "docs" / "application.md").read_text(encoding="utf-8")

    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(set(rows))
    assert "`tool`" in rows
    assert "`kustomize.patches`" in rows
