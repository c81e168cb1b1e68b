"""docs/doctor.md tells each trouble, and docs/install.md names what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_code_is_told_and_no_other() -> None:
    told = re.findall(r"^\| (RT\d+) \|", (ROOT / "docs/doctor.md").read_text(), re.MULTILINE)
    sources = "".join(path.read_text() for path in (ROOT / "sidecar/doctor").glob("*.py"))

    assert told == sorted(set(re.findall(r'"(RT\d+)"', sources)))


def test_what_docs_of_the_installation_name_is_in_deploy() -> None:
    table = re.findall(
        r"^\| `([\w-]+[./][\w./-]*)` \|", (ROOT / "docs/install.md").read_text(), re.MULTILINE
    )

    assert len(table) >= 10
    assert [name for name in table if not (ROOT / "deploy" / name).exists()] == []
