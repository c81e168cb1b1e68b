"""Could a tag like 20240131 win under semver? It is a version, with an enormous major number.

Where the registry lies on disk its tags decide: such a tag is among them, or nothing is said.
Elsewhere the rule alone decides: it lets such a tag pass, and ordinary versions too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cmp.errors import Finding, Severity
from cmp.lint.stated import Stated
from cmp.policy import Policy, compile_policy
from cmp.policy.strategy import HighestVersion
from cmp.reference import Repository

# The tags of a repository whose registry lies on disk; None where they are unknown.
TagsOf = Callable[[Repository], Sequence[str] | None]

# A date, a time, and a commit whose seven hex digits are all decimal.
_NUMBERS = ("20240131", "20240131093000", "1234567")
# If the filters let none of these pass, a repository of numbers alone is what is meant.
_OTHERS = ("1.2.3", "v1.2.3", "1.2", "0a1b2c3")
_SHORTEST = 6  # digits of a date as 240131; less may well be a build number or a year


def check_numbers(stated: Stated, tags_of: TagsOf) -> Iterator[Finding]:
    """Whether a number could win among the tags that *tags_of* knows of the repository."""
    policy = compile_policy(stated.rule.settings)
    if not isinstance(policy.strategy, HighestVersion) or policy.settings.pin is not None:
        return
    tags = tags_of(stated.rule.repository)
    number = _possible(policy) if tags is None else _listed(policy, tags)
    if number is None:
        return
    yield stated.where("imageName").finding(
        "RT385",
        f"a tag like {number} is the version {int(number)}.0.0, and wins over every other",
        severity=Severity.WARNING,
        remedy="bound the version (imageName: …:1.x), or let allowTags or ignoreTags refuse it",
    )


def _possible(policy: Policy) -> str | None:
    ordinary = any(policy.filters.refusal(name) is None for name in _OTHERS)
    return next((n for n in _NUMBERS if ordinary and _may_win(policy, n)), None)


def _listed(policy: Policy, tags: Sequence[str]) -> str | None:
    allowed = [tag for tag in tags if _may_win(policy, tag)]
    numbers = [tag for tag in allowed if tag.isdecimal() and len(tag) >= _SHORTEST]
    return max(numbers, key=int) if 0 < len(numbers) < len(allowed) else None


def _may_win(policy: Policy, name: str) -> bool:
    return policy.allows(name) and policy.filters.denial(name) is None
