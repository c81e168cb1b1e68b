"""Challenges: what a 401 says about how to log in (RFC 9110, 11.6.1; RFC 6750, 3).

Read leniently, and never with an error: Zot says `basic realm=` without a value, others leave out
quotes or commas. What cannot be read is passed over, so that nothing but the 401 remains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Go's servers take 1 MB of headers; a challenge of registries has some hundred characters.
_LONGEST = 16 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, 5.6.2: the grammar's own word
# A parameter, or else a scheme. Only an end of the text ends a quoted string without its quote.
_PIECE = re.compile(
    rf"""(?P<name>{_TOKEN})
         (?: [ \t]*=[ \t]* (?: "(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?\Z) | (?P<plain>[^\s,"]*) ) )?
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """*scheme* (`bearer`, `basic`) and the names of *parameters* are in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges in the *values* of the headers WWW-Authenticate, in their order.

    A parameter that is stated twice has its first value.
    """
    return [challenge for value in values for challenge in _parse(value[:_LONGEST])]


def _parse(text: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    at = _skip(text, 0)
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:  # no grammar has this: on to what follows the next comma
            comma = text.find(",", at)
            at = _skip(text, comma) if comma >= 0 else len(text)
            continue
        name = piece["name"].lower()
        value = piece["plain"] if piece["quoted"] is None else _ESCAPE.sub(r"\1", piece["quoted"])
        if value is None:
            parameters = {}
            challenges.append(Challenge(name, parameters))
        else:
            parameters.setdefault(name, value)
        at = _skip(text, piece.end())
    return challenges


def _skip(text: str, start: int) -> int:
    """Where the white space and commas that begin at *start* end."""
    between = _BETWEEN.match(text, start)
    return between.end() if between else start
