"""YAML text to located data: what it reads, what it refuses, and what it says about models."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, Strict, field_validator

from cmp.errors import Place, Severity
from cmp.located import (
    Located,
    StrictModel,
    YamlError,
    load_documents,
    locate,
    path_text,
    validate,
)
from cmp.located.reader import DEEPEST, LONGEST_TEXT, MOST_NODES


def one(text: str) -> Located:
    (document,) = load_documents(text, "f.yaml")
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("~", None),
        ("'yes'", "yes"),
        ("1.10", 1.1),
        ("010", 8),
        ("-0x1F", -31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("-.INF", float("-inf")),
        ("0", 0),
        ("2024-01-31", "2024-01-31"),
        ("12:30", "12:30"),
        ("v1.2.3", "v1.2.3"),
        ("0_", 0),
        ("9" * 41, "9" * 41),
        ("-_", "-_"),
        ("=", "="),
        ("!!str 1.10", "1.10"),
        ('!!int "3"', 3),
        (r'"\ud83d\ude00 \/"', "😀 /"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_scalar_is_read_as_the_go_programs_read_it(text: str, value: Any) -> None:
    assert one(f"key: {text}").data == {"key": value}


def test_each_value_knows_its_place_its_path_and_its_text() -> None:
    image = one("a:\n  - b: 1.10\n    c: [x, 'y z']\n").nearest(("a", 0))
    assert str(image.place) == "f.yaml:2:5"
    assert (image.fields["b"].place, image.fields["b"].text) == (Place("f.yaml", 2, 8), "1.10")
    assert image.fields["b"].key == Place("f.yaml", 2, 5)
    assert path_text(image.nearest(("c", 1)).path) == "a[0].c[1]"


def test_the_nearest_parent_answers_for_what_is_not_there() -> None:
    document = one("a: {b: [1]}")
    assert document.nearest(("a", "b", 7)).path == ("a", "b")
    assert document.nearest(("a", 0, "z")).path == ("a",)
    assert document.nearest((0,)) is document


def test_null_is_as_good_as_absent() -> None:
    document = one("a: ~\nb: 1")
    assert document.get("a") is None
    assert document.get("c") is None
    assert document.get("b") is document.fields["b"]
    assert document.fields["b"].fields == {}
    assert document.fields["b"].items == []


def test_a_path_with_odd_keys_is_quoted() -> None:
    assert path_text(("a.b/c", 0, "", "d e")) == '["a.b/c"][0][""]["d e"]'


def test_documents_are_told_apart_and_empty_ones_left_out() -> None:
    documents = load_documents("---\n# nothing\n---\na: 1\n...\n---\n- 2\n", "f")
    assert [document.data for document in documents] == [{"a": 1}, [2]]


def test_json_indented_with_tabs_is_read_with_its_columns() -> None:
    document = one('{\n\t"a": "x",\n\t"b": ["\\t"]\n}\n')
    assert document.data == {"a": "x", "b": ["\t"]}
    assert document.fields["b"].key == Place("f.yaml", 3, 2)


def test_aliases_and_merge_keys_are_unfolded() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse: {<<: [*b, *o], x: 5}\nsame: *b\n"
    document = one(text)
    assert document.fields["use"].data == {"x": 5, "y": 2, "z": 4}
    assert document.fields["same"].data == {"x": 1, "y": 2}
    assert path_text(document.nearest(("same", "y")).path) == "same.y"
    assert document.nearest(("same", "y")).place == Place("f.yaml", 1, 20)


def test_an_anchor_may_be_set_anew() -> None:
    assert one("a: &x 1\nb: &x 2\nc: *x\n").data["c"] == 2


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a: 1\nb: {c: 1, c: 2}", ["f.yaml:2:11: b.c: the key stands twice, here and in line 2"]),
        ("on: 1", ['f.yaml:1:1: on: a key must be text: quote it ("on")']),
        ("- {1: x}", ['f.yaml:1:4: [0].1: a key must be text: quote it ("1")']),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", []),
    ],
)
def test_odd_keys_are_faults_of_their_mapping_and_the_rest_is_read(
    text: str, faults: list[str]
) -> None:
    found = [str(fault) for fault in one(text).all_faults()]
    assert [re.sub(r" \[RT30[23]\]$", "", each) for each in found] == faults


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\na: 2", {"a": None}),
        ("a: 1\na: 2\na: 3", {"a": None}),
        ("a: {b: 1}\n'a': {b: 1}", {"a": None}),
        ("a: {<<: {b: 1, b: 2}}", {"a": {"b": None}}),
        ("a: {<<: {b: 1, b: 2}, b: 3}", {"a": {"b": 3}}),
        ("a: {<<: {b: 1}, b: 2, b: 3}", {"a": {"b": None}}),
    ],
    ids=[
        "two values",
        "three values",
        "two equal ones",
        "merged",
        "merged and stated",
        "stated twice over a merged one",
    ],
)
def test_a_key_that_stands_twice_has_no_value_and_is_told(text: str, value: Any) -> None:
    document = one(text)
    assert document.data == value
    assert {fault.code for fault in document.all_faults()} == {"RT302"}


def test_a_key_that_stands_twice_is_known_to() -> None:
    document = one("a: 1\na: 2\nb: ~")
    assert [document.doubles(name) for name in ("a", "b", "c")] == [True, False, False]


@pytest.mark.parametrize(
    "value", ["*password", "!password", "!!password", "!<password> x", "!password!x y"]
)
def test_a_password_that_looks_like_an_alias_or_a_tag_is_not_shown(value: str) -> None:
    with pytest.raises(YamlError, match="in quotes") as caught:
        load_documents(f"credentials: {value}", "f.yaml")
    assert "password" not in str(caught.value)


BILLION_LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("a: b: c", "RT300", "f.yaml:1:5: mapping values are not allowed"),
        ("a: [1", "RT300", "f.yaml:1:6"),
        ("a: *nowhere", "RT300", "undefined alias"),
        ("a: b\x00", "RT300", "unacceptable character"),
        ("%YAML 1.2\n---\na: on", "RT300", "a %YAML line is not supported"),
        ("%YAML 1.3\n---\na: on", "RT300", "a %YAML line is not supported"),
        ("a: !!python/object/apply:os.system [id]", "RT300", "f.yaml:1:4: a tag is not allowed"),
        ("a: !mine x", "RT300", "a tag is not allowed"),
        ("a: !!binary aGk=", "RT300", "a tag is not allowed"),
        ("a: !!set {x}", "RT300", "a tag is not allowed"),
        ("? [a]\n: 1", "RT300", "a key must be text"),
        ("<<: [1]", "RT300", "<< needs a mapping"),
        (r'a: "\ud83d"', "RT300", "f.yaml:1:4: half of a surrogate pair"),
        ("a: &a [*a]", "RT301", "aliases unfold to too many values"),
        ("a: &a {<<: *a}", "RT301", "aliases unfold to too many values"),
        (BILLION_LAUGHS, "RT301", "aliases unfold to too many values"),
        ("[" * (DEEPEST + 1), "RT301", f"nested deeper than {DEEPEST} levels"),
        ("- " * 5000, "RT301", f"nested deeper than {DEEPEST} levels"),
        ("[" + "a," * MOST_NODES + "]", "RT301", f"more than {MOST_NODES} values"),
        ("a" * (LONGEST_TEXT + 1), "RT301", f"longer than {LONGEST_TEXT} characters"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_error_with_its_place(
    text: str, code: str, says: str
) -> None:
    with pytest.raises(YamlError) as caught:
        load_documents(text, "f.yaml")
    assert caught.value.code == code
    assert says in str(caught.value)
    assert caught.value.finding.code == code


@settings(deadline=None)  # a busy machine reads YAML slowly
@given(text=st.text() | st.text(alphabet="a:-[]{},&*!<>|%#'\"? \n\t01.\\~"))
def test_any_text_is_read_or_refused_with_a_yaml_error(text: str) -> None:
    try:
        documents = load_documents(text, "f")
    except YamlError:
        return
    assert all(document.value is not None for document in documents)


short = st.text(max_size=80)  # a key in YAML has at most 1,024 characters, escapes and all
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(short, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(data=plain.filter(lambda data: data is not None))
def test_json_comes_back_as_it_was(data: Any) -> None:
    assert one(json.dumps(data)).data == data
    assert locate(data, Place("cluster")).data == data


class Leaf(StrictModel):
    name: str
    size: int = 0
    share: float = 0.0
    on: bool = False
    colour: Literal["red", "green"] = "red"
    tags: Annotated[tuple[str, ...], Strict(strict=False)] = ()
    labels: dict[str, str] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("Bad is no name")
        return name


class Tree(StrictModel):
    leaves: list[Leaf] = Field(default_factory=list)
    top_leaf: Annotated[Leaf | None, Field(alias="topLeaf")] = None


def test_data_that_suits_becomes_the_model() -> None:
    tree, findings = validate(Tree, one("topLeaf: {name: x, tags: [a], size: ~}"))
    assert findings == []
    assert tree is not None
    assert tree.top_leaf == Leaf(name="x", tags=("a",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("leaves: [{name: 1.10}]", 'leaves[0].name: a string is due here: quote it ("1.10")'),
        ("leaves: [{name: yes}]", 'leaves[0].name: a string is due here: quote it ("yes")'),
        ("leaves: [{name: []}]", "leaves[0].name: a string is due here, not a list"),
        ("leaves: [{name: x, size: '1'}]", "a whole number is due here, not a string"),
        ("leaves: [{name: x, size: yes}]", "a whole number is due here, not true or false"),
        ("leaves: [{name: x, share: {}}]", "a number is due here, not a mapping"),
        ("leaves: [{name: x, on: 1}]", "leaves[0].on: true or false is due here, not a number"),
        ("leaves: [{name: x, tags: a}]", "leaves[0].tags: a list is due here, not a string"),
        ("leaves: [{name: x, tags: [~]}]", "tags[0]: a string is due here, not nothing"),
        ("leaves: [{name: x, labels: {a: ~}}]", "labels.a: a string is due here, not nothing"),
        ("leaves: [{name: x, colour: blu}]", "'blu' is not known here: 'red' or 'green' is due"),
        ("leaves: [{name: x, labels: []}]", "a mapping is due here, not a list"),
        ("leaves: [7]", "leaves[0]: a mapping is due here, not a number"),
        ("[]", "f.yaml:1:1: a mapping is due here, not a list"),
        ("leaves: [{}]", "f.yaml:1:10: leaves[0].name: the field name is missing"),
        ("topLeaf: {name: ~}", "topLeaf.name: the field name is missing"),
        ("topLeaf: {name: bad}", "topLeaf.name: bad is no name"),
        ("top_leaf: {}", "there is no field top_leaf here; did you mean topLeaf?"),
        ("topLeaf: {name: x, tag: a}", "there is no field tag here; did you mean tags?"),
        (f"leaves: [{{name: x, {'name' * 99}: a}}]", "namename here [RT304]"),
        ("leaves: [{name: x, zzz: a}]", "leaves[0].zzz: there is no field zzz here [RT304]"),
    ],
)  # fmt: skip
def test_a_misfit_is_said_with_place_and_path(text: str, says: str) -> None:
    tree, findings = validate(Tree, one(text))
    assert tree is None
    assert [says in str(finding) for finding in findings] == [True]


def test_all_misfits_are_said_at_once() -> None:
    _, findings = validate(Tree, one("leaves:\n- {name: 1}\n- {nme: x}\n"))
    assert [str(finding.place) for finding in findings] == [
        "f.yaml:2:10",
        "f.yaml:3:3",
        "f.yaml:3:4",
    ]


@pytest.mark.parametrize(
    "text",
    ["leaves: [{name: x, name: y}]", "leaves: [{name: x, labels: {a: b, a: b}}]"],
    ids=["a field", "an item of a free mapping"],
)
def test_what_stands_twice_is_neither_missing_nor_of_a_wrong_type(text: str) -> None:
    assert validate(Tree, one(text)) == (None, [])


def test_a_judge_may_tolerate_unknown_fields() -> None:
    def lenient(_name: str, nearest: str) -> tuple[Severity, str]:
        return (Severity.ERROR if nearest == "on" else Severity.WARNING), ""

    text = "leaves: [{name: x, nmae: y}, {name: z, zzz: 1, yyy: {}}]"
    tree, findings = validate(Tree, one(text), judge=lenient)
    assert tree == Tree(leaves=[Leaf(name="x"), Leaf(name="z")])
    assert [finding.severity for finding in findings] == [Severity.WARNING] * 3
    assert validate(Tree, one("leaves: [{name: x, onn: y}]"), judge=lenient)[0] is None
