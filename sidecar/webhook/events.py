"""CloudEvents of Zot: which repository each of them says to look at.

Zot sends the binary mode (`ce-…` headers, the body is the data); the structured one (the event is
a JSON object) is read too, batches are not. An event says that something happened and no more: its
only field that counts is the repository's name, and what the registry holds is read from there.
Sources: CloudEvents 1.0.2, its HTTP protocol binding, and Zot v2.1.20 (pkg/extensions/events).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from cmp.reference import is_repository_path

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, as ASGI has them

_BINARY = "application/json"
_STRUCTURED = "application/cloudevents+json"
_LONGEST = 1024  # characters of an id, a source or a type; Zot's have 40 at most
# After these the repository may offer something else. One that names a digest counts as well: a
# digest that is deleted takes its tags along, the children of an index come before its tag, and
# signatures come by digest, or with a tag of their own, after the image that they release.
LOOK = frozenset(
    {"zotregistry.image.updated", "zotregistry.image.deleted", "zotregistry.image.scanned"}
)
# A repository is created before it has a tag; what the linter refuses is not stored.
NOTHING_NEW = frozenset({"zotregistry.repository.created", "zotregistry.image.lint_failed"})


@dataclass(frozen=True, slots=True)
class Hint:
    """Look at *repository*; *registry* is "" where the event does not say which, as Zot's."""

    registry: str
    repository: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event changes nothing; *reason* says why."""

    reason: str


class NotAnEventError(ValueError):
    """The request carries no event that can be read; the message says what is wrong."""


class WrongMediaTypeError(NotAnEventError):
    """It is not sent as JSON, or is more than one event."""


def hint_in(headers: Headers, body: bytes) -> Hint | Ignored:
    """What the event in a request says. Raises `NotAnEventError`."""
    media_type = _media_type(headers)
    if media_type == _STRUCTURED:
        attributes, data = _structured(body)
    elif media_type == _BINARY:
        attributes, data = _attributes(headers), _object(body)
    else:
        raise WrongMediaTypeError(f"Content-Type is neither {_BINARY} nor {_STRUCTURED}")
    _check(attributes)
    return _hint(attributes["type"], data)


def _hint(kind: str, data: Mapping[str, Any]) -> Hint | Ignored:
    if kind in NOTHING_NEW:
        return Ignored("nothing that could be chosen has changed")
    if kind not in LOOK:
        return Ignored("it is no event of an image")
    name = data.get("name")
    if not isinstance(name, str) or not is_repository_path(name):
        raise NotAnEventError("data.name is no repository")
    return Hint("", name)


def _media_type(headers: Headers) -> str:
    stated = _one(headers, b"content-type") or ""
    media_type, _, parameters = stated.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if charset not in ("", "charset=utf-8"):
        raise WrongMediaTypeError("Content-Type has other parameters than charset=utf-8")
    return media_type.strip().lower()


def _attributes(headers: Headers) -> dict[str, Any]:
    """The attributes of the binary mode."""
    names = ("specversion", "type", "id", "source")
    return {name: _one(headers, f"ce-{name}".encode()) for name in names}


def _structured(body: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Attributes and data of the structured mode."""
    event = _object(body)
    if event.get("datacontenttype", _BINARY) != _BINARY:
        raise WrongMediaTypeError(f"datacontenttype is not {_BINARY}")
    data = event.get("data")
    if not isinstance(data, dict):
        raise NotAnEventError("data is no JSON object")
    return event, data


def _check(attributes: Mapping[str, Any]) -> None:
    """The attributes that each event has (CloudEvents 1.0.2, section 3.1)."""
    for name in ("specversion", "type", "id", "source"):
        value = attributes.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
            raise NotAnEventError(f"{name} is missing, or no short text")
    if attributes["specversion"] != "1.0":
        raise NotAnEventError("specversion is not 1.0")


def _one(headers: Headers, name: bytes) -> str | None:
    """The header *name*, if it is there; it may be there once."""
    found = [value for each, value in headers if each == name]
    if len(found) > 1:
        raise NotAnEventError(f"{name.decode()} is there more than once")
    return found[0].decode("latin-1").strip() if found else None


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in *body*."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):  # also not UTF-8, and numbers without end
        raise NotAnEventError("the body is no JSON") from None
    if not isinstance(value, dict):
        raise NotAnEventError("the body is no JSON object")
    return value


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity, which only Python takes for JSON."""
    raise ValueError(constant)
