"""Whatever a registry goes through, an Application moves to newer tags or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.effort import examples, is_long
from tests.never_backwards import NAMES, OUTAGES, VARIANTS, World

HISTORIES: dict[str, list[list[Any]]] = json.loads(
    Path(__file__).with_name("data").joinpath("never_backwards.json").read_text()
)

tags = st.sampled_from(NAMES)
several = st.lists(tags, max_size=4, unique=True)
resolvers = st.integers(0, 1)


def play(world: World, step: list[Any]) -> None:
    """One *step*: its name, and its arguments; those of the last mapping are by keyword."""
    name, *arguments = step
    named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    getattr(world, name)(*arguments, **named)


class Histories(RuleBasedStateMachine):
    """Steps in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.steps: list[list[Any]] = []

    def do(self, *step: Any) -> None:
        """One step; a failure shows all there were, as they are kept in the data."""
        self.steps.append(list(step))
        try:
            play(self.world, list(step))
        except AssertionError as error:
            error.add_note(json.dumps(self.steps))
            raise

    def teardown(self) -> None:
        self.world.close()

    @rule(name=tags, built=st.integers(1, 9))
    def push(self, name: str, built: int) -> None:
        self.do("push", name, built)

    @rule(name=tags)
    def delete(self, name: str) -> None:
        self.do("delete", name)

    @rule(names=several)
    def cut(self, names: list[str]) -> None:
        self.do("cut", *names)

    @rule(names=several)
    def blur(self, names: list[str]) -> None:
        self.do("blur", *names)

    @rule(kind=st.sampled_from(["", "", *OUTAGES]))
    def outage(self, kind: str) -> None:
        self.do("outage", kind)

    @rule()
    def mend(self) -> None:
        self.do("mend")

    @rule(name=st.sampled_from(sorted(VARIANTS)))
    def edit(self, name: str) -> None:
        self.do("edit", name)

    @rule(name=st.sampled_from(["", "", *NAMES]))
    def pin(self, name: str) -> None:
        self.do("pin", name)

    @rule(frozen=st.booleans())
    def freeze(self, frozen: bool) -> None:  # noqa: FBT001  # as Hypothesis passes it
        self.do("freeze", {"frozen": frozen})

    @rule(watched=st.booleans())
    def watch(self, watched: bool) -> None:  # noqa: FBT001
        self.do("watch", {"watched": watched})

    @rule(index=resolvers)
    def restart(self, index: int) -> None:
        self.do("restart", index)

    @rule()
    def lose_store(self) -> None:
        self.do("lose_store")

    @rule(seconds=st.sampled_from([1, 10, 31, 61, 3_600]))
    def wait(self, seconds: int) -> None:
        self.do("wait", seconds)

    @rule(seconds=st.sampled_from([-3_600, -10, 10, 3_600]))
    def jump(self, seconds: int) -> None:
        self.do("jump", seconds)

    @rule(index=resolvers, refresh=st.booleans())
    def render(self, index: int, refresh: bool) -> None:  # noqa: FBT001
        self.do("render", index, {"refresh": refresh})

    @rule(index=resolvers)
    def render_once_more(self, index: int) -> None:
        self.do("render", index, {"refresh": False})


def test_no_history_of_a_registry_moves_an_application_backwards() -> None:
    steps = 80 if is_long() else 40
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=examples(300), stateful_step_count=steps)
    )


@pytest.mark.parametrize("steps", HISTORIES.values(), ids=HISTORIES.keys())
def test_histories_that_once_went_wrong_go_well(steps: list[list[Any]]) -> None:
    world = World()
    try:
        for step in steps:
            play(world, step)
    finally:
        world.close()
