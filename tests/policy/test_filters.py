"""Names are refused by grammar, denyTags, allowTags and ignoreTags, each with its reason."""

from __future__ import annotations

import pytest

from cmp.policy.fault import PolicyFault
from cmp.policy.filters import NameFilters, compile_allowed, compile_globs

HEX = "0a" * 32

DENIED = [
    ("1.0.0+build2", "not a tag name that OCI allows"),
    ("", "not a tag name that OCI allows"),
    ("é", "not a tag name that OCI allows"),
    (".hidden", "not a tag name that OCI allows"),
    ("x" * 129, "not a tag name that OCI allows"),
    (f"sha256-{HEX}", "a signature or attestation, not an image"),
    (f"sha256-{HEX}.sig", "a signature or attestation, not an image"),
    ("bad-1", "denied by bad-*"),
    ("worse", "denied by worse"),
    ("x" * 128, None),
    (f"sha256-{HEX}.txt", None),
    ("sha256-abc.sig", None),
]

EVERYTHING: list[tuple[str, ...]] = [
    (),
    ("",),
    ("any",),
    ("ANY",),
    ("regexp:[", "any"),
    ("no", ""),
]

UNPREFIXED = "value of allowTags: write any, or regexp: and an RE2 expression"
NOTHING = [
    pytest.param("^v1", UNPREFIXED, id="no prefix"),
    pytest.param("glob:v*", UNPREFIXED, id="unknown prefix"),
    pytest.param(" any", UNPREFIXED, id="space in front"),
    pytest.param("regexp :v", UNPREFIXED, id="space before the colon"),
    pytest.param("any:", UNPREFIXED, id="any takes no argument"),
    pytest.param("regexp:[", "regular expression (RE2): missing ]", id="malformed expression"),
]


def filters(
    allowed: tuple[str, ...] = (), ignored: tuple[str, ...] = (), denied: tuple[str, ...] = ()
) -> NameFilters:
    return NameFilters(
        denied=compile_globs("denyTags", denied, []),
        allowed=compile_allowed(allowed, []),
        ignored=compile_globs("ignoreTags", ignored, []),
    )


@pytest.mark.parametrize(("name", "reason"), DENIED)
def test_some_names_are_refused_to_pins_too(name: str, reason: str | None) -> None:
    assert filters(denied=("bad-*", "worse")).denial(name) == reason


@pytest.mark.parametrize("entries", EVERYTHING)
def test_allow_tags_that_say_any_or_nothing_allow_everything(entries: tuple[str, ...]) -> None:
    assert filters(allowed=entries).refusal("latest") is None


@pytest.mark.parametrize(("entry", "reason"), NOTHING)
def test_faulty_allow_tags_allow_nothing_and_are_told(entry: str, reason: str) -> None:
    faults: list[PolicyFault] = []
    allowed = compile_allowed([entry], faults)
    [fault] = faults
    assert fault.field == "allowTags"
    assert allowed.refusal("v1") == f"allowTags allows nothing: {fault.what}"
    assert fault.what.endswith(f" is not a {reason}")


def test_of_several_faulty_allow_tags_the_first_is_the_reason() -> None:
    allowed = compile_allowed(["regexp:(", "v1"], [])
    assert allowed.refusal("v1") == (
        "allowTags[0] allows nothing: '(' is not a regular expression (RE2): missing )"
    )


def test_one_expression_allows_what_it_matches_somewhere() -> None:
    passes = filters(allowed=("REGEXP:^v[0-9]",))
    assert passes.refusal("v1.2") is None
    assert passes.refusal("1.2") == "not matched by allowTags ^v[0-9]"


def test_of_several_expressions_one_is_enough() -> None:
    faults: list[PolicyFault] = []
    allowed = compile_allowed(["regexp:^v", "regexp:(", "regexp:x$"], faults)
    assert allowed.refusal("v1") is None
    assert allowed.refusal("1x") is None
    assert allowed.refusal("1") == "matched by none of allowTags"
    assert [fault.field for fault in faults] == ["allowTags[1]"]


def test_expressions_that_are_too_large_together_allow_nothing() -> None:
    faults: list[PolicyFault] = []
    entries = [f"regexp:{number}\\pL{{100}}|v" for number in range(40)]
    allowed = compile_allowed(entries, faults)
    assert str(allowed.refusal("v1")).startswith("allowTags allows nothing: ")
    assert [fault.field for fault in faults] == ["allowTags"]


def test_ignored_names_are_refused_by_the_first_glob_that_matches() -> None:
    passes = filters(ignored=("*-rc*", "1.*", "latest"))
    assert passes.refusal("1.0-rc1") == "ignored by *-rc*"
    assert passes.refusal("1.0") == "ignored by 1.*"
    assert passes.refusal("2.0") is None


def test_a_glob_that_does_not_compile_ignores_nothing_and_is_told() -> None:
    faults: list[PolicyFault] = []
    ignored = compile_globs("ignoreTags", ["ok", "[", "x"], faults)
    assert [name for name in ("ok", "[", "x", "y") if ignored.match(name)] == ["ok", "x"]
    assert [fault.field for fault in faults] == ["ignoreTags[1]"]
    assert faults[0].drawn.endswith("[\n    ^")


def test_an_empty_glob_matches_the_empty_name_alone() -> None:
    ignored = compile_globs("ignoreTags", [""], [])
    assert ignored.match("") == ""
    assert ignored.match("x") is None
