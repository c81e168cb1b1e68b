"""The pages on the resolver say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmp.cli.updater import FLAGS
from sidecar.metrics import METRICS

_ROOT = Path(__file__).parent.parent


def test_the_tables_of_flags_and_metrics_are_those_of_the_code() -> None:
    script = _ROOT / "scripts" / "resolver_docs.py"

    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("serve.md", [f"--{flag.name}" for flag in FLAGS]),
        ("serve.md", ["--socket", "--rules", "--registries", "--health-probe-bind-address"]),
        ("controller.md", ["--interval", "--once", "--dry-run", "--webhook-bind-address"]),
        ("metrics.md", [metric.name for metric in METRICS]),
    ],
)
def test_each_is_on_its_page_once(page: str, names: list[str]) -> None:
    text = (_ROOT / "docs" / page).read_text(encoding="utf-8")

    for name in names:
        assert text.count(f"| `{name}`") == 1, name
