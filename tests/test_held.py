"""Images under a broken rule keep what they had, where there is no doubt what that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from cmp import report
from cmp.errors import CombinedError, RuleError
from cmp.store import LastGood
from tests.memory import NOW, MemoryStore, MemoryTags
from tests.test_pipeline import APP, DB, pod, ruleset
from tests.test_steady import render, served

DIGEST = "sha256:" + "5a" * 32
TYPO = "commonUpdateSettings: {denyTag: ['9']}"
BROKEN = ruleset(f"- alias: app\n  imageName: {APP}\n  {TYPO}")
BADLY_PINNED = ruleset(f"- {{alias: app, imageName: {APP}, pin: 1.10}}")
BESIDE = ruleset(
    f"- alias: app\n  imageName: {APP}\n  {TYPO}\n"
    f"- {{alias: dev, imageName: {APP}, commonUpdateSettings: {{denyTags: ['3.0.0']}}}}"
)
NAMED = ruleset(
    f"- alias: app\n  imageName: {APP}\n  {TYPO}\n"
    "  manifestTargets: {kustomize: {name: placeholder}}"
)
UNKNOWN = "- {alias: x, imageName: [1]}\n"
ANY = ruleset(UNKNOWN)
ANY_BESIDE = ruleset(f"{UNKNOWN}- {{alias: app, imageName: {APP}}}")
ANY_PINNED = ruleset(f"{UNKNOWN}- {{alias: app, imageName: {APP}, pin: '4'}}")
ANY_PINNED_WITH_DIGEST = ruleset(
    f"{UNKNOWN}- {{alias: app, imageName: {APP}, pin: '4', commonUpdateSettings: "
    "{output: digest}}"
)
ANY_PINNED_TO_WHAT_IS_DENIED = ruleset(
    f"{UNKNOWN}- {{alias: app, imageName: {APP}, pin: '4', commonUpdateSettings: "
    "{denyTags: ['4']}}"
)


def choice(tag: str, rule: str = "a", digest: str | None = None) -> LastGood:
    """That *rule* last chose *tag* for the app."""
    return LastGood(rule, "f", APP, tag, digest, NOW)


KEPT: dict[str, tuple[str, Sequence[LastGood], Sequence[str] | None, str]] = {
    "the last choice of any rule": (
        BROKEN,
        [choice("2.0.0"), choice("1.0.0", "b")],
        None,
        "2.0.0",
    ),
    "its digest too": (BROKEN, [choice("2.0.0", digest=DIGEST)], None, f"2.0.0@{DIGEST}"),
    "what runs, if nothing was chosen": (BROKEN, [], ["1.0.0"], "1.0.0"),
    "the greatest that runs": (BROKEN, [], ["1.9.0", "1.10.0"], "1.10.0"),
    "a choice before what runs": (BROKEN, [choice("2.0.0")], ["1.0.0"], "2.0.0"),
    "what runs, where a pin may have been": (BADLY_PINNED, [choice("2.0.0")], ["1.0.0"], "1.0.0"),
    "the choice, where nobody knows what runs": (BADLY_PINNED, [choice("2.0.0")], None, "2.0.0"),
    "of two rules the one choice of both": (
        BESIDE,
        [choice("2.0.0"), choice("2.0.0", "b")],
        None,
        "2.0.0",
    ),
    "of two rules the choice that runs": (
        BESIDE,
        [choice("2.0.0"), choice("dev-1", "b")],
        ["dev-1"],
        "dev-1",
    ),
    "of two rules what runs, if it is one tag": (BESIDE, [], ["1.0.0"], "1.0.0"),
    "nothing that a rule beside it denies": (
        BESIDE,
        [choice("3.0.0"), choice("2.0.0", "b")],
        ["3.0.0"],
        "2.0.0",
    ),
    "where any image may be meant, the choice": (ANY, [choice("2.0.0")], None, "2.0.0"),
    "the same beside a rule": (ANY_BESIDE, [choice("2.0.0")], None, "2.0.0"),
    "the pin of the rule beside it": (ANY_PINNED, [choice("2.0.0")], ["1.0.0"], "4"),
    "no pin that needs a digest": (ANY_PINNED_WITH_DIGEST, [choice("2.0.0")], None, "2.0.0"),
    "no pin that is denied": (ANY_PINNED_TO_WHAT_IS_DENIED, [choice("2.0.0")], None, "2.0.0"),
}


@pytest.mark.parametrize(("rules", "choices", "runs", "expected"), KEPT.values(), ids=KEPT.keys())
def test_an_image_of_a_broken_rule_keeps(
    rules: str, choices: Sequence[LastGood], runs: Sequence[str] | None, expected: str
) -> None:
    running = None if runs is None else tuple(f"{APP}:{tag}" for tag in runs)
    tags = MemoryTags({APP: ["9.0.0"]})
    generated = render(rules, tags=tags, store=MemoryStore(choices), images=running)

    assert served(generated) == [f":{expected}"]
    assert f"{APP}:{expected}'".encode() in generated.manifests
    assert not tags.asked


@pytest.mark.parametrize(
    ("rules", "choices", "runs"),
    [
        (BROKEN, [], []),
        (BROKEN, [replace(choice("2.0.0"), repository=DB)], []),
        (BESIDE, [choice("2.0.0"), choice("dev-1", "b")], []),
        (BESIDE, [choice("2.0.0"), choice("dev-1", "b")], ["2.0.0", "dev-1"]),
        (BESIDE, [], ["3.0.0"]),
        (ANY, [choice("2.0.0"), choice("dev-1", "b")], []),
    ],
    ids=[
        "nothing is known",
        "of another image",
        "two rules chose differently",
        "and both run",
        "what runs is denied",
        "any rule may have been meant",
    ],
)
def test_where_that_cannot_be_told_the_render_fails_with_the_fault_of_the_rule(
    rules: str, choices: Sequence[LastGood], runs: Sequence[str]
) -> None:
    running = tuple(f"{APP}:{tag}" for tag in runs)
    with pytest.raises((RuleError, CombinedError)) as caught:
        render(rules, store=MemoryStore(choices), images=running)
    assert caught.value.code == "RT351"


def test_a_pin_of_an_alias_that_may_be_the_broken_rules_counts_by_what_runs() -> None:
    store = MemoryStore([choice("2.0.0")])
    generated = render(BROKEN, "pins=app=1.0.0", store=store, images=(f"{APP}:1.0.0",))

    assert served(generated) == [":1.0.0"]


def test_the_name_in_the_manifest_gives_way_to_the_image_that_was_chosen() -> None:
    generated = render(
        NAMED, store=MemoryStore([choice("2.0.0")]), manifests=pod("placeholder:1", f"{APP}:1")
    )

    assert served(generated) == [":2.0.0", ":2.0.0"]


def test_a_rule_that_is_unclear_beside_another_holds_its_image_too() -> None:
    broken_filter = "commonUpdateSettings: {allowTags: 'regexp:('}"
    rules = ruleset(
        f"- alias: app\n  imageName: {APP}\n  {broken_filter}\n- {{alias: dev, imageName: {APP}}}"
    )

    assert served(render(rules, store=MemoryStore([choice("2.0.0")]))) == [":2.0.0"]


def test_an_image_that_no_rule_ever_chose_for_stays_as_it_is_with_a_warning() -> None:
    rules = ruleset(f"{UNKNOWN}- {{alias: db, imageName: {DB}}}")
    generated = render(
        rules, store=MemoryStore([choice("2.0.0")]), manifests=pod(f"{APP}:1", f"{DB}:5", "x:1")
    )
    what = "rules.yaml"

    assert generated.manifests == pod(f"{APP}:2.0.0", f"{DB}:5", "x:1")
    warnings = report.warnings(generated)
    assert warnings[0].startswith(f"{APP}: the rule, which may be for any image, is disabled: ")
    assert warnings[0].endswith("; 2.0.0 stays")
    assert warnings[1].endswith("; the image stays as it is")
    assert warnings[2].startswith(what)
    assert warnings[2].endswith("what was chosen before stays, and other images stay as they are")


def test_a_record_of_no_repository_is_passed_over() -> None:
    store = MemoryStore([replace(choice("9"), repository="No Repository"), choice("2.0.0")])

    assert served(render(ANY, store=store)) == [":2.0.0"]


def test_a_broken_rule_for_a_known_image_is_no_rule_for_any() -> None:
    rules = ruleset(f"{UNKNOWN}- alias: db\n  imageName: {DB}\n  {TYPO}\n")
    with pytest.raises(RuleError, match=f"may be for {DB}, is disabled"):
        render(rules, store=MemoryStore([choice("2.0.0")]), manifests=pod(f"{APP}:1", f"{DB}:5"))


def test_nothing_that_is_held_is_recorded_anew() -> None:
    store = MemoryStore([choice("2.0.0")])
    render(BROKEN, store=store)

    assert store.kept == [choice("2.0.0")]


def test_what_is_held_is_explained() -> None:
    generated = render(BROKEN, store=MemoryStore([choice("2.0.0")]))
    text = report.explain(generated, now=NOW)

    assert "web: 1 image under a rule, 1 moved" in text
    assert APP in text
    assert any(line.startswith("  image    line 6") and "0.9 → 2.0.0" in line for line in text)
    assert any(line.startswith("  warning  the rule, which may be for") for line in text)
    held = report.as_json(generated)["held"]
    assert [(each["before"], each["after"]) for each in held] == [(f"{APP}:0.9", f"{APP}:2.0.0")]
