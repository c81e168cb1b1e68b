"""`Rollout`: who sees to it that each Application is asked for what it should run, and no other.

An Application is looked at again only when it, its rules or what its repositories hold may have
changed: most of them never are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cmp.judge import Verdict
from cmp.meter import Meter
from cmp.policy import Keep, Kept, Policy
from cmp.rules import RuleSet
from cmp.store import LastGood
from sidecar.controller.choose import Choosing
from sidecar.controller.heal import ailment
from sidecar.controller.index import Index
from sidecar.controller.model import Target, Wanted
from sidecar.controller.outage import Outages, outage_line
from sidecar.controller.poll import Poller
from sidecar.controller.read import Current, Reader
from sidecar.controller.schedule import Outcome
from sidecar.controller.targets import Key, Login, Plan, Planner

_log = logging.getLogger("retag.controller")

# Applications that are decided at once: one that waits for a registry keeps nobody from others.
_AT_ONCE = 8
_REGISTRY = "RT5"  # codes that begin so are of registries


class Delivers(Protocol):
    """Who sees to it that choices come to run, such as `sidecar.controller.deliver.Deliverer`."""

    def want(self, target: Target, wanted: Sequence[Wanted]) -> None:
        """All choices of *target* as they are now."""
        ...

    def changed(self, target: Target) -> None:
        """*target* is as it is now."""
        ...

    def gone(self, key: Key) -> None:
        """There is no such Application any more."""
        ...

    def leave(self, key: Key) -> None:
        """There is such an Application, and nothing is to be done for it."""
        ...

    def heal(self, target: Target, reason: str) -> None:
        """*target* could not be rendered, and may be now."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a rollout works with.

    *earlier* tells what was chosen for an Application before. *on_plan* is told each plan: the one
    before, and the one now; *on_outage* each Application once for each repository of it that
    could not be read for long, why, and who tells whether that lasts.
    """

    current: Current
    earlier: Callable[[Target], Sequence[LastGood]]
    delivers: Delivers
    on_plan: Callable[[Plan | None, Plan | None], None]
    on_outage: Callable[[Target, str, Callable[[], bool]], None]


class Rollout:
    """Decides for the Applications in *targets*, as `application` and `rules` tell of changes.

    Each repository is looked at once in *interval* seconds of *clock*. *wall* is in seconds since
    the epoch.
    """

    def __init__(
        self,
        parts: Parts,
        targets: Mapping[Key, Target],
        interval: float,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        meter: Meter | None = None,
    ) -> None:
        self._parts = parts
        self._targets = targets
        self._wall = wall
        self._clock = clock
        self._planner = Planner()
        self.reader = Reader(parts.current, wall)
        self.poller = Poller(self.look, interval, clock=clock, meter=meter)
        self._index = Index(self.poller.add, self._drop)
        self._dirty: dict[Key, bool] = {}  # whether the plan is to be made anew
        self._busy: set[Key] = set()
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._unsettled: set[Key] = set()
        self._readable: dict[Login, bool] = {}
        self._outages = Outages()

    @property
    def plans(self) -> Mapping[Key, Plan]:
        """What is to be chosen, by Application."""
        return self._index.plans

    def application(self, key: Key, before: Target | None, now: Target | None) -> None:
        """The Application *key* has changed."""
        if now is None:
            self._parts.delivers.gone(key)
        else:
            self._parts.delivers.changed(now)
        if before is None or now is None or _decides(before) != _decides(now):
            self._soil(key, anew=True)
        elif ailment(before) != ailment(now):
            self._soil(key, anew=False)

    def leave(self, key: Key) -> None:
        """The Application *key* is there, and is no more among the targets."""
        self._parts.delivers.leave(key)
        self._soil(key, anew=True)

    def rules(self, rules: RuleSet) -> None:
        """The rules are *rules* from now on."""
        touched = list(self._planner.changed_by(rules, self._targets.values()))
        self._planner.rules = rules
        for target in touched:
            self._soil(target.key, anew=True)

    async def look(self, login: Login) -> Outcome:
        """Look at *login* now, and decide anew where that may change something."""
        outcome, changed = await self.reader.read(login, self._index.looks(login))
        looks = [look for look, _ in self._index.looks(login)]
        if not looks:  # whoever wanted to know has gone meanwhile
            self._forget(login)
            return outcome
        # Who came meanwhile was not read for, or what was read for them was replaced.
        missed = [look for look in looks if self.reader.verdict(look) is None]
        touched = set(self._index.users([*changed, *missed]))
        if outcome is Outcome.READ and self._unsettled:
            touched |= self._unsettled & self._index.users_of(login)
        for key in touched:
            self._soil(key, anew=False)
        self._readable[login] = outcome is Outcome.READ
        self._warn(login)
        if outcome is Outcome.READ:
            for key in self._index.users_of(login):
                self._heal(key)
        return outcome

    def faults(self) -> Mapping[Key, Sequence[str]]:
        """What keeps rules from choosing, by ImageUpdater."""
        found: defaultdict[Key, set[str]] = defaultdict(set)
        for ruled in self._planner.ruled():
            verdict = self.reader.verdict(ruled.look) if ruled.look else None
            if why := fault_of(ruled.policy, verdict):
                found[ruled.resource].add(f"{ruled.rule.alias}: {why}")
        return {resource: sorted(whys) for resource, whys in found.items()}

    async def run(self) -> None:
        """Decide for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    async def idle(self) -> None:
        """Return when all is decided that was to be."""
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._busy.add(key)
            try:
                await self._decide(key, anew=self._dirty.pop(key))
            except Exception:  # noqa: BLE001  # one Application that fails keeps nobody from the others
                _log.exception("an Application could not be decided by a fault of Retag")
            self._busy.discard(key)
            if key in self._dirty:
                self._queue.put_nowait(key)
            self._queue.task_done()
            await asyncio.sleep(0)  # there may be thousands, and leases to be renewed

    async def _decide(self, key: Key, *, anew: bool) -> None:
        target = self._targets.get(key)
        plan = self._index.plans.get(key)
        if anew or target is None:
            now = self._planner.plan(target) if target else None
            self._parts.on_plan(self._index.put(key, now), now)
            plan = now
        if target is None or plan is None:
            self._unsettled.discard(key)
            return
        await self.reader.catch_up(plan.looks)
        async with self._parts.current.use() as configuration:
            lookups = configuration.lookups.until(float("inf"))
            choosing = Choosing(self.reader.verdict, lookups, self._wall())
            choices = await choosing.choices(plan, self._parts.earlier(target))
        if key not in self._targets:
            return  # it went meanwhile, so that is decided next
        (self._unsettled.add if choices.unsettled else self._unsettled.discard)(key)
        self._parts.delivers.want(target, choices.wanted)
        self._heal(key)

    def _heal(self, key: Key) -> None:
        """Have the Application rendered anew if it could not be, and what failed answers again.

        That is known of registries. Who else failed is asked by the attempt itself.
        """
        target, plan = self._targets.get(key), self._index.plans.get(key)
        codes = ailment(target) if target else frozenset()
        if target is None or plan is None or not codes:
            return
        of_registries = any(code.startswith(_REGISTRY) for code in codes)
        readable = all(self._readable.get(look.login, False) for look, _ in plan.looks)
        if readable or not of_registries:
            self._parts.delivers.heal(target, ", ".join(sorted(codes)))

    def _warn(self, login: Login) -> None:
        """Tell the Applications of *login*, and the log, if it could not be read for long."""
        why = self.reader.trouble(login)
        if not why:
            if self._outages.over(login):
                _log.info("%s can be read again", login.repository)
            return
        line = outage_line(login, why)
        news = self._outages.failed(login, self._index.users_of(login), self._clock())
        if news:
            _log.warning("%s", line)
        lasts = self._outages.lasting(login)
        for key in news:
            if target := self._targets.get(key):
                self._parts.on_outage(target, line, lasts)

    def _soil(self, key: Key, *, anew: bool) -> None:
        """Decide for *key*, with a plan made *anew*."""
        if key not in self._dirty and key not in self._busy:
            self._queue.put_nowait(key)
        self._dirty[key] = anew or self._dirty.get(key, False)

    def _drop(self, login: Login) -> None:
        self.poller.drop(login)
        self._forget(login)

    def _forget(self, login: Login) -> None:
        self.reader.forget(login)
        self._readable.pop(login, None)
        self._outages.over(login)


def fault_of(policy: Policy, verdict: Verdict | None) -> str:
    """Why *policy* chooses nothing, or not of what there is now; "" if it may."""
    if fault := policy.disabled or policy.broken:
        return fault
    if verdict is None:
        return ""
    if verdict.listing is not None and verdict.listing.stale:
        return verdict.listing.stale
    if verdict.error is not None:
        return verdict.error.brief
    choice = verdict.choice
    return choice.why if isinstance(choice, Kept) and choice.keep is Keep.INCOMPLETE else ""


def _decides(target: Target) -> object:
    """What of *target* has a part in a choice."""
    return target.application, target.spec
