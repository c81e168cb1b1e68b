"""What is told of rules that are migrated: what is left behind, and what is left out."""

from __future__ import annotations

from cmp.errors import Finding, Severity
from cmp.located import Located


def left_behind(value: Located, what: str, remedy: str = "") -> Finding:
    """That *value* has no place in the official schema, or no effect here."""
    return value.finding("RT398", what, severity=Severity.WARNING, remedy=remedy)


def lost(value: Located, what: str, remedy: str) -> Finding:
    """The same of what guards, or chooses: without it the rule means something else."""
    return value.finding("RT398", what, remedy=remedy)


def left_out(value: Located, what: str) -> Finding:
    """That *value* is not migrated at all."""
    remedy = "mend it, and migrate again"
    return value.finding("RT399", f"{what} is left out", remedy=remedy)
