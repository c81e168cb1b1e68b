"""The plugin's parameters as checked values, from the three places they are stated in.

`ARGOCD_APP_PARAMETERS` (an Application's `plugin.parameters`), `ARGOCD_ENV_RETAG_*` (its
`plugin.env`) and `-p NAME=VALUE`. All three are a tenant's; all faults of one are told at once.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from cmp.errors import RetagError, UsageError, raise_together
from cmp.parameters import BY_NAME, BY_VARIABLE, IMAGES, Kind, Parameter, Tool, is_ours

Value = str | bool | tuple[str, ...] | dict[str, str]
_Value = TypeVar("_Value", bound=Value)
_Stated = TypeVar("_Stated")

_LARGEST = 128 * 1024  # characters; Linux passes no longer variable (MAX_ARG_STRLEN)
# Faults that are told: an Application may state 10,000 parameters, and for each that there is none
# of, the nearest is looked for in some milliseconds.
_MOST_FAULTS = 20
_LONGEST_NAME = 100  # characters of a name that is looked for, and told
_ENV_PREFIX = "ARGOCD_ENV_"  # Argo CD puts it before each name of plugin.env


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters that were stated, by name, each in the type of its kind."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The string *name*; "" if not stated."""
        return self._get(name, Kind.STRING, "")

    def flag(self, name: str) -> bool:
        """The bool *name*; False if not stated."""
        return self._get(name, Kind.BOOL, default=False)

    def array(self, name: str) -> tuple[str, ...]:
        """The array *name*; empty if not stated."""
        return self._get(name, Kind.ARRAY, ())

    def map(self, name: str) -> dict[str, str]:
        """The map *name*; empty if not stated."""
        return self._get(name, Kind.MAP, {})

    def _get(self, name: str, kind: Kind, default: _Value) -> _Value:
        assert BY_NAME[name].kind is kind
        return cast("_Value", self.values.get(name, default))

    def __or__(self, other: Options) -> Options:
        """Both; where both state a parameter, *other* wins."""
        return Options({**self.values, **other.values})

    def as_items(self) -> list[dict[str, Any]]:
        """The same as `plugin.parameters` says it."""
        return [_as_item(name, value) for name, value in self.values.items()]

    @property
    def tool(self) -> Tool | None:
        """What must render the source; None to find out."""
        stated = self.text("tool")
        return None if stated in {"", "auto"} else Tool(stated)

    @property
    def pins(self) -> Mapping[str, str]:
        """Alias → tag."""
        return self.map("pins")

    @property
    def freeze(self) -> bool:
        """Whether no image may move."""
        return self.flag("freeze")

    @property
    def output(self) -> str:
        """`tag`, `tag@digest` or `digest`; "" leaves it to the rule."""
        return self.text("output")

    @property
    def allow_empty(self) -> bool:
        """Whether a render without any object is meant."""
        return self.flag("allow-empty")


def _as_item(name: str, value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"name": name, "string": "true" if value else "false"}
    if isinstance(value, str):
        return {"name": name, "string": value}
    kind = Kind.MAP if isinstance(value, dict) else Kind.ARRAY
    return {"name": name, str(kind): value}


def parse_json(text: str) -> Options:
    """The parameters in `ARGOCD_APP_PARAMETERS`: a JSON list; `null` or nothing for none."""
    if len(text) > _LARGEST:
        raise UsageError("RT220", f"the parameters are longer than {_LARGEST} characters")
    try:
        items = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        raise UsageError("RT220", "the parameters are not JSON") from None
    return parse_items(items)


def parse_items(items: Any) -> Options:
    """The parameters in `plugin.parameters`: a list of `{name, string | array | map}`, or None."""
    if items is None:
        return Options()
    if not isinstance(items, list):
        raise UsageError("RT220", "the parameters are not a list of {name, string, array or map}")
    return _collect(_item, items)


def parse_environment(environment: Mapping[str, str]) -> Options:
    """The parameters in `plugin.env`: `RETAG_` and the name in upper case, `-` as `_`.

    An array has one value a line, a map one `key=value` a line. Names without `RETAG_` are
    somebody else's.
    """
    stated = (
        (name.removeprefix(_ENV_PREFIX), text)
        for name, text in environment.items()
        if name.startswith(_ENV_PREFIX) and is_ours(name.removeprefix(_ENV_PREFIX))
    )
    return _collect(_variable, stated)


def parse_params(arguments: Iterable[str]) -> Options:
    """The parameters of the command line: `NAME=VALUE` each.

    An array is stated value by value, a map pair by pair, as `NAME=KEY=VALUE`.
    """
    stated: dict[str, list[str]] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals:
            raise UsageError("RT228", f"{argument!r} is no parameter", remedy="write NAME=VALUE")
        stated.setdefault(name, []).append(text)
    return _collect(_argument, stated.items())


def _collect(parse: Callable[[_Stated], tuple[str, Value]], stated: Iterable[_Stated]) -> Options:
    """What *parse* makes of each of *stated*; its first errors at once."""
    values: dict[str, Value] = {}
    errors: list[RetagError] = []
    for each in stated:
        if len(errors) >= _MOST_FAULTS:
            break
        try:
            name, value = parse(each)
        except UsageError as error:
            errors.append(error)
            continue
        if name in values:
            errors.append(UsageError("RT224", f"parameter {name} is stated twice"))
        if value != "" or not BY_NAME[name].allowed:  # a cleared field of Argo CD's form
            values[name] = value
    raise_together(errors)
    return Options(values)


def _item(item: Any) -> tuple[str, Value]:
    """One of `plugin.parameters`."""
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise UsageError("RT221", "a parameter is not an object with a name")
    parameter = _known(item["name"], BY_NAME)
    stated = [key for key in ("string", "array", "map") if item.get(key) is not None]
    wanted = "string" if parameter.kind is Kind.BOOL else str(parameter.kind)
    if stated != [wanted]:
        raise UsageError(
            "RT221",
            f"parameter {parameter.name} has {' and '.join(stated) or 'no value'}",
            remedy=f"write its value as `{wanted}:`",
        )
    return parameter.name, _typed(parameter, item[wanted])


def _typed(parameter: Parameter, value: Any) -> Value:
    """*value*, as JSON gives it, in the type of *parameter*'s kind."""
    if parameter.kind is Kind.ARRAY and isinstance(value, list):
        return tuple(_text(parameter, each) for each in value)
    if parameter.kind is Kind.MAP and isinstance(value, dict):
        return {_text(parameter, k): _text(parameter, v) for k, v in value.items()}
    if parameter.is_collection:
        raise UsageError(
            "RT221",
            f"the value of parameter {parameter.name} is no {parameter.kind}",
            remedy=f"write its value as `{parameter.kind}:`",
        )
    return _scalar(parameter, value)


def _variable(stated: tuple[str, str]) -> tuple[str, Value]:
    """One of `plugin.env`."""
    variable, text = stated
    parameter = _known(variable, BY_VARIABLE)
    if len(text) > _LARGEST:
        raise UsageError("RT220", f"{variable} is longer than {_LARGEST} characters")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return parameter.name, _value(parameter, lines if parameter.is_collection else [text])


def _argument(stated: tuple[str, list[str]]) -> tuple[str, Value]:
    """One parameter of the command line, with all that was stated for it."""
    name, texts = stated
    parameter = _known(name, BY_NAME)
    return parameter.name, _value(parameter, texts)


def _value(parameter: Parameter, texts: list[str]) -> Value:
    """The value of *parameter*, stated once for each of *texts*."""
    if parameter.kind is Kind.ARRAY:
        return tuple(_text(parameter, each) for each in texts)
    if parameter.kind is Kind.MAP:
        return dict(_pair(parameter, each) for each in texts)
    if len(texts) > 1:
        raise UsageError("RT224", f"parameter {parameter.name} is stated twice")
    return _scalar(parameter, texts[0])


def _pair(parameter: Parameter, text: str) -> tuple[str, str]:
    key, equals, value = _text(parameter, text).partition("=")
    if not equals:
        raise UsageError(
            "RT223",
            f"parameter {parameter.name} has a value that is no pair",
            remedy="write KEY=VALUE",
        )
    return key, value


def _scalar(parameter: Parameter, value: Any) -> str | bool:
    text = _text(parameter, value)
    if not text:
        return text
    if parameter.allowed and text not in parameter.allowed:
        raise UsageError(
            "RT223",
            f"parameter {parameter.name} cannot be {text!r}",
            remedy=f"it is one of {', '.join(parameter.allowed)}",
        )
    return text == "true" if parameter.kind is Kind.BOOL else text


def _text(parameter: Parameter, value: Any) -> str:
    """*value* as a text that may stand in a program's arguments."""
    if not isinstance(value, str):
        # Never the value itself: charts take passwords as parameters.
        raise UsageError(
            "RT223",
            f"parameter {parameter.name} has a value that is not a string",
            remedy="quote it",
        )
    if "\0" in value or not _is_unicode(value):
        raise UsageError("RT223", f"parameter {parameter.name} holds a character that is no text")
    return value


def _is_unicode(text: str) -> bool:
    """Whether *text* is without lone surrogates, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _known(name: str, names: Mapping[str, Parameter]) -> Parameter:
    """The parameter that is called *name* in *names*, if there is one and it is supported."""
    if name not in names:
        name = name[:_LONGEST_NAME]
        useful = [known for known, each in names.items() if each.name != IMAGES]
        nearest = difflib.get_close_matches(name, useful, n=1, cutoff=0)
        raise UsageError(
            "RT222", f"there is no parameter {name!r}", remedy=f"the nearest is {nearest[0]}"
        )
    parameter = names[name]
    if parameter.refused:
        raise UsageError("RT225", f"{parameter.name} is not supported: {parameter.refused}")
    return parameter
