"""What is to be chosen for each Application."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.rules import RuleSet, rules_in
from sidecar.controller.index import Index
from sidecar.controller.model import Target, target_of
from sidecar.controller.tally import Tally
from sidecar.controller.targets import Login, Plan, Planner

APP = "registry.example.com/team/app"


def rules(*images: str, name: str = "rules", pattern: str = "*") -> RuleSet:
    """An ImageUpdater whose images are written so, in flow style."""
    text = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: {name}, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: "{pattern}"
      images: [{", ".join(images)}]
"""
    return rules_in(text, f"{name}.yaml")


def image(constraint: str = ":1.x", alias: str = "app", more: str = "") -> str:
    """One image, ruled as *more* says."""
    return f'{{alias: {alias}, imageName: "{APP}{constraint}"{more}}}'


def settings(text: str) -> str:
    """commonUpdateSettings of an image."""
    return f", commonUpdateSettings: {{{text}}}"


def target(
    *sources: dict[str, Any], images: tuple[str, ...] = (), name: str = "web", **spec: Any
) -> Target:
    """An Application whose sources have those fields of `plugin`."""
    stated = [{"repoURL": "r", "plugin": {"name": "retag", **each}} for each in sources or ({},)]
    manifest = {
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"sources": stated, **spec},
        "status": {"summary": {"images": list(images)}},
    }
    found = target_of(manifest, name)
    assert found is not None
    return found


def plan(ruleset: RuleSet, target: Target) -> Plan:
    """The plan for *target*."""
    return Planner(ruleset).plan(target)


def test_an_application_is_ruled_by_what_matches_it_and_runs_what_runs() -> None:
    found = plan(rules(image()), target(images=(f"{APP}:1.0.0", "registry.example.com/other:1")))

    [only] = found.images
    assert only.ruled.rule.alias == "app"
    assert list(map(str, only.runs)) == [f"{APP}:1.0.0"]
    assert only.ruled.resource == ("argocd", "rules")
    assert found.resources == (("argocd", "rules"),)
    assert found.remarks == ()
    [(look, ruled)] = found.looks
    assert str(look.login.repository) == APP
    assert ruled is only.ruled


@pytest.mark.parametrize(
    "plugin",
    [
        {"parameters": [{"name": "freeze", "string": "true"}]},
        {"env": [{"name": "RETAG_FREEZE", "value": "true"}]},
        {"parameters": [{"name": "pins", "map": {"app": "1.0.0"}}]},
        {"env": [{"name": "RETAG_PINS", "value": "app=1.0.0"}, {"name": "OTHER"}, 7]},
    ],
    ids=["frozen", "frozen by a variable", "pinned", "pinned by a variable"],
)
def test_what_the_application_holds_itself_is_not_chosen(plugin: dict[str, Any]) -> None:
    found = plan(rules(image()), target(plugin))

    assert found.images == ()
    assert found.remarks == ()
    assert found.resources == (("argocd", "rules"),)


def test_a_parameter_wins_over_the_variable() -> None:
    env = [{"name": "RETAG_FREEZE", "value": "true"}]

    found = plan(rules(image()), target({"env": env, "parameters": [_freeze("false")]}))

    assert len(found.images) == 1


def test_of_several_sources_one_that_may_move_is_enough() -> None:
    found = plan(rules(image()), target({"parameters": [_freeze("true")]}, {}))

    assert len(found.images) == 1


def test_a_pin_of_the_rule_has_more_power_than_one_of_the_application() -> None:
    pinned = {"parameters": [{"name": "pins", "map": {"app": "1.0.0"}}]}

    [found] = plan(rules(image(more=", pin: 1.2.0")), target(pinned)).images

    assert found.ruled.policy.settings.pin == "1.2.0"
    assert found.ruled.look is None


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        ({"parameters": [{"name": "freze"}]}, "RT22"),
        ({"parameters": [{"name": "pins", "map": {"other": "1"}}]}, "RT240"),
        ({"env": [{"name": "RETAG_PINS", "value": "app=$ARGOCD_APP_NAME"}]}, "RT680"),
        ({"env": [{"name": "RETAG_FREEZE", "value": "$ARGOCD_APP_NAME"}]}, "RT680"),
        ({"env": [{"name": "RETAG_OUTPUT", "value": "$ARGOCD_APP_NAME"}]}, "RT680"),
        ({"parameters": "none"}, "RT220"),
    ],
    ids=[
        "no such parameter",
        "a pin of no rule",
        "a variable of Argo CD's",
        "one that freezes",
        "one that says what is written",
        "no list",
    ],
)
def test_what_cannot_be_rendered_is_chosen_for_nothing(plugin: dict[str, Any], why: str) -> None:
    found = plan(rules(image()), target(plugin))

    assert found.images == ()
    [remark] = found.remarks
    assert remark.startswith("Application argocd/web: ")
    assert why in remark


def signed(secret: str) -> str:
    """Signatures by the key in that Secret."""
    key = f"cosignKey: {{secretName: {secret}, key: pub}}"
    return f", imagesVerification: {{enabled: true, {key}}}"


def test_with_another_pull_secret_or_another_key_it_is_another_look() -> None:
    said = [
        "",
        settings('pullSecret: "pullsecret:argocd/one"'),
        settings('pullSecret: "pullsecret:argocd/other"'),
        signed("one"),
        signed("other"),
    ]
    looks = [look for more in said for look, _ in plan(rules(image(more=more)), target()).looks]

    assert len(looks) == len(set(looks)) == 5
    assert len({look.login for look in looks}) == 3
    assert [look.key and look.key.name for look in looks] == [None, None, None, "one", "other"]


TWO = (
    image(":1.x", "one", settings('allowTags: "regexp:^1"')),
    image(":2.x", "two", settings('allowTags: "regexp:^2"')),
)


def test_of_two_rules_for_one_repository_the_tag_that_runs_decides() -> None:
    found = plan(rules(*TWO), target(images=(f"{APP}:2.0.0",)))

    assert [each.ruled.rule.alias for each in found.images] == ["two"]
    [remark] = found.remarks
    assert "which of its rules is meant is not shown by a tag that runs, so one is left" in remark


def test_of_two_rules_both_may_be_shown() -> None:
    found = plan(rules(*TWO), target(images=(f"{APP}:2.0.0", f"{APP}:1.0.0")))

    assert [(each.ruled.rule.alias, [r.tag for r in each.runs]) for each in found.images] == [
        ("one", ["1.0.0"]),
        ("two", ["2.0.0"]),
    ]


@pytest.mark.parametrize(
    "images",
    [(), (f"{APP}:latest",), (f"{APP}@sha256:{'a' * 64}",)],
    ids=["nothing runs", "a tag of neither runs", "a digest runs"],
)
def test_of_two_rules_that_nothing_tells_apart_none_is_followed(images: tuple[str, ...]) -> None:
    found = plan(rules(*TWO), target(images=images))

    assert found.images == ()
    assert len(found.remarks) == 2


def test_of_two_rules_that_both_allow_what_runs_none_is_followed() -> None:
    one = image(":1.x", "one", settings('allowTags: "regexp:^1"'))
    two = image(":1.x", "two", settings('allowTags: "regexp:^1[.]0"'))

    found = plan(rules(one, two), target(images=(f"{APP}:1.0.0",)))

    assert found.images == ()
    assert all("which of its rules is meant" in each for each in found.remarks)


def test_of_two_rules_one_of_which_may_be_for_any_tag_none_is_followed() -> None:
    one = image(":1.x", "one", settings('allowTags: "regexp:^1"'))
    two = image(":2.x", "two", settings('allowTags: "regexp:("'))

    found = plan(rules(one, two), target(images=(f"{APP}:1.0.0",)))

    assert found.images == ()
    assert any("so one is left" in each for each in found.remarks)


def test_a_rule_with_two_names_is_held_against_those_for_either() -> None:
    named = "manifestTargets: {kustomize: {name: registry.example.com/a}}"
    both = image(":1.x", "both", f", {named}")
    own = image(":1.x", "own")
    other = '{alias: other, imageName: "registry.example.com/a:1.x"}'
    runs = (f"{APP}:1.0.0", "registry.example.com/a:1.0.0")

    for rival in (own, other):
        found = plan(rules(both, rival), target(images=runs))
        assert any("so both is left" in each for each in found.remarks)


def test_a_rule_that_may_be_broken_in_place_of_another_is_left() -> None:
    broken = image(":2.x", "two", settings("allowTags: {x: y}"))

    found = plan(rules(image(":1.x", "one"), broken), target(images=(f"{APP}:1.0.0",)))

    assert found.images == ()
    assert "another rule that may be meant is broken" in found.remarks[0]


def test_where_anything_may_be_ruled_by_what_is_broken_nothing_is_chosen() -> None:
    unreadable = rules_in("kind: ImageUpdater\nspec: [", "broken.yaml")
    both = RuleSet.of(rules(image()).resources, unreadable.unreadable)

    found = plan(both, target())

    assert found.images == ()
    assert "a rule is broken that may be for any image" in found.remarks[0]


def test_equal_rules_of_many_applications_are_kept_once() -> None:
    planner = Planner(rules(image()))
    one, other = (planner.plan(target(name=name)) for name in ("web", "api"))

    assert one.images[0].ruled is other.images[0].ruled
    assert planner.ruled() == [one.images[0].ruled]


def test_only_applications_that_a_changed_resource_may_govern_are_planned_anew() -> None:
    web, api = target(name="web"), target(name="api")
    kept = rules(image(), name="kept", pattern="api").resources
    before = RuleSet.of([*kept, *rules(image(), pattern="w*").resources])
    now = RuleSet.of([*kept, *rules(image(":2.x"), pattern="w*").resources])
    planner = Planner(before)

    assert list(planner.changed_by(now, [web, api])) == [web]
    assert list(planner.changed_by(before, [web, api])) == []
    assert list(planner.changed_by(RuleSet.of(kept), [web, api])) == [web]


def test_what_cannot_be_read_may_touch_all() -> None:
    unreadable = rules_in("kind: ImageUpdater\nspec: [", "broken.yaml").unreadable

    assert list(Planner().changed_by(RuleSet.of((), unreadable), [target()])) == [target()]


def test_many_resources_may_touch_all() -> None:
    named = (rules(image(), name=f"r{each}", pattern="none") for each in range(21))
    now = RuleSet.of(resource for each in named for resource in each.resources)

    assert list(Planner().changed_by(now, [target()])) == [target()]


def test_the_index_tells_which_repositories_are_wanted_and_by_whom() -> None:
    said: list[tuple[str, Login]] = []
    index = Index(
        lambda login: said.append(("comes", login)), lambda login: said.append(("goes", login))
    )
    planner = Planner(rules(image()))
    web, api = (planner.plan(target(name=name)) for name in ("web", "api"))
    [(look, ruled)] = web.looks
    index.put(("argocd", "web"), web)
    index.put(("argocd", "api"), api)

    assert said == [("comes", look.login)]
    assert index.looks(look.login) == [(look, ruled)]
    assert index.users_of(look.login) == {("argocd", "web"), ("argocd", "api")}
    assert index.users([look]) == index.users_of(look.login)
    planner.rules = rules(image(":2.x"))
    index.put(("argocd", "web"), planner.plan(target()))
    assert index.users([look]) == {("argocd", "api")}
    assert index.put(("argocd", "api"), None) is api
    assert said == [("comes", look.login)]
    assert index.put(("argocd", "none"), None) is None
    index.put(("argocd", "web"), None)
    assert said == [("comes", look.login), ("goes", look.login)]
    assert index.users([look]) == index.users_of(look.login) == set()
    assert index.plans == {}


def test_the_tally_counts_what_comes_and_goes() -> None:
    tally, resource = Tally(), ("argocd", "rules")
    sound = plan(rules(*TWO), target(images=(f"{APP}:1.0.0", f"{APP}:2.0.0")))
    faulty = plan(rules(*TWO), target(name="api"))
    for each in (sound, faulty):
        tally.count(None, each)

    assert (tally.applications_of(resource), tally.images_of(resource), tally.images) == (2, 4, 4)
    assert tally.remarks_of(resource) == list(faulty.remarks)
    tally.count(faulty, None)
    assert (tally.applications_of(resource), tally.images_of(resource)) == (1, 2)
    assert tally.remarks_of(resource) == []
    assert tally.remarks_of(("argocd", "other")) == []


def _freeze(value: str) -> dict[str, str]:
    return {"name": "freeze", "string": value}


@pytest.mark.parametrize(
    ("rivals", "running", "left"),
    [(20, 20, False), (21, 1, True), (2, 21, True)],
    ids=["as many as are compared", "one rule more", "one running tag more"],
)
def test_rules_for_one_repository_are_compared_as_long_as_they_are_few(
    rivals: int, running: int, *, left: bool
) -> None:
    ruled = [image(f":{number}.x", alias=f"a{number}") for number in range(1, rivals + 1)]
    runs = tuple(f"{APP}:1.{number}.0" for number in range(running))

    found = plan(rules(*ruled), target(images=runs))

    assert [each.ruled.rule.alias for each in found.images] == ([] if left else ["a1"])
    assert all("which of its rules is meant" in each for each in found.remarks)
