"""`Direct`: the choice is made here and now, by the one who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmp.cosign import PublicKey
from cmp.judge import Verdict, judge
from cmp.policy import Policy
from cmp.registry.port import TagSource
from cmp.rules import Rule


@dataclass(frozen=True, slots=True)
class Direct:
    """The `Lookups` of one process that renders once."""

    tags: TagSource

    async def verdict(
        self, rule: Rule, policy: Policy, keys: Sequence[PublicKey], /, *, since: float = 0
    ) -> Verdict:
        """The choice of *policy* for *rule*, among the tags that *tags* tells."""
        tags = self.tags.since(since).authorised(rule.pull_secret)
        return await judge(rule.repository, policy, tags, keys)
