"""What stores write for each value, and the strict reading of it: a record is a hint, not a fact.

A record is `1:` for this form, eight hex digits of a CRC-32, `:` and JSON. The checksum covers the
name under which the record is kept, so a damaged record, or one that stands under another name,
is not known. It finds accidents; whoever can write the store can also make a checksum. Nothing is
ever executed (no pickle), and whatever is not exactly of this form reads as None.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from cmp.reference import InvalidReferenceError, Reference, Repository, is_digest
from cmp.store.choices import MOST_CHOICES, SKEW, dated
from cmp.store.port import LastGood
from cmp.tags import Fault, Listing, Platform, Tag, is_tag

# Characters of one text. Rules, tags and what registries say of them have some hundred at most.
LONGEST_TEXT = 8192
# As many as are read of a registry at most (`cmp.registry.http.listing`).
MOST_NAMES = 500_000
# Bytes of a record; the largest listing that is read of a registry has 32 MiB.
LARGEST_RECORD = 32 * 1024 * 1024
LARGEST_TAG = 256 * 1024
_MOST_OF_A_TAG = 1000  # platforms or signers
_INT64 = 2**63

_Value = TypeVar("_Value")


def encode_choices(application: str, choices: Sequence[LastGood]) -> bytes:
    """*choices*, in their order, as the record of *application*."""
    values = [
        {
            "rule": choice.rule,
            "fingerprint": choice.fingerprint,
            "repository": choice.repository,
            "tag": choice.tag,
            "digest": choice.digest,
            "observed_at": choice.observed_at,
        }
        for choice in choices
    ]
    return _seal(application, values)


def decode_choices(application: str, record: bytes, now: float) -> tuple[LastGood, ...]:
    """The choices in *record*; those of them that are none are left out, in a bad one all.

    They are `dated` at *now* (seconds since the epoch).
    """
    values = _open(application, record, list)
    if values is None or len(values) > MOST_CHOICES:
        return ()
    read = (_read(value, _choice) for value in values)
    return dated([choice for choice in read if choice is not None], now)


def encode_listing(key: str, listing: Listing) -> bytes:
    """*listing* as the record of *key*: what was seen, not why it was served again."""
    value = {
        "registry": listing.repository.registry,
        "path": listing.repository.path,
        "names": listing.names,
        "observed_at": listing.observed_at,
        "newest_first": listing.newest_first,
    }
    return _seal(key, value)


def decode_listing(key: str, record: bytes, now: float) -> Listing | None:
    """The listing in *record*; None for what is none, or from after *now*: its age is unknown."""
    value = _open(key, record, dict)
    return None if value is None else _read(value, lambda value: _listing(value, now))


def encode_tag(key: str, tag: Tag) -> bytes:
    """*tag* as a record below *key*; what is not known of it takes no room."""
    value = {
        "digest": tag.digest,
        "created": tag.created,
        "fault": tag.fault.value if tag.fault else None,
        "detail": tag.detail or None,
        "pushed": tag.pushed,
        "severity": tag.severity,
        "trusted": tag.trusted,
        "signers": tag.signers or None,
        "platforms": [[each.os, each.architecture, each.variant] for each in tag.platforms]
        or None,
        "unanswered": tag.unanswered or None,
    }
    stated = {name: each for name, each in value.items() if each is not None}
    return _seal(_below(key, tag.name), stated)


def decode_tag(key: str, name: str, record: bytes) -> Tag | None:
    """The tag *name* that was described below *key*; None for a record that is none."""
    value = _open(_below(key, name), record, dict) if len(record) <= LARGEST_TAG else None
    return None if value is None else _read(value, lambda value: _tag(value, name))


def _below(key: str, name: str) -> str:
    return f"{key}\0{name}"


def _seal(name: str, value: Any) -> bytes:
    # In ASCII: registries may send lone surrogates, which UTF-8 does not have.
    body = _ENCODER.encode(value).encode("ascii")
    return seal(name, body)


def seal(name: str, body: bytes) -> bytes:
    """*body* as the record of *name*."""
    return b"1:%08x:%b" % (_checksum(name, body), body)


def unseal(name: str, record: bytes) -> bytes | None:
    """What *record* holds, if it is one of *name* and whole."""
    version, checksum, body = record[:2], record[2:10], record[11:]
    if version != b"1:" or record[10:11] != b":" or len(record) > LARGEST_RECORD:
        return None
    return body if checksum == b"%08x" % _checksum(name, body) else None


def _open(name: str, record: bytes, kind: type[_Value]) -> _Value | None:
    """The JSON in *record*, if it is one of *name*, whole, and of *kind*."""
    body = unseal(name, record)
    if body is None:
        return None
    try:
        value = _DECODER.decode(body.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, kind) else None


def _checksum(name: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(name.encode("utf-8", "surrogatepass") + b"\0"))


def _refuse(text: str) -> Any:
    raise ValueError(text)


# Made once: json.dumps and json.loads make one for each of a thousand tags.
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse)


class _NotOneError(ValueError):
    """A value is not what its field holds."""


def _read(value: Any, reader: Callable[[Any], _Value]) -> _Value | None:
    try:
        return reader(value)
    except _NotOneError:
        return None


def _choice(value: Any) -> LastGood:
    fields = _fields(
        value, {"rule", "fingerprint", "repository", "tag", "digest", "observed_at"}, whole=True
    )
    return LastGood(
        rule=_text(fields["rule"]),
        fingerprint=_text(fields["fingerprint"]),
        repository=_repository(fields["repository"]),
        tag=_that(fields["tag"], is_tag),
        digest=_maybe(fields["digest"], lambda text: _that(text, is_digest)),
        observed_at=_time(fields["observed_at"]),
    )


def _listing(value: Any, now: float) -> Listing:
    fields = _fields(
        value, {"registry", "path", "names", "observed_at", "newest_first"}, whole=True
    )
    names, observed_at = fields["names"], _time(fields["observed_at"])
    if type(names) is not list or len(names) > MOST_NAMES or observed_at > now + SKEW:
        raise _NotOneError
    registry, path = _text(fields["registry"]), _text(fields["path"])
    _repository(f"{registry}/{path}")
    return Listing(
        Repository(registry, path),
        tuple(_text(name) for name in names),
        observed_at,
        _maybe(fields["newest_first"], _boolean),
    )


def _tag(value: Any, name: str) -> Tag:
    fields = _fields(value, set(_TAG_FIELDS))
    return Tag(name, **{field: _TAG_FIELDS[field](each) for field, each in fields.items()})


def _fields(value: Any, names: set[str], *, whole: bool = False) -> dict[str, Any]:
    """*value* as an object that has no other fields than *names*, and all of them if *whole*."""
    if type(value) is not dict or not value.keys() <= names or (whole and value.keys() != names):
        raise _NotOneError
    return value


def _maybe(value: Any, reader: Callable[[Any], _Value]) -> _Value | None:
    return None if value is None else reader(value)


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > LONGEST_TEXT:
        raise _NotOneError
    return value


def _that(value: Any, holds: Callable[[str], bool]) -> str:
    text = _text(value)
    if not holds(text):
        raise _NotOneError
    return text


def _repository(value: Any) -> str:
    """*value*, a normalised repository's name."""
    text = _text(value)
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError:
        raise _NotOneError from None
    if str(reference.repository) != text:  # a tag, a digest, or another spelling
        raise _NotOneError
    return text


def _time(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < _INT64:  # so finite, and a number
        raise _NotOneError
    return float(value)


def _nanoseconds(value: Any) -> int:
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise _NotOneError
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _NotOneError
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list or len(value) > _MOST_OF_A_TAG:
        raise _NotOneError
    return value


def _fault(value: Any) -> Fault:
    try:
        return Fault(_text(value))
    except ValueError:  # also of `_text`
        raise _NotOneError from None


def _platform(value: Any) -> Platform:
    parts = _list(value)
    if len(parts) != 3:
        raise _NotOneError
    return Platform(*(_text(part) for part in parts))


_SEVERITIES = frozenset({"", "none", "unknown", "low", "medium", "high", "critical"})
_TAG_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "digest": lambda value: _that(value, is_digest),
    "created": _nanoseconds,
    "fault": _fault,
    "detail": _text,
    "pushed": _nanoseconds,
    "severity": lambda value: _that(value, _SEVERITIES.__contains__),
    "trusted": _boolean,
    "signers": lambda value: tuple(_text(each) for each in _list(value)),
    "platforms": lambda value: tuple(_platform(each) for each in _list(value)),
    "unanswered": _text,
}
