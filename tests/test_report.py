"""Decisions as text, JSON and diff."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp import report
from cmp.pipeline import Generated
from cmp.rules import Application, Matched
from tests.memory import NOW, MemoryTags
from tests.test_pipeline import APP, DIGEST, SEMVER, pod, ruleset, run


def texts(*sides: list[str]) -> list[bytes]:
    """What is rendered, and what becomes of it."""
    return ["\n".join(lines).encode() for lines in sides]


lines = st.lists(st.sampled_from("abc"), min_size=1, max_size=60)


@given(before=lines, data=st.data())
def test_the_diff_is_the_unified_diff_where_lines_only_change_in_place(
    before: list[str], data: st.DataObject
) -> None:
    changed = data.draw(st.sets(st.integers(0, len(before) - 1)))
    # Each line is another, so that difflib has no choice of what belongs to what.
    old = [f"{i} {line}" for i, line in enumerate(before)]
    new = [f"{line} new" if i in changed else line for i, line in enumerate(old)]

    expected = list(difflib.unified_diff(old, new, "rendered", "retag", lineterm=""))

    assert [_ranged(line) for line in report.diff(*texts(old, new))] == [
        _ranged(line) for line in expected
    ]


@pytest.mark.parametrize(("apart", "hunks"), [(7, 1), (8, 2)])
def test_changes_whose_contexts_touch_are_one_hunk(apart: int, hunks: int) -> None:
    old = [str(number) for number in range(20)]
    new = [f"{line} new" if line in {"5", str(5 + apart)} else line for line in old]
    expected = difflib.unified_diff(old, new, "rendered", "retag", lineterm="")

    lines = report.diff(*texts(old, new))

    assert lines == list(expected)
    assert sum(line.startswith("@@") for line in lines) == hunks


def _ranged(line: str) -> str:
    """difflib leaves out `,1` in hunk headers, which patch reads alike."""
    return line.replace("@@ -1 +1 @@", "@@ -1,1 +1,1 @@")


def test_the_explanation_names_rule_policy_choice_places_and_each_other_tag() -> None:
    generated = run(pod(f"{APP}:1.0.0", f"{APP}@{DIGEST}"))

    assert report.explain(generated, now=NOW + 61) == [
        "web: 2 images under a rule, 2 moved",
        "",
        f"app  {APP}",
        "  rule     ImageUpdater argocd/rules, ref web, image app",
        "           rules.yaml:8:11",
        "  policy   semver",
        "  chosen   1.1.0: newest of 2 allowed versions",
        "  listed   61 s ago",
        "  image    line 6, document 1, Pod p, spec.containers[0].image: 1.0.0 → 1.1.0",
        f"  image    line 7, document 1, Pod p, spec.containers[1].image: {DIGEST} → 1.1.0",
        "  older    1.0.0",
        "  refused  2.0.0-rc.1  a pre-release, and no constraint asks for one",
        "  refused  dev-1       not a version",
        "  refused  dev-2       not a version",
    ]


def test_an_image_under_another_name_is_shown_whole() -> None:
    rules = ruleset(
        f"- {{alias: app, imageName: {APP}, manifestTargets: {{kustomize: {{name: x}}}}}}"
    )

    assert f"x:1 → {APP}:1.1.0" in "\n".join(report.explain(run(pod("x:1"), rules), now=NOW))


def test_what_stays_says_why() -> None:
    generated = run(pod(f"{APP}:1"), SEMVER, "freeze=true")
    text = report.explain(generated, now=NOW)

    assert "web: 1 image under a rule, 0 moved" in text
    assert "  kept     suspended: the Application is frozen" in text
    assert "  warning  the Application is frozen; the image stays as it is" in text
    assert f"  image    line 6, document 1, Pod p, spec.containers[0].image: {APP}:1 stays" in text


def test_no_rule_and_no_image_are_told_apart() -> None:
    no_rule = run(pod("x:1"), ruleset("- {alias: x, imageName: x}", pattern="other"))
    no_image = run(pod("x:1"))

    assert report.explain(no_rule, now=NOW) == ["web: no rule matches this Application"]
    assert report.explain(no_image, now=NOW) == ["web: no image in the manifests is under a rule"]


def test_many_tags_are_cut_in_text_and_whole_in_json() -> None:
    names = [f"1.{n}.0" for n in range(30)] + [f"dev-{n}" for n in range(30)]
    generated = run(pod(f"{APP}:1"), tags=MemoryTags({APP: names}))
    text = report.explain(generated, now=NOW)
    json = report.as_json(generated)["images"][0]

    assert "  refused  10 more (-o json shows all)" in text
    assert any(
        line.startswith("  older    1.28.0, 1.27.0") and "and 9 more" in line for line in text
    )
    assert (len(json["older"]), len(json["refused"])) == (29, 30)


def test_the_json_has_the_documented_shape() -> None:
    rules = ruleset(
        f"- {{alias: app, imageName: {APP}, commonUpdateSettings: {{forceUpdate: true}}}}"
    )
    generated = run(pod(f"{APP}:1.0.0"), rules, tags=MemoryTags({APP: ["1.1.0", "x"]}))

    assert report.as_json(generated) == {
        "application": {"name": "web", "namespace": None},
        "images": [
            {
                "alias": "app",
                "rule": "ImageUpdater argocd/rules, ref web, image app",
                "ruleAt": "rules.yaml:8:11",
                "repository": APP,
                "policy": "semver",
                "tag": "1.1.0",
                "digest": None,
                "pushed": None,
                "built": None,
                "platforms": [],
                "severity": None,
                "trusted": None,
                "signers": [],
                "verified": None,
                "kept": None,
                "why": "newest of 1 allowed version",
                "listedAt": "2026-01-01T00:00:00Z",
                "stale": None,
                "older": [],
                "refused": [{"tag": "x", "reason": "not a version"}],
                "places": [
                    {
                        "document": 1,
                        "kind": "Pod",
                        "namespace": None,
                        "name": "p",
                        "field": "spec.containers[0].image",
                        "line": 6,
                        "before": f"{APP}:1.0.0",
                        "after": f"{APP}:1.1.0",
                        "warning": None,
                    }
                ],
            }
        ],
        "held": [],
        "notes": ["app: forceUpdate has no effect"],
    }


def test_an_application_elsewhere_has_its_namespace_in_the_json() -> None:
    generated = Generated(Application(name="web", namespace="prod"), Matched(), b"", b"", ())

    assert report.as_json(generated)["application"] == {"name": "web", "namespace": "prod"}


def test_notes_stand_behind_all_images() -> None:
    rules = ruleset(
        f"- {{alias: app, imageName: {APP}, commonUpdateSettings: {{forceUpdate: true}}}}"
    )
    text = report.explain(run(pod(f"{APP}:1"), rules), now=NOW)

    assert text[-2:] == ["", "note: app: forceUpdate has no effect"]


def test_what_was_not_asked_has_no_time() -> None:
    json = report.as_json(run(pod(f"{APP}:1"), SEMVER, "pins=app=1"))["images"][0]

    assert (json["listedAt"], json["tag"], json["why"]) == (
        None,
        "1",
        "pinned by the Application's parameter pins",
    )


def test_what_is_wrong_with_a_policy_is_a_note() -> None:
    unknown = "commonUpdateSettings: {updateStrategy: newest}"
    rules = ruleset(f"- {{alias: app, imageName: {APP}, {unknown}}}")

    [note] = report.notes_of(run(pod(f"{APP}:1"), rules))
    assert note.startswith("app: updateStrategy: 'newest' is not a strategy")


def test_a_warning_is_told_once_for_each_rule() -> None:
    frozen = run(pod(f"{APP}:1", f"{APP}:2"), SEMVER, "freeze=true")

    assert report.warnings(frozen) == ["app: the Application is frozen; the image stays as it is"]
    assert report.warnings(run(pod(f"{APP}:1"))) == []


def test_a_disabled_rule_is_not_called_none() -> None:
    rules = ruleset(f"- {{alias: app, imageName: {APP}, pin: 1.10}}")
    text = report.explain(run(pod("other:1"), rules), now=NOW)

    assert text == ["web: no image in the manifests is under a rule"]
