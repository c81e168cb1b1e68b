"""A record of the controller as a ConfigMap, and the strict reading of it.

Whoever may write ConfigMaps in that namespace can write records, so all of it is a hint: what is
not exactly of this form reads as absent, and nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from cmp.store import LastGood
from sidecar.cluster import record_fields as fields
from sidecar.cluster.record import MOST_CHOICES, MOST_HISTORY, Past, Record, Recorded, State

LABELS: Mapping[str, str] = {
    "app.kubernetes.io/managed-by": "retag-controller",
    "retag.dev/record": "choices",
}
SELECTOR = "retag.dev/record=choices"
APPLICATION, UID = "retag.dev/application", "retag.dev/application-uid"  # annotations, for people

VERSION = 1
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
