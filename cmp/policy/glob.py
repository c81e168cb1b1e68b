"""Globs of Go's `filepath.Match` on Linux, for ignoreTags, denyTags and namePattern.

`*` is any run of characters but `/`, `?` one character but `/`, `[a-z]` and `[^a-z]` one of a
class, a backslash takes the next character as it is. There is no `**`, no `{a,b}`, and `!` does
not negate.

A glob becomes an expression of `re` in which each `*` with what follows it is an atomic group:
like Go, it takes the first place that fits and never goes back, so `a*a*a*b` is no bomb.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cmp.policy.invalid import InvalidTextError


class InvalidGlobError(InvalidTextError):
    """What Go calls `ErrBadPattern`, told for every name (Go: once the name matched that far)."""

    noun = "glob"


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob; `compile_glob` makes it."""

    pattern: str
    expression: re.Pattern[str]

    def match(self, name: str) -> bool:
        """Whether the glob matches the whole of *name*."""
        return self.expression.fullmatch(name) is not None


def compile_glob(pattern: str) -> Glob:
    """The glob that *pattern* spells. Raises `InvalidGlobError`."""
    return Glob(pattern, re.compile(_expression(pattern), re.DOTALL))


def _expression(pattern: str) -> str:
    """*pattern* in the syntax of `re`."""
    chunks = _chunks(pattern)
    first, stars = chunks[0], chunks[1:]
    if not stars:
        return first
    # The last chunk has to reach the end of the name, so it alone may try a later place.
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in stars[:-1])
    return f"{first}{middle}[^/]*?{stars[-1]}"


def _chunks(pattern: str) -> list[str]:
    """The translated text between the stars of *pattern*; a run of stars is one."""
    chunks = [""]
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            if chunks[-1] or len(chunks) == 1:
                chunks.append("")
            at += 1
        else:
            piece, at = _piece(pattern, at)
            chunks[-1] += piece
    return chunks


def _piece(pattern: str, at: int) -> tuple[str, int]:
    """One character's worth of *pattern* from *at*, translated, and where it ends."""
    match pattern[at]:
        case "?":
            return "[^/]", at + 1
        case "[":
            return _class(pattern, at)
        case "\\":
            if at + 1 == len(pattern):
                raise InvalidGlobError(pattern, at, "nothing follows the backslash")
            return re.escape(pattern[at + 1]), at + 2
        case literal:
            return re.escape(literal), at + 1


def _class(pattern: str, opening: int) -> tuple[str, int]:
    """The class `[…]` that starts at *opening*, and where it ends."""
    at = opening + 1
    negated = pattern.startswith("^", at)
    at += negated
    members: list[tuple[str, str]] = []
    while not members or not pattern.startswith("]", at):
        low, at = _member(pattern, at, opening)
        high = low
        if pattern.startswith("-", at):
            high, at = _member(pattern, at + 1, opening)
        members.append((low, high))
    # `[z-a]` is legal and empty in Go; `re` refuses it.
    ranges = "".join(f"{re.escape(a)}-{re.escape(b)}" for a, b in members if a <= b)
    if not ranges:
        return ("." if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{ranges}]", at + 1


def _member(pattern: str, at: int, opening: int) -> tuple[str, int]:
    """One end of a range in the class at *opening*, and where it ends."""
    if pattern.startswith(("-", "]"), at):
        raise InvalidGlobError(pattern, at, f"{pattern[at]!r} needs a backslash in a class here")
    if pattern.startswith("\\", at):
        at += 1
    if at + 1 >= len(pattern):
        raise InvalidGlobError(pattern, opening, "the class is not closed with ']'")
    return pattern[at], at + 1
