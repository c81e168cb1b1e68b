"""The part of GraphQL that the servers of the tests understand, worded as a real Zot words it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.servers import graphql
from tests.servers.graphql import FieldError, GraphQLError, Selection

_SCHEMA = {
    "Query": {"Image": "Image", "Count": ""},
    "Image": {"Tag": "", "Parts": "Part"},
    "Part": {"Size": ""},
}
_ARGUMENTS = {"Image": {"name": "String!", "page": "Page"}, "Count": {}}


def _resolve(selection: Selection, arguments: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    """An image tells its arguments as its tag; that called `bad` is an error."""
    if selection.name == "Count":
        return 7, ()
    if arguments["name"] == "bad":
        raise FieldError("no such image")
    complaints = ["odd"] if arguments["name"] == "odd" else []
    return {"Tag": arguments, "Parts": [{"Size": 1}, None]}, complaints


def _ask(query: str, **variables: object) -> dict[str, Any]:
    selections = graphql.parse(query)
    graphql.check(selections, _SCHEMA, _ARGUMENTS)
    return graphql.answer(selections, variables, _resolve)


@pytest.mark.parametrize(
    ("query", "data"),
    [
        pytest.param("{Count}", {"Count": 7}, id="a number"),
        pytest.param("query { a: Count, b: Count }", {"a": 7, "b": 7}, id="aliases"),
        pytest.param(
            '{Image(name:"a"){Parts{Size}}}',
            {"Image": {"Parts": [{"Size": 1}, None]}},
            id="a list with a hole",
        ),
        pytest.param(
            '{ # a comment\n Image(name: "\\u0061", page: {n: -1, by: UP, x: [true, null]}){Tag}}',
            {"Image": {"Tag": {"name": "a", "page": {"n": -1, "by": "UP", "x": [True, None]}}}},
            id="values of all kinds",
        ),
        pytest.param(
            "query Q($v: String!, $p: Page) {Image(name: $v, page: {n: $n}){Tag}}",
            {"Image": {"Tag": {"name": "x", "page": {"n": 2}}}},
            id="variables",
        ),
    ],
)
def test_a_question_is_answered(query: str, data: object) -> None:
    assert _ask(query, v="x", n=2) == {"data": data}


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        pytest.param("", ["no operation provided"], id="nothing"),
        pytest.param("{", ["Expected Name, found <EOF>"], id="the end"),
        pytest.param("query($v: String", ["Expected ), found <EOF>"], id="the end of variables"),
        pytest.param("}", ["Unexpected }"], id="no opening"),
        pytest.param("{Count}}", ["Unexpected }"], id="one closing more"),
        pytest.param("{Count ?}", ["Unexpected <Invalid>"], id="no sign of GraphQL"),
        pytest.param('{Image(name "x"){Tag}}', ['Expected :, found "x"'], id="no colon"),
        pytest.param(
            "{Nope More}",
            ['Cannot query field "Nope" on type "Query".', 'Cannot query field "More" on type'],
            id="fields that are not there",
        ),
        pytest.param(
            "{Image{Tag}}", ['Field "Image" argument "name" of type "String!" is'], id="a must"
        ),
        pytest.param(
            '{Image(name:"x",no:1){Tag}}',
            ['Unknown argument "no" on field "Query.Image".'],
            id="no",
        ),
        pytest.param(
            '{Image(name:"x")}', ['Field "Image" of type "Image" must have a'], id="no selection"
        ),
        pytest.param(
            '{Image(name:"x"){Tag{y}}}',
            ['Cannot query field "y" on type "String".', 'Field "Tag" must not have a selection'],
            id="a selection too many",
        ),
        pytest.param("{Image(name:$w){Tag}}", ["must be defined"], id="an undefined variable"),
    ],
)
def test_a_wrong_question_is_refused(query: str, messages: list[str]) -> None:
    with pytest.raises(GraphQLError) as refused:
        _ask(query)

    told = [str(each["message"]) for each in refused.value.errors]
    assert [text[: len(message)] for text, message in zip(told, messages, strict=True)] == messages


def test_a_refusal_tells_the_place() -> None:
    with pytest.raises(GraphQLError) as refused:
        _ask("{\n  Count\n  Nope\n}")

    assert refused.value.errors[0]["locations"] == [{"line": 3, "column": 3}]


def test_one_field_that_fails_takes_all_the_data() -> None:
    answer = _ask('{Count a:Image(name:"bad"){Tag} b:Image(name:"good"){Tag}}')

    place = [{"line": 1, "column": 8}]
    error = {"message": "no such image", "path": ["a"], "locations": place}
    assert answer == {"errors": [error], "data": None}


def test_a_complaint_leaves_the_data() -> None:
    answer = _ask('{Image(name:"odd"){Parts{Size}}}')

    assert answer["errors"] == [{"message": "odd", "path": ["Image"]}]
    assert answer["data"]["Image"]["Parts"] == [{"Size": 1}, None]
