"""The tables of fields and of rights are made of the models and of deploy/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmp.rules.model import CommonUpdateSettings, ImageFields, RefFields, SpecFields
from scripts import tables

_ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("script", ["rules_docs", "rights_docs"])
def test_the_tables_of_a_page_are_what_they_are_made_from(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{script}", "--check"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("model", [SpecFields, RefFields, ImageFields, CommonUpdateSettings])
def test_each_field_of_a_rule_is_on_the_page(
    model: type[SpecFields | RefFields | ImageFields | CommonUpdateSettings],
) -> None:
    page = (_ROOT / "docs/rules.md").read_text(encoding="utf-8")

    for name, field in model.model_fields.items():
        assert f"\n| `{field.alias}` |" in page, name


def test_a_page_that_differs_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["it.py", "--check"])
    (tmp_path / "page.md").write_text("<!-- table: it -->\nold\n<!-- end -->\n")

    with pytest.raises(SystemExit, match="made from: run it"):
        tables.main("What it does.", "page.md", {"it": ["new"]})


def test_nobody_may_list_secrets() -> None:
    page = (_ROOT / "docs/security.md").read_text(encoding="utf-8")

    rows = [line for line in page.splitlines() if "| `secrets`" in line]
    assert rows
    assert all("| get | `secrets`: only " in row for row in rows)
