"""The rules of an Application: one for each image, and none for what is broken."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.policy.settings import FilterTags, Settings
from cmp.reference import Repository
from cmp.rules import Matched, Rule, rules_for
from tests.rules.updaters import application, ref, resource, ruleset


def matched(*resources: Any, name: str = "shop") -> Matched:
    return rules_for(ruleset(*resources), application(name))


def only(image: Any, **spec: Any) -> Rule:
    """The one rule of *image*."""
    (rule,) = matched(resource(ref("*", image), **spec)).rules
    return rule


def repositories(rules: Matched) -> list[str]:
    return sorted(str(rule.repository) for rule in rules.rules)


KEY = {"cosignKey": {"secretName": "cosign", "key": "pub"}}


def test_all_that_selects_a_tag_becomes_settings() -> None:
    rule = only(
        {
            "alias": "a",
            "imageName": "example.com/a:~1.2",
            "pin": "v1.4.2",
            "imagesVerification": KEY,
            "commonUpdateSettings": {
                "updateStrategy": "Latest",
                "allowTags": "regexp:^v",
                "ignoreTags": ["*-rc*"],
                "denyTags": ["1.3.*"],
                "platforms": ["linux/arm64"],
                "filterTags": {"pattern": "^v(.*)$", "extract": "$1"},
                "orderBy": "pushed",
                "output": "tag@digest",
                "suspend": True,
                "minAge": "2d",
                "maxSeverity": "high",
                "requireTrusted": True,
            },
        }
    )
    assert rule.settings == Settings(
        strategy="Latest",
        constraint="~1.2",
        allow_tags=("regexp:^v",),
        ignore_tags=("*-rc*",),
        deny_tags=("1.3.*",),
        platforms=("linux/arm64",),
        filter_tags=FilterTags("^v(.*)$", "$1"),
        order_by="pushed",
        output="tag@digest",
        pin="v1.4.2",
        suspend=True,
        min_age="2d",
        max_severity="high",
        require_trusted=True,
        verify=True,
    )


def test_an_image_without_settings_has_the_defaults() -> None:
    rule = only("nginx")
    assert rule.settings == Settings()
    assert rule.repository == Repository("docker.io", "library/nginx")
    assert str(rule.identity) == "ImageUpdater argocd/updater, ref *, image nginx"


def test_a_blank_filter_is_none() -> None:
    image = {"alias": "a", "imageName": "a", "commonUpdateSettings": {"allowTags": ""}}
    assert only(image, commonUpdateSettings={"allowTags": "any"}).settings.allow_tags == ()


def test_verification_may_be_turned_off_below() -> None:
    image = {"alias": "a", "imageName": "a", "imagesVerification": {"enabled": False}}
    assert not only(image, imagesVerification=KEY).settings.verify


def test_an_image_may_have_another_name_in_the_manifest() -> None:
    rule = only(
        {
            "alias": "a",
            "imageName": "example.com/a:~1",
            "manifestTargets": {"kustomize": {"name": "upstream.example.com/a:1.0"}},
        }
    )
    assert str(rule.manifest_name) == "upstream.example.com/a:1.0"
    assert rule.repositories == {
        Repository("example.com", "a"),
        Repository("upstream.example.com", "a"),
    }


@pytest.mark.parametrize(
    ("secret", "kept"),
    [
        ("pullsecret:argocd/regcred", "pullsecret:argocd/regcred"),
        ("secret:argocd/zot#creds", "secret:argocd/zot#creds"),
        ("env:TOKEN", ""),
        ("FILE:/etc/passwd", ""),
        ("registry.example.com=ext:/bin/true", ""),
    ],
)
def test_only_credentials_of_the_cluster_are_honoured(secret: str, kept: str) -> None:
    rule = only("nginx", commonUpdateSettings={"pullSecret": secret})
    assert rule.pull_secret == kept
    assert any("is not honoured" in note for note in rule.notes) is not bool(kept)
    assert secret not in repr(rule)


def test_what_has_no_effect_is_noted() -> None:
    image = {
        "alias": "a",
        "imageName": "a",
        "commonUpdateSettings": {"forceUpdate": True},
        "manifestTargets": {"helm": {"name": "image"}},
    }
    rule = only(image)
    assert rule.force_update
    assert rule.notes == ("forceUpdate has no effect", "manifestTargets.helm has no effect")


@pytest.mark.parametrize(
    ("plugin", "variables", "note"),
    [
        pytest.param({"spec": "IMAGE"}, ("IMAGE",), "IMAGE", id="the whole image"),
        pytest.param(
            {"name": "IMAGE_NAME", "tag": "IMAGE_TAG"},
            ("IMAGE_NAME", "IMAGE_TAG"),
            "IMAGE_NAME and IMAGE_TAG",
            id="name and tag",
        ),
        pytest.param({"spec": "A", "name": "B", "tag": "C"}, ("A",), "A", id="the whole one wins"),
        pytest.param({"tag": "RETAG_TAG"}, ("RETAG_TAG",), "", id="a name of Retag's"),
        pytest.param({"tag": ""}, (), "", id="no name"),
    ],
)
def test_variables_of_the_image_updater_are_known_and_pin_nothing(
    plugin: dict[str, str], variables: tuple[str, ...], note: str
) -> None:
    rule = only({"alias": "a", "imageName": "a", "manifestTargets": {"plugin": plugin}})

    said = (f"what plugin.env says as {note} pins nothing",) if note else ()
    assert rule.variables == variables
    assert rule.notes == ("manifestTargets.plugin has no effect", *said)


def fingerprint(**changes: Any) -> str:
    settings = {"updateStrategy": "semver", "allowTags": "regexp:^v"} | changes.pop("settings", {})
    image = {"alias": "a", "imageName": "example.com/a:~1", "commonUpdateSettings": settings}
    return only(image | changes).identity.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"pin": "v1"},
        {"settings": {"suspend": True}},
        {"settings": {"output": "digest"}},
        {"settings": {"pullSecret": "secret:argocd/name#field"}},
        {"settings": {"forceUpdate": True}},
        {"alias": "b"},
    ],
)
def test_what_does_not_select_keeps_the_memory_of_a_rule(changes: Any) -> None:
    assert fingerprint(**changes) == fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"imageName": "example.com/a:~2"},
        {"imageName": "example.com/b:~1"},
        {"settings": {"updateStrategy": "digest"}},
        {"settings": {"allowTags": "any"}},
        {"settings": {"denyTags": ["x"]}},
        {"settings": {"filterTags": {"pattern": "x"}}},
        {"settings": {"minAge": "1d"}},
        {"imagesVerification": KEY},
    ],
)
def test_what_selects_is_part_of_a_rules_identity(changes: Any) -> None:
    assert fingerprint(**changes) != fingerprint()


def test_a_broken_image_is_disabled_and_its_neighbours_are_not() -> None:
    broken = {"alias": "b", "imageName": "example.com/b", "pin": 1}
    found = matched(resource(ref("*", "example.com/a", broken, "example.com/c")))
    assert repositories(found) == ["example.com/a", "example.com/c"]
    (unit,) = found.disabled
    assert unit.what == 'a string is due here: quote it ("1")'
    assert unit.path == "spec.applicationRefs[0].images[1]"
    assert unit.concerns(Repository("example.com", "b"))
    assert not unit.concerns(Repository("example.com", "a"))
    assert Repository("example.com", "b") in found.repositories
    assert found.unknown == ()


@pytest.mark.parametrize(
    "image",
    [{"alias": "a"}, {"alias": "a", "imageName": "example.com/A"}, 7, {"imageName": ["a"]}],
    ids=["no name", "an impossible name", "a number", "a list"],
)
def test_an_image_whose_name_cannot_be_read_may_be_any(image: Any) -> None:
    (unit,) = matched(resource(ref("*", image))).disabled
    assert unit.concerns(Repository("example.com", "whatever"))


def test_an_impossible_name_in_the_manifest_disables_the_image() -> None:
    targets = {"kustomize": {"name": "PLACEHOLDER"}}
    image = {"alias": "a", "imageName": "example.com/a", "manifestTargets": targets}
    (unit,) = matched(resource(ref("*", image))).disabled
    assert unit.repositories == {Repository("example.com", "a")}


def test_two_rules_for_one_repository_in_one_ref_are_both_there() -> None:
    dev = {"alias": "dev", "imageName": "example.com/a:~2"}
    found = matched(resource(ref("*", "example.com/a:~1", dev)))
    assert [rule.alias for rule in found.rules] == ["a", "dev"]


def test_between_resources_the_more_specific_ref_wins_and_the_loser_is_named() -> None:
    exact = resource(ref("shop", "example.com/a:~1"), name="z-exact")
    broad = resource(ref("*", "example.com/a:~2", "example.com/b"), name="a-broad")
    found = matched(broad, exact)
    assert [str(rule.identity) for rule in found.rules] == [
        "ImageUpdater argocd/z-exact, ref shop, image a",
        "ImageUpdater argocd/a-broad, ref *, image b",
    ]
    assert found.notes == (
        "example.com/a: argocd/z-exact, ref shop wins over argocd/a-broad, ref *",
    )
    assert matched(broad, exact, name="web").notes == ()


def test_between_equal_refs_namespace_and_name_decide() -> None:
    first = resource(ref("shop", "example.com/a:~1"), name="a")
    second = resource(ref("shop", "example.com/a:~2"), name="b")
    for order in ([first, second], [second, first]):
        (rule,) = matched(*order).rules
        assert rule.identity.name == "a"


def test_a_disabled_image_wins_over_a_less_specific_rule() -> None:
    broken = {"alias": "a", "imageName": "example.com/a", "pin": 1}
    found = matched(resource(ref("shop", broken), name="a"), resource(ref("*", "example.com/a")))
    assert found.rules == ()
    assert len(found.disabled) == 1


def test_a_sound_rule_wins_over_a_less_specific_disabled_image() -> None:
    broken = {"alias": "a", "imageName": "example.com/a", "pin": 1}
    found = matched(resource(ref("*", broken), name="a"), resource(ref("shop", "example.com/a")))
    assert repositories(found) == ["example.com/a"]
    assert found.disabled == ()


def test_an_image_of_a_ref_whose_pattern_cannot_be_read_is_disabled_beside_any_rule() -> None:
    unread = {**ref("*", "example.com/a"), "namePattern": None}
    found = matched(resource(unread, name="a"), resource(ref("shop", "example.com/a"), name="b"))
    assert repositories(found) == ["example.com/a"]
    assert [unit.path for unit in found.disabled] == ["spec.applicationRefs[0].images[0]"]


def test_resources_that_share_the_name_in_the_manifest_overlap() -> None:
    renamed = {
        "alias": "a",
        "imageName": "mirror.example.com/a",
        "manifestTargets": {"kustomize": {"name": "example.com/a"}},
    }
    found = matched(resource(ref("shop", renamed), name="b"), resource(ref("*", "example.com/a")))
    assert repositories(found) == ["mirror.example.com/a"]


def test_images_of_one_alias_are_numbered_however_many_they_are() -> None:
    images = [{"alias": alias, "imageName": "nginx"} for alias in ["a", "a-2", *["a"] * 5000]]
    (unit,) = ruleset(resource(ref("*", *images))).resources
    aliases = [image.alias for each in unit.refs or () for image in each.images or ()]
    assert aliases[:4] == ["a", "a-2", "a-3", "a-4"]
    assert len(set(aliases)) == len(aliases)


@pytest.mark.parametrize("resources", [1, 2])
def test_more_images_than_any_application_has_disable_all_its_rules(resources: int) -> None:
    images = [{"imageName": f"registry.example.com/{n}"} for n in range(1000 // resources)]
    within = [resource(ref("*", *images), name=f"r{n}") for n in range(resources)]
    one_more = resource(ref("*", "registry.example.com/more"), name="z")

    assert not rules_for(ruleset(*within), application()).disabled
    found = rules_for(ruleset(*within, one_more), application())
    assert not found.rules
    (unit,) = found.unknown
    assert unit.what == "more than 1000 images are ruled for one Application"


def test_an_application_without_rules_has_none() -> None:
    found = matched(resource(ref("web", "nginx")))
    assert found == Matched()
    assert found.repositories == frozenset()


def test_annotated_rules_say_where_they_are_from() -> None:
    listed = {"argocd-image-updater.argoproj.io/image-list": "nginx"}
    updater = resource({"namePattern": "*", "useAnnotations": True})
    (rule,) = rules_for(ruleset(updater), application(annotations=listed)).rules
    assert str(rule.identity).endswith("ref *, image nginx (annotations)")
    assert rule.identity.source == "annotations"
