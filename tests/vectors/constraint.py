"""constraint: each held against one version."""

from __future__ import annotations

from typing import Any

from cmp.policy.constraint import Constraint, InvalidConstraintError
from cmp.policy.version import InvalidVersionError, Version
from tests.vectors import Case


def answer(case: Case) -> Any:
    """Whether the constraint allows the version."""
    try:
        constraint = Constraint.parse(case["constraint"])
        return {"match": constraint.allows(Version.parse(case["version"]))}
    except InvalidConstraintError:
        return {"error": "constraint"}
    except InvalidVersionError:
        return {"error": "version"}


def expected(case: Case) -> Any:
    """All of it."""
    return case["expect"]


def difference(_case: Case) -> str | None:
    """Nothing differs."""
    return None
