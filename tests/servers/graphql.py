"""The part of GraphQL that questions to Zot's search need: one anonymous or named query.

Reads selections with aliases, arguments and variables, checks them against a schema, and picks
what was selected from what resolvers return. Errors are worded as Zot's library words them,
without the name that it guesses was meant. Fragments, directives, mutations, the same field
twice, and checks of the types of values are not here: Retag sends nothing that needs them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Fields of each type, and the name of the type they hold ("" for text, numbers, times).
Schema = Mapping[str, Mapping[str, str]]

# The type of all scalars here, as messages call it.
_SCALAR = "String"

_TOKEN = re.compile(
    r'(?P<name>[_A-Za-z]\w*)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)'
    r"|(?P<sign>[{}()\[\]:$!=@]|\.\.\.)|(?P<blank>[\s,]+|#[^\n]*)"
)


class GraphQLError(Exception):
    """A question that is refused as a whole; *errors* in the form of the answer."""

    def __init__(self, *errors: Mapping[str, object]) -> None:
        super().__init__(errors)
        self.errors = errors


class FieldError(Exception):
    """Why one field of the query has no answer."""


@dataclass(frozen=True)
class Variable:
    """A variable's name, in the place of an argument's value."""

    name: str


@dataclass(frozen=True)
class Selection:
    """One selected field; *line* and *column* are where it stands, from 1."""

    alias: str
    name: str
    line: int
    column: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    selections: tuple[Selection, ...] = ()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int


class _Parser:
    """Reads a query by recursive descent; refuses with the place of the first fault."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> tuple[Selection, ...]:
        """The selections of the one query."""
        if self._here.text == "query":
            self._next()
            if self._here.kind == "name":
                self._next()
            self._skip_variables()
        if self._here.text != "{":
            raise self._unexpected()
        selected = self._selections()
        if self._here.kind != "end":
            raise self._unexpected()
        return selected

    def _unexpected(self) -> GraphQLError:
        return _refusal("GRAPHQL_PARSE_FAILED", f"Unexpected {self._here.text}", self._here)

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _next(self, expected: str = "") -> _Token:
        token = self._here
        if expected and expected not in {token.text, token.kind}:
            wanted = "Name" if expected == "name" else expected
            found = "<EOF>" if token.kind == "end" else token.text
            message = f"Expected {wanted}, found {found}"
            raise _refusal("GRAPHQL_PARSE_FAILED", message, token)
        self._at += 1
        return token

    def _skip_variables(self) -> None:
        """The types of variables are not checked."""
        if self._here.text == "(":
            while self._next().text != ")":
                if self._here.kind == "end":
                    self._next(")")

    def _selections(self) -> tuple[Selection, ...]:
        self._next("{")
        found = [self._selection()]
        while self._here.text != "}":
            found.append(self._selection())
        self._next("}")
        return tuple(found)

    def _selection(self) -> Selection:
        first = self._next("name")
        name = first
        if self._here.text == ":":
            self._next()
            name = self._next("name")
        arguments = self._arguments() if self._here.text == "(" else {}
        inner = self._selections() if self._here.text == "{" else ()
        return Selection(first.text, name.text, first.line, first.column, arguments, inner)

    def _arguments(self) -> dict[str, Any]:
        return self._pairs("(", ")")

    def _pairs(self, opening: str, closing: str) -> dict[str, Any]:
        self._next(opening)
        pairs: dict[str, Any] = {}
        while self._here.text != closing:
            name = self._next("name").text
            self._next(":")
            pairs[name] = self._value()
        self._next(closing)
        return pairs

    def _value(self) -> Any:
        token = self._here
        if token.text == "{":
            return self._pairs("{", "}")
        self._next()
        if token.text == "$":
            return Variable(self._next("name").text)
        if token.text == "[":
            found = []
            while self._here.text != "]":
                found.append(self._value())
            self._next("]")
            return found
        return _scalar(token)


def _scalar(token: _Token) -> Any:
    """A string, a number, a truth value, or the name of an enumeration's value."""
    if token.kind == "string":
        return json.loads(token.text)
    if token.kind == "number":
        return int(token.text)
    return {"true": True, "false": False, "null": None}.get(token.text, token.text)


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at, line, start = 0, 1, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        place = _Token("", text[at], line, at - start + 1)
        if found is None:
            raise _refusal("GRAPHQL_PARSE_FAILED", "Unexpected <Invalid>", place)
        if found.lastgroup != "blank":
            tokens.append(_Token(found.lastgroup or "", found[0], line, place.column))
        line += found[0].count("\n")
        at = found.end()
        start = text.rfind("\n", 0, at) + 1
    return [*tokens, _Token("end", "", line, len(text) - start + 1)]


def parse(text: str) -> tuple[Selection, ...]:
    """The selections of the query *text*; raises `GraphQLError`."""
    if not text.strip():
        message = {"message": "no operation provided"}
        raise GraphQLError({**message, "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}})
    return _Parser(text).query()


def check(
    selections: Sequence[Selection],
    schema: Schema,
    arguments: Mapping[str, Mapping[str, str]],
) -> None:
    """Raise `GraphQLError` unless all fields are in *schema*, and the queries' *arguments* fit.

    Of the types of arguments only the mark counts that makes them required (`String!`).
    """
    errors = _faults(selections, schema, "Query")
    for selection in selections:
        errors += _argument_faults(selection, arguments.get(selection.name, {}))
    if errors:
        raise GraphQLError(*errors)


def _faults(
    selections: Sequence[Selection], schema: Schema, of: str
) -> list[Mapping[str, object]]:
    """Fields that the type *of* does not have, and what is wrong below the others."""
    found = []
    for selection in selections:
        held = schema.get(of, {}).get(selection.name)
        message = _fault(selection, held, of)
        if held is not None:
            found += _faults(selection.selections, schema, held or _SCALAR)
        if message:
            found.append(_error("GRAPHQL_VALIDATION_FAILED", message, selection))
    return found


def _fault(selection: Selection, held: str | None, of: str) -> str:
    """What is wrong with one field that holds *held* ("" a scalar, None: there is none)."""
    name = selection.name
    if held is None:
        return f'Cannot query field "{name}" on type "{of}".'
    if held and not selection.selections:
        return f'Field "{name}" of type "{held}" must have a selection of subfields.'
    if selection.selections and not held:
        return f'Field "{name}" must not have a selection since type "{_SCALAR}" has no subfields.'
    return ""


def _argument_faults(
    selection: Selection, arguments: Mapping[str, str]
) -> list[Mapping[str, object]]:
    messages = [
        f'Unknown argument "{name}" on field "Query.{selection.name}".'
        for name in selection.arguments
        if name not in arguments
    ]
    messages += [
        f'Field "{selection.name}" argument "{name}" of type "{kind}" is required, '
        "but it was not provided."
        for name, kind in arguments.items()
        if kind.endswith("!") and name not in selection.arguments
    ]
    return [_error("GRAPHQL_VALIDATION_FAILED", message, selection) for message in messages]


def answer(
    selections: Sequence[Selection],
    variables: Mapping[str, Any],
    resolve: Callable[[Selection, Mapping[str, Any]], tuple[Any, Sequence[str]]],
) -> dict[str, Any]:
    """The answer to a checked query.

    *resolve* returns a field's value with complaints that leave it standing, or raises
    `FieldError`: then all of the query's data is null.
    """
    errors: list[Mapping[str, object]] = []
    data: dict[str, Any] | None = {}
    for selection in selections:
        arguments = _filled(selection.arguments, variables)
        try:
            value, complaints = resolve(selection, arguments)
        except FieldError as error:
            place = [{"line": selection.line, "column": selection.column}]
            errors.append({"message": str(error), "path": [selection.alias], "locations": place})
            data = None
            continue
        errors += [{"message": text, "path": [selection.alias]} for text in complaints]
        if data is not None:
            data[selection.alias] = _picked(value, selection.selections)
    return {"errors": errors, "data": data} if errors else {"data": data}


def _picked(value: Any, selections: tuple[Selection, ...]) -> Any:
    if isinstance(value, list):
        return [_picked(each, selections) for each in value]
    if not selections or value is None:
        return value
    return {each.alias: _picked(value.get(each.name), each.selections) for each in selections}


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """*value* with its variables replaced."""
    if isinstance(value, Variable):
        if value.name not in variables:
            undefined = {"message": "must be defined", "path": ["variable", value.name]}
            raise GraphQLError({**undefined, "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}})
        return variables[value.name]
    if isinstance(value, dict):
        return {name: _filled(each, variables) for name, each in value.items()}
    return value


def _error(code: str, message: str, place: _Token | Selection) -> Mapping[str, object]:
    where = [{"line": place.line, "column": place.column}]
    return {"message": message, "locations": where, "extensions": {"code": code}}


def _refusal(code: str, message: str, place: _Token) -> GraphQLError:
    return GraphQLError(_error(code, message, place))
