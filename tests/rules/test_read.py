"""Rules from files and directories: what is read, what is ignored, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.errors import RuleError
from cmp.located import load_documents
from cmp.located.reader import LONGEST_TEXT
from cmp.rules import RuleSet, read_rules, rules_for, rules_in
from cmp.rules.read import rules_of
from tests.rules.updaters import application, manifest, ref, text

ONE = manifest(ref("shop-1", "example.com/a"), name="one")
TWO = manifest(ref("shop-*", "example.com/a", "example.com/b"), name="two")
THREE = manifest(ref("*", "example.com/b"), name="three")
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}}


def names(rules: RuleSet) -> list[str]:
    return [str(resource) for resource in rules.resources]


@pytest.mark.parametrize(
    "stream",
    [
        text(ONE, TWO),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [ONE, TWO]}),
        json.dumps({"kind": "ImageUpdaterList", "items": [ONE, {"kind": "List", "items": [TWO]}]}),
        json.dumps([ONE])[1:-1] + "\n---\n" + json.dumps(TWO, indent="\t"),
        "---\n# only a comment\n---\n" + text(ONE, TWO) + "---\n",
    ],
    ids=["documents", "a List", "a List within a list", "tabs", "empty documents"],
)
def test_several_resources_in_one_file(stream: str) -> None:
    rules = rules_in(stream, "f")
    assert names(rules) == ["argocd/one", "argocd/two"]
    assert rules.findings == ()


def test_what_is_no_rule_is_ignored_with_a_note() -> None:
    rules = rules_in(text(CONFIG_MAP, ONE, {**ONE, "apiVersion": "other.example.com/v1"}), "f")
    assert names(rules) == ["argocd/one"]
    assert rules.notes == ("f:1:1: ConfigMap is ignored", "f:5:1: ImageUpdater is ignored")


def test_documents_that_are_read_elsewhere_become_rules() -> None:
    assert rules_of(load_documents(text(ONE, TWO), "f")) == rules_in(text(ONE, TWO), "f")


def test_a_list_without_items_holds_nothing() -> None:
    assert rules_in("kind: List", "f") == RuleSet()


def test_another_version_is_read_but_rules_nothing() -> None:
    rules = rules_in(text({**ONE, "apiVersion": "argocd-image-updater.argoproj.io/v2"}), "f")
    matched = rules_for(rules, application("shop-1"))
    assert matched.rules == ()
    assert [unit.what for unit in matched.disabled] == [
        "apiVersion is not argocd-image-updater.argoproj.io/v1alpha1"
    ]


def test_a_directory_is_read_without_its_hidden_files_and_its_directories(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(text(ONE))
    (tmp_path / "two.yml").write_text(text(TWO))
    (tmp_path / "three.json").write_text(json.dumps(THREE))
    (tmp_path / "README.md").write_text("[")
    (tmp_path / "..data.yaml").write_text("[")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "four.yaml").write_text("[")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    rules = read_rules([tmp_path])
    assert names(rules) == ["argocd/one", "argocd/three", "argocd/two"]
    assert rules.findings == ()


def test_a_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_bytes(b"\xef\xbb\xbf" + text(ONE).encode())
    assert names(read_rules([file])) == ["argocd/one"]


def test_a_path_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read_rules([tmp_path / "nowhere.yaml"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"a: [", "while parsing"),
        (b"#" * (LONGEST_TEXT + 1), f"longer than {LONGEST_TEXT} bytes"),
        (("é" * (LONGEST_TEXT // 2 + 1)).encode(), f"longer than {LONGEST_TEXT} bytes"),
        (b"\x00", "unacceptable character"),
        (b"a: &a [*a]", "aliases unfold to too many values"),
        (b"a: !!python/name:os.system", "is not allowed here"),
    ],
    ids=[
        "no text",
        "no YAML",
        "too long",
        "fewer characters than bytes",
        "NUL",
        "endless alias",
        "python tag",
    ],
)
def test_a_file_that_holds_unknown_rules_may_rule_any_image(
    content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    (tmp_path / "good.yaml").write_text(text(ONE))
    rules = read_rules([tmp_path])
    assert [says in finding.what for finding in rules.unreadable] == [True]
    assert rules.findings == rules.unreadable
    matched = rules_for(rules, application("shop-1"))
    assert [str(rule.repository) for rule in matched.rules] == ["example.com/a"]
    assert [unit.findings for unit in matched.unknown] == [(rules.unreadable[0],)]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text(ONE, TWO))
    assert read_rules([file, tmp_path, file]) == read_rules([file])


def test_two_resources_of_one_name_are_told() -> None:
    other = manifest(ref("web", "nginx"), name="one")
    (finding,) = rules_in(text(ONE, other), "f").findings
    assert "argocd/one is defined otherwise at f:" in str(finding)


def test_numbers_where_strings_are_due_do_not_hide_a_resource() -> None:
    rules = rules_in(text({**ONE, "metadata": {"name": 1, "namespace": "argocd"}}), "f")
    assert names(rules) == ["argocd/1"]
    assert [finding.path for finding in rules.findings] == ["metadata.name"]


def outcome(rules: RuleSet, name: str) -> Any:
    """All that a render depends on."""
    matched = rules_for(rules, application(name))
    return (
        [(rule.identity, rule.settings) for rule in matched.rules],
        [(unit.repositories, unit.what) for unit in matched.disabled],
        matched.notes,
    )


BROKEN = manifest(ref("shop*", {"imageName": "example.com/a", "pin": 1}), name="broken")
TWIN = manifest(ref("shop-1", "example.com/a:~2"), name="one")
RESOURCES = [ONE, TWO, THREE, BROKEN, TWIN, CONFIG_MAP]


@settings(deadline=None)  # a busy machine reads YAML slowly
@given(order=st.permutations(RESOURCES), name=st.sampled_from(["shop-1", "shop-2", "web"]))
def test_the_order_of_documents_does_not_matter(order: list[Any], name: str) -> None:
    together = rules_in(text(*RESOURCES), "f")
    assert outcome(rules_in(text(*order), "f"), name) == outcome(together, name)


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file, resources in zip(files, (RESOURCES[:3], RESOURCES[3:]), strict=True):
        file.write_text(text(*resources))
    assert read_rules(files) == read_rules(files[::-1])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "namePattern", "images", "alias", "imageName", "commonUpdateSettings",
                    "allowTags", "manifestTargets", "kustomize", "name", "labelSelectors",
                    "matchLabels", "writeBackConfig", "gitConfig", "applicationRefs", "regex",
                    "useAnnotations", "pin", "filterTags", "imagesVerification",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(spec=json_values, refs=json_values, images=json_values)
def test_nothing_that_a_resource_may_hold_makes_reading_fail(
    spec: Any, refs: Any, images: Any
) -> None:
    for each in (
        {**manifest(), "spec": spec},
        manifest(refs),
        manifest(ref("*") | {"images": [images]}),
        {**manifest(), "metadata": spec},
    ):
        rules_for(rules_in(text(each), "f"), application())
