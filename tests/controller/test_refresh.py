"""What shows that a refresh was done, and that its choice was taken up."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.cluster.record import Recorded, State
from sidecar.controller import refresh
from tests.controller.situations import recorded, target, time
from tests.controller.world import START, image


def _asked(**fields: Any) -> Recorded:
    """A choice of tag 2 whose refresh was asked for at START."""
    return recorded("2", State.ASKED, **fields).choices[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, False, id="no operation"),
        pytest.param({"operation": {"sync": {}}}, True, id="one that is asked for"),
        pytest.param({"status": {"operationState": {"phase": "Running"}}}, True, id="it runs"),
        pytest.param(
            {"status": {"operationState": {"phase": "Terminating"}}}, True, id="it is being ended"
        ),
        pytest.param({"status": {"operationState": {"phase": "Failed"}}}, False, id="it failed"),
    ],
)
def test_an_operation_runs_until_it_has_ended(fields: dict[str, Any], *, expected: bool) -> None:
    assert refresh.is_syncing(target(**fields)) is expected


def test_an_operation_that_is_asked_for_again_has_not_ended() -> None:
    state = {"phase": "Succeeded", "finishedAt": time(START)}
    ended = target(status={"operationState": state})
    again = target(status={"operationState": state}, operation={"sync": {}})

    assert refresh.ended_at(ended) == int(START)
    assert refresh.ended_at(again) == 0


@pytest.mark.parametrize(
    ("reconciled", "expected"),
    [
        pytest.param(START, True, id="in the second in which it was asked for"),
        pytest.param(START - 60, False, id="before"),
        pytest.param(START + 60, False, id="by a clock that is ahead"),
    ],
)
def test_a_reconciliation_that_was_seen_before_proves_nothing(
    reconciled: float, *, expected: bool
) -> None:
    before = _asked(reconciled=time(reconciled))

    assert refresh.is_done(before, target(reconciled=reconciled)) is expected


@pytest.mark.parametrize("live", [True, False], ids=["live", "not live"])
def test_of_an_image_that_is_not_live_nothing_shows_that_it_was_taken_up(*, live: bool) -> None:
    state = {"phase": "Succeeded", "startedAt": "earlier"}
    synced = target(image("1"), status={"operationState": state})

    assert refresh.is_taken_up(_asked(live=live), synced) is not live


def test_another_digest_of_a_tag_is_another_image() -> None:
    one, other = (f"{image('1')}@sha256:{each * 64}" for each in "ab")

    assert refresh.shows(target(one), one)
    assert not refresh.shows(target(one), other)
