"""Every vector agrees with Retag, save the differences that are written down with their reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectors import DATA, KINDS, check, kind_of

FILES = sorted(DATA.glob("*.jsonl"))


def test_there_are_vectors_of_every_kind() -> None:
    assert sorted(KINDS) == [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_case_agrees_or_differs_on_purpose(path: Path) -> None:
    outcome = check(path)

    assert outcome.differing == []
    counted = outcome.agree + sum(map(len, outcome.explained.values()))
    assert counted == len(path.read_text().splitlines())


def test_a_file_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of vectors"):
        kind_of(Path("mystery.jsonl"))


def test_the_runner_prints_what_differs_and_fails(tmp_path: Path) -> None:
    good = {"id": "good", "version": "1.2.3", "expect": {"error": "version"}}
    (tmp_path / "version-wrong.jsonl").write_text(json.dumps(good) + "\n\n")

    done = subprocess.run(
        [sys.executable, "-m", "tests.vectors", tmp_path / "version-wrong.jsonl"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "version-wrong: 0 agree, 1 differ, 0 explained" in done.stdout
    assert 'good: expected {"error": "version"} got {' in done.stdout
