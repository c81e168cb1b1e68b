"""version: texts, read loosely."""

from __future__ import annotations

from typing import Any

from cmp.policy.version import InvalidVersionError, Version
from tests.vectors import Case


def answer(case: Case) -> Any:
    """The parts of the version."""
    try:
        version = Version.parse(case["version"])
    except InvalidVersionError:
        return {"error": "version"}
    return {
        "major": version.major,
        "minor": version.minor,
        "patch": version.patch,
        "prerelease": version.prerelease,
        "metadata": version.metadata,
        "string": str(version),
    }


def expected(case: Case) -> Any:
    """All of it."""
    return case["expect"]


def difference(_case: Case) -> str | None:
    """Nothing differs."""
    return None
