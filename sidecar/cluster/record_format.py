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

from cmp.store import LastGood
from sidecar.cluster import record_fields as fields

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
        "history": [fields.stated(_PAST, each) for each in record.history[:MOST_HISTORY]],
    }
    return json.dumps(value, separators=(",", ":"))


def _written(recorded: Recorded) -> dict[str, Any]:
    good = recorded.good
    return {
        **fields.stated(_LAST_GOOD, recorded.choice),
        **fields.stated(_RECORDED, recorded),
        **({} if good is None else {"good": fields.stated(_LAST_GOOD, good)}),
    }


def _record(value: Any) -> Record:
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise ValueError("another version")
    namespace, slash, name = fields.text(value.get("application")).partition("/")
    if not (slash and name):
        raise ValueError("no Application")
    found = _all(value.get("choices"), MOST_CHOICES, _recorded)
    unique = {each.key: each for each in reversed(found)}  # of two, the one that stands first
    return Record(
        namespace=namespace,
        name=name,
        uid=fields.text(value.get("uid")),
        choices=tuple(each for each in found if unique[each.key] is each),
        history=tuple(
            _all(value.get("history"), MOST_HISTORY, lambda past: Past(**fields.read(_PAST, past)))
        ),
    )


def _recorded(value: Any) -> Recorded:
    stated = fields.read(_RECORDED, value)
    good = value.get("good")
    return Recorded(
        choice=LastGood(**fields.read(_LAST_GOOD, value)),
        good=None if good is None else LastGood(**fields.read(_LAST_GOOD, good)),
        **stated,
    )


def _all(values: Any, most: int, reader: Callable[[Any], _Value]) -> list[_Value]:
    found: list[_Value] = []
    for value in values[:most] if isinstance(values, list) else ():
        try:
            found.append(reader(value))
        except ValueError:
            continue
    return found


def _refuse(text: str) -> Any:
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # NaN is no JSON


_LAST_GOOD: Mapping[str, fields.Field] = {
    "rule": fields.Field("rule", fields.text, None),
    "fingerprint": fields.Field("fingerprint", fields.text, None),
    "repository": fields.Field("repository", fields.repository, None),
    "tag": fields.Field("tag", fields.tag),
    "digest": fields.Field("digest", fields.digest, None),
    "observedAt": fields.Field("observed_at", fields.time, 0),
}
_RECORDED: Mapping[str, fields.Field] = {
    "state": fields.Field("state", lambda value: State(fields.text(value)), None),
    "after": fields.Field("after", fields.reference, None),
    "before": fields.Field("before", fields.text),
    "title": fields.Field("title", fields.why),
    "alias": fields.Field("alias", fields.text),
    "why": fields.Field("why", fields.why),
    "live": fields.Field("live", fields.flag, absent=False),
    "attempts": fields.Field("attempts", fields.count, 0),
    "askedAt": fields.Field("asked_at", fields.time, 0),
    "stamp": fields.Field("stamp", fields.text),
    "reconciledBefore": fields.Field("reconciled", fields.text),
    "operationBefore": fields.Field("operation", fields.text),
    "reason": fields.Field("reason", fields.why),
}
_PAST: Mapping[str, fields.Field] = {
    "at": fields.Field("at", fields.time, None),
    "rule": fields.Field("rule", fields.text),
    "alias": fields.Field("alias", fields.text),
    "image": fields.Field("image", fields.text),
    "before": fields.Field("before", fields.text),
    "after": fields.Field("after", fields.reference, None),
    "why": fields.Field("why", fields.why),
}
