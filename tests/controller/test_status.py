"""What an ImageUpdater's status says, and when it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from cmp.rules import Resource, rules_in
from cmp.rules.read import rules_in as read
from cmp.store import LastGood
from sidecar.cluster.record import Past, Record, Recorded, State
from sidecar.controller.records import Held
from sidecar.controller.status import Report, Status, says_more, status_of
from sidecar.controller.statuses import CHECKED, Known, Statuses
from sidecar.controller.tally import Tally
from sidecar.controller.updaters import Updater, keep_updater
from sidecar.kubernetes import AbsentError, ClusterError, ForbiddenError, Kind
from sidecar.kubernetes.instants import seconds_of
from sidecar.kubernetes.port import Object, Patch
from tests.metering import Metered

NOW = 1_900_000_000.0
KEY = ("argocd", "rules")
RULE = '["ImageUpdater", "argocd", "rules", "*", "app"]'
TITLE = "ImageUpdater argocd/rules, ref *, image app"


def report(**more: Any) -> Report:
    """One without errors, of 2 Applications with 3 images."""
    return Report(**{"generation": 7, "applications": 2, "images": 3, **more})


def past(after: str, *, at: float = NOW, before: str = "r.example.com/app:1.0.0") -> Past:
    """An image that came to run."""
    return Past(
        at=at,
        rule=TITLE,
        alias="app",
        image="r.example.com/app",
        before=before,
        after=after,
        why="",
    )


def conditions(status: Status) -> dict[str, tuple[str, str, str]]:
    """Status, reason and message by type."""
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in status["conditions"]
    }


def test_without_errors_all_is_ready() -> None:
    status = status_of(report(), {}, NOW)

    found = conditions(status)
    assert found["Ready"] == ("True", "ReconcileSucceeded", "Reconciled 2 applications.")
    assert found["Error"] == ("False", "NoErrors", "There are no errors.")
    assert found["Reconciling"][:2] == ("False", "Idle")
    assert status["observedGeneration"] == 7
    assert (status["applicationsMatched"], status["imagesManaged"]) == (2, 3)
    assert status["lastCheckedAt"] == "2030-03-17T17:46:40Z"
    assert "lastUpdatedAt" not in status
    assert {each["observedGeneration"] for each in status["conditions"]} == {7}


def test_parts_that_are_wrong_are_told_and_the_rest_is_ready() -> None:
    found = conditions(status_of(report(errors=[f"e{each}" for each in range(7)]), {}, NOW))

    assert found["Error"] == ("True", "PartialErrors", "e0; e1; e2; e3; e4; and 2 more")
    assert found["Ready"][:2] == ("True", "ReconcileCompletedWithErrors")


def test_what_is_broken_as_a_whole_is_not_ready() -> None:
    found = conditions(status_of(report(broken="no spec", errors=["no spec"]), {}, NOW))

    assert found["Error"] == ("True", "ReconcileError", "no spec")
    assert found["Ready"] == ("False", "ReconcileFailed", "Reconciliation failed: no spec")


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = status_of(report(), {}, NOW)
    second = status_of(report(errors=["e"]), first, NOW + 60)

    since = {each["type"]: each["lastTransitionTime"] for each in second["conditions"]}
    assert since["Ready"] == since["Reconciling"] == first["lastCheckedAt"]
    assert since["Error"] == second["lastCheckedAt"]


def test_updates_are_summed_up_and_stay_until_there_are_others() -> None:
    other = past(f"r.example.com/app@sha256:{'a' * 64}", before="")
    updates = [past("r.example.com/app:1.1.0"), past("r.example.com/app:1.1.0"), other]

    first = status_of(report(updates=updates), {}, NOW)
    second = status_of(report(), first, NOW + 60)

    one, digest = first["recentUpdates"]
    assert one == {
        "alias": "app",
        "image": "r.example.com/app",
        "newVersion": "1.1.0",
        "applicationsUpdated": 2,
        "updatedAt": "2030-03-17T17:46:40Z",
        "message": "Updated from 1.0.0 to 1.1.0.",
    }
    assert digest["message"] == f"Updated from nothing to sha256:{'a' * 64}."
    assert first["lastUpdatedAt"] == second["lastUpdatedAt"] == first["lastCheckedAt"]
    assert second["recentUpdates"] == first["recentUpdates"]


def test_of_very_many_updates_some_are_told() -> None:
    updates = [past(f"r.example.com/app:{each}") for each in range(60)]

    assert len(status_of(report(updates=updates), {}, NOW)["recentUpdates"]) == 50


def test_the_time_of_a_check_is_no_news() -> None:
    first = status_of(report(), {}, NOW)

    assert not says_more(status_of(report(), first, NOW + 60), first)
    assert says_more(status_of(report(images=4), first, NOW + 60), first)


@pytest.mark.parametrize("conditions", [None, "none", [1, {}]], ids=["none", "a text", "others"])
def test_whatever_stands_in_the_status_is_replaced(conditions: object) -> None:
    status = status_of(report(), {"conditions": conditions}, NOW)

    assert len(status["conditions"]) == 3


def test_what_is_no_instant_lies_far_back() -> None:
    assert seconds_of("2030-03-17T17:46:40Z") == NOW
    assert seconds_of(None) == 0.0


class _Cluster:
    """Takes patches of statuses, or raises *error*."""

    def __init__(self) -> None:
        self.patches: list[tuple[str, str, Status]] = []
        self.error: Exception | None = None

    async def patch(
        self, _kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        """Note it."""
        assert of == "status"
        assert isinstance(patch, Mapping)
        if self.error:
            raise self.error
        self.patches.append((namespace, name, patch["status"]))
        return {}


class _World:
    """Statuses of one ImageUpdater, with a clock."""

    def __init__(self, text: str = "") -> None:
        self.cluster = _Cluster()
        self.updaters: dict[tuple[str, str], Updater] = {KEY: Updater(b"", 1)}
        self.resources: dict[tuple[str, str], Resource] = {KEY: _resource(text)}
        self.faults: dict[tuple[str, str], list[str]] = {}
        self.leads = True
        self.now = NOW
        self.meter = Metered()
        known = Known(
            updaters=self.updaters,
            resources=lambda: self.resources,
            tally=Tally(),
            faults=lambda: self.faults,
        )
        self.statuses = Statuses(
            self.cluster,  # type: ignore[arg-type]  # what it is asked for it has
            known,
            60.0,
            leads=lambda: self.leads,
            wall=lambda: self.now,
            meter=self.meter,
        )

    def written(self) -> list[Status]:
        """What is written now; the cluster has it then."""
        before = len(self.cluster.patches)
        asyncio.run(self.statuses.write())
        new = [status for *_, status in self.cluster.patches[before:]]
        for status in new:
            self.updaters[KEY] = Updater(b"", 1, status)
        return new


def _resource(images: str) -> Resource:
    stated = images or '{alias: app, imageName: "r.example.com/app:1.x"}'
    text = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules, namespace: argocd}}
spec: {{applicationRefs: [{{namePattern: "*", images: [{stated}]}}]}}
"""
    [resource] = rules_in(text, "rules.yaml").resources
    return resource


def test_a_status_is_written_for_news_and_once_in_a_while() -> None:
    world = _World()

    assert len(world.written()) == 1
    world.now += CHECKED - 1
    assert world.written() == []
    world.now += 1
    assert len(world.written()) == 1
    world.faults[KEY] = ["app: the registry is silent"]
    [status] = world.written()
    assert conditions(status)["Error"][2] == "app: the registry is silent"
    written = {"outcome": "written"}, 3.0
    assert list(world.meter.of("retag_status_writes_total")) == [written]


def test_a_faulty_image_is_told_with_its_place() -> None:
    world = _World('{alias: app, imageName: "r.example.com/app:1.x", pin: 1.10}')

    [status] = world.written()

    assert conditions(status)["Error"][:2] == ("True", "PartialErrors")
    assert conditions(status)["Error"][2].startswith("spec.applicationRefs[0].images[0]")


def test_a_resource_that_is_broken_as_a_whole_is_told_so() -> None:
    world = _World()
    [broken] = read(
        "apiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\n"
        "metadata: {name: rules, namespace: argocd}\nspec: 7\n",
        "rules.yaml",
    ).resources
    world.resources[KEY] = broken

    [status] = world.written()

    assert conditions(status)["Ready"][:2] == ("False", "ReconcileFailed")


def test_who_leads_no_more_writes_nothing_nor_does_who_has_not_read_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = _World()
    world.leads = False
    assert world.written() == []
    world.leads = True
    world.resources.clear()

    assert world.written() == []
    assert caplog.messages == [], "that is no fault"


def test_what_cannot_be_written_is_told_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = _World()
    world.cluster.error = ForbiddenError("RT651", "may not patch")
    assert world.written() == []
    assert world.written() == []
    assert len(caplog.records) == 1
    world.cluster.error = AbsentError("RT652", "it is gone")
    assert world.written() == []
    world.cluster.error = None

    assert len(world.written()) == 1
    assert ({"outcome": "RT651"}, 2.0) in world.meter.of("retag_status_writes_total")


def test_a_status_that_may_not_be_written_keeps_nobody_from_the_others() -> None:
    world = _World()
    for number in range(3):
        key = ("argocd", f"other-{number}")
        world.updaters[key] = Updater(b"", 1)
        world.resources[key] = world.resources[KEY]
    world.cluster.error = ForbiddenError("RT651", "may not patch")
    world.written()

    assert list(world.meter.of("retag_status_writes_total")) == [({"outcome": "RT651"}, 4.0)]


def test_an_api_server_that_gives_no_answer_is_asked_once_a_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = _World()
    for number in range(3):
        key = ("argocd", f"other-{number}")
        world.updaters[key] = Updater(b"", 1)
        world.resources[key] = world.resources[KEY]
    world.cluster.error = ClusterError("RT650", "no connection")
    world.written()
    world.written()
    assert list(world.meter.of("retag_status_writes_total")) == [({"outcome": "RT650"}, 2.0)]
    assert len(caplog.records) == 1
    world.cluster.error = None

    assert len(world.written()) == 4


def test_a_bug_in_one_status_keeps_nobody_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = _World()
    other = ("argocd", "other")
    world.updaters[other] = Updater(b"", 1)
    world.resources[other] = world.resources[KEY]
    world.updaters[KEY] = Updater(b"", 1, {"lastCheckedAt": "", "conditions": [{"type": []}]})

    world.written()

    assert [name for _, name, _ in world.cluster.patches] == ["other"]
    assert "ImageUpdater argocd/rules" in caplog.text


def test_what_came_to_run_is_told_with_the_resource_that_brought_it() -> None:
    world = _World()
    before = _held(past("r.example.com/app:1.1.0"))
    after = _held(past("r.example.com/app:1.2.0"), past("r.example.com/app:1.1.0"))
    world.statuses.recorded(("argocd", "retag.argocd.web"), None, before)
    assert world.written()[0]["recentUpdates"] == []
    world.statuses.recorded(("argocd", "retag.argocd.web"), before, after)

    [status] = world.written()

    assert [each["newVersion"] for each in status["recentUpdates"]] == ["1.2.0"]
    assert world.written() == []


def test_what_was_told_is_not_told_again_with_the_next() -> None:
    world, one, other = _World(), past("r.example.com/app:1.1.0"), past("r.example.com/app:1.2.0")
    world.statuses.recorded(("argocd", "retag.argocd.web"), _held(), _held(one))
    world.written()
    world.statuses.recorded(("argocd", "retag.argocd.web"), _held(one), _held(other, one))

    [status] = world.written()

    assert [each["newVersion"] for each in status["recentUpdates"]] == ["1.2.0"]


def test_of_the_updates_that_wait_the_oldest_are_let_go() -> None:
    world = _World()
    first = past("r.example.com/app:0.9.0")
    many = [past("r.example.com/app:1.1.0", at=NOW + each) for each in range(1000)]
    world.statuses.recorded(("argocd", "retag.argocd.web"), _held(), _held(first, *many))

    [status] = world.written()

    told = [(each["newVersion"], each["applicationsUpdated"]) for each in status["recentUpdates"]]
    assert told == [("1.1.0", 1000)]


def test_of_an_updater_that_was_deleted_nothing_is_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, updater = _World(), Updater(b"", 1)
    after = _held(past("r.example.com/app:1.1.0"))
    world.statuses.recorded(("argocd", "retag.argocd.web"), _held(), after)
    world.cluster.error = ForbiddenError("RT651", "may not patch")
    world.written()
    del world.updaters[KEY]
    world.written()
    world.updaters[KEY] = updater
    world.written()
    assert len(caplog.messages) == 2, "it is another one, so that is told again"
    world.cluster.error = None

    [status] = world.written()

    assert status["recentUpdates"] == []


@pytest.mark.parametrize(
    "rule", ["no JSON", "7", "[]", '["file", "argocd", "rules", "*", "app"]', ""]
)
def test_what_no_resource_brought_is_told_nowhere(rule: str) -> None:
    world = _World()
    world.written()
    after = _held(past("r.example.com/app:1.2.0"), rule=rule)

    world.statuses.recorded(("argocd", "retag.argocd.web"), _held(), after)

    assert world.written() == []


def test_of_an_updater_its_status_is_kept_besides_what_it_states() -> None:
    manifest = {"metadata": {"name": "r", "generation": 3}, "spec": {}, "status": {"a": 1}}

    kept = keep_updater(manifest)

    assert (kept.generation, kept.status) == (3, {"a": 1})
    assert keep_updater({**manifest, "status": {}}).rules == kept.rules


def _held(*history: Past, rule: str = RULE) -> Held:
    """As `delivery` records it: the history names the rule as people do, the choice does not."""
    good = LastGood(rule, "f", "r.example.com/app", "1.2.0", None, NOW)
    choice = Recorded(choice=good, state=State.DELIVERED, after="a:1", title=TITLE)
    record = Record(namespace="argocd", name="web", uid="u", choices=(choice,), history=history)
    return Held("1", record)
