"""Regular expressions of RE2, in the dialect of Go's `regexp`: linear time, whatever is written.

Two things that RE2 knows and Go does not are refused, so that a rule means the same to both:
`\\C` (one byte) and group names outside ASCII. Names of Unicode classes are RE2's (`\\p{Greek}`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import re2

from cmp.policy.invalid import InvalidTextError

_LONGEST = 4096  # characters; expressions for tags are some dozen
_MEMORY = 8 << 20  # bytes for program and automaton: RE2's own default, stated to hold

_QUOTED_OR_ESCAPED = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(.)", re.DOTALL)


class InvalidExpressionError(InvalidTextError):
    """The text is not an expression of RE2, or too large a one."""

    noun = "regular expression (RE2)"


class Expression:
    """One compiled expression. Raises `InvalidExpressionError`."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._compiled = _compile(pattern)

    @property
    def groups(self) -> Mapping[str, int]:
        """The named groups and their numbers."""
        names: Mapping[str, int] = self._compiled.groupindex
        return names

    @property
    def count(self) -> int:
        """How many groups there are."""
        count: int = self._compiled.groups
        return count

    def search(self, text: str) -> Sequence[str | None] | None:
        """The leftmost match in *text* as its groups, number 0 the whole; None without a match."""
        found = self._compiled.search(text)
        return None if found is None else (found[0], *found.groups())


class ExpressionSet:
    """Several expressions asked at once, for whether any of them matches somewhere in a text.

    Each must have compiled as an `Expression`. Raises `InvalidExpressionError` if they are too
    large together.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._empty = not patterns
        self._set = re2.Set.SearchSet(_options())
        try:
            for pattern in patterns:
                self._set.Add(pattern)
            self._set.Compile()
        except re2.error:
            raise InvalidExpressionError(" ".join(patterns), 0, "too large") from None

    def matches(self, text: str) -> bool:
        """Whether one of the expressions matches in *text*."""
        return not self._empty and self._set.Match(text) is not None


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False  # RE2 would print to stderr, where Argo CD shows it to users
    return options


def _compile(pattern: str) -> Any:
    if len(pattern) > _LONGEST:
        raise InvalidExpressionError(pattern, _LONGEST, f"longer than {_LONGEST} characters")
    for escape in _QUOTED_OR_ESCAPED.finditer(pattern):
        if escape[1] == "C":
            raise InvalidExpressionError(pattern, escape.start(), r"\C is not in Go's dialect")
    try:
        compiled = re2.compile(pattern, _options())
    except UnicodeEncodeError as error:
        raise InvalidExpressionError(pattern, error.start, "not Unicode text") from None
    except re2.error as error:
        raise _explained(pattern, error) from None
    if not all(name.isascii() for name in compiled.groupindex):
        raise InvalidExpressionError(pattern, 0, "a group's name is not ASCII")
    return compiled


def _explained(pattern: str, error: Exception) -> InvalidExpressionError:
    """RE2 says `reason: fragment`, in bytes; the fragment's place is where the caret goes."""
    message = error.args[0].decode(errors="replace")
    reason, _, fragment = message.partition(": ")
    return InvalidExpressionError(pattern, max(0, pattern.find(fragment)), reason)
