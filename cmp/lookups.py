"""`Direct`: the choice is made here and now, by the one who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cmp.cosign import PublicKey
from cmp.errors import RegistryError
from cmp.judge import Verdict, judge
from cmp.policy import Policy
from cmp.registry.port import TagSource
from cmp.rules import Rule
from cmp.tags import Fault, Needs, Tag


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

    async def describe(
        self, rule: Rule, names: Sequence[str], needs: Needs, /, *, since: float = 0
    ) -> Mapping[str, Tag]:
        """What *tags* tells of *names*."""
        tags = self.tags.since(since).authorised(rule.pull_secret)
        try:
            return await tags.describe(rule.repository, names, needs)
        except RegistryError as error:
            unread = (Tag(name, fault=Fault.UNREADABLE, detail=error.brief) for name in names)
            return {tag.name: tag for tag in unread}
