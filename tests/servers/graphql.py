"""The part of GraphQL that questions to Zot's search need: one anonymous or named query.

Reads selections with aliases, arguments and variables, checks them against a schema, and picks
what was selected from what resolvers return. Errors are worded as Zot's library words them.
Fragments, directives and mutations are not here, because no client of ours sends them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Fields of each type, and the name of the type they hold ("" for text, numbers, times).
Schema = Mapping[str, Mapping[str, str]]

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
        selected = self._selections()
        if self._here.kind != "end":
            raise _refusal("GRAPHQL_PARSE_FAILED", f"Unexpected {self._here.text}", self._here)
        return selected

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
        return re.sub(r"\\(.)", r"\1", token.text[1:-1])
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
            message = f'Cannot parse the unexpected character "{place.text}".'
            raise _refusal("GRAPHQL_PARSE_FAILED", message, place)
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
    required: Mapping[str, Mapping[str, str]],
    of: str = "Query",
) -> None:
    """Raise `GraphQLError` for fields *schema* lacks, and arguments *required* of the queries."""
    errors = list(_faults(selections, schema, required, of))
    if errors:
        raise GraphQLError(*errors)


def _faults(
    selections: Sequence[Selection],
    schema: Schema,
    required: Mapping[str, Mapping[str, str]],
    of: str,
) -> list[Mapping[str, object]]:
    found: list[Mapping[str, object]] = []
    for selection in selections:
        held = schema[of].get(selection.name)
        if held is None:
            message = f'Cannot query field "{selection.name}" on type "{of}".'
            found.append(_error("GRAPHQL_VALIDATION_FAILED", message, selection))
            continue
        for name, kind in required.get(selection.name, {}).items() if of == "Query" else ():
            if name not in selection.arguments:
                message = (
                    f'Field "{selection.name}" argument "{name}" of type "{kind}" is required, '
                    "but it was not provided."
                )
                found.append(_error("GRAPHQL_VALIDATION_FAILED", message, selection))
        if held:
            found += _faults(selection.selections, schema, required, held)
    return found


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
        return variables.get(value.name)
    if isinstance(value, dict):
        return {name: _filled(each, variables) for name, each in value.items()}
    return value


def _error(code: str, message: str, place: _Token | Selection) -> Mapping[str, object]:
    where = [{"line": place.line, "column": place.column}]
    return {"message": message, "locations": where, "extensions": {"code": code}}


def _refusal(code: str, message: str, place: _Token) -> GraphQLError:
    return GraphQLError(_error(code, message, place))
