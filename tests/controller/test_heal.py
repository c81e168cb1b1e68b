"""Which errors a hard refresh may end, and when one is due."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sidecar.controller.heal import PASSING, Healing, ailment, resumed
from sidecar.kubernetes.instants import seconds_of
from tests.controller.situations import target

_ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
_LINE = (
    "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: "
    "code = Unknown desc = error generating manifests: `retag-plugin generate` failed "
    "exit status 5: "
)


def _ailing(message: str, kind: str = "ComparisonError") -> frozenset[str]:
    condition = {"type": kind, "message": message}
    return ailment(target(sync="Unknown", status={"conditions": [condition]}))


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (_LINE + "registry.example.com: no connection [RT540]", {"RT540"}),
        (
            f"Manifest generation error (cached): {_LINE}registry.example.com: 503 [RT550]",
            {"RT550"},
        ),
        (_LINE + "incomplete: v1.2.3 cannot be read (503 [RT550]) [RT530]", {"RT550", "RT530"}),
        (_LINE + "no resolver answers [RT600]", {"RT600"}),
        (_LINE + "rules are not known yet [RT660]", {"RT660"}),
        (_LINE + "x" * 2000 + " [RT540]", {"RT540"}),
        (f"Manifest generation error (cached): {_LINE}context canceled", {"RT603"}),
        (_LINE + "context canceled", set()),
        (
            f"Manifest generation error (cached): {_LINE}context canceled; it is gone [RT506]",
            set(),
        ),
        ("Manifest generation error (cached): authentication required", set()),
        (_LINE + "the rule is broken [RT351]", set()),
        (_LINE + "an anchor serves two [RT407]; no connection [RT540]", set()),
        (_LINE + "unknown parameter [RT222]", set()),
        (_LINE + "unknown parameter [RT222]; no connection [RT540]", set()),
        (_LINE + "cannot read secrets: away [RT650]", {"RT650"}),
        (_LINE + "the tag is gone [RT506]", set()),
        (_LINE + "manifests are too long [RT612]", set()),
        (_LINE + "an unexpected error [RT900]", set()),
        ("authentication required: repository not found", set()),
        ("", set()),
    ],
    ids=[
        "registry",
        "cached",
        "a choice that is incomplete",
        "resolver",
        "cluster",
        "a long line",
        "cancelled, and cached",
        "cancelled",
        "cancelled, cached and of one tag",
        "Git, cached",
        "rule",
        "manifest and registry",
        "parameter",
        "parameter and registry",
        "API server",
        "one tag",
        "too long",
        "bug",
        "Git",
        "nothing",
    ],
)
def test_a_hard_refresh_may_end_what_no_commit_mends(message: str, codes: set[str]) -> None:
    assert _ailing(message) == codes


def test_other_conditions_are_none_of_it() -> None:
    assert _ailing("no connection [RT540]", "SyncError") == frozenset()
    assert ailment(target()) == frozenset()


def test_what_passes_is_documented_and_none_of_tags() -> None:
    found = re.findall(r"^### RT(\d{3})", _ERRORS.read_text(), re.MULTILINE)
    documented = set(map(int, found))

    assert {code for code in PASSING if code < 566} <= documented
    assert not PASSING & {505, 506, 508, 509, 510, 511, 512, 513, 514, 515, 575, 576, 581}


def test_attempts_lie_further_and_further_apart_up_to_an_hour() -> None:
    healing, now, waits = Healing(), 1000.0, []

    assert healing.due == 0, "the first at once, and be it that the clock has just begun"
    for _ in range(9):
        healing = healing.again(now)
        waits.append(healing.due - now)
        now = healing.due

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert Healing(10_000, now).due == now + 3600, "a year later still"


def test_who_begins_to_heal_counts_the_last_reconciliation_as_an_attempt() -> None:
    at = "2030-01-01T00:00:00Z"
    seen, wall = target(status={"reconciledAt": at}), seconds_of(at)

    assert resumed(seen, 1000.0, wall + 20) == Healing(1, 980.0)
    assert resumed(seen, 1000.0, wall - 20) == Healing(1, 1000.0), "a clock that is behind"
    assert resumed(target(status={"reconciledAt": None}), 1000.0, wall) == Healing(), (
        "never reconciled"
    )
