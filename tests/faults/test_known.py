"""What serves where a registry is down or clocks jump, by what the cluster and the store know.

Real sockets, the plugin's command and a registry on a port; the resolver is in this process, so
that its clock and what it knows of the cluster are given.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cmp.request import Request
from cmp.rules.application import Application
from cmp.store.memory import MemoryStore
from sidecar.configuration import Paths, load
from sidecar.metrics import Metrics, Role
from sidecar.reload import Current
from sidecar.resolver import Resolver
from sidecar.sources import Files, Runtime
from tests.faults.place import Outcome, Plugin, pod, registries, rules
from tests.servers.loopback import LoopbackServer
from tests.servers.resolver import served
from tests.sidecar.test_server_process import tags

HOST = "registry.example.com"
APP = f"{HOST}/app"
YEAR = 365 * 24 * 3600.0
MAX_STALE = 7 * 24 * 3600.0


@dataclass
class Cluster:
    """An `ApplicationInfo` that knows the *images* that run (None: unknown), and a wall clock.

    A hard refresh may have been asked for at *refresh_asked_at*.
    """

    images: tuple[str, ...] | None = None
    now: float = 1_767_225_600.0
    refresh_asked_at: float = 0.0

    def application(self, request: Request, /) -> Application:
        return Application(
            name=request.name,
            namespace="argocd",
            labels={},
            annotations={},
            images=self.images,
            refresh_asked_at=self.refresh_asked_at,
        )

    def wall(self) -> float:
        return self.now


@dataclass
class Stage:
    """A resolver that knows *cluster*, and the plugin before it."""

    cluster: Cluster
    plugin: Plugin

    async def generate(self, image: str = f"{APP}:1.0.0") -> Outcome:
        """What the plugin says."""
        return await asyncio.to_thread(self.plugin.generate, "web", image)


@asynccontextmanager
async def stage(folder: Path, url: str) -> AsyncIterator[Stage]:
    (folder / "rules").write_text(rules({"web": [APP]}))
    (folder / "registries.conf").write_text(registries({HOST: url}))
    cluster, metrics = Cluster(), Metrics(Role.RESOLVER)
    store = MemoryStore(wall=cluster.wall)
    paths = Paths((folder / "rules",), Files(folder / "registries.conf"))
    runtime = Runtime(store=store, max_stale=MAX_STALE, meter=metrics, wall=cluster.wall)
    current = Current(load(paths, runtime), lambda old: load(paths, runtime, old), meter=metrics)
    resolver = Resolver(current, cluster, store, clock=time.monotonic, wall=cluster.wall)
    async with served(folder / "resolver.sock", resolver) as running:
        yield Stage(cluster, Plugin(folder / "checkouts", running.path))
    await resolver.aclose()
    await current.aclose()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "checkouts").mkdir()
        yield Path(name)


def play(folder: Path, url: str, use: Callable[[Stage], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with stage(folder, url) as staged:
            await use(staged)

    asyncio.run(whole())


def gone() -> str:
    """The URL of a registry that is down."""
    with LoopbackServer(tags) as registry:
        return registry.url


def why(url: str) -> str:
    return (
        f"Failed to get tags for {APP}: {url}: the connection is refused; "
        "check the port, and that it runs [RT540]"
    )


def test_with_an_empty_store_and_no_registry_what_runs_stays(folder: Path) -> None:
    url = gone()

    async def use(staged: Stage) -> None:
        staged.cluster.images = (f"{APP}:1.0.7", "docker.io/library/redis:7")
        outcome = await staged.generate()
        assert (outcome.code, outcome.stdout) == (0, pod(f"{APP}:1.0.7"))
        assert outcome.stderr == f"warning: a0: {why(url)}; 1.0.7, which runs, stays\n"
        assert await staged.generate() == outcome

    play(folder, url, use)


@pytest.mark.parametrize("images", [None, (), ("docker.io/library/redis:7",)], ids=str)
def test_with_nothing_known_one_line_says_why(
    folder: Path, images: tuple[str, ...] | None
) -> None:
    url = gone()

    async def use(staged: Stage) -> None:
        staged.cluster.images = images
        outcome = await staged.generate()
        assert (outcome.code, outcome.stdout) == (5, "")
        line = f"error: ImageUpdater argocd/rules, ref web, image a0, {APP}: {why(url)}\n"
        assert outcome.stderr == line
        assert await staged.generate() == outcome

    play(folder, url, use)


@pytest.mark.parametrize("jump", [YEAR, -YEAR, -60 * YEAR], ids="{:+.0f} s".format)
def test_a_clock_that_jumps_changes_nothing_while_the_registry_answers(
    folder: Path, jump: float
) -> None:
    async def use(staged: Stage) -> None:
        before = await staged.generate()
        assert (before.code, before.stderr, before.stdout) == (0, "", pod(f"{APP}:1.1.0"))
        staged.cluster.now += jump
        assert await staged.generate() == before
        staged.cluster.refresh_asked_at = staged.cluster.now
        assert await staged.generate() == before
        staged.cluster.now -= jump
        assert await staged.generate() == before

    with LoopbackServer(tags) as registry:
        play(folder, registry.url, use)
        # After a step back a refresh seems older than what is remembered, for a minute at most.
        assert len(registry.targets()) >= (2 if jump > 0 else 1)


@pytest.mark.parametrize("jump", [YEAR, -YEAR], ids="{:+.0f} s".format)
def test_a_clock_that_jumps_while_the_registry_is_down_leaves_the_last_choice(
    folder: Path, jump: float
) -> None:
    with LoopbackServer(tags) as registry:

        async def use(staged: Stage) -> None:
            assert (await staged.generate()).stdout == pod(f"{APP}:1.1.0")
            registry.stop()
            staged.cluster.now += jump
            staged.cluster.refresh_asked_at = staged.cluster.now
            outcome = await staged.generate()
            assert (outcome.code, outcome.stdout) == (0, pod(f"{APP}:1.1.0"))
            assert outcome.stderr.count("\n") == (1 if jump > 0 else 0)
            assert await staged.generate() == outcome

        play(folder, registry.url, use)
