"""A small world to render in: a registry with a history, resolvers, and what must be served.

`World` is driven by steps, each with plain arguments, so that a history that once went wrong can
be kept as data. Each `render` compares what is served with what the model knows must be.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from cmp.cosign import Claim
from cmp.errors import (
    DeniedError,
    NotFoundError,
    RegistryError,
    RetagError,
    ThrottledError,
    UnreachableError,
)
from cmp.options import parse_params
from cmp.pipeline import Generated, Operator, resolve
from cmp.policy import Chosen
from cmp.reference import Repository
from cmp.registry.cache import TTL, CachedTags
from cmp.registry.observed import ObservedTags
from cmp.render import Permissions
from cmp.request import Request
from cmp.rules import Application, RuleSet, rules_for, rules_in
from cmp.shared import SharedLookups
from cmp.store.memory import MemoryStore
from cmp.tags import Fault, Listing, Needs, Tag
from tests.memory import NOW, OneApplication
from tests.test_pipeline import APP, pod, ruleset

GIT = "0.0.1"  # the tag in the manifest, which the registry never had
NAMES = ("1.0.0", "1.1.0", "1.2.0", "1.10.0", "2.0.0", "dev-1", "dev-2", "stable")
OUTAGES: Mapping[str, RegistryError] = {
    "down": UnreachableError("RT501", "down"),
    "throttled": ThrottledError("RT502", "asked too often"),
    "denied": DeniedError("RT503", "login refused"),
    "missing": NotFoundError("RT505", "no such repository"),
}


def _version(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split(".")))


@dataclass(frozen=True)
class Variant:
    """A way the rule may be written; *allows* and *by_name* say in the model's words what it does.

    *by_name* is None where the time of the build decides.
    """

    fields: str
    allows: Callable[[str], bool]
    by_name: Callable[[str], Any] | None = None
    denied: frozenset[str] = frozenset()
    suspended: bool = False
    broken: bool = False
    constraint: str = ""
    digest: bool = False


def _is_version(name: str) -> bool:
    return name[0].isdigit()


SETTINGS = "commonUpdateSettings: {%s}"
VARIANTS: Mapping[str, Variant] = {
    "semver": Variant("", _is_version, _version),
    "major 1": Variant("", lambda name: name.startswith("1."), _version, constraint=":1.x"),
    "newest build": Variant(SETTINGS % "updateStrategy: newest-build", lambda _: True),
    "by name": Variant(
        SETTINGS % "updateStrategy: name, allowTags: 'regexp:^dev-'",
        lambda name: name.startswith("dev-"),
        str,
    ),
    "newest but denied": Variant(
        SETTINGS % "updateStrategy: newest-build, denyTags: ['1.2.0', 'dev-1']",
        lambda name: name not in {"1.2.0", "dev-1"},
        denied=frozenset({"1.2.0", "dev-1"}),
    ),
    "semver but denied": Variant(
        SETTINGS % "denyTags: ['1.2.0']",
        lambda name: _is_version(name) and name != "1.2.0",
        _version,
        denied=frozenset({"1.2.0"}),
    ),
    "suspended": Variant(SETTINGS % "suspend: true", _is_version, _version, suspended=True),
    "one tag": Variant(
        SETTINGS % "updateStrategy: digest",
        lambda name: name == "stable",
        str,
        constraint=":stable",
        digest=True,
    ),
    "broken": Variant(SETTINGS % "denyTag: ['1.2.0']", lambda _: True, broken=True),
}


@cache
def _rules(variant: Variant) -> RuleSet:
    text = ruleset(f"- alias: app\n  imageName: '{APP}{variant.constraint}'\n  {variant.fields}")
    return rules_in(text, "rules.yaml")


@cache
def _fingerprint(variant: Variant) -> str:
    """What tells records of the rule apart; "" where it cannot be read."""
    matched = rules_for(_rules(variant), Application(name="web", namespace="argocd"))
    return "" if variant.broken else matched.rules[0].identity.fingerprint


@dataclass
class Registry:
    """A `TagSource` of *tags* (name → build time) with an *outage*, or a listing that is *cut*.

    The descriptions of tags that are *unreadable* cannot be read.
    """

    wall: Callable[[], float]
    tags: dict[str, int] = field(default_factory=dict)
    outage: str = ""
    cut: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()

    def authorised(self, _pull_secret: str, /) -> Self:
        """The same."""
        return self

    def since(self, _instant: float, /) -> Self:
        """The same: nothing is remembered."""
        return self

    async def signatures(self, _repository: Repository, _digest: str, /) -> Sequence[Claim]:
        """None."""
        return ()

    async def list_tags(self, repository: Repository, /) -> Listing:
        """The names, without those that are cut."""
        self._check()
        return Listing(
            repository, tuple(name for name in self.tags if name not in self.cut), self.wall()
        )

    async def describe(
        self, _repository: Repository, names: Sequence[str], _needs: Needs, /
    ) -> Mapping[str, Tag]:
        """What is there, cut from the listing or not."""
        self._check()
        return {name: self._described(name) for name in names}

    def _described(self, name: str) -> Tag:
        if name in self.unreadable:
            return Tag(name, fault=Fault.UNREADABLE, detail="timed out")
        if name not in self.tags:
            return Tag(name, fault=Fault.GONE)
        return Tag(name, f"sha256:{self.tags[name]:064x}", created=self.tags[name])

    def _check(self) -> None:
        if self.outage:
            raise OUTAGES[self.outage]


def _name(written: str) -> str:
    return written.partition("@")[0]


class Resolver:
    """The stack of one resolver, as `retag serve` builds it."""

    def __init__(self, world: World) -> None:
        def identity(repository: Repository, pull_secret: str) -> str:
            return f"{repository} {pull_secret}"

        self.observed = ObservedTags(
            world.registry, world.store, identity, wall=world.read_wall, clock=world.read_clock
        )
        self.tags = CachedTags(self.observed, clock=world.read_clock, wall=world.read_wall)
        self.lookups = SharedLookups(self.tags, clock=world.read_clock, wall=world.read_wall)

    async def aclose(self) -> None:
        """Ends what is asked of the registry still."""
        await self.lookups.aclose()
        await self.observed.aclose()


class World:
    """Everything at once, and the model of what must be served."""

    def __init__(self) -> None:
        self.clock, self.wall = 0.0, NOW
        self.loop = asyncio.new_event_loop()
        self.registry = Registry(self.read_wall)
        self.store = MemoryStore(wall=self.read_wall)
        self.resolvers = [Resolver(self), Resolver(self)]
        self.variant = VARIANTS["semver"]
        self.pinned = ""
        self.frozen = False
        self.refresh_asked_at = 0.0
        self.watched = False
        self.running = ""
        self.recorded: dict[str, str] = {}  # fingerprint → tag, the last that was kept first
        self.listed = False  # whether an observation may be there
        self.jumped_at = -math.inf

    def close(self) -> None:
        """Ends the look-ups, and the loop."""
        for resolver in self.resolvers:
            self.loop.run_until_complete(resolver.aclose())
        self.loop.close()

    def read_clock(self) -> float:
        """Seconds that never go back."""
        return self.clock

    def read_wall(self) -> float:
        """Seconds since the epoch."""
        return self.wall

    # What may happen.

    def push(self, name: str, built: int) -> None:
        """The tag is there, or moves to an image that was *built* then."""
        self.registry.tags[name] = built

    def delete(self, name: str) -> None:
        """The tag is gone."""
        self.registry.tags.pop(name, None)

    def cut(self, *names: str) -> None:
        """Listings lack *names*."""
        self.registry.cut = frozenset(names)

    def blur(self, *names: str) -> None:
        """What *names* are cannot be read."""
        self.registry.unreadable = frozenset(names)

    def outage(self, kind: str) -> None:
        """The registry fails, or "" works again."""
        self.registry.outage = kind

    def mend(self) -> None:
        """The registry works again, and nobody holds anything back."""
        self.cut()
        self.blur()
        self.outage("")
        self.pin("")
        self.freeze(frozen=False)

    def edit(self, name: str) -> None:
        """The rule is written anew."""
        self.variant = VARIANTS[name]

    def pin(self, name: str) -> None:
        """The Application pins the tag, or "" none."""
        self.pinned = name

    def freeze(self, *, frozen: bool) -> None:
        """The Application is frozen, or no longer."""
        self.frozen = frozen

    def watch(self, *, watched: bool) -> None:
        """What runs is known, or not."""
        self.watched = watched

    def restart(self, index: int) -> None:
        """One resolver forgets what was in its memory."""
        self.loop.run_until_complete(self.resolvers[index].aclose())
        self.resolvers[index] = Resolver(self)

    def lose_store(self) -> None:
        """The store is empty, and both resolvers begin anew."""
        self.store = MemoryStore(wall=self.read_wall)
        self.restart(0)
        self.restart(1)
        self.recorded, self.listed = {}, False

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.clock += seconds
        self.wall += seconds

    def jump(self, seconds: float) -> None:
        """The clock on the wall is set, and no refresh lies in what is the future now."""
        self.wall += seconds
        self.refresh_asked_at = 0.0
        self.jumped_at = self.clock

    def render(self, index: int, *, refresh: bool) -> None:
        """The manifests are rendered by one resolver, after a hard *refresh* perhaps."""
        self.wait(0.5)  # no two things are seen at one instant
        if refresh:
            self.refresh_asked_at = self.wall
        served, own = self._serve(index)
        assert self._serve(index)[0] == served, "the same again gives the same"
        self._check(served, refresh=refresh)
        if served not in ("", GIT):
            self.running = served
        if own:
            fingerprint = _fingerprint(self.variant)
            self.recorded.pop(fingerprint, None)
            self.recorded = {fingerprint: served, **self.recorded}
        self.listed |= not self.registry.outage

    # What must be served.

    def _check(self, served: str, *, refresh: bool) -> None:
        written, served = served, _name(served)
        stays = self._stays()
        assert served not in self.variant.denied, "a tag that is denied"
        if self.variant.broken:
            assert written in {stays, self.running if self.watched else stays}
            return
        assert not (served not in ("", GIT) and self.variant.digest) or "@" in written
        if self.pinned and self.variant.digest:
            assert served in {self.pinned, _name(stays), GIT, ""}
            return
        if self.pinned and self.pinned not in self.variant.denied:
            assert served == self.pinned, "a pin needs no registry"
            return
        if self.pinned or self.frozen or self.variant.suspended:
            assert written == (stays or GIT), "the last good choice, or the manifest's tag"
            return
        self._check_choice(served, stays, refresh=refresh)

    def _check_choice(self, served: str, stays: str, *, refresh: bool) -> None:
        registry = self.registry
        if served in ("", GIT):
            assert not stays, f"{stays} ran, and must stay"
            assert served != GIT or self.listed or not registry.outage, "an outage means no tag"
        else:
            assert self.variant.allows(served), "a tag that the rule refuses"
        answers = not (registry.outage or registry.unreadable)
        if answers and refresh and self._clocks_agree():
            newest = self._newest() or _name(stays) or GIT
            assert served == newest, "the registry answers, and the newest is due"
        self._check_order(served)

    def _check_order(self, served: str) -> None:
        """Nothing lower than the last choice of this very rule, unless that is gone."""
        before = _name(self.recorded.get(_fingerprint(self.variant), ""))
        if not before or served == before or before not in self.registry.tags:
            return
        assert served not in ("", GIT), f"{before} is there, and must stay"
        if self.variant.by_name is not None:
            assert self.variant.by_name(served) >= self.variant.by_name(before), f"below {before}"
        elif served in self.registry.tags and self._clocks_agree():
            tags = self.registry.tags
            assert (tags[served], served) >= (tags[before], before), f"built before {before}"

    def _clocks_agree(self) -> bool:
        """Whether nothing is remembered from before the clock on the wall was set."""
        return self.clock - self.jumped_at > TTL

    def _stays(self) -> str:
        """The last good choice; "" if there is none."""
        exact = self.recorded.get(_fingerprint(self.variant), "")
        running = self.running if self.watched else ""
        if self.variant.broken:
            return next(iter(self.recorded.values()), "") or running
        for name in (exact, *self.recorded.values(), running):
            usable = "@" in name or not self.variant.digest
            if name and usable and self.variant.allows(_name(name)):
                return name if self.variant.digest else _name(name)
        return ""

    def _newest(self) -> str:
        """The newest that is allowed and listed, or still there though the listing lacks it."""
        registry = self.registry
        held_to = {_name(self._held_to())} - {""}
        known = (set(registry.tags) - registry.cut) | (held_to & registry.tags.keys())
        rank = self.variant.by_name or registry.tags.__getitem__
        allowed = filter(self.variant.allows, known)
        return max(allowed, key=lambda name: (rank(name), name), default="")

    def _held_to(self) -> str:
        """What may not be gone back from: the choice of this very rule, or else what runs."""
        if self.recorded:
            return self.recorded.get(_fingerprint(self.variant), "")
        return (
            self.running if self.watched and ("@" in self.running) >= self.variant.digest else ""
        )

    # How it is rendered.

    def _application(self) -> Application:
        running = (f"{APP}:{self.running}",) if self.running else ()
        return Application(
            name="web",
            namespace="argocd",
            labels={},
            annotations={},
            images=running if self.watched else None,
            refresh_asked_at=self.refresh_asked_at,
        )

    def _serve(self, index: int) -> tuple[str, bool]:
        """The tag that is served ("" for an error), and whether the policy itself chose it."""
        try:
            generated = self.loop.run_until_complete(self._resolve(self.resolvers[index]))
        except RetagError:
            return "", False
        images = [each.after for each in generated.decisions]
        image = (images or [each.after for each in generated.held])[0]
        own = any(isinstance(each.verdict.choice, Chosen) for each in generated.decisions)
        written = "@".join(filter(None, (image.tag, image.digest)))
        return written, own and not self.pinned

    async def _resolve(self, resolver: Resolver) -> Generated:
        params = [f"freeze={str(self.frozen).lower()}"]
        params += [f"pins=app={self.pinned}"] if self.pinned else []
        request = Request("web", options=parse_params(params))
        lookups = resolver.lookups.until(math.inf)
        operator = Operator(_rules(self.variant), resolver.tags, Permissions(), lookups=lookups)
        applications = OneApplication(self._application())
        return await resolve(request, pod(f"{APP}:{GIT}"), operator, applications, self.store)
