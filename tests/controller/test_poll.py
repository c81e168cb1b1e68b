"""The poller has repositories looked at; the small parts around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from cmp.errors import UsageError
from cmp.store import LastGood
from sidecar.controller.dry import DryRun, NoEvents
from sidecar.controller.model import Wanted
from sidecar.controller.poll import Poller
from sidecar.controller.schedule import Outcome
from sidecar.controller.settings import parse_interval
from sidecar.controller.targets import Login
from sidecar.controller.updaters import RulesOf, Updater, keep_updater
from tests.controller.test_rollout import LOGIN
from tests.controller.test_targets import APP, target
from tests.metering import Metered


class Looks:
    """Notes who is looked at; *fault* is what that raises."""

    def __init__(self) -> None:
        self.seen: list[Login] = []
        self.fault: Exception | None = None
        self.meter = Metered()
        self.now = 7.0
        self.again = asyncio.Event()
        self.poller = Poller(self, 3600.0, clock=lambda: self.now, chance=float, meter=self.meter)

    async def __call__(self, login: Login) -> Outcome:
        """A look."""
        self.seen.append(login)
        if len(self.seen) > 1:
            self.again.set()
        if self.fault:
            raise self.fault
        return Outcome.READ


def play(looks: Looks, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """*story*, while the poller runs."""

    async def run() -> None:
        running = asyncio.create_task(looks.poller.run())
        await story()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_what_is_added_is_looked_at_and_what_was_hinted_at_waits_a_moment() -> None:
    looks = Looks()

    async def story() -> None:
        looks.poller.add(LOGIN)
        await looks.poller.all_read()
        looks.poller.hint("", "team/app")
        looks.poller.hint("", "team/other")
        await asyncio.sleep(0)

    play(looks, story)

    assert looks.seen == [LOGIN]
    assert looks.poller.lag == 0.0
    hints = {labels["outcome"]: value for labels, value in looks.meter.of(_HINTS)}
    assert hints == {"ruled": 1.0, "ignored": 1.0}
    assert list(looks.meter.of("retag_repositories_ruled")) == [({}, 1.0)]


_HINTS = "retag_repository_hints_total"


def test_a_hint_wakes_the_poller_that_waits_for_the_next_interval() -> None:
    looks = Looks()

    async def story() -> None:
        looks.poller.add(LOGIN)
        await looks.poller.all_read()
        for _ in range(10):  # until it waits
            await asyncio.sleep(0)
        looks.now += 60
        looks.poller.hint("", "team/app")
        async with asyncio.timeout(20):
            await looks.again.wait()

    play(looks, story)

    assert looks.seen == [LOGIN, LOGIN]


def test_nobody_waits_for_what_is_dropped() -> None:
    looks = Looks()

    async def story() -> None:
        looks.poller.add(LOGIN)
        looks.poller.drop(LOGIN)
        await looks.poller.all_read()

    play(looks, story)

    assert looks.seen == []


def test_a_look_that_fails_by_a_bug_counts_as_silent(caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks()
    looks.fault = ValueError("made up")

    async def story() -> None:
        looks.poller.add(LOGIN)
        await looks.poller.all_read()

    play(looks, story)

    assert "by a fault of Retag" in caplog.text
    assert list(looks.meter.of("retag_repositories_polled_total")) == [({"outcome": "silent"}, 1)]


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300.0), ("1s", 1.0), ("1h30m", 5400.0)])
def test_an_interval_is_a_duration(text: str, seconds: float) -> None:
    assert parse_interval(text) == seconds


@pytest.mark.parametrize("text", ["5", "soon", "0", "999ms", "-5m"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_interval(text)

    assert raised.value.code == "RT266"


def test_a_dry_run_tells_each_choice_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    choice = LastGood("r", "f", APP, "1.1.0", None, 1.0)
    new = Wanted(choice=choice, title="the rule", after=f"{APP}:1.1.0", why="it is the newest")
    runs = replace(new, runs=True)
    dry = DryRun()
    web = target()

    for wanted in ([new, runs], [new]):
        dry.changed(web)
        dry.want(web, wanted)
    dry.gone(web.key)
    dry.want(web, [new])
    dry.heal(web, "RT540")

    line = f"dry run: argocd/web: what does not run → {APP}:1.1.0 (the rule; it is the newest)"
    assert caplog.messages[:2] == [line, line]
    assert caplog.messages[2].endswith("what failed is over (RT540)")


def test_events_that_are_off_are_nothing() -> None:
    async def told() -> None:
        await NoEvents().updated(target(), [])
        await NoEvents().failed(target(), "why")

    asyncio.run(told())


class _Mirror:
    """A mirror of *objects* that never changes by itself."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Updater] = {}
        self.listeners: list[Callable[..., None]] = []

    def on_change(self, listener: Callable[..., None]) -> None:
        """Remember it."""
        self.listeners.append(listener)

    def put(self, name: str, now: Updater) -> None:
        """Have an object changed."""
        key = ("argocd", name)
        before = self.objects.get(key)
        self.objects[key] = now
        for listener in self.listeners:
            listener(key, before, now)


def test_rules_are_taken_when_they_change_and_not_for_a_status() -> None:
    mirror = _Mirror()
    manifest = {
        "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": "rules", "namespace": "argocd", "generation": 1},
        "spec": {"applicationRefs": []},
    }
    taken: list[int] = []

    async def story() -> None:
        pauses = 0

        async def sleep(_seconds: float) -> None:
            nonlocal pauses
            pauses += 1

        rules = RulesOf(mirror, "argocd", sleep=sleep)  # type: ignore[arg-type]  # all it asks
        came = asyncio.Event()

        def take(ruleset: Any) -> None:
            taken.append(len(ruleset.resources))
            came.set()

        running = asyncio.create_task(rules.run(take))
        mirror.put("rules", keep_updater(manifest))
        await came.wait()
        mirror.put("rules", keep_updater({**manifest, "status": {"a": 1}}))
        await asyncio.sleep(0)
        assert pauses == 1
        assert list(rules.resources) == [("argocd", "rules")]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())

    assert taken == [1]
