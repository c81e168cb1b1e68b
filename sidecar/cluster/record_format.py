"""What the controller records of one Application in a ConfigMap, and the strict reading of it.

A record says which choices were delivered, how far the others have come, and what ran before.
Whoever may write ConfigMaps in that namespace can write records, so all of it is a hint: what is
not exactly of this form reads as absent, and nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from cmp.errors import printable
from cmp.reference import InvalidReferenceError, Reference, is_digest
from cmp.store import LastGood
from cmp.tags import is_tag

LABELS: Mapping[str, str] = {
    "app.kubernetes.io/managed-by": "retag-controller",
    "retag.dev/record": "choices",
}
SELECTOR = "retag.dev/record=choices"
APPLICATION, UID = "retag.dev/application", "retag.dev/application-uid"  # annotations, for people

VERSION = 1
MOST_CHOICES = 200  # of one Application; with texts as long as ours are, a fifth of a ConfigMap
MOST_HISTORY = 20
# Characters that a ConfigMap may have here; etcd and the API server take 1 MiB of it.
MOST_CHARACTERS = 900_000
# Characters of a choice as JSON when it is new, so that so many choices fit with all that is added
# to them later. Most have some 600; who names his images in emoji may have too many.
_LARGEST_CHOICE = 3000
_LONGEST = 1024  # characters of one text, much more than any name has
_LONGEST_WHY = 500
_KEY = "record"
_LONGEST_NAME = 253
_KEPT_OF_NAME = 200  # characters of one that is longer
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

_Value = TypeVar("_Value")


class State(StrEnum):
    """How far a choice has come."""

    INTENDED = "intended"  # a refresh is to be asked for; nobody knows yet whether it was
    ASKED = "asked"  # the refresh was asked for
    RENDERED = "rendered"  # Argo CD has rendered anew; a sync may be due
    DELIVERED = "delivered"  # nothing is left to do
    FAILED = "failed"  # given up: never again for this choice

    @property
    def is_settled(self) -> bool:
        """Whether nothing is done for such a choice any more."""
        return self in (State.DELIVERED, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A choice of one rule for the Application.

    *after* is its reference and *before* the one that ran ("" for none), *title* names the rule
    and *alias* its image, for people; *live* is whether an image of the repository ran. *good* is
    what the rule's policy chose last itself: a last good choice for resolvers, which a pin is not.
    *attempts* refreshes were intended, the last at *asked_at* (seconds since the epoch) with
    *stamp*, the value of Argo CD's `refresh-timestamp`; before it, *reconciled* was
    `status.reconciledAt`, and *operation* `status.operationState.startedAt`. *reason* says why it
    failed, or why it is left to Argo CD or to people.
    """

    choice: LastGood
    state: State
    after: str
    before: str = ""
    title: str = ""
    alias: str = ""
    why: str = ""
    good: LastGood | None = None
    live: bool = False
    attempts: int = 0
    asked_at: float = 0
    stamp: str = ""
    reconciled: str = ""
    operation: str = ""
    reason: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is the choice of: rule and repository."""
        return self.choice.rule, self.choice.repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An image that came to run: at *at* (seconds since the epoch) *after* took *before*'s place.

    Both are references, *before* is "" where none was live.
    """

    at: float
    rule: str
    alias: str
    image: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is recorded of the Application *namespace*/*name* with *uid*.

    *choices* has one for each rule and repository, the last changed first; *history* the newest
    first.
    """

    namespace: str
    name: str
    uid: str
    choices: tuple[Recorded, ...] = ()
    history: tuple[Past, ...] = ()

    @property
    def last_good(self) -> tuple[LastGood, ...]:
        """What the rules' policies chose last, for resolvers; the last changed first."""
        return tuple(each.good for each in self.choices if each.good is not None)

    def of(self, key: tuple[str, str]) -> Recorded | None:
        """The choice of a rule for a repository."""
        return next((each for each in self.choices if each.key == key), None)

    def with_choice(self, recorded: Recorded) -> Record:
        """*recorded* in its place, before all others; of settled ones the oldest may go."""
        others = [each for each in self.choices if each.key != recorded.key]
        while len(others) >= MOST_CHOICES:
            settled = [each for each in others if each.state.is_settled]
            others.remove(settled[-1] if settled else others[-1])
        return replace(self, choices=(recorded, *others))

    def with_history(self, past: Past) -> Record:
        """*past* as the newest of a bounded history."""
        return replace(self, history=(past, *self.history)[:MOST_HISTORY])


def fits(recorded: Recorded) -> bool:
    """Whether *recorded* can be recorded: its texts are not too long, and what they should be."""
    written = _written(recorded)
    try:
        _recorded(written)
    except ValueError:
        return False
    return len(json.dumps(written)) <= _LARGEST_CHOICE


def name_of(namespace: str, application: str) -> str:
    """The name of the ConfigMap with the record of an Application, and of no other.

    All begin with `retag.`, which the account's policy asks for. A shortened one has one dot, and
    the others two at least.
    """
    plain = f"retag.{namespace}.{application}"
    if len(plain) <= _LONGEST_NAME and _NAME.fullmatch(plain):
        return plain
    digest = hashlib.sha256(f"{namespace}/{application}".encode()).hexdigest()[:16]
    text = f"{namespace}.{application}".lower()
    kept = re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:_KEPT_OF_NAME].rstrip("-")
    return f"retag.{kept}-{digest}" if kept else f"retag.{digest}"


def config_map(record: Record, namespace: str) -> dict[str, Any]:
    """The ConfigMap of *record* in *namespace*, without resourceVersion."""
    application = f"{record.namespace}/{record.name}"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(record.namespace, record.name),
            "namespace": namespace,
            "labels": dict(LABELS),
            "annotations": {APPLICATION: application, UID: record.uid},
        },
        "data": dump(record),
    }


def dump(record: Record) -> dict[str, str]:
    """The `data` of a ConfigMap with *record*; of one that is too long, without its history."""
    text = _dumped(record)
    if len(text) > MOST_CHARACTERS:
        text = _dumped(replace(record, history=()))
    return {_KEY: text}


def parse(data: Any) -> Record | None:
    """The record in the `data` of a ConfigMap; None for what is none, or of another version.

    Choices and entries of the history that are none are left out.
    """
    text = data.get(_KEY) if isinstance(data, dict) else None
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        return None
    try:
        return _record(_DECODER.decode(text))
    except (ValueError, RecursionError):  # also of what is no record
        return None


def _dumped(record: Record) -> str:
    value = {
        "version": VERSION,
        "application": f"{record.namespace}/{record.name}",
        "uid": record.uid,
        "choices": [_written(each) for each in record.choices[:MOST_CHOICES]],
        "history": [_stated(_PAST, each) for each in record.history[:MOST_HISTORY]],
    }
    return json.dumps(value, separators=(",", ":"))


def _written(recorded: Recorded) -> dict[str, Any]:
    good = recorded.good
    return {
        **_stated(_LAST_GOOD, recorded.choice),
        **_stated(_RECORDED, recorded),
        **({} if good is None else {"good": _stated(_LAST_GOOD, good)}),
    }


def _stated(fields: Mapping[str, _Field], value: Any) -> dict[str, Any]:
    """The *fields* of *value* that say anything."""
    found = {key: _short(each, getattr(value, each.attribute)) for key, each in fields.items()}
    return {key: each for key, each in found.items() if each != fields[key].absent}


def _short(field: _Field, value: Any) -> Any:
    return printable(value)[:_LONGEST_WHY] if field.read is _why else value


def _record(value: Any) -> Record:
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise ValueError("another version")
    namespace, slash, name = _text(value.get("application")).partition("/")
    if not (slash and name):
        raise ValueError("no Application")
    found = _all(value.get("choices"), MOST_CHOICES, _recorded)
    unique = {each.key: each for each in reversed(found)}  # of two, the one that stands first
    return Record(
        namespace=namespace,
        name=name,
        uid=_text(value.get("uid")),
        choices=tuple(each for each in found if unique[each.key] is each),
        history=tuple(
            _all(value.get("history"), MOST_HISTORY, lambda past: Past(**_read(_PAST, past)))
        ),
    )


def _recorded(value: Any) -> Recorded:
    fields = _read(_RECORDED, value)
    good = value.get("good")
    return Recorded(
        choice=LastGood(**_read(_LAST_GOOD, value)),
        good=None if good is None else LastGood(**_read(_LAST_GOOD, good)),
        **fields,
    )


def _all(values: Any, most: int, reader: Callable[[Any], _Value]) -> list[_Value]:
    found: list[_Value] = []
    for value in values[:most] if isinstance(values, list) else ():
        try:
            found.append(reader(value))
        except ValueError:
            continue
    return found


def _read(fields: Mapping[str, _Field], value: Any) -> dict[str, Any]:
    """*fields* of *value*, by their attributes. Raises `ValueError`."""
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - any value that is wrong is a ValueError here
    return {each.attribute: each.read(value.get(key, each.absent)) for key, each in fields.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("no text")
    return value


def _why(value: Any) -> str:
    return printable(_text(value))


def _reference(value: Any) -> str:
    """*value*, a reference. Raises `InvalidReferenceError`, which is a `ValueError`."""
    return Reference.parse(_text(value)).text


def _repository(value: Any) -> str:
    text = _text(value)
    if str(Reference.parse(text).repository) != text:
        raise InvalidReferenceError(f"{text!r} is no repository's name")
    return text


def _tag(value: Any) -> str:
    text = _text(value)
    if text and not is_tag(text):  # "" is the tag of a digest that nobody knows the tag of
        raise ValueError("no tag")
    return text


def _digest(value: Any) -> str | None:
    if value is None:
        return None
    text = _text(value)
    if not is_digest(text):
        raise ValueError("no digest")
    return text


def _time(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 2**40:  # so finite, and a number
        raise ValueError("no time")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError("no number")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("no boolean")
    return value


def _refuse(text: str) -> Any:
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # NaN is no JSON


@dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    read: Callable[[Any], Any]
    absent: Any = ""


_LAST_GOOD: Mapping[str, _Field] = {
    "rule": _Field("rule", _text, None),
    "fingerprint": _Field("fingerprint", _text, None),
    "repository": _Field("repository", _repository, None),
    "tag": _Field("tag", _tag),
    "digest": _Field("digest", _digest, None),
    "observedAt": _Field("observed_at", _time, 0),
}
_RECORDED: Mapping[str, _Field] = {
    "state": _Field("state", lambda value: State(_text(value)), None),
    "after": _Field("after", _reference, None),
    "before": _Field("before", _text),
    "title": _Field("title", _why),
    "alias": _Field("alias", _text),
    "why": _Field("why", _why),
    "live": _Field("live", _flag, absent=False),
    "attempts": _Field("attempts", _count, 0),
    "askedAt": _Field("asked_at", _time, 0),
    "stamp": _Field("stamp", _text),
    "reconciledBefore": _Field("reconciled", _text),
    "operationBefore": _Field("operation", _text),
    "reason": _Field("reason", _why),
}
_PAST: Mapping[str, _Field] = {
    "at": _Field("at", _time, None),
    "rule": _Field("rule", _text),
    "alias": _Field("alias", _text),
    "image": _Field("image", _text),
    "before": _Field("before", _text),
    "after": _Field("after", _reference, None),
    "why": _Field("why", _why),
}
