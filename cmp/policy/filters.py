"""What refuses a tag for its name, before any order: grammar, denyTags, allowTags, ignoreTags.

As in the Image Updater, an allowTags that does not compile allows nothing, and an ignoreTags glob
that does not compile ignores nothing. (A denyTags glob that does not compile disables the rule:
`cmp.policy.policy`.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cmp.policy.expression import Expression, ExpressionSet, InvalidExpressionError
from cmp.policy.fault import PolicyFault
from cmp.policy.glob import Glob, InvalidGlobError, compile_glob
from cmp.policy.invalid import InvalidTextError
from cmp.tags import is_signature, is_tag


class InvalidAllowTagsError(InvalidTextError):
    """The text is neither `any` nor `regexp:` and an expression."""

    noun = "value of allowTags"


class GlobSet:
    """Globs asked at once."""

    def __init__(self, globs: Sequence[Glob] = ()) -> None:
        self._globs = globs
        # The expressions hold no groups of their own, so a group's number is its glob's.
        joined = "|".join(f"({glob.expression.pattern})" for glob in globs)
        self._expression = re.compile(joined or "(?!)", re.DOTALL)

    def match(self, name: str) -> str | None:
        """The pattern of the first glob that matches *name*."""
        found = self._expression.fullmatch(name)
        return None if found is None else self._globs[(found.lastindex or 1) - 1].pattern


@dataclass(frozen=True, slots=True)
class Allowed:
    """allowTags: one of *expressions* must match (None: all names pass), else *reason* refuses."""

    expressions: ExpressionSet | None = None
    reason: str = ""

    def refusal(self, name: str) -> str | None:
        """Why *name* is not allowed; None if it is."""
        passes = self.expressions is None or self.expressions.matches(name)
        return None if passes else self.reason


@dataclass(frozen=True, slots=True)
class NameFilters:
    """The filters of one rule."""

    denied: GlobSet
    allowed: Allowed
    ignored: GlobSet

    def denial(self, name: str) -> str | None:
        """Why *name* is refused to pins too, in a few words; None if it is not."""
        reason = self.foreign(name)
        if reason is not None:
            return reason
        glob = self.denied.match(name)
        return None if glob is None else f"denied by {glob}"

    @staticmethod
    def foreign(name: str) -> str | None:
        """Why no rule at all can be about *name*; None if one can."""
        if not is_tag(name):
            return "not a tag name that OCI allows"
        if is_signature(name):
            return "a signature or attestation, not an image"
        return None

    def refusal(self, name: str) -> str | None:
        """Why *name*, which is not denied, is refused; None if it passes."""
        reason = self.allowed.refusal(name)
        if reason is not None:
            return reason
        glob = self.ignored.match(name)
        return None if glob is None else f"ignored by {glob}"


def compile_globs(field: str, patterns: Sequence[str], faults: list[PolicyFault]) -> GlobSet:
    """The globs of *patterns* that compile; what is wrong with the others goes to *faults*."""
    globs = []
    for index, pattern in enumerate(patterns):
        try:
            globs.append(compile_glob(pattern))
        except InvalidGlobError as error:
            faults.append(PolicyFault.of(f"{field}[{index}]", error))
    return GlobSet(globs)


def compile_allowed(entries: Sequence[str], faults: list[PolicyFault]) -> Allowed:
    """What the allowTags *entries* allow together; what is wrong with some goes to *faults*."""
    patterns = []
    wrong: list[PolicyFault] = []
    everything = not entries
    for index, entry in enumerate(entries):
        if not entry or entry.lower() == "any":
            everything = True
            continue
        try:
            patterns.append(_pattern(entry))
        except InvalidTextError as error:
            field = "allowTags" if len(entries) == 1 else f"allowTags[{index}]"
            wrong.append(PolicyFault.of(field, error))
    faults += wrong
    if everything:
        return Allowed()
    return _any_of(patterns, faults) if patterns else nothing_allowed(wrong[0])


def _any_of(patterns: list[str], faults: list[PolicyFault]) -> Allowed:
    """What *patterns*, each of which compiles, allow together."""
    try:
        expressions = ExpressionSet(patterns)
    except InvalidExpressionError as error:
        faults.append(PolicyFault.of("allowTags", error))
        return nothing_allowed(faults[-1])
    match patterns:
        case [pattern]:
            return Allowed(expressions, f"not matched by allowTags {pattern}")
        case _:
            return Allowed(expressions, "matched by none of allowTags")


def nothing_allowed(fault: PolicyFault) -> Allowed:
    """What a field with a *fault* allows."""
    return Allowed(ExpressionSet([]), f"{fault.field} allows nothing: {fault.what}")


def _pattern(entry: str) -> str:
    """The expression in one allowTags *entry*. Raises `InvalidTextError`."""
    kind, colon, pattern = entry.partition(":")
    if not colon or kind.lower() != "regexp":
        raise InvalidAllowTagsError(entry, 0, "write any, or regexp: and an RE2 expression")
    return Expression(pattern).pattern
