"""Sync windows, against what Argo CD's own code says of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.controller import cron, windows
from sidecar.controller.windows import Closed
from tests.controller.applications import target

DATA = json.loads((Path(__file__).parents[1] / "data" / "sync_windows.json").read_text())
VALID = {schedule: nexts for schedule, nexts in DATA["next"].items() if nexts}
SHOP = target(
    spec={
        "destination": {
            "name": DATA["application"]["destinationName"],
            "server": DATA["application"]["server"],
            "namespace": DATA["application"]["namespace"],
        }
    }
)


def project(*syncs: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "default"}, "spec": {"syncWindows": list(syncs)}}


def window(kind: str, schedule: str, duration: str, **others: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "schedule": schedule,
        "duration": duration,
        "applications": ["*"],
        **others,
    }


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("schedule", VALID, ids=repr)
def test_a_schedule_comes_next_when_robfig_says(schedule: str) -> None:
    found = cron.parse(schedule)

    for after, expected in VALID[schedule].items():
        moment = found.next(datetime.fromisoformat(after))
        assert moment == (datetime.fromisoformat(expected) if expected else None), after


@pytest.mark.parametrize(
    "schedule", [each for each, nexts in DATA["next"].items() if nexts is None], ids=repr
)
def test_what_robfig_refuses_is_no_schedule(schedule: str) -> None:
    with pytest.raises(cron.InvalidScheduleError):
        cron.parse(schedule)


@pytest.mark.parametrize("text", ["TZ=UTC", "TZ=../etc/localtime 0 9 * * *"])
def test_a_schedule_that_breaks_argo_cd_is_no_schedule(text: str) -> None:
    with pytest.raises(cron.InvalidScheduleError):
        cron.parse(text)


@pytest.mark.parametrize("case", DATA["windows"], ids=lambda case: case["id"])
def test_windows_are_open_when_argo_cd_says(case: dict[str, Any]) -> None:
    for moment, is_open in case["canSync"].items():
        found = windows.closed(project(*case["windows"]), SHOP, at(moment))
        assert (found is None) == is_open, moment


@pytest.mark.parametrize(
    ("syncs", "now", "until"),
    [
        pytest.param(
            [window("deny", "0 22 * * *", "8h")],
            "2026-06-15T23:00:00Z",
            "2026-06-16T06:00:01Z",
            id="a denying window ends",
        ),
        pytest.param(
            [window("allow", "0 22 * * *", "8h")],
            "2026-06-15T12:00:00Z",
            "2026-06-15T22:00:01Z",
            id="an allowing window begins",
        ),
        pytest.param(
            [window("allow", "0 22 * * *", "8h"), window("deny", "0 20 * * *", "3h")],
            "2026-06-15T12:00:00Z",
            "2026-06-15T23:00:01Z",
            id="it is denied while it is allowed",
        ),
        pytest.param(
            [window("deny", "0 * * * *", "90m"), window("deny", "0 1 * * *", "2h")],
            "2026-06-15T00:15:00Z",
            None,
            id="occasions without a gap never end",
        ),
        pytest.param(
            [window("deny", "0 0-4 * * *", "90m")],
            "2026-06-15T01:15:00Z",
            "2026-06-15T05:30:01Z",
            id="occasions that overlap",
        ),
        pytest.param(
            [window("allow", "0 2 * * *", "1h", timeZone="Europe/Berlin")],
            "2026-06-15T12:00:00Z",
            "2026-06-16T00:00:01Z",
            id="in summer time",
        ),
        pytest.param(
            [window("deny", "0 0 30 2 *", "1h")],
            "2026-06-15T12:00:00Z",
            None,
            id="a day that never comes",
        ),
        pytest.param(
            [window("allow", "0 0 * * *", "0s")],
            "2026-06-15T12:00:00Z",
            None,
            id="an allowing window that is never open",
        ),
    ],
)
def test_a_closed_window_says_when_it_opens(
    syncs: list[dict[str, Any]], now: str, until: str | None
) -> None:
    found = windows.closed(project(*syncs), SHOP, at(now))

    assert found == Closed(
        "a sync window of the project is closed", until=at(until) if until else None
    )


def test_a_broken_window_is_named() -> None:
    found = windows.closed(project(window("allow", "0 22 * *", "8h")), SHOP, 0)

    assert found == Closed("a sync window of the project is broken: it has 4 fields, not 5")


@pytest.mark.parametrize(
    "spec",
    [{}, {"syncWindows": None}, {"syncWindows": ["x"]}, None],
    ids=["none", "null", "no window", "no spec"],
)
def test_a_project_without_windows_is_open(spec: Any) -> None:
    assert windows.closed({"spec": spec}, SHOP, 0) is None


_KINDS = st.sampled_from(["allow", "deny"])
_SCHEDULES = st.sampled_from(["0 22 * * *", "*/30 8-18 * * 1-5", "0 0 * * 6", "15 3 1 * *"])
_DURATIONS = st.sampled_from(["10m", "1h", "8h", "25h", "40s"])
_ZONES = st.sampled_from(["", "Asia/Tokyo", "America/New_York"])
_WINDOWS = st.lists(
    st.builds(
        lambda kind, schedule, duration, zone: window(kind, schedule, duration, timeZone=zone),
        _KINDS,
        _SCHEDULES,
        _DURATIONS,
        _ZONES,
    ),
    max_size=3,
)


@given(
    syncs=_WINDOWS,
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants bounds without a zone
)
def test_a_window_is_open_when_it_was_said_to_open_and_not_long_before(
    syncs: list[dict[str, Any]], now: datetime
) -> None:
    found = windows.closed(project(*syncs), SHOP, now.timestamp())

    if found and found.until:
        assert found.until > now.timestamp()
        assert windows.closed(project(*syncs), SHOP, found.until) is None
        before = max(now.timestamp(), found.until - 2)
        assert windows.closed(project(*syncs), SHOP, before) is not None
