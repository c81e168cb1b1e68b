"""Every vector agrees with Retag, save the differences that are written down with their reason."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectors import DATA, KINDS, Case, cases, check, kind_of

FILES = sorted(DATA.glob("*.jsonl"))


def test_there_are_vectors_of_every_kind() -> None:
    assert sorted(KINDS) == [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_case_agrees_or_differs_on_purpose(path: Path) -> None:
    outcome = check(path)

    assert outcome.differing == []
    counted = outcome.agree + sum(map(len, outcome.explained.values()))
    assert counted == path.read_text().count("\n")


WRONG = {
    "registries": ("api", "prefix", "repository", "credentials", "insecure", "error"),
    "metadata": ("tag", "metadata"),
    "credential": ("type", "env", "user", "file"),
    "pullsecret": ("username", "password"),
    "namepattern": ("ref",),
}


@pytest.mark.parametrize("name", WRONG)
def test_no_reason_explains_a_wrong_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = importlib.import_module(f"tests.vectors.{name}")
    answer = kind.answer
    explained = []
    for case, field in itertools.product(cases(DATA / f"{name}.jsonl"), WRONG[name]):
        right = answer(case)
        wrong = spoilt(right, field)
        # Nothing can be passed to `difference`, so that it asks for the answer itself.
        monkeypatch.setattr(kind, "answer", lambda _case, wrong=wrong: wrong)
        if wrong != right and kind.difference(case):
            explained.append((case["id"], field))
        monkeypatch.undo()

    assert explained == []


def spoilt(answer: Case, field: str) -> Case:
    """*answer* with another *field*, in each of its endpoints where it has any; or an error."""
    if field == "error":
        return {"error": "parse"}
    if "endpoints" in answer:
        return answer | {"endpoints": [each | {field: "wrong"} for each in answer["endpoints"]]}
    return answer | {field: "wrong"}


def test_a_line_of_vectors_ends_with_a_line_feed_alone(tmp_path: Path) -> None:
    path = tmp_path / "version-odd.jsonl"
    path.write_text('{"version": "1\u0085\u2028"}\n{"version": "2"}\n', encoding="utf-8")

    assert [case["version"] for case in cases(path)] == ["1\u0085\u2028", "2"]


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
