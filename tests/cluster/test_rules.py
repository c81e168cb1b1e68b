"""ImageUpdaters of the cluster as rules: each is read once, and is bounded by itself."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.located import Located
from cmp.rules import RuleSet, rules_for
from cmp.rules.application import Application
from cmp.rules.resource import read_resource
from cmp.rules.units import Resource
from sidecar.cluster.rules import LARGEST, RulesReader, keep_rules
from sidecar.kubernetes.mirror import Key
from tests.cluster.world import updater
from tests.sidecar.place import IMAGE

WEB = Application(name="web", namespace="argocd", labels={})


def kept(*manifests: dict[str, Any]) -> dict[Key, bytes]:
    """*manifests* as a mirror keeps them."""
    metadata = [each["metadata"] for each in manifests]
    keys = [(each["namespace"], each["name"]) for each in metadata]
    return dict(zip(keys, map(keep_rules, manifests), strict=True))


def read(*manifests: dict[str, Any]) -> tuple[Resource, ...]:
    return RulesReader("argocd").read(kept(*manifests))


def test_a_resource_is_named_as_people_know_it() -> None:
    (resource,) = read(updater("argocd", name="all"))

    assert str(resource.place) == "ImageUpdater argocd/all"
    (rule,) = rules_for(RuleSet.of([resource]), WEB).rules
    assert (rule.identity.namespace, rule.identity.name) == ("argocd", "all")


def test_status_and_metadata_change_nothing() -> None:
    one, other = updater("argocd"), updater("argocd")
    other["status"] = {"lastCheckedAt": "2026-01-01T00:00:00Z"}
    other["metadata"] |= {"resourceVersion": "7", "managedFields": [{}], "labels": {"a": "b"}}

    assert keep_rules(one) == keep_rules(other)


def test_a_resource_is_read_again_only_when_it_changes() -> None:
    reader = RulesReader("argocd")
    first = reader.read(kept(updater("argocd", "a"), updater("argocd", "b")))
    again = reader.read(kept(updater("argocd", "a"), updater("argocd", "b", "2.x")))

    assert again[0] is first[0]
    assert again[1] is not first[1]
    assert reader.read({}) == ()


@pytest.mark.parametrize("ruled", ["team-a", "team-b"])
def test_a_resource_that_is_too_large_is_not_read_and_disables_what_it_names(ruled: str) -> None:
    large = updater("argocd", "large")
    large["spec"] |= {"namespace": ruled, "padding": "x" * LARGEST}

    found = RuleSet.of(read(large))

    (finding,) = found.findings
    assert finding.code == "RT361"
    applications = [Application(name="web", namespace=each) for each in ("team-a", "team-b")]
    disabled = [each.namespace for each in applications if rules_for(found, each).disabled]
    assert disabled == [ruled]


@pytest.mark.parametrize(("many", "unknown"), [(1000, False), (1001, True)])
def test_no_image_of_a_resource_that_is_too_large_is_left_out(many: int, *, unknown: bool) -> None:
    large = updater("argocd", "large")
    names = [f"registry.example.com/app-{number}" for number in range(many)]
    images = [{"imageName": name, "padding": "x" * 300} for name in names]
    large["spec"]["applicationRefs"][0]["images"] = images

    matched = rules_for(RuleSet.of(read(large)), WEB)

    assert bool(matched.unknown) is unknown
    disabled = {str(name) for each in matched.disabled for name in each.repositories}
    assert disabled == (set() if unknown else set(names))


def test_a_spec_that_is_nested_too_deeply_is_a_broken_resource() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    manifest = updater("argocd")
    manifest["spec"]["applicationRefs"][0]["labelSelectors"] = deep

    (resource,) = read(manifest)

    assert resource.broken
    while isinstance(deep, list):  # freed from the outside, which needs no stack
        deep = deep[0]


@pytest.mark.parametrize(
    ("image", "repositories"),
    [
        pytest.param(IMAGE, [IMAGE], id="an image"),
        pytest.param("", [], id="no image at all"),
    ],
)
def test_a_resource_that_cannot_be_read_disables_its_own_images(
    image: str, repositories: list[str]
) -> None:
    def reader(document: Located) -> Resource:
        if document.at("spec", "bug"):
            raise ZeroDivisionError
        return read_resource(document)

    manifest = updater("argocd", "odd")
    manifest["spec"]["bug"] = True
    manifest["spec"]["applicationRefs"][0]["images"] = [{"imageName": image} if image else {}]
    good = updater("argocd", "web")
    good["spec"]["applicationRefs"][0]["images"][0]["imageName"] = "registry.example.com/good:1.x"

    matched = rules_for(
        RuleSet.of(RulesReader("argocd", reader=reader).read(kept(manifest, good))), WEB
    )

    assert [str(each.repository) for each in matched.rules] == ["registry.example.com/good"]
    (disabled,) = matched.disabled
    assert sorted(map(str, disabled.repositories)) == repositories
    assert "ZeroDivisionError" in disabled.what


def test_a_resource_that_can_never_be_read_is_bounded_by_its_namespace() -> None:
    def reader(_document: Located) -> Resource:
        raise ZeroDivisionError

    resources = RulesReader("argocd", reader=reader).read(kept(updater("argocd")))
    ruleset = RuleSet.of(resources)
    elsewhere = Application(name="web", namespace="team", labels={})

    assert rules_for(ruleset, WEB).unknown
    assert not rules_for(ruleset, elsewhere).disabled


@pytest.mark.parametrize(
    ("namespace", "target", "ruled"),
    [
        pytest.param("team", "argocd", False, id="a team's cannot rule Argo CD's own"),
        pytest.param("team", "other", False, id="a team's cannot rule another team's"),
        pytest.param("team", "team", True, id="a team's can name its own"),
        pytest.param("argocd", "team", True, id="Argo CD's own can rule a team's"),
    ],
)
def test_the_older_form_names_another_namespace_only_beside_argo_cd(
    namespace: str, target: str, *, ruled: bool
) -> None:
    manifest = updater(namespace)
    manifest["spec"]["namespace"] = target
    ruleset = RuleSet.of(read(manifest))

    matched = rules_for(ruleset, Application(name="web", namespace=target, labels={}))

    assert bool(matched.rules) is ruled
    assert not matched.disabled
    own = rules_for(ruleset, Application(name="web", namespace=namespace, labels={}))
    assert bool(own.disabled) is not ruled
    assert ("RT360" in {each.code for each in ruleset.findings}) is not ruled
