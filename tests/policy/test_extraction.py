"""filterTags takes parts of tags as Flux does, in the template language of Go's Regexp.Expand."""

from __future__ import annotations

import pytest

from cmp.policy.expression import InvalidExpressionError
from cmp.policy.extraction import compile_extraction
from cmp.policy.fault import PolicyFault
from cmp.policy.settings import FilterTags

PATTERN = r"^main-(?P<ts>[0-9]+)(-([a-z]+))?$"

TEMPLATES = [
    pytest.param("", "main-7-ab", id="no template is the whole tag"),
    pytest.param("$ts", "7", id="name"),
    pytest.param("${ts}", "7", id="name in braces"),
    pytest.param("$1", "7", id="number"),
    pytest.param("$0", "main-7-ab", id="number 0 is the match"),
    pytest.param("${1}.${3}", "7.ab", id="several groups"),
    pytest.param("v$1-x", "v7-x", id="text around"),
    pytest.param("$$1", "$1", id="a dollar sign"),
    pytest.param("$", "$", id="a dollar sign at the end"),
    pytest.param("${1", "${1", id="brace never closed"),
    pytest.param("${}", "${}", id="empty name"),
]

UNKNOWN = [
    pytest.param("$1x", "1x", id="a name is as long as possible"),
    pytest.param("$9", "9", id="number of no group"),
    pytest.param("$01", "01", id="leading zero"),
    pytest.param("${time}", "time", id="name of no group"),
]


@pytest.mark.parametrize(("template", "value"), TEMPLATES)
def test_the_template_says_what_is_compared(template: str, value: str) -> None:
    faults: list[PolicyFault] = []
    extraction = compile_extraction(FilterTags(PATTERN, template), faults)
    assert extraction.value("main-7-ab") == value
    assert faults == []


@pytest.mark.parametrize(("template", "name"), UNKNOWN)
def test_a_group_that_is_not_there_is_empty_and_told(template: str, name: str) -> None:
    faults: list[PolicyFault] = []
    extraction = compile_extraction(FilterTags(PATTERN, template), faults)
    assert extraction.value("main-7-ab") == ""
    assert [fault.field for fault in faults] == ["filterTags.extract"]
    assert repr(name) in faults[0].what


def test_a_group_that_took_no_part_is_empty() -> None:
    extraction = compile_extraction(FilterTags(PATTERN, "$1$3"), [])
    assert extraction.value("main-7") == "7"


def test_a_tag_that_the_pattern_does_not_match_has_no_value() -> None:
    for template in ("", "$1"):
        assert compile_extraction(FilterTags(PATTERN, template), []).value("dev-7") is None


def test_a_malformed_pattern_is_told() -> None:
    with pytest.raises(InvalidExpressionError):
        compile_extraction(FilterTags("(", "$1"), [])
