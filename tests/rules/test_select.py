"""Which ref governs an Application, and what happens where one fails."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import Place
from cmp.located import locate
from cmp.policy.settings import FilterTags, Settings
from cmp.rules import Application, DisabledUnit, Resource, Rule
from cmp.rules.resource import read_resource
from cmp.rules.select import govern, specificity
from tests.rules.updaters import application, manifest, ref, resource, resource_of

PREFIX = "argocd-image-updater.argoproj.io/"
PROD = {"matchLabels": {"env": "prod"}}
BY_LABEL = ref("*", "nginx", labelSelectors=PROD)
GIT = {"method": "git", "gitConfig": {"branch": "a:b:c"}}


def governing(updater: Resource, who: Application) -> str | None:
    """The pattern of the ref that governs."""
    ref = govern(updater, who).ref
    return ref.pattern if ref else None


@pytest.mark.parametrize(
    ("patterns", "name", "wins"),
    [
        (["*", "shop-*", "shop-1"], "shop-1", "shop-1"),
        (["shop-*", "shop-prod-*"], "shop-prod-1", "shop-prod-*"),
        (["shop-?", "shop-*"], "shop-1", "shop-?"),
        (["shop-*", "shop-?"], "shop-1", "shop-*"),
        (["shop-[0-9]", "shop*"], "shop-1", "shop-[0-9]"),
        (["é*", "ab*"], "éb", "é*"),
        (["web"], "shop", None),
        (["[z-a]", "*"], "shop", "*"),
    ],
    ids=[
        "an exact name beats patterns",
        "more letters win",
        "of equal ones the first",
        "of equal ones the first, whichever it is",
        "a class counts for nothing",
        "letters count in bytes",
        "nothing matches",
        "an empty class",
    ],
)
def test_the_most_specific_pattern_governs(
    patterns: list[str], name: str, wins: str | None
) -> None:
    updater = resource(*(ref(pattern, "nginx") for pattern in patterns))
    assert governing(updater, application(name)) == wins


@pytest.mark.parametrize(
    ("pattern", "selector", "score"),
    [
        ("shop", None, 1_000_004),
        ("shop-*", None, 5),
        ("s[ho*]p?", None, 2),
        ("shop]", None, 5),
        ("*", {}, 10_000),
        ("*", {"matchLabels": {"a": "1", "b": "2"}}, 10_200),
        ("a*", {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, 10_101),
    ],
)
def test_the_score_is_the_image_updaters(pattern: str, selector: Any, score: int) -> None:
    fields = {} if selector is None else {"labelSelectors": selector}
    (only,) = resource(ref(pattern, "nginx", **fields)).refs or ()
    assert specificity(only) == score


@pytest.mark.parametrize(
    ("own", "where", "governs"),
    [("argocd", "argocd", "*"), ("argocd", "team", None), ("argocd", "", "*"), ("", "team", "*")],
    ids=["its own namespace", "another one", "the Application's is unknown", "the file says none"],
)
def test_a_resource_rules_the_applications_of_its_namespace(
    own: str, where: str, governs: str | None
) -> None:
    updater = resource(ref("*", "nginx"), namespace=own)
    assert governing(updater, application(namespace=where)) == governs


def test_labels_are_worth_more_than_a_pattern_and_less_than_a_name() -> None:
    updater = resource(BY_LABEL, ref("shop-*", "nginx"), ref("web", "nginx"))
    prod = {"env": "prod"}
    assert governing(updater, application("shop-1", labels=prod)) == "*"
    assert governing(updater, application("shop-1", labels={"env": "dev"})) == "shop-*"
    assert governing(updater, application("web", labels=prod)) == "web"


def test_a_ref_with_labels_does_not_match_while_labels_are_unknown_and_says_so() -> None:
    says = govern(resource(BY_LABEL), application(labels=None))
    assert says.ref is None
    (note,) = says.notes
    assert note.startswith("ref * of argocd/updater does not count: it selects by labels")
    assert note.endswith("and those of argocd/shop are unknown")


def test_a_ref_with_annotations_does_not_match_while_they_are_unknown_and_says_so() -> None:
    updater = resource({"namePattern": "*", "useAnnotations": True})
    says = govern(updater, application(annotations=None))
    assert (says.ref, says.units) == (None, ())
    assert "those of argocd/shop are unknown" in says.notes[0]


FAILING = {
    "a malformed pattern": ref("shop-[", "nginx"),
    "an invalid selector": ref("shop*", "nginx", labelSelectors={"matchLabels": {"": "1"}}),
    "a faulty write-back": ref("shop*", "nginx", writeBackConfig=GIT),
}


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING.keys())
def test_a_ref_that_fails_is_passed_over_for_the_next(failing: Any) -> None:
    says = govern(resource(failing, ref("*", "redis")), application("shop-1"))
    assert says.ref is not None
    assert says.ref.pattern == "*"
    assert "is passed over" in says.notes[0]


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING.keys())
def test_where_no_other_ref_matches_the_images_of_a_failing_one_are_disabled(failing: Any) -> None:
    says = govern(resource(failing), application("shop-1"))
    (unit,) = says.units
    assert [str(each) for each in unit.repositories] == ["docker.io/library/nginx"]


def test_a_malformed_pattern_concerns_no_name_with_another_beginning() -> None:
    assert govern(resource(ref("shop-[", "nginx")), application("web")).units == ()


def test_a_failing_ref_without_images_disables_nothing() -> None:
    assert govern(resource(ref("*", writeBackConfig=GIT)), application()).units == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"commonUpdateSettings": {"ignoreTags": "x"}},
        {"commonUpdateSettings": {"ignoreTag": ["x"]}},
        {"labelSelector": PROD},
    ],
    ids=["wrong type", "misspelt gate", "misspelt selector"],
)
def test_a_broken_ref_governs_and_its_images_are_disabled(fields: Any) -> None:
    updater = resource(ref("shop*", "example.com/a", "example.com/b", **fields), ref("*", "redis"))
    says = govern(updater, application())
    assert says.ref is not None
    assert says.ref.pattern == "shop*"
    assert sorted(str(name) for unit in says.units for name in unit.repositories) == [
        "example.com/a",
        "example.com/b",
    ]
    assert govern(updater, application("web")).units != ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("commonUpdateSettings", {"suspend": True}),
        ("commonUpdateSetting", {"suspend": True}),
        ("denyTags", ["x"]),
        ("imagesVerification", {}),
        ("applicationRefs", []),
    ],
)
def test_a_guard_beside_the_spec_breaks_the_resource(field: str, value: Any) -> None:
    updater = read_resource(locate({**manifest(ref("*", "nginx")), field: value}, Place("test")))
    (unit,) = govern(updater, application()).units
    assert isinstance(unit, DisabledUnit)
    assert unit.what == f"there is no field {field} here"


@pytest.mark.parametrize("field", ["status", "x-anchors"])
def test_what_else_stands_beside_the_spec_disables_nothing(field: str) -> None:
    updater = read_resource(locate({**manifest(ref("*", "nginx")), field: {}}, Place("test")))
    (rule,) = govern(updater, application()).units
    assert isinstance(rule, Rule)


def test_a_broken_ref_disables_nothing_of_applications_that_it_does_not_select() -> None:
    broken = {**ref("*", "nginx", labelSelectors=PROD), "commonUpdateSettings": []}
    updater = resource(broken, ref("shop", "redis"))
    (unit,) = govern(resource(broken), application(labels={"env": "prod"})).units
    assert isinstance(unit, DisabledUnit)
    assert govern(resource(broken), application(labels={"env": "dev"})).units == ()
    assert governing(updater, application()) == "shop"


@pytest.mark.parametrize("pattern", [None, [], "x" * 1025], ids=["none", "a list", "too long"])
def test_a_pattern_that_cannot_be_read_disables_its_images_everywhere_and_no_others(
    pattern: Any,
) -> None:
    unread = {**ref("*", "nginx"), "namePattern": pattern}
    sound = govern(resource(unread, ref("shop", "nginx", "redis")), application())
    (disabled,) = sound.unclear
    assert [str(each) for each in disabled.repositories] == ["docker.io/library/nginx"]
    assert [isinstance(unit, Rule) for unit in sound.units] == [True, True]
    name = "x" * 1025
    assert len(govern(resource(unread), application(name)).unclear) == 1


@pytest.mark.parametrize("selector", [[], {"matchLabels": {"env": 1}}])
def test_a_selector_that_cannot_be_read_disables_what_the_pattern_names(selector: Any) -> None:
    unread = ref("shop*", "nginx", labelSelectors=selector)
    updater = resource(unread, ref("*", "nginx"), ref("shop-1", "nginx"))
    for name in ("shop", "shop-1"):
        says = govern(updater, application(name))
        assert (len(says.unclear), len(says.units)) == (1, 1)
    assert govern(updater, application("web")).unclear == ()


def test_a_broken_resource_disables_what_its_refs_rule_and_no_more() -> None:
    updater = resource(ref("shop", "nginx"), commonUpdateSettings=[])
    (unit,) = govern(updater, application("shop")).units
    assert isinstance(unit, DisabledUnit)
    assert unit.what == "a mapping is due here, not a list"
    assert govern(updater, application("web")).units == ()


@pytest.mark.parametrize(
    "fields",
    [{"images": {}}, {"images": "nginx"}, {"image": [{"imageName": "nginx"}]}],
    ids=["a mapping of images", "a string", "misspelt"],
)
def test_a_ref_whose_images_cannot_be_read_may_rule_any_image(fields: Any) -> None:
    (unit,) = govern(resource({"namePattern": "*", **fields}), application()).units
    assert unit.repositories == frozenset()


@pytest.mark.parametrize(
    "spec",
    [{"applicationRefs": {}}, {"applicationRef": []}, [], None, {"applicationRefs": "x"}],
    ids=["a mapping", "misspelt", "no mapping", "no spec", "a string"],
)
def test_a_resource_whose_refs_cannot_be_read_may_rule_any_image(spec: Any) -> None:
    (unit,) = govern(resource_of(spec), application()).units
    assert unit.repositories == frozenset()
    assert govern(resource_of(spec), application(namespace="team")).units == ()


def test_an_empty_list_of_refs_rules_nothing() -> None:
    assert govern(resource_of({"applicationRefs": []}), application()).units == ()


def annotated(**annotations: str) -> Application:
    named = {PREFIX + name.replace("_", "-"): value for name, value in annotations.items()}
    return application(annotations=named)


ANNOTATED_REF = {"namePattern": "shop", "useAnnotations": True}


def test_annotations_name_the_images_of_a_ref_that_uses_them() -> None:
    says = govern(resource(ANNOTATED_REF), annotated(image_list="a=nginx:~1, example.com/b"))
    assert [(image.written_alias, image.alias) for image in says.images] == [("a", "a"), ("", "b")]
    assert [str(unit.repository) for unit in says.units if isinstance(unit, Rule)] == [
        "docker.io/library/nginx",
        "example.com/b",
    ]


def test_annotated_images_without_alias_get_one_of_their_own() -> None:
    says = govern(resource(ANNOTATED_REF), annotated(image_list="x/api,y/api,api=z/api"))
    assert [image.alias for image in says.images] == ["api", "api-2", "api-3"]


@pytest.mark.parametrize("listed", [{}, {"image_list": " , "}], ids=["no list", "an empty one"])
def test_a_ref_says_nothing_of_an_application_that_lists_no_image(listed: dict[str, str]) -> None:
    alone = govern(resource(ANNOTATED_REF), annotated(**listed))
    assert (alone.ref, alone.units) == (None, ())
    assert governing(resource(ANNOTATED_REF, ref("*", "nginx")), annotated(**listed)) == "*"


@pytest.mark.parametrize(
    ("annotations", "disabled"),
    [
        ({"image_list": "nginx", "force_update": "yes"}, {"docker.io/library/nginx"}),
        ({"image_list": "nginx", "write_back_method": "svn"}, {"docker.io/library/nginx"}),
        ({"image_list": "a="}, set()),
    ],
    ids=["no boolean", "faulty write-back", "no image after the alias"],
)
def test_faulty_annotations_pass_the_ref_over(
    annotations: dict[str, str], disabled: set[str]
) -> None:
    (unit,) = govern(resource(ANNOTATED_REF), annotated(**annotations)).units
    assert isinstance(unit, DisabledUnit)
    assert {str(each) for each in unit.repositories} == disabled
    assert str(unit.findings[0].place) == "Application argocd/shop"
    assert governing(resource(ANNOTATED_REF, ref("*", "redis")), annotated(**annotations)) == "*"


def test_a_broken_ref_with_annotations_disables_the_images_that_are_listed() -> None:
    broken = {**ANNOTATED_REF, "labelSelector": PROD}
    (unit,) = govern(resource(broken), annotated(image_list="nginx")).units
    assert [str(each) for each in unit.repositories] == ["docker.io/library/nginx"]


GUARDS = {
    "denyTags": ["2024*"],
    "suspend": True,
    "minAge": "3d",
    "requireTrusted": True,
    "maxSeverity": "low",
    "orderBy": "pushed",
    "output": "digest",
    "filterTags": {"pattern": "^v"},
}
OFFICIAL = {
    "updateStrategy": "digest",
    "allowTags": "regexp:^v",
    "ignoreTags": ["x"],
    "platforms": ["linux/arm64"],
    "pullSecret": "pullsecret:ns/name",
    "forceUpdate": True,
}


@pytest.mark.parametrize("at_the_ref", [True, False], ids=["at the ref", "at the spec"])
def test_annotations_replace_the_official_settings_above_them_and_no_guard(
    *, at_the_ref: bool
) -> None:
    block = {"commonUpdateSettings": GUARDS | OFFICIAL}
    updater = resource(ANNOTATED_REF | block) if at_the_ref else resource(ANNOTATED_REF, **block)
    (rule,) = govern(updater, annotated(image_list="nginx:~1", ignore_tags="dev")).units
    assert isinstance(rule, Rule)
    assert rule.settings == Settings(
        constraint="~1",
        ignore_tags=("dev",),
        deny_tags=("2024*",),
        suspend=True,
        min_age="3d",
        require_trusted=True,
        max_severity="low",
        order_by="pushed",
        output="digest",
        filter_tags=FilterTags("^v"),
    )
    assert rule.pull_secret == ""
    assert not rule.force_update


KEY = {"cosignKey": {"secretName": "cosign", "key": "pub"}}


@pytest.mark.parametrize(
    ("spec", "own", "verify"),
    [
        (KEY, None, True),
        (None, KEY, True),
        (KEY, {"enabled": False}, True),
        (KEY, {}, True),
        ({"enabled": False}, None, False),
        (None, None, False),
    ],
    ids=[
        "of the spec",
        "of the ref",
        "the ref cannot turn it off",
        "of the spec, whose key the ref inherits",
        "turned off by the spec",
        "none",
    ],
)
def test_verification_above_annotations_holds(spec: Any, own: Any, *, verify: bool) -> None:
    updater = resource({**ANNOTATED_REF, "imagesVerification": own}, imagesVerification=spec)
    (rule,) = govern(updater, annotated(image_list="nginx")).units
    assert isinstance(rule, Rule)
    assert rule.settings.verify is verify


@pytest.mark.parametrize("spec", [None, {}], ids=["not the spec either", "nor does the spec"])
def test_verification_of_annotated_images_needs_a_key(spec: Any) -> None:
    without_key = {**ANNOTATED_REF, "imagesVerification": {}}
    updater = resource(without_key, imagesVerification=spec)
    (unit,) = govern(updater, annotated(image_list="nginx")).units
    assert isinstance(unit, DisabledUnit)
    assert unit.what == "imagesVerification is on and has no cosignKey"


patterns = st.lists(
    st.sampled_from(["*", "shop*", "shop-?", "shop-1", "s*-1", "web", "[", "shop-["]),
    min_size=1,
    max_size=5,
    unique=True,
)


@given(patterns=patterns, name=st.sampled_from(["shop-1", "shop", "web", "x"]), data=st.data())
def test_the_order_of_refs_matters_only_between_equal_scores(
    patterns: list[str], name: str, data: st.DataObject
) -> None:
    ordered = [ref(pattern, "nginx") for pattern in patterns]
    shuffled = data.draw(st.permutations(ordered))
    scores = [specificity(each) for each in resource(*ordered).refs or ()]
    if len(set(scores)) == len(scores):
        assert governing(resource(*ordered), application(name)) == governing(
            resource(*shuffled), application(name)
        )


@given(patterns=patterns, name=st.sampled_from(["shop-1", "shop", "web", "x"]))
def test_a_ref_that_does_not_match_never_changes_who_governs(
    patterns: list[str], name: str
) -> None:
    ordered = [ref(pattern, "nginx") for pattern in patterns]
    other = ref("another-application", "nginx")
    assert governing(resource(*ordered), application(name)) == governing(
        resource(other, *ordered), application(name)
    )
