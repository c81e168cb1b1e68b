"""Deliveries on a real API server, with an Argo CD that answers as the real one does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sidecar.controller.known import KnownApplications
from tests.controller.argo import REFRESH, STAMP
from tests.controller.test_targets import target
from tests.controller.world import Controller, World, deliver, image, wanted
from tests.servers.kubernetes import ApiServer

_PATCH = "patch applications.argoproj.io"


@pytest.mark.parametrize("is_old", [False, True], ids=["Argo CD as it is now", "Argo CD 3.5"])
def test_a_new_tag_is_refreshed_once_and_synced_once(
    api_server: ApiServer, *, is_old: bool
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"), automated={})
        async with world.controller() as it:
            argo.newest["app"] = image("2")
            it.want("app", wanted("2", "1"))
            await it.after(1.9)
            assert not argo.is_asked("app"), "a moment of quiet is waited for"

            await it.after(0.1)
            await it.until(lambda: it.state("app") == "asked")
            assert argo.is_asked("app")
            annotations = argo.get("app")["metadata"]["annotations"]
            assert annotations == {REFRESH: "hard", STAMP: "2030-03-17T17:46:42.500000Z"}

            world.clock.advance(2)
            argo.refresh("app")
            await it.until(lambda: argo.is_operating("app"))
            await it.idle()
            argo.operate("app")
            await it.seen("app", argo)
            it.want("app", wanted("2", "2"))
            await it.after(4000)

            _see_one_delivery(it)

    world = deliver(api_server, f"once-{is_old}".lower(), play, is_old=is_old)

    assert world.argo.hard == {"app": 1}
    [operation] = world.argo.syncs
    assert operation["initiatedBy"] == {"automated": True}
    assert operation["sync"]["revision"] == "made-up-revision"
    _see_one_event(world)


def _see_one_delivery(it: Controller) -> None:
    assert it.state("app") == "delivered"
    assert it.cluster.count(_PATCH) == 2
    assert it.meter.value("retag_refreshes_total", reason="choice") == 1
    assert it.meter.value("retag_syncs_started_total", outcome="started") == 1
    assert it.meter.value("retag_deliveries_total", outcome="synced") == 1
    assert it.deliverer.pending == 0
    [past] = it.record("app").history
    assert (past.before, past.after, past.alias) == (image("1"), image("2"), "app")


def _see_one_event(world: World) -> None:
    [event] = world.events()
    assert event["reason"] == "ImagesUpdated"
    assert event["message"] == (
        "Updated images: registry.example.com/team/app 1 → 2 (the rule app: it is the newest)"
    )
    assert event["metadata"]["annotations"] == {
        "argocd-image-updater.image-0/full-image-name": "registry.example.com/team/app",
        "argocd-image-updater.image-0/image-name": "team/app",
        "argocd-image-updater.image-0/old-tag": "1",
        "argocd-image-updater.image-0/new-tag": "2",
    }
    assert event["involvedObject"]["uid"] == world.argo.get("app")["metadata"]["uid"]


def test_with_self_heal_the_refresh_is_all(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"), automated={"selfHeal": True})
        async with world.controller() as it:
            argo.newest["app"] = image("2")
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: argo.is_asked("app"))
            world.clock.advance(2)
            argo.refresh("app")
            await it.seen("app", argo)
            argo.operate("app")
            await it.until(lambda: it.state("app") == "delivered")
            assert it.cluster.count(_PATCH) == 1

    deliver(api_server, "heals-itself", play)


def test_what_runs_already_is_recorded_and_nothing_is_asked_for(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        world.argo.make("app", image("1"))
        async with world.controller() as it:
            it.want("app", wanted("1", "1"))
            await it.until(lambda: it.state("app") == "delivered")
            writes = len(it.cluster.writes)
            for _ in range(3):
                it.want("app", wanted("1", "1"))
                await it.after(600)
            assert len(it.cluster.writes) == writes == 1
            assert it.record("app").history == ()
            assert it.record("app").last_good == (wanted("1").choice,)

    world = deliver(api_server, "runs", play)

    assert world.events() == []
    assert world.config_maps() == ["retag.deliver-runs.app"]


def test_choices_that_come_together_are_one_refresh(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            it.want("app", wanted("2", "1"))
            await it.after(1)
            it.want("app", wanted("2", "1"), wanted("2", "1", rule="other"))
            await it.after(1.5)
            assert not argo.is_asked("app")
            await it.after(0.5)
            await it.until(lambda: it.state("app", "other") == "asked")
            assert it.state("app") == "asked"
            assert it.cluster.count(_PATCH) == 1

    deliver(api_server, "together", play)


def test_an_image_that_is_not_live_is_refreshed_once_and_after_live_ones(
    api_server: ApiServer,
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("job", image("1"), live=False, automated={})
        argo.make("app", image("1"), automated={})
        async with world.controller() as it:
            it.want("job", wanted("2"))
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: it.state("job") == it.state("app") == "asked")
            patched = [body for what, body in it.cluster.writes if what.startswith("patch")]
            assert [each["metadata"]["uid"] for each in patched] == [
                argo.get(name)["metadata"]["uid"] for name in ("app", "job")
            ]
            world.clock.advance(2)
            argo.refresh("job")
            await it.until(lambda: argo.is_operating("job"))
            await it.idle()
            argo.operate("job")
            await it.seen("job", argo)
            await it.after(4000)
            assert it.state("job") == "delivered"
        assert argo.hard["job"] == 1

    deliver(api_server, "not-live", play)


def test_a_refresh_that_shows_nothing_is_asked_for_five_times(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            it.want("app", wanted("2", "1"))
            for attempt in range(5):
                await it.after(30 * 2**attempt)
                await it.until(lambda: argo.is_asked("app"))
                world.clock.advance(2)
                argo.refresh("app")
                await it.seen("app", argo)
            await it.after(30 * 2**5)
            await it.until(lambda: it.state("app") == "failed")
            it.want("app", wanted("2", "1"))
            await it.after(9000)
            assert not argo.is_asked("app")
            assert it.meter.value("retag_refreshes_total", reason="choice") == 1
            assert it.meter.value("retag_refreshes_total", reason="again") == 4
            assert it.meter.value("retag_deliveries_total", outcome="failed") == 1

            it.want("app", wanted("3", "1"))
            await it.after(2)
            await it.until(lambda: argo.is_asked("app"))

    world = deliver(api_server, "five", play)

    assert world.argo.hard == {"app": 5}
    [event] = world.events()
    assert (event["type"], event["reason"]) == ("Warning", "ImageUpdateFailed")
    assert "RT670" in event["message"]


def test_a_closed_window_defers_the_sync_and_does_not_drop_it(api_server: ApiServer) -> None:
    closed = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}

    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"), automated={})
        async with world.controller() as it:
            it.project = {"spec": {"syncWindows": [closed]}}
            argo.newest["app"] = image("2")
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: argo.is_asked("app"))
            world.clock.advance(2)
            argo.refresh("app")
            await it.until(lambda: it.state("app") == "rendered")
            await it.after(7200)
            assert not argo.is_operating("app")
        async with world.controller() as it:  # another leader, the window is open
            await it.until(lambda: argo.is_operating("app"))

    deliver(api_server, "window", play)


def test_with_self_heal_argo_cd_is_asked_to_look_once_a_window_has_opened(
    api_server: ApiServer,
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"), automated={"selfHeal": True})
        until = datetime.fromtimestamp(world.clock.now + 60, UTC)
        closed = {
            "kind": "deny",
            "schedule": f"{until.minute} {until.hour} * * *",
            "duration": "1h",
            "applications": ["*"],
        }
        async with world.controller() as it:
            it.project = {"spec": {"syncWindows": [closed]}}
            world.clock.advance(120)
            argo.newest["app"] = image("2")
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: argo.is_asked("app"))
            world.clock.advance(2)
            argo.refresh("app", closed=True)
            await it.until(lambda: it.state("app") == "rendered")
            await it.after(1800)
            assert not argo.is_asked("app")
            await it.after(3600)
            await it.until(lambda: argo.is_asked("app"))
            world.clock.advance(2)
            argo.refresh("app")
            argo.operate("app")
            await it.until(lambda: it.state("app") == "delivered")
        assert argo.hard == {"app": 2}

    deliver(api_server, "window-opens", play)


def test_a_pending_refresh_of_others_is_waited_for(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("hard", image("1"))
        argo.make("normal", image("1"))
        argo.patch("hard", {"metadata": {"annotations": {REFRESH: "hard"}}})
        argo.patch("normal", {"metadata": {"annotations": {REFRESH: "normal"}}})
        async with world.controller() as it:
            it.want("hard", wanted("2", "1"))
            it.want("normal", wanted("2", "1"))
            await it.after(9.5)
            assert it.cluster.writes == []
            await it.after(0.5)
            await it.until(lambda: it.state("normal") == "asked")
            assert argo.get("normal")["metadata"]["annotations"][REFRESH] == "hard"
            await it.after(600)
            assert it.state("hard") == ""
            argo.refresh("hard")
            await it.until(lambda: it.state("hard") == "asked")

    deliver(api_server, "pending", play)


def test_who_does_not_lead_writes_nothing(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            it.leads = False
            it.want("app", wanted("2", "1"))
            await it.after(60)
            assert it.cluster.writes == []
            it.leads = True
            await it.after(1)
            await it.until(lambda: it.state("app") == "asked")

    deliver(api_server, "leads", play)


def test_two_who_both_take_themselves_for_leader_ask_once(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"), automated={})
        argo.newest["app"] = image("2")
        async with world.controller() as one, world.controller() as other:
            one.want("app", wanted("2", "1"))
            other.want("app", wanted("2", "1"))
            world.clock.advance(2)
            await one.until(lambda: one.state("app") == "asked")
            await one.idle()
            await other.idle()
            asked = [
                body["metadata"]["annotations"][STAMP]
                for it in (one, other)
                for what, body in it.cluster.writes
                if what == _PATCH
            ]
            assert len(set(asked)) == 1
            world.clock.advance(2)
            argo.refresh("app")
            await one.until(lambda: argo.is_operating("app"))
            await other.idle()
            await one.idle()
            argo.operate("app")
            await one.until(lambda: one.state("app") == "delivered")
        assert argo.hard == {"app": 1}
        assert len(argo.syncs) == 1

    deliver(api_server, "two", play)


def test_an_application_that_is_gone_leaves_no_record(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            it.want("app", wanted("1", "1"))
            await it.until(lambda: it.state("app") == "delivered")
            argo.delete("app")
            await it.until(lambda: world.config_maps() == [])

    deliver(api_server, "gone", play)


def test_what_a_write_answers_brings_back_nothing_that_went_meanwhile() -> None:
    known, app = KnownApplications(lambda: 0.0, lambda: 0.0), target()
    known.take(app)
    known.lose(app.key)

    assert known.see(app) is app
    assert known.get(app.key) is None
    assert known.is_gone(app.key)


def test_one_that_is_left_alone_is_refreshed_no_more_and_its_record_stays(
    api_server: ApiServer,
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:

            def leave(what: str) -> None:
                if what == "create configmaps":
                    it.deliverer.leave((world.namespace, "app"))

            it.cluster.after_write = leave
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: it.state("app") == "intended")
            assert it.deliverer.pending == 0
            await it.after(4000)
            assert [what for what, _ in it.cluster.writes] == ["create configmaps"]
            assert not argo.is_asked("app")
            assert len(world.config_maps()) == 1

            it.deliverer.changed(it.target("app"))
            it.want("app", wanted("2", "1"))
            await it.after(2)
            await it.until(lambda: argo.is_asked("app"))

    deliver(api_server, "alone", play)


def test_an_application_of_the_same_name_starts_anew(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            it.want("app", wanted("1", "1"))
            await it.until(lambda: it.state("app") == "delivered")
        argo.delete("app")
        argo.make("app", image("1"))
        async with world.controller() as it:
            assert it.state("app") == ""
            it.want("app", wanted("1", "1"))
            await it.until(lambda: it.state("app") == "delivered")

    deliver(api_server, "same-name", play)


def test_an_error_that_is_over_is_healed_with_back_off(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            argo.refresh("app", error="exit status 5: no connection [RT540]")
            await it.seen("app", argo)
            for wait in (0, 60, 120):
                it.deliverer.heal(it.target("app"), "RT540")
                if wait:
                    await it.after(wait - 1)
                    assert not argo.is_asked("app")
                    await it.after(1)
                await it.until(lambda: argo.is_asked("app"))
                await it.idle()
                argo.refresh("app", error="exit status 5: no connection [RT540]")
                await it.seen("app", argo)
            assert it.meter.value("retag_refreshes_total", reason="heal") == 3
            argo.refresh("app")
            await it.seen("app", argo)
            await it.after(9000)
            assert not argo.is_asked("app")

    deliver(api_server, "heal", play)


def test_another_leader_heals_no_sooner_than_the_one_before_would(api_server: ApiServer) -> None:
    error = "exit status 5: no connection [RT540]"

    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            argo.refresh("app", error=error)
            await it.seen("app", argo)
            it.deliverer.heal(it.target("app"), "RT540")
            await it.until(lambda: argo.is_asked("app"))
            await it.idle()
            argo.refresh("app", error=error)
        async with world.controller() as it:
            it.deliverer.heal(it.target("app"), "RT540")
            await it.after(59)
            assert not argo.is_asked("app")
            await it.after(1)
            await it.until(lambda: argo.is_asked("app"))

    deliver(api_server, "heal-again", play)


def test_what_argo_cd_does_not_look_at_is_not_healed(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        argo.refresh("app", error="exit status 5: no connection [RT540]")
        skipped = {"argocd.argoproj.io/skip-reconcile": "true"}
        argo.patch("app", {"metadata": {"annotations": skipped}})
        async with world.controller() as it:
            it.deliverer.heal(it.target("app"), "RT540")
            await it.after(100)
            assert it.cluster.writes == []

    deliver(api_server, "heal-skipped", play)


def test_two_choices_in_a_row_are_two_refreshes_with_a_gap(api_server: ApiServer) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            for tag in ("2", "3"):
                argo.newest["app"] = image(tag)
                it.want("app", wanted(tag, "1"))
                await it.after(2)
                if tag == "3":
                    assert not argo.is_asked("app")
                    await it.after(8)
                await it.until(lambda: argo.is_asked("app"))
                await it.idle()
                argo.refresh("app")
                await it.seen("app", argo)
            await it.until(lambda: it.state("app") == "delivered")
            assert it.record("app").choices[0].reason == "automated sync is off"
            assert it.meter.value("retag_deliveries_total", outcome="left") == 2

    deliver(api_server, "gap", play)


def test_a_choice_that_cannot_be_recorded_is_not_delivered_which_is_said_once(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(world: World) -> None:
        argo = world.argo
        argo.make("app", image("1"))
        async with world.controller() as it:
            it.want("app", wanted("2", "1", alias="x" * 2000))
            it.want("app", wanted("3", "1", alias="x" * 2000))
            await it.after(600)
            assert it.cluster.writes == []

    deliver(api_server, "unrecordable", play)

    assert caplog.messages == [
        "deliver-unrecordable/app: a choice is not delivered: it is too long to be recorded"
    ]
