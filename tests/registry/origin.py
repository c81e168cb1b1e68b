"""What a cache is put before in tests: a clock that stands, and an origin that can be held."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cmp.cosign import Claim
from cmp.reference import Repository
from cmp.registry.progress import current
from cmp.tags import Fault, Listing, Needs, StaleTags, Tag

APP = Repository("registry.example.com", "app")
DIGEST = f"sha256:{'1' * 64}"
CLAIM = Claim(b"signed", b"signature", DIGEST, "a tag")
NAMELESS = Tag("")
WALL = 1_767_225_600.0  # what a wall clock shows while a `Clock` shows 0


@dataclass
class Clock:
    """Seconds, which pass where a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        """The same, as seconds since the epoch."""
        return WALL + self.now


def _open() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class Origin:
    """A `TagSource` that notes each question, and answers when *gate* is open.

    Each tag is described as *tag* is; *claims* are those of every digest. *error* answers all
    questions; *faults* are those of single tags; *lasting* seconds pass on *clock* while it
    answers. With *stale*, listings and descriptions are old ones: as of *stale_at* (wall).
    *told* are the tags that a description says it expects, and the steps it says are done.
    """

    clock: Clock
    names: tuple[str, ...] = ("v1", "v2")
    error: BaseException | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)
    lasting: float = 0.0
    login: str = ""
    tag: Tag = NAMELESS
    claims: tuple[Claim, ...] = (CLAIM,)
    stale: str = ""
    stale_at: float = WALL
    told: tuple[int, int] = (0, 0)
    sinces: list[float] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=_open)

    def authorised(self, pull_secret: str, /) -> Origin:
        """Another login, whose questions are noted with the others."""
        return replace(self, login=pull_secret)

    def since(self, instant: float, /) -> Origin:
        """The same; from when on it is to tell is noted."""
        self.sinces.append(instant)
        return self

    async def list_tags(self, repository: Repository, /) -> Listing:
        """The names."""
        await self._answer("list", repository)
        observed_at = self.stale_at if self.stale else self.clock.wall()
        return Listing(repository, self.names, observed_at, stale=self.stale)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs, /
    ) -> Mapping[str, Tag]:
        """A tag for each of *names*, which tells when it was asked for."""
        current().expect(self.told[0])
        current().advance(self.told[1])
        await self._answer("describe", repository, tuple(names), needs)
        tags = {
            name: replace(
                self.tag, name=name, created=len(self.asked), fault=self.faults.get(name)
            )
            for name in names
        }
        return StaleTags(tags) if self.stale else tags

    async def signatures(self, repository: Repository, digest: str, /) -> Sequence[Claim]:
        """The claims."""
        await self._answer("signatures", repository, digest)
        return self.claims

    async def _answer(self, *question: Any) -> None:
        self.asked.append((self.login, *question))
        await self.gate.wait()
        self.clock.now += self.lasting
        if self.error is not None:
            raise self.error


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)
