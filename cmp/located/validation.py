"""Located data held against a pydantic model; what is wrong is said in our words, with places.

Models derive from `StrictModel`: a number where text is due is an error and is not turned into
text, since `1.10` would become "1.1".
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from cmp.errors import Finding, Place, Severity
from cmp.located.tree import Located, Path, path_text

Model = TypeVar("Model", bound=BaseModel)
# From an unknown field and the nearest known one ("" if none is near) to how bad, and a remedy.
Judge = Callable[[str, str], tuple[Severity, str]]

_TYPES = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "a string",
    "tuple_type": "a list",
}
_QUOTABLE = (bool, int, float)
# Likeness takes quadratic time, and no field has such a name.
_LONGEST_NAME = 64
# Fields whose value is never shown, not even a number's.
_SECRET = frozenset({"pullSecret", "credentials"})


class StrictModel(BaseModel):
    """A mapping of known fields. A null field is as good as absent, as for the Go programs."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


def always_error(_name: str, nearest: str) -> tuple[Severity, str]:
    """The judge for whom each unknown field is an error."""
    return Severity.ERROR, f"did you mean {nearest}?" if nearest else ""


def validate(
    model: type[Model], located: Located, *, judge: Judge = always_error
) -> tuple[Model | None, list[Finding]]:
    """*located* as *model*, or None where that fails, and all that is wrong with it.

    Unknown fields that *judge* calls warnings are left out, and the model is there all the same.
    That a field is missing is not said where it stands twice: that is a fault of its mapping.
    """
    data = located.data
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    told = [detail for detail in details if not _doubled(located, detail["loc"])]
    findings = [_finding(model, located, detail, judge) for detail in told]
    if len(told) < len(details) or any(finding.severity is Severity.ERROR for finding in findings):
        return None, findings
    for detail in details:
        _remove(data, detail["loc"])
    return model.model_validate(data), findings


def _doubled(located: Located, path: Path) -> bool:
    return bool(path) and located.nearest(path[:-1]).doubles(str(path[-1]))


def _remove(data: Any, path: Path) -> None:
    for step in path[:-1]:
        data = data[step]
    del data[path[-1]]


def _finding(
    model: type[BaseModel], located: Located, detail: ErrorDetails, judge: Judge
) -> Finding:
    path = detail["loc"]
    value = located.nearest(path)
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(model, located, path, judge)
        case "missing":
            return _missing(located.nearest(path[:-1]), str(path[-1]))
        case "literal_error":
            due = detail["ctx"]["expected"]
            return value.finding("RT307", f"{value.text!r} is not known here: {due} is due")
        case kind if kind in _TYPES:
            return wrong_type(value, _TYPES[kind])
    what = detail["msg"].removeprefix("Value error, ")
    return value.finding("RT307", what[:1].lower() + what[1:])


def _missing(parent: Located, name: str) -> Finding:
    what = f"the field {name} is missing"
    return Finding("RT305", Severity.ERROR, what, parent.place, path_text((*parent.path, name)))


def wrong_type(value: Located, due: str) -> Finding:
    """The finding that *value* is not *due* ("a list")."""
    if due == "a string" and isinstance(value.value, _QUOTABLE):
        shown = "" if _SECRET & {*value.path} else f' ("{value.text}")'
        return value.finding("RT306", f"a string is due here: quote it{shown}")
    return value.finding("RT306", f"{due} is due here, not {_kind(value)}")


def _kind(value: Located) -> str:
    match value.value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case str():
            return "a string"
    return "a number"


def _unknown(model: type[BaseModel], located: Located, path: Path, judge: Judge) -> Finding:
    value = located.nearest(path)
    name = str(path[-1])
    nearest = nearest_name(name, _names(model, path[:-1]))
    place: Place = value.key or value.place
    severity, remedy = judge(name, nearest)
    what = f"there is no field {name} here"
    return Finding("RT304", severity, what, place, path_text(value.path), remedy)


def nearest_name(name: str, known: list[str], likeness: float = 0.6) -> str:
    """The name in *known* that *name* may be a slip of; "" if none is as like (0 to 1)."""
    if len(name) > _LONGEST_NAME:
        return ""
    folded = {_folded(each): each for each in known}
    near = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=likeness)
    return folded[near[0]] if near else ""


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _names(model: type[BaseModel], path: Path) -> list[str]:
    """The fields that the model at *path* within *model* has."""
    here = model
    for step in path:
        if isinstance(step, str):
            here = _model_in(_fields(here)[step]) or here
    return list(_fields(here))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that *annotation* (`X | None`, `list[X]`) is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = (_model_in(part) for part in get_args(annotation))
    return next((model for model in models if model), None)
