"""What an Application matches is remembered, and is always what it matches now."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cmp.rules import Application, Resource, RuleSet, rules_for
from cmp.rules.application import Source
from tests.rules.updaters import application, ref, resource, ruleset

PREFIX = "argocd-image-updater.argoproj.io/"
LIST = f"{PREFIX}image-list"
PROD = {"matchLabels": {"env": "prod"}}
VARIABLE = {
    "alias": "nginx",
    "imageName": "nginx",
    "manifestTargets": {"plugin": {"tag": "TAG"}},
}
UPDATERS = [
    resource(ref("shop-*", "nginx:~1", "redis"), ref("*", "nginx")),
    resource(ref("*", "redis:~2", labelSelectors=PROD), name="labels"),
    resource({"namePattern": "*", "useAnnotations": True}, name="annotations"),
    resource(ref("[", "broken"), name="unclear"),
    resource(ref("web", VARIABLE), name="variables", namespace="other"),
]
TEXTS = st.sampled_from(["nginx:~1", "a=redis, b=nginx", "a=", "true", "~1"])
ANNOTATIONS = st.none() | st.dictionaries(
    st.sampled_from([LIST, f"{PREFIX}a.allow-tags", f"{PREFIX}a.force-update", "unlike"]), TEXTS
)
LABELS = st.none() | st.dictionaries(
    st.sampled_from(["env", "team"]), st.sampled_from(["prod", "dev"]), max_size=2
)
APPLICATIONS = st.builds(
    Application,
    name=st.sampled_from(["shop-1", "web"]),
    namespace=st.sampled_from(["", "argocd", "other"]),
    project=st.sampled_from(["", "default"]),
    labels=LABELS,
    annotations=ANNOTATIONS,
    images=st.none() | st.just(("nginx:1",)),
    variables=st.sampled_from([(), ("TAG",)]),
    sources=st.sampled_from([(), (Source("https://git.example.com/a", "a"),)]),
    refresh_asked_at=st.sampled_from([0.0, 1.0]),
    recognised=st.booleans(),
)


@given(
    updaters=st.lists(st.sampled_from(UPDATERS), unique_by=str),
    asked=st.lists(APPLICATIONS, min_size=1, max_size=12),
)
def test_what_is_remembered_is_what_would_be_found(
    updaters: list[Resource], asked: list[Application]
) -> None:
    rules = ruleset(*updaters)
    for who in [*asked, *asked]:
        assert rules.matched(who) == rules_for(rules, who)


def test_who_is_the_same_to_the_rules_is_not_looked_at_twice() -> None:
    rules = ruleset(*UPDATERS)
    who = application("shop-1", annotations={LIST: "nginx", "other": "1"})
    later = replace(who, annotations={LIST: "nginx", "other": "2"}, refresh_asked_at=5)
    assert rules.matched(later) is rules.matched(who)


def test_another_list_of_images_is_another_match() -> None:
    rules = ruleset(*UPDATERS)
    annotations = {LIST: "a=nginx"}
    who = application("web", annotations=annotations)
    before = rules.matched(who)
    annotations[LIST] = "a=redis"  # in place, as a cache of Applications might do
    assert rules.matched(who) != before


def test_an_application_with_very_much_text_is_not_remembered() -> None:
    rules = ruleset(*UPDATERS)
    who = application("shop-1", annotations={LIST: "nginx," * 1_000})
    assert rules.matched(who) is not rules.matched(who)
    assert rules.matched(who) == rules_for(rules, who)


def test_rule_sets_are_equal_whatever_they_remember() -> None:
    rules = ruleset(*UPDATERS)
    rules.matched(application())
    assert rules == RuleSet.of(UPDATERS)


def test_what_is_left_in_the_plugins_variables_counts() -> None:
    rules = ruleset(*UPDATERS)
    who = application("web", namespace="other")
    assert rules.matched(who).notes == ()
    assert any("TAG" in note for note in rules.matched(replace(who, variables=("TAG",))).notes)
