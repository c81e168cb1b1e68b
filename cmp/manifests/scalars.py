"""What Argo CD's YAML decoder makes of a scalar (go.yaml.in/yaml/v2, resolve.go)."""

from __future__ import annotations

import base64
import re
from math import isinf

from yaml.events import ScalarEvent

_CORE = "tag:yaml.org,2002:"
_BINARY = f"{_CORE}binary"
# What a plain scalar can resolve to; tags of these make the decoder refuse what does not fit.
_FITTING = {
    f"{_CORE}null": ("null",),
    f"{_CORE}bool": ("bool",),
    f"{_CORE}int": ("int",),
    f"{_CORE}float": ("float", "int"),
    f"{_CORE}timestamp": ("timestamp",),
}

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = frozenset(
    form
    for word in ("y", "yes", "true", "on", "n", "no", "false", "off")
    for form in (word, word.capitalize(), word.upper())
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[0-7]*|0[bB][01]+|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
# Argo CD's decoder takes these for strings, other readers of YAML 1.1 for numbers in base 60
# (`190:20` is 11420).
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


def resolved(plain: str) -> str:
    """What Argo CD reads a *plain* scalar as: null, bool, int, float, timestamp or str."""
    if plain in _NULLS:
        return "null"
    if plain in _BOOLS:
        return "bool"
    if _TIMESTAMP.fullmatch(plain):
        return "timestamp"
    digits = plain if plain.startswith(".") else plain[:1] + plain[1:].replace("_", "")
    if _INTEGER.fullmatch(digits):
        return "int"
    if _FLOAT.fullmatch(digits):
        return "str" if isinf(float(digits)) else "float"  # too large is no number
    return "float" if _NOT_FINITE.fullmatch(plain) else "str"


def reads_alike(plain: str) -> bool:
    """Whether every reader of YAML 1.1 takes the *plain* scalar for the same string."""
    return resolved(plain) == "str" and not _BASE_60.fullmatch(plain)


def is_null(event: ScalarEvent) -> bool:
    """Whether Argo CD reads the scalar as null."""
    if event.tag is None:
        return bool(event.implicit[0]) and event.value in _NULLS
    return event.tag == f"{_CORE}null"


def string_of(event: ScalarEvent) -> str | None:
    """The string that Argo CD reads; None if it reads something else, or refuses."""
    value: str = event.value
    if event.tag == _BINARY:
        return _from_base64(value)
    if event.tag is None and event.implicit[0] and resolved(value) not in ("str", "timestamp"):
        return None
    return value if event.tag not in _FITTING else None  # any other tag is ignored


def is_binary(event: ScalarEvent) -> bool:
    """Whether the scalar is base64 for a string."""
    return bool(event.tag == _BINARY)


def fault(event: ScalarEvent) -> str | None:
    """Why Argo CD refuses the scalar, as far as its tag and value tell."""
    if event.tag == _BINARY and _from_base64(event.value) is None:
        return "!!binary without base64"
    fitting = _FITTING.get(event.tag or "")
    if fitting and resolved(event.value) not in fitting:
        return f"{event.value[:40]!r} does not fit its tag"
    return None


def is_not_finite(event: ScalarEvent) -> bool:
    """Whether Argo CD reads the scalar as a number that JSON cannot hold."""
    return bool(event.implicit[0]) and _NOT_FINITE.fullmatch(event.value) is not None


def _from_base64(value: str) -> str | None:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True).decode(
            "utf-8", "replace"
        )
    except ValueError:  # binascii.Error is one
        return None
