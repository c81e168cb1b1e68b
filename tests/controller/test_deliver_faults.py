"""Deliveries whose writes fail, whose leader is killed, or whose Application changes meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from sidecar.kubernetes.errors import ClusterError, RefusedError
from tests.controller.world import Controller, World, deliver, image, wanted
from tests.servers.kubernetes import ApiServer

_PATCH = "patch applications.argoproj.io"


def test_a_right_that_lacks_is_logged_once_and_tried_again(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/deliver-rights/roles/controller"
        role = api_server.request("GET", roles)
        async with world.controller() as it:
            api_server.patch(roles, {"rules": role["rules"][1:]})
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: it.cluster.count(_PATCH) == 1)
            await it.idle()
            assert it.state("app") == "intended"
            for attempt in range(2, 4):
                await it.after(60)
                await it.until(partial(_has_tried, it, attempt))
                await it.idle()
            api_server.patch(roles, {"rules": role["rules"]})
            while it.state("app") != "asked":
                await it.after(60)
                await asyncio.sleep(0.05)

    deliver(api_server, "rights", play)

    said = [each for each in caplog.messages if "RT651" in each and "patch" in each]
    assert len(said) == 1


@pytest.mark.parametrize("write", [1, 4], ids=["the refresh", "the operation"])
def test_an_application_that_changes_meanwhile_is_looked_at_anew(
    api_server: ApiServer, write: int
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"), automated={})
        argo.newest["app"] = image("2")
        async with world.controller() as it:

            def change(_: str) -> None:
                if len(it.cluster.writes) == write:
                    argo.patch("app", {"metadata": {"labels": {"made-up": "label"}}})

            it.cluster.before_write = change
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: it.state("app") == "asked")
            world.clock.advance(2)
            argo.refresh("app")
            await it.until(lambda: argo.is_operating("app"))
            await it.idle()
            argo.operate("app")
            await it.until(lambda: it.state("app") == "delivered")
            assert it.cluster.count(_PATCH) == 3

    world = deliver(api_server, f"meanwhile-{write}", play)

    assert world.argo.hard == {"app": 1}
    assert len(world.argo.syncs) == 1


def test_a_refresh_whose_answer_was_lost_is_not_asked_for_twice(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:

            def lose(what: str) -> None:
                if what == _PATCH:
                    raise ClusterError("RT566", "no answer")

            it.cluster.after_write = lose
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: argo.is_asked("app"))
            await it.seen("app", argo)
            await it.after(60)
            await it.until(lambda: it.state("app") == "asked")
            await it.after(600)
            assert it.cluster.count(_PATCH) == 1

    deliver(api_server, "lost-answer", play)


def test_what_is_refused_is_not_asked_for_again_at_once(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        world.argo.make("app", image("1"))
        tries: list[str] = []

        def refuse(what: str) -> None:
            if what == _PATCH:
                tries.append(what)
                raise RefusedError("RT568", "made up")

        async with world.controller() as it:
            it.cluster.before_write = refuse
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: tries)
            await it.idle()
            assert len(tries) == 1
            await it.after(1)
            await it.until(lambda: len(tries) > 1)
            await it.idle()
            assert len(tries) == 2

    deliver(api_server, "refused", play)


def test_an_application_that_is_deleted_meanwhile_is_left_alone(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:

            def delete(what: str) -> None:
                if what == _PATCH:
                    argo.delete("app")

            it.cluster.before_write = delete
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: world.config_maps() == [])

    deliver(api_server, "deleted", play)


def test_who_ceases_to_lead_between_two_writes_writes_no_more(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:

            def depose(_: str) -> None:
                it.leads = False

            it.cluster.before_write = depose
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: it.state("app") == "intended")
            await it.after(60)
            assert len(it.cluster.writes) == 1
            assert not argo.is_asked("app")

    deliver(api_server, "deposed", play)


def test_a_bug_in_one_delivery_ends_no_other(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        argo.make("other", image("1"))
        async with world.controller() as it:

            def fail(_: str) -> None:
                if not caplog.messages:
                    raise RuntimeError("made up")

            it.cluster.before_write = fail
            it.want("app", wanted("1", "1"))
            await it.until(lambda: caplog.messages)
            it.want("other", wanted("1", "1"))
            await it.until(lambda: it.state("other") == "delivered")
            await it.after(60)
            await it.until(lambda: it.state("app") == "delivered")

    deliver(api_server, "bug", play)

    assert caplog.messages == ["deliver-bug/app: the delivery failed"]


_KILLS = [(at, after) for at in range(7) for after in (False, True)]


@pytest.mark.parametrize(
    ("at", "after"),
    _KILLS,
    ids=[f"{'after' if after else 'before'} write {at}" for at, after in _KILLS],
)
def test_a_kill_at_any_step_loses_nothing_and_repeats_nothing(
    api_server: ApiServer, at: int, *, after: bool
) -> None:
    """Writes are: intent, refresh, asked, rendered, operation, delivered, Event."""
    name = f"kill-{at}-{after}".lower()

    async def play(world: World) -> None:
        await _killed(world, at=at, after=after)
        await _finished(world)

    world = deliver(api_server, name, play)

    assert world.argo.hard == {"app": 1}
    assert len(world.argo.syncs) == 1


def test_a_refresh_that_nobody_saw_is_asked_for_once_more(api_server: ApiServer) -> None:
    """The leader was killed before it could record it, and Argo CD was done before the next."""

    async def play(world: World) -> None:
        await _killed(world, at=1, after=True)
        world.clock.advance(2)
        world.argo.refresh("app")
        await _finished(world)

    world = deliver(api_server, "nobody-saw", play)

    assert world.argo.hard == {"app": 2}
    assert len(world.argo.syncs) == 1


def _has_tried(it: Controller, times: int) -> bool:
    return it.cluster.count(_PATCH) >= times


async def _killed(world: World, *, at: int, after: bool) -> None:
    """A first controller delivers until it is killed; Argo CD answers between its writes."""
    world.argo.make("app", image("1"), automated={})
    world.argo.newest["app"] = image("2")
    async with world.controller(dies_at=at, after=after) as it:
        it.want("app", wanted("2", "1"))
        world.clock.advance(2)
        async with asyncio.timeout(20):
            while not it.cluster.is_dead:
                await it.idle()
                if not it.cluster.is_dead:
                    _answer(world)
                await asyncio.sleep(0.005)


async def _finished(world: World) -> None:
    """A second controller goes on from there."""
    async with world.controller() as it, asyncio.timeout(20):
        it.want("app", wanted("2", "1"))
        while it.state("app") != "delivered" or world.argo.is_operating("app"):
            await it.after(2)
            _answer(world)
            await asyncio.sleep(0.005)
        assert len(it.record("app").history) == 1


def _answer(world: World) -> None:
    world.clock.advance(1.1)
    if world.argo.is_asked("app"):
        world.argo.refresh("app")
    elif world.argo.is_operating("app"):
        world.argo.operate("app")
