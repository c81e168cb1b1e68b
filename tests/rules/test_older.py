"""The older form means what it says, and each of its fields is told with its place."""

from __future__ import annotations

import re

import pytest

from cmp.errors import Severity
from cmp.rules import Application, RuleSet, rules_for, rules_in

HEAD = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: updater, namespace: argocd}
spec:
"""
EXAMPLE = (
    HEAD
    + """\
  namespace: argocd
  applicationRefs:
    - namePattern: profanity-*
      images:
        - imageName: registry.example.com/profanity-api
          updateStrategy: semver
          allowTags:
            - regex: ^v[0-9]+\\.[0-9]+\\.[0-9]+$
"""
)
APPLICATION = Application(name="profanity-filter", namespace="argocd")


def image(fields: str) -> RuleSet:
    """The rules of one image with *fields* (flow style)."""
    return rules_in(
        f"{HEAD}  applicationRefs:\n  - namePattern: '*'\n    images:\n    - {{{fields}}}\n", "r"
    )


def told(rules: RuleSet) -> list[str]:
    return [f"{each.severity} {each}" for each in rules.findings]


def test_the_example_is_one_rule() -> None:
    (rule,) = rules_for(rules_in(EXAMPLE, "rules.yaml"), APPLICATION).rules
    assert str(rule.repository) == "registry.example.com/profanity-api"
    assert rule.alias == "profanity-api"
    assert rule.settings.strategy == "semver"
    assert rule.settings.allow_tags == (r"regexp:^v[0-9]+\.[0-9]+\.[0-9]+$",)
    assert str(rule.place) == "rules.yaml:9:11"


def test_each_older_field_of_the_example_is_a_warning_with_its_place() -> None:
    findings = rules_in(EXAMPLE, "rules.yaml").findings
    assert {each.severity for each in findings} == {Severity.WARNING}
    assert [(str(each.place), each.code, each.path) for each in findings] == [
        ("rules.yaml:5:14", "RT315", "spec.namespace"),
        ("rules.yaml:9:11", "RT312", "spec.applicationRefs[0].images[0]"),
        ("rules.yaml:10:11", "RT310", "spec.applicationRefs[0].images[0].updateStrategy"),
        ("rules.yaml:11:11", "RT310", "spec.applicationRefs[0].images[0].allowTags"),
        ("rules.yaml:12:13", "RT313", "spec.applicationRefs[0].images[0].allowTags"),
    ]


def test_settings_directly_on_an_image_are_its_settings() -> None:
    rules = image(
        "alias: a, imageName: example.com/a, updateStrategy: digest, ignoreTags: [x],"
        " pullSecret: 'secret:argocd/name#field', platforms: [linux/amd64], forceUpdate: true"
    )
    (rule,) = rules_for(rules, APPLICATION).rules
    assert rule.settings.strategy == "digest"
    assert rule.settings.ignore_tags == ("x",)
    assert rule.settings.platforms == ("linux/amd64",)
    assert rule.pull_secret == "secret:argocd/name#field"
    assert rule.force_update


def test_the_official_place_wins_over_the_older_one() -> None:
    rules = image(
        "alias: a, imageName: example.com/a, updateStrategy: digest, allowTags: any,"
        " commonUpdateSettings: {updateStrategy: semver}"
    )
    (rule,) = rules_for(rules, APPLICATION).rules
    assert rule.settings.strategy == "semver"
    assert rule.settings.allow_tags == ("any",)
    assert [each.code for each in rules.findings] == ["RT311", "RT310"]


def test_what_an_api_server_refuses_is_refused_also_where_another_wins() -> None:
    rules = image(
        "alias: a, imageName: example.com/a, allowTags: [], commonUpdateSettings: {allowTags: any}"
    )
    assert rules_for(rules, APPLICATION).rules == ()
    assert [each.code for each in rules.findings] == ["RT311", "RT314"]


@pytest.mark.parametrize(
    ("names", "aliases"),
    [
        (
            ["example.com/a/api", "example.com/b/api", "example.com/c/api"],
            ["api", "api-2", "api-3"],
        ),
        (["example.com/api:~1.2", "nginx"], ["api", "nginx"]),
    ],
    ids=["made unique", "without a tag"],
)
def test_a_missing_alias_is_the_last_path_element(names: list[str], aliases: list[str]) -> None:
    images = "".join(f"    - {{imageName: '{name}'}}\n" for name in names)
    rules = rules_in(f"{HEAD}  applicationRefs:\n  - namePattern: '*'\n    images:\n{images}", "r")
    assert [rule.alias for rule in rules_for(rules, APPLICATION).rules] == aliases
    assert {each.code for each in rules.findings} == {"RT312"}


def test_a_list_of_expressions_allows_what_any_allows_at_every_level() -> None:
    rules = rules_in(
        HEAD
        + "  commonUpdateSettings: {allowTags: [{regex: a}, {regex: b}]}\n"
        + "  applicationRefs:\n"
        + "  - namePattern: '*'\n"
        + "    images: [{alias: a, imageName: example.com/a}]\n",
        "r",
    )
    (rule,) = rules_for(rules, APPLICATION).rules
    assert rule.settings.allow_tags == ("regexp:a", "regexp:b")


def test_the_older_form_of_a_ref_is_told_too() -> None:
    rules = rules_in(
        HEAD
        + "  applicationRefs:\n"
        + "  - namePattern: '*'\n"
        + "    commonUpdateSettings: {allowTags: [{regex: a}]}\n"
        + "    images: [{alias: a, imageName: example.com/a}]\n",
        "r",
    )
    assert [(each.code, str(each.place)) for each in rules.findings] == [("RT313", "r:7:39")]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            "['^v']",
            "r:8:56: spec.applicationRefs[0].images[0].allowTags[0]: allowTags is one string",
        ),
        ("[{regex: 1.10}]", "allowTags[0].regex: allowTags is one string"),
        ("[{regex: 'regexp:^v'}]", "without regexp:"),
        ("[{regex: a, other: b}]", "allowTags is one string"),
        ("[{}]", "allowTags is one string"),
        ("1.10", 'allowTags: a string is due here: quote it ("1.10")'),
        ("[]", "allowTags: an empty list allows nothing; write a filter, or remove the field"),
        ("{regex: a}", "allowTags: a string is due here, not a mapping"),
    ],
)
def test_other_forms_of_allow_tags_are_refused(value: str, says: str) -> None:
    rules = image(f"alias: a, imageName: example.com/a, allowTags: {value}")
    errors = [str(each) for each in rules.findings if each.severity is Severity.ERROR]
    assert len(errors) == 1
    assert says in errors[0]
    assert rules_for(rules, APPLICATION).rules == ()


def test_settings_of_a_wrong_type_are_told_beside_older_fields() -> None:
    rules = image("alias: a, imageName: example.com/a, allowTags: any, commonUpdateSettings: []")
    assert re.search("commonUpdateSettings: a mapping is due here", "\n".join(told(rules)))


def test_the_committer_is_accepted_without_effect() -> None:
    rules = rules_in(
        HEAD
        + "  writeBackConfig: {method: git, gitCommitUser: me, gitCommitEmail: me@example.com}\n"
        + "  applicationRefs:\n"
        + "  - namePattern: '*'\n"
        + "    images: [{alias: a, imageName: example.com/a}]\n",
        "r",
    )
    assert [each.code for each in rules.findings] == ["RT316", "RT316"]
    assert len(rules_for(rules, APPLICATION).rules) == 1


def test_the_older_namespace_is_where_the_applications_are() -> None:
    rules = rules_in(EXAMPLE.replace("namespace: argocd\n", "namespace: team\n"), "r")
    assert rules_for(rules, APPLICATION).rules == ()
    elsewhere = Application(name="profanity-filter", namespace="team")
    assert len(rules_for(rules, elsewhere).rules) == 1


def test_a_duplicate_key_in_the_settings_of_an_image_is_a_fault_of_that_image() -> None:
    rules = image(
        "alias: a, imageName: example.com/a, allowTags: any,"
        " commonUpdateSettings: {ignoreTags: [a], ignoreTags: [b]}"
    )
    (unit,) = rules_for(rules, APPLICATION).disabled
    assert unit.what.startswith("the key stands twice")


def test_a_write_back_of_a_wrong_type_is_told() -> None:
    text = f"{HEAD}  writeBackConfig: []\n  applicationRefs: []\n"
    told = [str(each) for each in rules_in(text, "r").findings]
    assert "r:5:20: spec.writeBackConfig: a mapping is due here, not a list [RT306]" in told
