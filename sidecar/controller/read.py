"""`Reader`: what each look came to, read by the resolver's own look-ups and remembered here.

One look at a repository is one listing, whatever number of policies choose from it; and who wants
to know later is told what it came to, without another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from cmp.cosign import PublicKey
from cmp.errors import (
    BadReplyError,
    RegistryError,
    RuleError,
    ThrottledError,
    UnreachableError,
)
from cmp.judge import Verdict
from cmp.keys import keys_of
from cmp.pipeline import Operator
from cmp.policy import Chosen, Keep, Kept
from cmp.ports import Lookups
from cmp.steady import written
from sidecar.controller.schedule import Outcome
from sidecar.controller.targets import Login, Look, Ruled

_SILENT = (UnreachableError, ThrottledError, BadReplyError)


class _Shared(Protocol):
    def until(self, ends: float, /) -> Lookups: ...


class Configuration(Protocol):
    """One version of what the operator gives, such as `sidecar.configuration.Configuration`."""

    @property
    def operator(self) -> Operator:
        """Secrets are of interest here."""
        ...

    @property
    def lookups(self) -> _Shared:
        """What looks up."""
        ...


class Current(Protocol):
    """Where the version that holds now comes from, such as `sidecar.reload.Current`."""

    def use(self) -> AbstractAsyncContextManager[Configuration]:
        """That version, which stays whole while it is in use."""
        ...


class Reader:
    """Verdicts by look, each as it was last read. *wall* is in seconds since the epoch."""

    def __init__(self, current: Current, wall: Callable[[], float]) -> None:
        self._current = current
        self._wall = wall
        self._verdicts: dict[Login, dict[Look, Verdict]] = {}
        self._read_at: dict[Login, float] = {}

    def verdict(self, look: Look) -> Verdict | None:
        """What *look* came to; None before it was looked."""
        return self._verdicts.get(look.login, {}).get(look)

    def trouble(self, login: Login) -> str:
        """What the registry said in the place of its tags, on one line; "" where it gave them."""
        verdicts = self._verdicts.get(login, {}).values()
        if _outcome(verdicts) is Outcome.READ:
            return ""
        return min(filter(None, map(_trouble, verdicts)), default="")

    def forget(self, login: Login) -> None:
        """Nobody wants to know of *login*."""
        self._read_at.pop(login, None)
        self._verdicts.pop(login, None)

    async def read(
        self, login: Login, looks: Sequence[tuple[Look, Ruled]]
    ) -> tuple[Outcome, list[Look]]:
        """Look at *login* now, for all *looks*; how that ended, and what came to something else.

        Never raises.
        """
        since = self._read_at[login] = self._wall()
        before = self._verdicts.get(login, {})
        found = await self._look(looks, since)
        self._verdicts[login] = found
        changed = [each for each in found if _mark(before.get(each)) != _mark(found[each])]
        return _outcome(found.values()), changed

    async def catch_up(self, looks: Iterable[tuple[Look, Ruled]]) -> None:
        """Read those of *looks* that are new, with logins that were looked at already."""
        for look, ruled in looks:
            since = self._read_at.get(look.login)
            known = self._verdicts.get(look.login)
            if since is not None and known is not None and look not in known:
                known |= await self._look([(look, ruled)], since)

    async def _look(
        self, looks: Sequence[tuple[Look, Ruled]], since: float
    ) -> dict[Look, Verdict]:
        async with self._current.use() as configuration:
            found = await asyncio.gather(
                *(_verdict(ruled, configuration, since) for _, ruled in looks)
            )
        # Refusals are for people who ask, and many.
        lean = (replace(each, choice=replace(each.choice, refusals=())) for each in found)
        return dict(zip((look for look, _ in looks), lean, strict=True))


async def _verdict(ruled: Ruled, configuration: Configuration, since: float) -> Verdict:
    rule, policy = ruled.rule, ruled.policy
    try:
        keys: Sequence[PublicKey] = await keys_of(rule, configuration.operator.secrets)
    except RuleError as error:
        return Verdict(rule.repository, policy, Kept(Keep.DISABLED, error.what), error=error)
    except UnreachableError as error:  # the cluster does not answer for the Secret
        return Verdict(rule.repository, policy, Kept(Keep.UNREACHABLE, str(error)), error=error)
    lookups = configuration.lookups.until(float("inf"))
    return await lookups.verdict(rule, policy, keys, since=since)


def _mark(verdict: Verdict | None) -> object:
    """What of *verdict* makes a difference to an Application."""
    if verdict is None:
        return None
    choice = verdict.choice
    if not isinstance(choice, Chosen):
        return choice.keep
    is_stale = verdict.listing is not None and bool(verdict.listing.stale)
    return written(choice.tag, verdict.policy), is_stale


def _trouble(verdict: Verdict) -> str:
    """A rule whose own keys cannot be had is no trouble of the registry."""
    if verdict.listing is not None and verdict.listing.stale:
        return verdict.listing.stale
    return verdict.error.brief if isinstance(verdict.error, RegistryError) else ""


def _outcome(verdicts: Collection[Verdict]) -> Outcome:
    """Of one login: all of them had the same answer, or lack of one."""
    for verdict in verdicts:
        is_stale = verdict.listing is not None and bool(verdict.listing.stale)
        if is_stale or isinstance(verdict.error, _SILENT):
            return Outcome.SILENT
    refused = (isinstance(each.choice, Kept) and each.listing is None for each in verdicts)
    return Outcome.REFUSED if all(refused) else Outcome.READ
