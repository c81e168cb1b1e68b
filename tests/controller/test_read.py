"""What a look asks the registry, and how it ends where that does not answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

import pytest

from cmp.errors import BadReplyError, RegistryError, ThrottledError, UnreachableError
from sidecar.controller.read import Reader
from sidecar.controller.schedule import Outcome
from tests.controller.test_rollout import LOGIN, Tags, play, running, world
from tests.controller.test_targets import APP, image, plan, rules, settings, signed, target


@dataclass
class Noting(Tags):
    """Tags that note from when on each listing must be."""

    instants: list[float] = field(default_factory=list)

    def since(self, instant: float, /) -> Self:
        """The same."""
        self.instants.append(instant)
        return self


def test_each_look_asks_for_what_the_registry_holds_by_then() -> None:
    it = world()
    tags = it.tags = Noting({APP: ["1.0.0"]}, at=1000.0)

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        for it.now in (1000.0, 1300.0):
            await it.look()
        assert tags.instants == [1000.0, 1300.0]

    play(it, story)


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("RT540", "no answer"),
        ThrottledError("RT551", "too often"),
        BadReplyError("RT544", "no HTTP"),
    ],
    ids=["no answer", "too often", "nonsense"],
)
def test_a_registry_that_tells_nothing_is_silent(error: RegistryError) -> None:
    it = world()
    it.tags = Tags({}, error=error)

    async def story() -> None:
        it.put(running("1.0.0"))
        await it.settled()
        assert await it.rollout.look(LOGIN) is Outcome.SILENT
        assert await it.settled() == [("web", [])]

    play(it, story)


def test_a_rule_whose_key_is_missing_makes_no_refusal_of_what_others_read() -> None:
    one = image(":1.x", "one", settings('allowTags: "regexp:^1"') + signed("absent"))
    two = image(":2.x", "two", settings('allowTags: "regexp:^2"'))
    it = world("1.5.0", "2.5.0", ruleset=rules(one, two))

    async def story() -> None:
        it.put(target(images=(f"{APP}:1.0.0", f"{APP}:2.0.0")))
        await it.settled()
        assert await it.rollout.look(LOGIN) is Outcome.READ
        [(_, wanted)] = await it.settled()
        assert [each.after for each in wanted] == [f"{APP}:2.5.0"]

    play(it, story)


def test_why_single_tags_are_refused_is_not_kept() -> None:
    it = world("1.0.0", "2.0.0", "other")
    reader = Reader(it, lambda: it.now)
    [(look, ruled)] = plan(it.ruleset, running("1.0.0")).looks

    asyncio.run(reader.read(LOGIN, [(look, ruled)]))

    verdict = reader.verdict(look)
    assert verdict is not None
    assert verdict.choice.refusals == ()
