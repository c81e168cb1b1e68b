"""Globs of a directory source's `include` and `exclude`: gobwas/glob v0.2.3, without separators.

    *  **      any characters, `/` among them      [a-z]  [!a-z]  one in a range, or outside it
    ?          any one character                   [abc]  [!abc]  one of these, or none of them
    {a,b*}     one of several patterns             \\c             the character c

A glob is a tenant's, so it is matched as the set of places in it that the text so far may have
led to: the time grows with its length times the text's. That of Python's `re` could explode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LONGEST = 1_000  # characters; a match takes a few milliseconds at most
_TOKEN = re.compile(
    r"""(?P<any>\*+) | (?P<one>\?) | (?P<open>\{) | (?P<close>\}) | (?P<comma>,)
      | \[ (?P<not>!?+) (?: (?P<low>.)-(?P<high>.) | (?!.-)(?P<listed>(?:\\.|[^\]\\])+) ) \]
      | \\(?P<escaped>.) | (?P<plain>[^\[\\]) | \\\Z""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

_Fits = Callable[[str], bool]


class InvalidGlobError(ValueError):
    """The text is no glob; the message says why."""


@dataclass(slots=True)
class _Place:
    """A place in a glob: *fits* tells the characters that lead to place *then*.

    The places *also* are reached with it, without a character.
    """

    fits: _Fits | None = None
    then: int = 0
    also: tuple[int, ...] = ()


class Glob:
    """A compiled glob. Raises `InvalidGlobError`."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise InvalidGlobError(f"a glob has at most {_LONGEST} characters")
        self._places = [_Place()]
        self._branches: list[tuple[int, int]] = []  # of each open `{`: where it starts and ends
        here = position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            if token is None:
                raise InvalidGlobError(f"{text!r}: no range starts at character {position + 1}")
            here = self._add(token, here)
            position = token.end()
        while self._branches:  # a `{` that is never closed ends with the glob
            here = self._close(here)
        self._end = here

    def match(self, text: str) -> bool:
        """Whether the glob matches the whole *text*."""
        places = self._with_also([0])
        for character in text:
            steps = (self._places[place] for place in places)
            places = self._with_also(
                step.then for step in steps if step.fits and step.fits(character)
            )
        return self._end in places

    def _with_also(self, places: Iterable[int]) -> set[int]:
        found: set[int] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self._places[place].also
        return found

    def _new(self) -> int:
        self._places.append(_Place())
        return len(self._places) - 1

    def _link(self, place: int, other: int) -> None:
        self._places[place].also += (other,)

    def _add(self, token: re.Match[str], here: int) -> int:
        """Add *token* behind the place *here*; the place behind it."""
        if token["open"]:
            self._branches.append((here, self._new()))
            return self._branch(here)
        if token["comma"] and self._branches:
            start, end = self._branches[-1]
            self._link(here, end)
            return self._branch(start)
        if token["close"] and self._branches:
            return self._close(here)
        if token["any"]:
            loop = self._branch(here)
            self._places[loop] = _Place(_any, loop)
            return self._branch(loop)
        if token[0] == "\\":  # an escape at the very end stands for nothing
            return here
        then = self._new()
        self._places[here].fits, self._places[here].then = _fits(token), then
        return then

    def _branch(self, start: int) -> int:
        """A new place that is reached with *start*."""
        place = self._new()
        self._link(start, place)
        return place

    def _close(self, here: int) -> int:
        _, end = self._branches.pop()
        self._link(here, end)
        return end


def _fits(token: re.Match[str]) -> _Fits:
    """What one character must be for *token*."""
    if token["one"]:
        return _any
    inverted = bool(token["not"])
    if token["low"]:
        low, high = token["low"], token["high"]
        if high < low:
            raise InvalidGlobError(f"[{low}-{high}] is empty")
        return lambda character: (low <= character <= high) is not inverted
    if token["listed"]:
        listed = _ESCAPE.sub(r"\1", token["listed"])
        return lambda character: (character in listed) is not inverted
    wanted = token["escaped"] or token[0]
    return lambda character: character == wanted


def _any(_: str) -> bool:
    return True
