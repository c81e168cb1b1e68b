"""Rules from files and directories: what is read, what is ignored, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.errors import RuleError, Severity
from cmp.located import load_documents
from cmp.located.reader import LONGEST_TEXT
from cmp.rules import Application, RuleSet, read_rules, rules_for, rules_in
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
    rules = rules_in(text(CONFIG_MAP, ONE, {**CONFIG_MAP, "kind": "Secret"}), "f")
    assert names(rules) == ["argocd/one"]
    assert rules.notes == ("f:1:1: ConfigMap is ignored", "f:5:1: Secret is ignored")
    assert rules.findings == ()


@pytest.mark.parametrize(
    ("slip", "place"),
    [
        ({**ONE, "apiVersion": "argocd-image-updater.argoproj.com/v1alpha1"}, "apiVersion"),
        ({**ONE, "kind": "ImageUpdate"}, "kind"),
        ({**ONE, "kind": ["ImageUpdater"]}, "kind"),
        ({**ONE, "kind": None}, ""),
        ({"apiVersion": ONE["apiVersion"], "kind": "ImageUpdate"}, "kind"),
        ({"spec": ONE["spec"]}, ""),
        ({"kind": "Rules", "apiVersion": "v1", "spec": {"applicationRefs": None}}, "apiVersion"),
        ({"kind": "Rules", "applicationRefs": []}, ""),
        ([CONFIG_MAP, ONE], ""),
    ],
    ids=[
        "a slip in the group",
        "a slip in the kind",
        "a list for a kind",
        "no kind",
        "neither the kind nor a spec",
        "only a spec",
        "another resource with refs",
        "refs without a spec",
        "a bare list",
    ],
)
def test_what_may_be_meant_as_rules_may_rule_any_image(slip: Any, place: str) -> None:
    rules = rules_in(text(CONFIG_MAP, slip), "f")
    assert names(rules) == []
    (finding,) = rules.unreadable
    assert (finding.code, finding.severity, finding.path) == ("RT309", Severity.ERROR, place)
    assert rules_for(rules, application()).unknown != ()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("kind: List", "the field items is missing"),
        ("{kind: List, item: []}", "the field items is missing"),
        ("{kind: List, items: {}}", "a list is due here, not a mapping"),
        ("{kind: ImageUpdaterList, items: [], items: []}", "the key stands twice"),
        ("{kind: List, kind: List, items: []}", "the key stands twice"),
    ],
)
def test_a_broken_list_may_rule_any_image(broken: str, says: str) -> None:
    (finding,) = rules_in(broken, "f").unreadable
    assert finding.what.startswith(says)


@pytest.mark.parametrize("content", ["", "# nothing", "a: 1", "{kind: List, items: []}"])
def test_a_path_without_rules_is_told(content: str, tmp_path: Path) -> None:
    file, other = tmp_path / "rules.yaml", tmp_path / "one.yaml"
    file.write_text(content)
    other.write_text(text(ONE))
    told = [finding for finding in read_rules([file, other]).findings if finding.code == "RT370"]
    assert [str(each) for each in told] == [
        f"{file}: holds no ImageUpdater, so it rules nothing [RT370]"
    ]
    assert [each.severity for each in told] == [Severity.WARNING]
    assert "RT370" not in {each.code for each in read_rules([tmp_path]).findings}


def test_an_empty_folder_is_told_and_a_faulty_file_is_not_told_twice(tmp_path: Path) -> None:
    assert [each.code for each in read_rules([tmp_path]).findings] == ["RT370"]
    (tmp_path / "bad.yaml").write_text("[")
    assert [each.code for each in read_rules([tmp_path]).findings] == ["RT300"]


def test_documents_that_are_read_elsewhere_become_rules() -> None:
    assert rules_of(load_documents(text(ONE, TWO), "f")) == rules_in(text(ONE, TWO), "f")


@pytest.mark.parametrize("items", ["[]", ""])
def test_a_list_of_nothing_holds_nothing(items: str) -> None:
    assert rules_in(f"kind: List\nitems: {items}", "f") == RuleSet()


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


SOUND = """\
{
  apiVersion: argocd-image-updater.argoproj.io/v1alpha1,
  kind: ImageUpdater,
  metadata: {name: updater, namespace: argocd},
  spec: {applicationRefs: [{
    namePattern: shop,
    labelSelectors: {matchLabels: {env: prod}},
    useAnnotations: false,
    images: [{
      alias: app,
      imageName: example.com/app,
      manifestTargets: {kustomize: {"name": upstream.example.com/app}},
    }],
  }]},
}
"""
SHOP = application("shop", labels={"env": "prod"})
UNLABELLED = application("shop")
ELSEWHERE = application("shop", namespace="team", labels={"env": "prod"})
OTHER = application("other", labels={"env": "prod"})
KNOWN = ["example.com/app", "upstream.example.com/app"]
UNKNOWN: list[str] = []


@pytest.mark.parametrize(
    ("twin", "who", "disabled"),
    [
        ("apiVersion: v1", OTHER, UNKNOWN),
        ("kind: ConfigMap", OTHER, UNKNOWN),
        ("metadata: {name: updater, namespace: team}", ELSEWHERE, KNOWN),
        ("namespace: team", ELSEWHERE, KNOWN),
        ("spec: {}", OTHER, UNKNOWN),
        ("applicationRefs: []", OTHER, UNKNOWN),
        ("namePattern: web", OTHER, KNOWN),
        ("labelSelectors: {}", UNLABELLED, KNOWN),
        ("matchLabels: {}", UNLABELLED, KNOWN),
        ("env: test", UNLABELLED, KNOWN),
        ("useAnnotations: true", SHOP, UNKNOWN),
        ("images: []", SHOP, UNKNOWN),
        ("alias: web", SHOP, KNOWN),
        ("imageName: example.com/web", SHOP, UNKNOWN),
        ("manifestTargets: {}", SHOP, UNKNOWN),
        ("kustomize: {}", SHOP, UNKNOWN),
        ('"name": upstream.example.com/web', SHOP, UNKNOWN),
    ],
)
def test_a_key_that_stands_twice_disables_whatever_either_value_may_mean(
    twin: str, who: Application, disabled: list[str]
) -> None:
    key = twin.partition(":")[0] + ":"
    assert SOUND.count(key) == 1
    matched = rules_for(rules_in(SOUND.replace(key, f"{twin}, {key}"), "f"), who)
    assert matched.rules == ()
    (unit,) = matched.disabled
    assert sorted(map(str, unit.repositories)) == disabled
    assert unit.what.startswith("the key stands twice")


def test_an_older_namespace_that_stands_twice_may_be_any() -> None:
    text = SOUND.replace("spec: {", "spec: {namespace: a, namespace: b, ")
    (unit,) = rules_for(rules_in(text, "f"), ELSEWHERE).disabled
    assert unit.what.startswith("the key stands twice")


@pytest.mark.parametrize(
    ("targets", "disabled"),
    [
        ("{kustomize: {name: upstream.example.com/app}}, pin: 1", KNOWN),
        ("{kustomize: {name: 1.10}}", UNKNOWN),
        ("[]", UNKNOWN),
    ],
    ids=["sound, and a fault beside them", "a number", "a list"],
)
def test_an_image_with_faulty_targets_may_stand_under_any_name(
    targets: str, disabled: list[str]
) -> None:
    sound = '{kustomize: {"name": upstream.example.com/app}}'
    (unit,) = rules_for(rules_in(SOUND.replace(sound, targets), "f"), SHOP).disabled
    assert sorted(map(str, unit.repositories)) == disabled


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
        ruleset = rules_in(text(each), "f")
        matched = rules_for(ruleset, application())
        assert all(finding.place.line for finding in ruleset.findings)
        assert not matched.disabled or ruleset.findings
