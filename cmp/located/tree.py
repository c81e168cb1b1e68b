"""`Located`: a value, its place in a file, and the path that leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cmp.errors import Finding, Place, Severity

Scalar = str | int | float | bool | None
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A value and its place; lists and mappings hold further `Located` values.

    *path* leads to it from the document's root, as the user wrote it, and stays so when the value
    is moved elsewhere. *text* is a scalar as written (`1.10`, which is 1.1). *key* is the place of
    the mapping's key it stands under. *faults* are duplicate keys and the like in this mapping;
    under a duplicate key stands a null that is *doubled*, since none of its values can be meant.
    """

    value: Scalar | list[Located] | dict[str, Located]
    place: Place
    path: Path = ()
    text: str = ""
    key: Place | None = None
    faults: tuple[Finding, ...] = ()
    doubled: bool = False

    @property
    def data(self) -> Any:
        """The plain value, without places."""
        if isinstance(self.value, dict):
            return {key: child.data for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.data for child in self.value]
        return self.value

    @property
    def fields(self) -> dict[str, Located]:
        """The mapping's values by key; empty if this is no mapping."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Located]:
        """The list's values; empty if this is no list."""
        return self.value if isinstance(self.value, list) else []

    def get(self, key: str) -> Located | None:
        """The value under *key*; None if there is none, or if it is null."""
        child = self.fields.get(key)
        return None if child is None or child.value is None else child

    def doubles(self, key: str) -> bool:
        """Whether *key* stands here more than once, so that its value is unknown."""
        child = self.fields.get(key)
        return child is not None and child.doubled

    def at(self, *path: str) -> Located | None:
        """What stands at *path* below this value; None if nothing does, or null."""
        here: Located | None = self
        for key in path:
            here = here.get(key) if here else None
        return here

    def nearest(self, path: Path) -> Located:
        """What stands at *path* below this value, or else the last parent that is there."""
        here = self
        for step in path:
            child = here.fields.get(step) if isinstance(step, str) else None
            if isinstance(step, int) and step < len(here.items):
                child = here.items[step]
            if child is None:
                break
            here = child
        return here

    def with_fields(self, fields: dict[str, Located]) -> Located:
        """The same mapping, at the same place, with other fields; itself if it is no mapping."""
        return replace(self, value=fields) if isinstance(self.value, dict) else self

    def all_faults(self) -> Iterator[Finding]:
        """The faults of this value and of all below it."""
        yield from self.faults
        for child in [*self.fields.values(), *self.items]:
            yield from child.all_faults()

    def finding(
        self, code: str, what: str, *, severity: Severity = Severity.ERROR, remedy: str = ""
    ) -> Finding:
        """A finding about this value, with its place and path."""
        return Finding(code, severity, what, self.place, path_text(self.path), remedy)


def path_text(path: Path) -> str:
    """*path* as people write it: `spec.applicationRefs[0].images[1].alias`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and not set(step) & set('.[]" '):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def locate(data: Any, place: Place, path: Path = ()) -> Located:
    """Data that is already parsed (an API server's JSON) as `Located`, all of it at *place*."""
    if isinstance(data, dict):
        fields = {str(k): locate(v, place, (*path, str(k))) for k, v in data.items()}
        return Located(fields, place, path)
    if isinstance(data, list):
        items = [locate(item, place, (*path, index)) for index, item in enumerate(data)]
        return Located(items, place, path)
    return Located(data, place, path, str(data))
