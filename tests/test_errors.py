"""Errors are one line: where, what, what to do, and a code; without secrets."""

from __future__ import annotations

import pytest

from cmp.errors import (
    Finding,
    ManifestError,
    Place,
    RegistryError,
    RenderError,
    RetagError,
    RuleError,
    Severity,
    UsageError,
    one_line,
)


def test_an_error_is_where_what_what_to_do_and_its_code() -> None:
    error = RuleError("RT300", "not YAML", where="rules.yaml:3:1", remedy="close the quote")

    assert str(error) == "rules.yaml:3:1: not YAML; close the quote [RT300]"
    assert str(RuleError("RT300", "not YAML")) == "not YAML [RT300]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\r\n\x1b[31mc", "a b [31mc"),
        ("GET https://user:pass@reg.io/v2/", "GET https://reg.io/v2/"),
        ("x" * 3000, "x" * 1999 + "…"),
    ],
    ids=["control characters", "user info in a URL", "overlong"],
)
def test_a_message_is_made_one_printable_line(text: str, expected: str) -> None:
    assert expected == one_line(text)


def test_an_overlong_error_keeps_its_code() -> None:
    place = Place("rules.yaml", 3, 7)

    assert str(RuleError("RT300", "x" * 3000)) == "x" * 1991 + "… [RT300]"
    assert str(Finding("RT300", Severity.ERROR, "x" * 3000, place)).endswith("x… [RT300]")


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(UsageError, 2), (RuleError, 3), (ManifestError, 4), (RenderError, 4), (RegistryError, 5)],
)
def test_each_branch_of_the_tree_has_its_exit_code(
    error: type[RetagError], exit_code: int
) -> None:
    assert exit_code == error("RT000", "x").exit_code


def test_a_finding_names_the_place_and_the_field() -> None:
    place = Place("rules.yaml", 3, 7)
    finding = Finding("RT301", Severity.ERROR, "unknown field", place, "spec.x", "remove it")

    assert str(finding) == "rules.yaml:3:7: spec.x: unknown field; remove it [RT301]"
    assert (
        str(Finding("RT301", Severity.WARNING, "odd", Place("rules.yaml")))
        == "rules.yaml: odd [RT301]"
    )
