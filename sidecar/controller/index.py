"""`Index`: the plans of all Applications, found by what has to be looked up for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.controller.targets import Key, Login, Look, Plan, Ruled


@dataclass(slots=True)
class _Use:
    """Who wants a look: the Applications, and any rule that asks for it."""

    ruled: Ruled
    keys: set[Key] = field(default_factory=set)


class Index:
    """Plans by Application; each login that is wanted *comes*, and *goes* with its last use."""

    def __init__(self, comes: Callable[[Login], None], goes: Callable[[Login], None]) -> None:
        self._plans: dict[Key, Plan] = {}
        self._uses: dict[Look, _Use] = {}
        self._looks: defaultdict[Login, set[Look]] = defaultdict(set)
        self._comes = comes
        self._goes = goes

    @property
    def plans(self) -> Mapping[Key, Plan]:
        """All of them."""
        return self._plans

    def put(self, key: Key, plan: Plan | None) -> Plan | None:
        """Take *plan* for *key*, None for none; the one before."""
        before = self._plans.pop(key, None)
        if plan is not None:
            self._plans[key] = plan
            for look, ruled in plan.looks:
                self._use(look, ruled).keys.add(key)
        left = {look for look, _ in before.looks} if before else set()
        for look in left.difference(look for look, _ in plan.looks) if plan else left:
            self._leave(look, key)
        return before

    def looks(self, login: Login) -> list[tuple[Look, Ruled]]:
        """What is to be looked up with *login*."""
        return [(look, self._uses[look].ruled) for look in self._looks.get(login, ())]

    def users(self, looks: Iterable[Look]) -> frozenset[Key]:
        """The Applications that want any of *looks*."""
        wanted = (self._uses[look].keys for look in looks if look in self._uses)
        return frozenset().union(*wanted)

    def users_of(self, login: Login) -> frozenset[Key]:
        """The Applications that want something of *login*."""
        return self.users(self._looks.get(login, ()))

    def _use(self, look: Look, ruled: Ruled) -> _Use:
        use = self._uses.get(look)
        if use is None:
            use = self._uses[look] = _Use(ruled)
            is_new = look.login not in self._looks
            self._looks[look.login].add(look)
            if is_new:
                self._comes(look.login)
        return use

    def _leave(self, look: Look, key: Key) -> None:
        use = self._uses[look]
        use.keys.discard(key)
        if use.keys:
            return
        del self._uses[look]
        same = self._looks[look.login]
        same.discard(look)
        if not same:
            del self._looks[look.login]
            self._goes(look.login)
