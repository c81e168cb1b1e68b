"""How each field of a record is read and written: strictly, since anybody may have written it.

What is not exactly of its form raises `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cmp.errors import printable
from cmp.reference import InvalidReferenceError, Reference, is_digest
from cmp.tags import is_tag

_LONGEST = 1024  # characters of one text, much more than any name has
_LONGEST_WHY = 500


@dataclass(frozen=True, slots=True)
class Field:
    """A field of what has *attribute*; *read* reads it, and *absent* stands for none."""

    attribute: str
    read: Callable[[Any], Any]
    absent: Any = ""


def read(fields: Mapping[str, Field], value: Any) -> dict[str, Any]:
    """*fields* of *value*, by their attributes. Raises `ValueError`."""
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - any value that is wrong is a ValueError here
    return {each.attribute: each.read(value.get(key, each.absent)) for key, each in fields.items()}


def stated(fields: Mapping[str, Field], value: Any) -> dict[str, Any]:
    """The *fields* of *value* that say anything."""
    found = {key: _short(each, getattr(value, each.attribute)) for key, each in fields.items()}
    return {key: each for key, each in found.items() if each != fields[key].absent}


def text(value: Any) -> str:
    """A text that is not too long."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("no text")
    return value


def why(value: Any) -> str:
    """A text for people, of characters that can be printed."""
    return printable(text(value))


def reference(value: Any) -> str:
    """*value*, a reference. Raises `InvalidReferenceError`, which is a `ValueError`."""
    return Reference.parse(text(value)).text


def repository(value: Any) -> str:
    """The name of a repository."""
    found = text(value)
    if str(Reference.parse(found).repository) != found:
        raise InvalidReferenceError(f"{found!r} is no repository's name")
    return found


def tag(value: Any) -> str:
    """A tag; "" is that of a digest that nobody knows the tag of."""
    found = text(value)
    if found and not is_tag(found):
        raise ValueError("no tag")
    return found


def digest(value: Any) -> str | None:
    """A digest; None for none."""
    if value is None:
        return None
    found = text(value)
    if not is_digest(found):
        raise ValueError("no digest")
    return found


def time(value: Any) -> float:
    """Seconds since the epoch."""
    if type(value) not in (int, float) or not 0 <= value < 2**40:  # so finite, and a number
        raise ValueError("no time")
    return float(value)


def count(value: Any) -> int:
    """A number of something."""
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError("no number")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise ValueError("no boolean")
    return value


def _short(field: Field, value: Any) -> Any:
    return printable(value)[:_LONGEST_WHY] if field.read is why else value
