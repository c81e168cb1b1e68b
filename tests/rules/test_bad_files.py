"""Each file in bad/ is told about as the text beside it says, all at once.

A new case is two files: `bad/<name>.yaml` and what is expected of it, `bad/<name>.txt`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cmp.rules import rules_in

FILES = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_all_faults_of_a_file_are_told_with_place_and_path(file: Path) -> None:
    findings = rules_in(file.read_text(encoding="utf-8"), file.name).findings
    told = [f"{finding.severity}: {finding}" for finding in findings]
    assert told == file.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
