"""What runs under each rule of an Application, where several are for one repository.

In a render the tag in the manifest decides which rule is meant, and here the one that runs: the
same, if it came from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from cmp.decide import policy_of
from cmp.options import Options
from cmp.policy import Policy
from cmp.reference import Reference, Repository
from cmp.rules import Matched, Rule
from cmp.steady import Past

# Rules for one repository that are held against each other, and tags of it that run: who states
# more has it left alone. Nobody but who wants to keep the controller busy does.
MOST = 20

_Value = TypeVar("_Value")


class Rivals:
    """The rules that *matched* an Application, and its *past*, by repository."""

    def __init__(self, matched: Matched, past: Past) -> None:
        self._rules = _by_repository((each, each.repositories) for each in matched.rules)
        self._broken = _by_repository((each, each.repositories) for each in matched.disabled)
        self._runs = _by_repository((each, (each.repository,)) for each in past.runs)

    def runs(self, rule: Rule) -> tuple[Reference, ...] | str:
        """What runs under *rule*; or why that must not be followed, though it is sound itself."""
        if broken := _of(rule, self._broken):
            what = broken[0].what
            return f"{rule.repository}: another rule that may be meant is broken: {what}"
        rivals = [each for each in _of(rule, self._rules) if each is not rule]
        running = self._runs.get(rule.repository, ())
        if not rivals:
            return tuple(running)
        if len(rivals) < MOST and len(running) <= MOST:
            policies = [policy_of(each, Options()) for each in (rule, *rivals)]
            meant = tuple(each for each in running if _is_meant(each.tag, *policies))
            if meant and not any(policy.unclear for policy in policies):
                return meant
        what = f"{rule.repository}: which of its rules is meant is not shown by a tag that runs"
        return f"{what}, so {rule.alias} is left"


def _by_repository(
    values: Iterable[tuple[_Value, Iterable[Repository]]],
) -> Mapping[Repository, list[_Value]]:
    found: defaultdict[Repository, list[_Value]] = defaultdict(list)
    for value, repositories in values:
        for repository in repositories:
            found[repository].append(value)
    return found


def _of(rule: Rule, values: Mapping[Repository, Sequence[_Value]]) -> Sequence[_Value]:
    """Those of *values* that are for an image of *rule*; some twice, if it has two names."""
    several = [values[each] for each in sorted(rule.repositories) if each in values]
    return several[0] if len(several) == 1 else [each for some in several for each in some]


def _is_meant(tag: str | None, policy: Policy, *others: Policy) -> bool:
    """Whether *policy* alone allows *tag*."""
    if tag is None or not policy.allows(tag):
        return False
    return not any(other.allows(tag) for other in others)
