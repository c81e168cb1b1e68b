"""Annotations mean the same when they are ImageUpdaters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.errors import Place, Severity
from cmp.located import locate
from cmp.migrate import migrate
from cmp.rules import Application, RuleSet
from cmp.rules.read import rules_of
from cmp.rules.ruleset import Matched, rules_for
from tests.effort import examples
from tests.rules.updaters import application, manifest, ref, resource, ruleset

PREFIX = "argocd-image-updater.argoproj.io/"
# Upstream's docs/configuration/migration.md renames them on the way, too.
RENAMED = {"latest": "newest-build", "name": "alphabetical", "Name": "alphabetical"}
READER = ruleset(resource({"namePattern": "*", "useAnnotations": True}))


def annotated(*, namespace: str = "argocd", name: str = "shop", **annotations: str) -> Any:
    """An Application whose annotations are *annotations*, in which `__` is a dot or a dash."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
    }


def of(annotations: dict[str, str], name: str = "shop") -> Any:
    """An Application with *annotations*, which are written without their prefix."""
    return annotated(name=name, **{PREFIX + key: value for key, value in annotations.items()})


def located(*manifests: Any) -> list[Any]:
    return [locate(each, Place(f"file {number}")) for number, each in enumerate(manifests)]


def rules_from(manifests: list[Any]) -> RuleSet:
    return rules_of(located(*manifests))


def meaning(matched: Matched) -> list[Any]:
    """What *matched* says, without what says where it stands."""
    assert not matched.disabled
    return [
        (
            rule.repository,
            rule.repositories,
            replace(rule.settings, strategy=RENAMED.get(name := rule.settings.strategy, name)),
            rule.pull_secret,
            rule.cosign_key,
            rule.force_update,
        )
        for rule in matched.rules
    ]


_name = st.sampled_from(
    ["registry.example.com/team/web", "registry.example.com/team/api", "nginx", "team/db"]
)
_constraint = st.sampled_from(["", ":~1.2", ":1.x", ":latest", ":>=1.0-0"])
_alias = st.sampled_from(["", "web=", "api=", "web-2=", "w.b=", "x_y="])
_entry = st.builds("".join, st.tuples(_alias, _name, _constraint))
_values: dict[str, st.SearchStrategy[str]] = {
    "update-strategy": st.sampled_from(["semver", "latest", "digest", "Name", "unheard-of", " "]),
    "allow-tags": st.sampled_from(["any", "regexp:^v[0-9]", "^v", "", " regexp:(?i)A "]),
    "ignore-tags": st.sampled_from(["latest, dev", "", "*-rc*", ",", "[a"]),
    "pull-secret": st.sampled_from(
        ["secret:argocd/a#b", "pullsecret:other/a", "env:NAME", "ext:/script", " "]
    ),
    "force-update": st.sampled_from(["true", "false", "T"]),
    "platforms": st.sampled_from(["linux/amd64,linux/arm64", "linux", "", ","]),
    "helm.image-name": st.just("image.name"),
    "helm.image-spec": st.just("image.spec"),
    "kustomize.image-name": st.sampled_from(["web", "registry.example.com/other", "NO"]),
}


@st.composite
def annotations_of_v1(draw: Any) -> dict[str, str]:
    entries = draw(st.lists(_entry, min_size=1, max_size=3))
    found = {"image-list": ", ".join(entries)}
    for alias in ("", "web.", "api.", "web-2.", "w.b.", "x_y."):
        for name in draw(st.lists(st.sampled_from(list(_values)), unique=True, max_size=4)):
            found[alias + name] = draw(_values[name])
    method = draw(st.sampled_from(["", "git", "argocd", "git:repocreds", "email"]))
    return found | ({"write-back-method": method} if method else {})


@settings(max_examples=examples(150))
@given(annotations_of_v1())
def test_the_rules_are_the_same(annotations: dict[str, str]) -> None:
    manifests = of(annotations)
    app = Application.from_manifest(manifests)
    before = rules_for(READER, app)

    migrated = migrate([], located(manifests))

    errors = [each for each in migrated.findings if each.severity is Severity.ERROR]
    if before.disabled:
        assert (migrated.manifests, bool(errors)) == ([], True)
        return
    assert errors == []
    ruleset = rules_from(migrated.manifests)
    assert [f for f in ruleset.findings if f.severity is Severity.ERROR] == []
    bare = replace(app, annotations={})
    assert meaning(rules_for(ruleset, bare)) == meaning(before)


@settings(max_examples=examples(30))
@given(st.lists(annotations_of_v1(), min_size=1, max_size=3), st.randoms())
def test_order_does_not_matter_and_twice_is_once(
    several: list[dict[str, str]], random: Any
) -> None:
    manifests = [of(each, name=f"shop-{number}") for number, each in enumerate(several)]
    shuffled = random.sample(manifests, len(manifests))

    once = migrate([], located(*manifests)).manifests

    assert migrate([], located(*shuffled)).manifests == once
    assert migrate(located(*once), []).manifests == once


def refs(*applications: Any, updaters: Any = ()) -> list[Any]:
    """The refs that are made of *applications*."""
    made = migrate(located(*updaters), located(*applications)).manifests
    return [ref for each in made for ref in each["spec"]["applicationRefs"]]


def test_each_namespace_gets_one_resource_with_a_ref_for_each_application() -> None:
    listed = {f"{PREFIX}image-list": "registry.example.com/web"}
    made = migrate(
        [],
        located(
            annotated(namespace="b", name="two", **listed),
            annotated(namespace="a", name="two", **listed),
            annotated(namespace="a", name="one", **listed),
            annotated(namespace="a", name="none"),
        ),
    ).manifests

    assert [
        (each["metadata"], [ref["namePattern"] for ref in each["spec"]["applicationRefs"]])
        for each in made
    ] == [
        ({"name": "from-annotations", "namespace": "a"}, ["one", "two"]),
        ({"name": "from-annotations", "namespace": "b"}, ["two"]),
    ]


def test_the_name_of_a_resource_that_is_there_is_not_taken() -> None:
    app = of({"image-list": "registry.example.com/web"})
    taken = manifest(ref("api", "registry.example.com/api"), name="from-annotations")

    made = migrate(located(taken), located(app)).manifests

    names = [each["metadata"]["name"] for each in made]
    assert names == ["from-annotations", "from-annotations-2"]


@pytest.mark.parametrize(
    ("annotations", "allowed"),
    [
        ({"web.tag-match": "regexp:^v"}, "regexp:^v"),
        ({"web.tag-match": "regexp:^v", "web.allow-tags": "any"}, "any"),
        ({"web.tag-match": "regexp:^v", "web.allow-tags": " "}, "regexp:^v"),
        ({"web.tag-match": " "}, None),
        ({"web.tag-match": "regexp:^v", "allow-tags": "any"}, None),
    ],
    ids=["alone", "beside allow-tags", "beside a blank", "blank", "below shared allow-tags"],
)
def test_tag_match_counts_where_nothing_says_allow_tags(
    annotations: dict[str, str], allowed: str | None
) -> None:
    [ref] = refs(of({"image-list": "web=registry.example.com/web"} | annotations))

    assert ref["images"][0].get("commonUpdateSettings", {}).get("allowTags") == allowed


def test_an_alias_with_a_slash_has_the_settings_of_its_keys() -> None:
    app = of({"image-list": "a/b=registry.example.com/web", "a_b.update-strategy": "latest"})

    migrated = migrate([], located(app))

    image = migrated.manifests[0]["spec"]["applicationRefs"][0]["images"][0]
    assert image == {
        "alias": "a_b",
        "imageName": "registry.example.com/web",
        "commonUpdateSettings": {"updateStrategy": "newest-build"},
    }
    assert [each.what for each in migrated.findings] == ["the alias a/b is a_b now; pins go by it"]


def test_other_annotations_are_nobodys_concern() -> None:
    app = of({"image-list": "registry.example.com/web"})
    app["metadata"]["annotations"]["example.com/git-branch"] = "main"

    assert migrate([], located(app)).findings == []


def test_an_image_with_the_operators_credential_does_not_get_the_secret_of_all() -> None:
    secret = "secret:argocd/a#b"
    app = of(
        {
            "image-list": "web=registry.example.com/web",
            "pull-secret": secret,
            "web.pull-secret": "env:NAME",
        }
    )

    [made] = migrate([], located(app)).manifests
    [ref] = made["spec"]["applicationRefs"]

    assert ref["commonUpdateSettings"]["pullSecret"] == secret
    assert ref["images"][0]["commonUpdateSettings"]["pullSecret"] == ""


LEFT_BEHIND = {
    "write-back-method": "git",
    "write-back-target": "kustomization",
    "git-branch": "main",
    "git-repository": "https://git.example.com/team/web.git",
    "pull-secret": "env:NAME",
    "web.pull-secret": "ext:/script",
}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_has_no_effect_is_told(name: str) -> None:
    app = of({"image-list": "web=registry.example.com/web", name: LEFT_BEHIND[name]})

    [finding] = migrate([], located(app)).findings

    assert (finding.code, finding.severity) == ("RT398", Severity.WARNING)
    assert name in finding.path


@pytest.mark.parametrize(
    "name",
    ["wbe.allow-tags", "web.sort-mode", "platforms", "wbe.tag-match", "x_y.update-strategy"],
)
def test_what_nothing_reads_is_told(name: str) -> None:
    images = "web=registry.example.com/web, a/b=registry.example.com/b"
    app = of({"image-list": images, name: "any", "a_b.allow-tags": "any", "force-update": "true"})

    told = [each.what for each in migrate([], located(app)).findings if name in each.path]

    assert told == [f"{name} is left behind: nothing reads it"]


@pytest.mark.parametrize(
    "annotations",
    [
        {"web.pull-secret": "secret:other/a#b"},
        {"web.pull-secret": "pullsecret:other/a", "pull-secret": "secret:argocd/a#b"},
        {"pull-secret": "secret:other/a#b"},
    ],
    ids=["of the image", "beside one of all", "of all"],
)
def test_a_secret_of_another_namespace_leaves_the_application_out(
    annotations: dict[str, str],
) -> None:
    images = "web=registry.example.com/web, api=registry.example.com/api"

    migrated = migrate([], located(of({"image-list": images} | annotations)))

    assert migrated.manifests == []
    assert [each.code for each in migrated.findings] == ["RT358", "RT399"]
    assert next(iter(annotations)) in migrated.findings[0].path


def test_a_secret_of_another_namespace_counts_for_nothing_where_each_image_has_its_own() -> None:
    own, others = "secret:argocd/a#b", "secret:other/a#b"
    app = of({"image-list": "web=nginx", "web.pull-secret": own, "pull-secret": others})

    migrated = migrate([], located(app))

    assert [each.code for each in migrated.findings] == []
    assert migrate(located(*migrated.manifests), []).manifests == migrated.manifests


@pytest.mark.parametrize(
    "annotations",
    [
        {"image-list": "web="},
        {"image-list": "registry.example.com/NO"},
        {"image-list": "web=registry.example.com/web", "web.kustomize.image-name": "NO"},
        {"image-list": "web=registry.example.com/web", "force-update": "maybe"},
        {"image-list": "web=registry.example.com/web", "write-back-method": "email"},
    ],
    ids=["no image", "no repository", "no name", "no flag", "no method"],
)
def test_an_application_that_the_image_updater_passes_over_is_left_out(
    annotations: dict[str, str],
) -> None:
    migrated = migrate([], located(of(annotations)))

    assert migrated.manifests == []
    assert [each.code for each in migrated.findings] == ["RT319", "RT399"]


def test_an_application_that_stands_twice_counts_once() -> None:
    first = of({"image-list": "registry.example.com/web"})
    second = of({"image-list": "registry.example.com/api"})

    migrated = migrate([], located(first, second))

    assert len(migrated.manifests[0]["spec"]["applicationRefs"]) == 1
    assert [each.code for each in migrated.findings] == ["RT399"]


KEY = {"cosignKey": {"secretName": "cosign", "key": "cosign.pub"}}


@pytest.mark.parametrize("level", ["spec", "ref"])
def test_signatures_are_still_asked_for(level: str) -> None:
    by_annotations = {"namePattern": "*", "useAnnotations": True}
    above = {"imagesVerification": KEY}
    updater = manifest(by_annotations, imagesVerification=KEY)
    if level == "ref":
        updater = manifest(by_annotations | above)
    other = manifest(ref("shop", "registry.example.com/other"), name="other")
    app = of({"image-list": "web=registry.example.com/web"})

    made = migrate(located(updater, other), located(app)).manifests

    [ours] = [each for each in made if each["metadata"]["name"] == "from-annotations"]
    assert ours["spec"]["applicationRefs"][0]["imagesVerification"] == KEY
    bare = application("shop", annotations={})
    [rule] = [r for r in rules_for(rules_from(made), bare).rules if r.alias == "web"]
    assert rule.settings.verify
    assert str(rule.cosign_key) == "key cosign.pub of the Secret argocd/cosign"


def test_annotations_that_a_ref_has_made_mute_do_not_win_over_it() -> None:
    ruling = manifest(ref("sho*", "registry.example.com/web"))
    app = of({"image-list": "web=registry.example.com/web:1.x", "git-branch": "main"})

    migrated = migrate(located(ruling), located(app))

    assert [each["metadata"]["name"] for each in migrated.manifests] == ["updater"]
    [told] = migrated.findings
    assert (told.code, told.severity) == ("RT398", Severity.WARNING)
    assert "ImageUpdater argocd/updater rules argocd/shop, and reads no annotations" in told.what


def test_retags_own_settings_that_counted_for_annotations_are_told() -> None:
    updater = manifest(
        {"namePattern": "*", "useAnnotations": True}, commonUpdateSettings={"minAge": "7d"}
    )
    app = of({"image-list": "web=registry.example.com/web"})

    findings = migrate(located(updater), located(app)).findings

    assert "minAge of ImageUpdater argocd/updater are left behind" in {f.what for f in findings}
