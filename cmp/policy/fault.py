"""What is wrong with a rule's settings, as a value: a policy is compiled from any settings."""

from __future__ import annotations

from dataclasses import dataclass

from cmp.policy.invalid import InvalidTextError


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One fault: *field* as in the resource (`allowTags`, `ignoreTags[1]`, `filterTags.pattern`).

    *what* is one line. *drawn*, where the fault has a place, is the text with a caret under it.
    """

    field: str
    what: str
    drawn: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.what}"

    @classmethod
    def of(cls, field: str, error: InvalidTextError) -> PolicyFault:
        """The fault that *error* found in *field*."""
        return cls(field, str(error), error.drawn)
