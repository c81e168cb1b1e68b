"""Two rules for one image: in one ref, and in refs of two resources that meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmp.errors import Severity
from tests.lint.files import WEB, images, lint_text, ref

IMAGE = f"images: [{{alias: web, imageName: '{WEB}:1.x'}}]"


def two(first: str, second: str) -> str:
    """Resources `a` and `b`, each with one ref of these fields for the same image."""
    return f"{ref(f'{first}, {IMAGE}', 'a')}---\n{ref(f'{second}, {IMAGE}', 'b')}"


@pytest.mark.parametrize(
    ("first", "second", "loser", "met"),
    [
        pytest.param("namePattern: web", "namePattern: web", "b", "web", id="by name"),
        pytest.param("namePattern: 'w*'", "namePattern: web", "a", "web", id="by specificity"),
        pytest.param(
            "namePattern: '*'", "namePattern: '*-eu'", "a", "x-eu", id="both are patterns"
        ),
        pytest.param("namePattern: '[vw]eb'", "namePattern: '?eb'", "b", "veb", id="a class"),
        pytest.param(r"namePattern: 'w\eb'", "namePattern: 'web?'", None, "", id="an escape"),
        pytest.param("namePattern: '[^w]eb'", "namePattern: api", None, "", id="a negated class"),
        pytest.param("namePattern: web", "namePattern: api", None, "", id="they never meet"),
        pytest.param(
            "namePattern: web, labelSelectors: {matchLabels: {a: b}}",
            "namePattern: web",
            "b",
            "web",
            id="labels are more specific",
        ),
        pytest.param(
            "namePattern: web, labelSelectors: {matchLabels: {a: b}}",
            "namePattern: web, labelSelectors: {matchLabels: {a: c}}",
            None,
            "",
            id="labels that exclude one another",
        ),
        pytest.param(
            "namePattern: web, labelSelectors: {matchExpressions: [{key: a, operator: Exists}]}",
            "namePattern: web",
            "b",
            "web",
            id="a label that is there",
        ),
        pytest.param(
            "namePattern: web, labelSelectors: {matchExpressions: [{key: a, operator: Exists}]}",
            "namePattern: web, labelSelectors: {matchExpressions: [{key: a, operator: In, "
            "values: [b]}, {key: c, operator: DoesNotExist}]}",
            "a",
            "web",
            id="expressions",
        ),
    ],
)
def test_the_loser_is_named(
    tmp_path: Path, first: str, second: str, loser: str | None, met: str
) -> None:
    found = [each for each in lint_text(tmp_path, two(first, second)) if each.code == "RT381"]

    if loser is None:
        assert found == []
        return
    (finding,) = found
    winner = "b" if loser == "a" else "a"
    assert finding.place.line == (6 if loser == "a" else 13)
    assert finding.what.startswith(f"ImageUpdater argocd/{winner}, ref ")
    assert f"named {met}" in finding.what


def test_a_broken_rule_wins_all_the_same(tmp_path: Path) -> None:
    broken = two("namePattern: web", "namePattern: web").replace("alias: web", "alias: 1", 1)
    found = [each for each in lint_text(tmp_path, broken) if each.code == "RT381"]

    assert [each.what.partition(" rules ")[0] for each in found] == [
        f"{tmp_path / 'rules.yaml'}:6:33"
    ]


def test_resources_of_two_namespaces_never_meet(tmp_path: Path) -> None:
    first, _, second = two("namePattern: web", "namePattern: web").partition("---")
    elsewhere = second.replace("namespace: argocd", "namespace: team")

    assert lint_text(tmp_path, f"{first}---{elsewhere}") == []


def test_other_images_of_the_losing_ref_are_not_meant(tmp_path: Path) -> None:
    text = two("namePattern: web", "namePattern: web").replace(
        "images: [", "images: [{alias: own, imageName: 'registry.example.com/own:1.x'}, ", 1
    )

    assert [each.path for each in lint_text(tmp_path, text)] == [
        "spec.applicationRefs[0].images[0].imageName"
    ]


def test_three_rules_for_one_repository_are_two_findings(tmp_path: Path) -> None:
    items = ", ".join(f"{{alias: {x}, imageName: '{WEB}:{x}.x'}}" for x in (1, 2, 3))
    found = lint_text(tmp_path, images(items.replace("alias: ", "alias: v")))

    assert [(each.code, each.severity) for each in found] == [("RT380", Severity.WARNING)] * 2
    assert [each.what.partition(" both ")[0] for each in found] == ["v1 and v2", "v1 and v3"]


def test_two_rules_that_allow_the_same_tags_are_an_error(tmp_path: Path) -> None:
    items = f"{{alias: a, imageName: '{WEB}:1.x'}}, {{alias: b, imageName: '{WEB}:1.x'}}"
    (finding,) = lint_text(tmp_path, images(items))

    assert (finding.code, finding.severity) == ("RT380", Severity.ERROR)
    assert finding.remedy == "remove one of them"


def test_a_name_in_the_manifest_counts_as_its_repository(tmp_path: Path) -> None:
    kustomize = f"manifestTargets: {{kustomize: {{name: {WEB}}}}}"
    items = (
        f"{{alias: a, imageName: '{WEB}:1.x'}}, "
        f"{{alias: b, imageName: 'registry.example.com/other:1.x', {kustomize}}}"
    )

    assert [each.code for each in lint_text(tmp_path, images(items))] == ["RT380"]


def test_two_images_that_lose_are_told_each_by_its_own_repository(tmp_path: Path) -> None:
    one = "images: [{alias: web, imageName: 'registry.example.com/web:1.x'}"
    more = one + ", {alias: api, imageName: 'registry.example.com/api:1.x'}]"
    text = f"{ref(f'namePattern: web, {more}', 'a')}---\n{ref(f'namePattern: web, {more}', 'b')}"

    found = [each.what.partition(" too, ")[0] for each in lint_text(tmp_path, text)]
    assert found == [
        "ImageUpdater argocd/a, ref web, image web rules registry.example.com/web",
        "ImageUpdater argocd/a, ref web, image api rules registry.example.com/api",
    ]


def test_no_application_is_made_up_that_its_ref_does_not_match(tmp_path: Path) -> None:
    third = ref(f"namePattern: '*', {IMAGE}", "c")
    first_two = two("namePattern: '[^w]eb'", "namePattern: '*eb'")

    found = lint_text(tmp_path, f"{first_two}---\n{third}")
    assert found
    assert all(each.what.endswith("named xeb") for each in found)
