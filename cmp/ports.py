"""What the pipeline asks of its surroundings, besides `registry.port.TagSource` and `store.Store`.

A laptop answers from flags; the resident roles will answer from the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from cmp.cosign import PublicKey
from cmp.judge import Verdict
from cmp.policy import Policy
from cmp.request import Request
from cmp.rules.application import Application
from cmp.rules.rule import Rule
from cmp.tags import Needs, Tag

Clock = Callable[[], float]  # seconds since the epoch


class ApplicationInfo(Protocol):
    """What is known of the Application that is rendered, besides what the request says."""

    def application(self, request: Request, /) -> Application:
        """Labels, annotations, project and running images; None where they are unknown."""
        ...


class Lookups(Protocol):
    """Who makes the choice for one repository, and may share it among many that ask."""

    async def verdict(
        self, rule: Rule, policy: Policy, keys: Sequence[PublicKey], /, *, since: float = 0
    ) -> Verdict:
        """The choice of *policy* for *rule*, from nothing that was seen before *since*.

        *since* is in seconds since the epoch. Never raises.
        """
        ...

    async def describe(
        self, rule: Rule, names: Sequence[str], needs: Needs, /, *, since: float = 0
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names* in the repository of *rule*, as its login sees them.

        What could not be read is `Fault.UNREADABLE`. Never raises.
        """
        ...
