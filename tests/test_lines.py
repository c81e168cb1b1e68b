"""What people read on stderr: a line for each error, and nothing that steers a terminal."""

from __future__ import annotations

import pytest

from cmp.errors import CombinedError, RenderError, RetagError, RuleError, UsageError
from cmp.lines import bug, error_lines, warning_line

RENDERED = RenderError("RT430", "helm failed", output="Error: no\x1b[2J chart\nhelp\n")


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        pytest.param(
            RuleError("RT301", "no YAML", where="rules.yaml:1:1", remedy="mend it"),
            ["error: rules.yaml:1:1: no YAML; mend it [RT301]"],
            id="one",
        ),
        pytest.param(
            CombinedError([UsageError("RT220", "no JSON"), RuleError("RT301", "no YAML")]),
            ["error: no JSON [RT220]", "error: no YAML [RT301]"],
            id="several",
        ),
        pytest.param(
            RENDERED,
            ["Error: no [2J chart", "help", "error: helm failed [RT430]"],
            id="after what the renderer said",
        ),
    ],
)
def test_an_error_is_a_line(error: RetagError, lines: list[str]) -> None:
    assert list(error_lines(error)) == lines


def test_a_warning_is_a_line() -> None:
    assert warning_line("app: \nolder") == "warning: app:  older"


def test_a_bug_names_its_kind_and_place_and_no_data() -> None:
    try:
        dict[str, str]()["a secret"]
    except KeyError as error:
        [line] = error_lines(bug(error))
    assert line.startswith("error: test_lines.py:")
    assert "unexpected KeyError; this is a bug in Retag; please report it [RT900]" in line
    assert "secret" not in line
