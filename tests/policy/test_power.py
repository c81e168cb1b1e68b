"""The order of power: denied tags and gates, pin, suspend, policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmp.policy import Chosen, Keep, Kept, Refusal, Settings, compile_policy
from cmp.tags import Tag
from tests.policy.deciding import SHA, decide, decide_described, reasons

GATES = [
    (Settings(min_age="3d"), "minAge 3d: its push time is not known"),
    (Settings(max_severity="high"), "maxSeverity high: what a scan found is not known"),
    (Settings(require_trusted=True), "requireTrusted: whether it is trusted is not known"),
]

DISABLED = [
    (Settings(constraint="1.2.3.4"), "imageName: "),
    (Settings(strategy="digest"), "imageName: "),
    (Settings(deny_tags=("[",)), "denyTags[0]: "),
    (Settings(output="both"), "output: "),
    (Settings(order_by="size"), "orderBy: "),
    (Settings(order_by="pushed"), "orderBy: pushed is an order of newest-build, and the strategy"),
    (Settings("digest", "main", order_by="pushed"), "orderBy: pushed is an order of newest-build"),
    (Settings(min_age="3 days"), "minAge: '3 days': a duration is due here"),
    (Settings(max_severity="unknown"), "maxSeverity: 'unknown' is not one of none, low, medium"),
    (Settings(pin="no tag"), "pin: "),
]


@pytest.mark.parametrize(("settings", "reason"), GATES, ids=str)
@pytest.mark.parametrize("pin", [None, "1.0"], ids=["no pin", "a pin"])
def test_a_gate_that_is_not_answered_holds_every_tag_back(
    settings: Settings, reason: str, pin: str | None
) -> None:
    choice = decide_described(replace(settings, pin=pin), Tag("1.0", SHA), Tag("2.0", SHA))
    assert isinstance(choice, Kept)
    assert choice.keep is Keep.NOTHING_ALLOWED
    other = reason if pin is None else "not the pinned tag 1.0"
    assert reasons(choice) == {"1.0": reason, "2.0": other}


@pytest.mark.parametrize(("settings", "why"), DISABLED, ids=str)
def test_a_broken_rule_is_disabled_and_says_which_field(settings: Settings, why: str) -> None:
    choice = decide(settings, "1.0 2.0")
    assert isinstance(choice, Kept)
    assert choice.keep is Keep.DISABLED
    assert choice.why.startswith(why)


def test_a_broken_constraint_matters_only_if_there_is_a_version() -> None:
    choice = decide(Settings(constraint="bogus"), "main dev")
    assert isinstance(choice, Kept)
    assert choice.keep is Keep.NOTHING_ALLOWED


def test_a_pin_needs_neither_registry_nor_policy() -> None:
    settings = Settings(allow_tags=("none",), ignore_tags=("*",), pin="v1", suspend=True)
    assert compile_policy(settings).decided() == Chosen(Tag("v1"), "pinned")


def test_a_denied_tag_is_refused_to_a_pin() -> None:
    choice = compile_policy(Settings(deny_tags=("v1",), pin="v1")).decided()
    assert choice == Kept(
        Keep.NOTHING_ALLOWED,
        "the pin v1 is refused: denied by v1",
        (Refusal("v1", "denied by v1"),),
    )


def test_a_broken_deny_disables_a_pin() -> None:
    choice = compile_policy(Settings(deny_tags=("[",), pin="v1")).decided()
    assert isinstance(choice, Kept)
    assert choice.keep is Keep.DISABLED


def test_a_pin_goes_before_a_broken_constraint() -> None:
    settings = Settings(constraint="bogus", pin="v1", output="digest")
    assert compile_policy(settings).decided() is None
    choice = decide_described(settings, Tag("v1", SHA), Tag("v2", SHA))
    assert choice == Chosen(Tag("v1", SHA), "pinned", (Refusal("v2", "not the pinned tag v1"),))


@pytest.mark.parametrize("order", ["built", "pushed"])
def test_a_pin_needs_no_time_of_its_tag(order: str) -> None:
    settings = Settings("newest-build", order_by=order, pin="v1", output="digest")
    assert decide_described(settings, Tag("v1", SHA)) == Chosen(Tag("v1", SHA), "pinned")


def test_a_pin_that_the_repository_does_not_hold_has_no_digest() -> None:
    choice = decide_described(Settings(pin="v1", output="digest"), Tag("v2", SHA))
    assert isinstance(choice, Kept)
    assert choice.keep is Keep.NOTHING_ALLOWED


def test_a_suspended_rule_chooses_nothing() -> None:
    choice = compile_policy(Settings(suspend=True, constraint="bogus")).decided()
    assert choice == Kept(Keep.SUSPENDED, "the rule is suspended")


def test_what_needs_the_registry_is_not_decided() -> None:
    assert compile_policy(Settings()).decided() is None
    assert compile_policy(Settings(pin="v1", output="digest")).decided() is None
    assert compile_policy(Settings(pin="v1", min_age="1h")).decided() is None
    assert compile_policy(Settings(pin="v1", verify=True)).decided() is None
