"""filter: allowTags and ignoreTags, held against tags."""

from __future__ import annotations

from typing import Any

from cmp.policy import PolicyFault
from cmp.policy.filters import compile_allowed, compile_globs
from tests.vectors import Case


def answer(case: Case) -> Any:
    """Which tags pass."""
    faults: list[PolicyFault] = []
    if case["kind"] == "ignore":
        ignored = compile_globs("ignoreTags", case["ignoreTags"], faults)
        return {"ignored": ignored.match(case["tag"]) is not None}
    allowed = compile_allowed([case["allowTags"]], faults)
    return {"allowed": [tag for tag in case["tags"] if allowed.refusal(tag) is None]}


def expected(case: Case) -> Any:
    """All of it."""
    return case["expect"]


def difference(_case: Case) -> str | None:
    """Nothing differs."""
    return None
