"""A Zot that stops and starts again, seen through everything that stands before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from cmp.judge import Verdict
from cmp.policy import Chosen, Keep, Kept, compile_policy
from cmp.registry import Registries, RoutedSource
from cmp.registry.cache import CachedTags
from cmp.registry.http.connections import Surroundings
from cmp.registry.observed import MAX_STALE, ObservedTags
from cmp.shared import SharedLookups
from tests.registry.origin import Clock
from tests.registry.test_observed import Kept as Remembered
from tests.servers import images
from tests.servers.loopback import PATIENCE
from tests.servers.model import Model
from tests.servers.zot import ZotServer
from tests.test_shared import GRACE, TTL, rule

APP = "registry.example.com/team/app"
Got = TypeVar("Got")
Ask = Callable[..., Awaitable[Verdict]]


def serve(folder: Path, zot: ZotServer, clock: Clock, use: Callable[[Ask], Awaitable[Got]]) -> Got:
    """What *use* gets of a resolver's look-ups of *zot*, with a store that lives as long."""
    conf = folder / "registries.conf"
    conf.write_text(
        "registries:\n- {name: example, prefix: registry.example.com, "
        f"api_url: '{zot.url}', kind: zot}}\n"
    )
    registries, _ = Registries.load(
        conf, clock=clock.wall, surroundings=Surroundings(environment={})
    )
    observed = ObservedTags(
        RoutedSource(registries),
        Remembered(),
        registries.identity,
        wall=clock.wall,
        clock=clock,
    )
    lookups = SharedLookups(
        CachedTags(observed, clock=clock, wall=clock.wall, ttl=TTL, grace=GRACE),
        clock=clock,
        wall=clock.wall,
        ttl=TTL,
        grace=GRACE,
    )

    async def ask(*, since: float = 0, **settings: str) -> Verdict:
        asked = rule(APP, **settings)
        return await lookups.verdict(asked, compile_policy(asked.settings), (), since=since)

    async def whole() -> Got:
        async with registries:
            try:
                return await use(ask)
            finally:
                await lookups.aclose()
                await observed.aclose()

    return asyncio.run(whole())


def tag(verdict: Verdict) -> str:
    assert isinstance(verdict.choice, Chosen), verdict.choice
    return verdict.choice.tag.name


@pytest.fixture
def model() -> Model:
    """A Zot with three tags."""
    made = Model()
    made.push_all(
        "team/app",
        ((f"v{day}", images.image(f"2026-01-{day:02}T00:00:00Z")) for day in (1, 2, 3)),
    )
    return made


POLICIES = [
    {},
    {"strategy": "newest-build"},
    {"output": "digest"},
    {"strategy": "newest-build", "output": "digest"},
]


@pytest.mark.parametrize("settings", POLICIES, ids=str)
def test_a_zot_that_is_killed_changes_nothing_and_one_that_is_back_does(
    tmp_path: Path, model: Model, settings: dict[str, str]
) -> None:
    clock = Clock()
    with ZotServer(model) as zot:

        async def use(ask: Ask) -> None:
            fresh = await ask(**settings)
            zot.stop()
            clock.now += 3600
            stale = await ask(**settings)
            refreshed = await ask(since=clock.wall(), **settings)
            model.push("team/app", "v4", images.image("2026-02-01T00:00:00Z"))
            zot.start()
            clock.now += GRACE
            first = await ask(**settings)  # it is asked beside this
            async with asyncio.timeout(PATIENCE):
                back = first
                while back.listing is None or back.listing.stale:
                    clock.now += GRACE
                    back = await ask(**settings)

            assert tag(fresh) == tag(stale) == "v3"
            assert stale.choice == fresh.choice
            assert fresh.listing
            assert stale.listing
            assert stale.listing.observed_at == fresh.listing.observed_at
            assert "RT540" in stale.listing.stale
            assert isinstance(refreshed.choice, Kept)
            assert refreshed.choice.keep is Keep.UNREACHABLE
            assert tag(first) == "v3"
            assert tag(back) == "v4"

        serve(tmp_path, zot, clock, use)


def test_what_is_too_old_serves_no_longer(tmp_path: Path, model: Model) -> None:
    clock = Clock()
    with ZotServer(model) as zot:

        async def use(ask: Ask) -> Verdict:
            await ask()
            zot.stop()
            clock.now += MAX_STALE + 1
            return await ask()

        verdict = serve(tmp_path, zot, clock, use)

    assert isinstance(verdict.choice, Kept)
    assert verdict.choice.keep is Keep.UNREACHABLE
