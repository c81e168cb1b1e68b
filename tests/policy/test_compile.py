"""Settings become policies whatever is in them; what is wrong is told field by field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.policy import FilterTags, Kept, Output, PolicyFault, Settings, choose, compile_policy
from cmp.reference import Repository
from cmp.tags import Listing, Needs

REPOSITORY = Repository("registry.example.com", "team/app")

FAULTY = [
    (Settings(strategy="newest"), "updateStrategy"),
    (Settings(constraint="1.2.3.4"), "imageName"),
    (Settings(strategy="digest"), "imageName"),
    (Settings(strategy="digest", constraint=""), "imageName"),
    (Settings(allow_tags=("^v",)), "allowTags"),
    (Settings(allow_tags=("any", "regexp:(")), "allowTags[1]"),
    (Settings(ignore_tags=("a", "[")), "ignoreTags[1]"),
    (Settings(deny_tags=("[",)), "denyTags[0]"),
    (Settings(platforms=("linux/amd64", "amd64")), "platforms[1]"),
    (Settings(filter_tags=FilterTags("(")), "filterTags.pattern"),
    (Settings(filter_tags=FilterTags("a", "$1")), "filterTags.extract"),
    (Settings(pin="no tag"), "pin"),
    (Settings(output="both"), "output"),
    (Settings(order_by="size"), "orderBy"),
]

SOUND = [
    Settings(),
    Settings(strategy="digest", constraint="main"),
    Settings(strategy="numerical", constraint="bogus", filter_tags=FilterTags("(.)", "$1")),
    Settings(allow_tags=("regexp:^v", "any"), ignore_tags=("*",), deny_tags=("a",)),
    Settings(platforms=("linux/arm/v7",), pin="1", suspend=True, output="digest"),
    Settings(
        "newest-build",
        order_by="pushed",
        min_age="1d",
        max_severity="high",
        require_trusted=True,
    ),
]

NEEDS = [
    pytest.param(Settings(), Needs(), id="semver"),
    pytest.param(Settings(platforms=("a/b",)), Needs(), id="semver never looks at platforms"),
    pytest.param(Settings(output="tag@digest"), Needs(digest=True), id="semver with digest"),
    pytest.param(Settings(strategy="newest-build"), Needs(created=True), id="newest-build"),
    pytest.param(
        Settings(strategy="latest", platforms=("a/b",), output="digest"),
        Needs(created=True, digest=True, platforms=("a/b",)),
        id="newest-build with everything",
    ),
    pytest.param(
        Settings(strategy="digest", constraint="main", platforms=("a/b",)),
        Needs(digest=True, platforms=("a/b",)),
        id="digest",
    ),
    pytest.param(Settings(strategy="latest", pin="1"), Needs(), id="a pin needs nothing"),
    pytest.param(
        Settings(strategy="latest", pin="1", platforms=("a/b",), output="digest"),
        Needs(digest=True),
        id="a pin with digest",
    ),
]

DESCRIBED = [
    (Settings(), "semver"),
    (Settings(constraint="*"), "semver *"),
    (Settings(constraint="bogus"), "semver bogus"),
    (
        Settings(constraint="~1.2", allow_tags=("regexp:^v", "any")),
        "semver ~1.2, allowTags regexp:^v or any",
    ),
    (
        Settings(strategy="latest", ignore_tags=("a", "b"), deny_tags=("c",), platforms=("l/a",)),
        "newest-build, ignoreTags a, b, denyTags c, platforms l/a",
    ),
    (
        Settings(strategy="numerical", filter_tags=FilterTags("(.)", "$1"), suspend=True),
        "numerical, filterTags (.) $1, suspended",
    ),
    (Settings(strategy="digest", constraint="main", pin="1"), "digest of main, pin 1"),
    (
        Settings(
            "latest", order_by="pushed", min_age="3d", max_severity="high", output="tag@digest"
        ),
        "newest-build, orderBy pushed, minAge 3d, maxSeverity high, output tag@digest",
    ),
    (
        Settings(require_trusted=True, verify=True, suspend=True),
        "semver, requireTrusted, imagesVerification, suspended",
    ),
]

texts = st.text(alphabet="v1.2-*[]()|\\^~<>=:regxpany$ {}é,", max_size=12)
few = st.lists(texts, max_size=3).map(tuple)
settings = st.builds(
    Settings,
    strategy=st.sampled_from(["semver", "latest", "name", "digest", "numerical", "x"]),
    constraint=st.none() | texts,
    allow_tags=few | few.map(lambda entries: tuple(f"regexp:{entry}" for entry in entries)),
    ignore_tags=few,
    deny_tags=few,
    platforms=few,
    filter_tags=st.none() | st.builds(FilterTags, texts, texts),
    order_by=st.sampled_from(["built", "pushed", "x"]),
    output=st.sampled_from(["tag", "tag@digest", "digest", "x"]),
    pin=st.none() | texts,
    suspend=st.booleans(),
    min_age=st.none() | texts,
)


def fields(faults: tuple[PolicyFault, ...]) -> list[str]:
    return [fault.field for fault in faults]


@pytest.mark.parametrize(("stated", "field"), FAULTY, ids=str)
def test_each_fault_names_its_field(stated: Settings, field: str) -> None:
    faults = compile_policy(stated).faults
    assert fields(faults) == [field]
    assert str(faults[0]).startswith(f"{field}: ")


@pytest.mark.parametrize("stated", SOUND, ids=str)
def test_sound_settings_have_no_faults(stated: Settings) -> None:
    assert compile_policy(stated).faults == ()


@pytest.mark.parametrize(("stated", "field"), FAULTY, ids=str)
def test_a_rule_with_a_fault_is_unclear_about_its_tags(stated: Settings, field: str) -> None:
    policy = compile_policy(stated)
    told = None if field.startswith("platforms") else str(policy.faults[0])
    assert policy.unclear == told


@pytest.mark.parametrize("stated", SOUND, ids=str)
def test_a_sound_rule_is_clear_about_its_tags(stated: Settings) -> None:
    assert compile_policy(stated).unclear is None


def test_all_faults_are_told_at_once() -> None:
    stated = Settings(constraint="bogus", deny_tags=("[",), ignore_tags=("[", "["), pin="")
    assert sorted(fields(compile_policy(stated).faults)) == [
        "denyTags[0]", "ignoreTags[0]", "ignoreTags[1]", "imageName", "pin",
    ]  # fmt: skip


def test_a_fault_with_a_place_is_drawn() -> None:
    [fault] = compile_policy(Settings(constraint=">=1 and <2")).faults
    assert fault.drawn.splitlines()[1:] == ["    >=1 and <2", "        ^"]


@pytest.mark.parametrize(("stated", "needs"), NEEDS)
def test_a_policy_asks_for_no_more_than_it_needs(stated: Settings, needs: Needs) -> None:
    assert compile_policy(stated).needs == needs


@pytest.mark.parametrize(
    ("stated", "output"),
    [
        (Settings(), Output.TAG),
        (Settings(output="digest"), Output.DIGEST),
        (Settings(strategy="digest", constraint="main"), Output.TAG_AND_DIGEST),
        (Settings(strategy="digest", constraint="main", output="digest"), Output.DIGEST),
        (Settings(output="both"), Output.TAG),
    ],
    ids=str,
)
def test_the_digest_strategy_always_writes_a_digest(stated: Settings, output: Output) -> None:
    assert compile_policy(stated).output is output


@pytest.mark.parametrize(("stated", "line"), DESCRIBED, ids=str)
def test_a_policy_is_described_in_the_words_of_the_resource(stated: Settings, line: str) -> None:
    assert str(compile_policy(stated)) == line


def test_equal_settings_give_the_same_policy() -> None:
    assert compile_policy(Settings(constraint="~1")) is compile_policy(Settings(constraint="~1"))


@given(stated=settings, names=st.lists(texts, max_size=4))
def test_no_settings_and_no_names_make_deciding_fail(stated: Settings, names: list[str]) -> None:
    policy = compile_policy(stated)
    choice = choose(policy, Listing(REPOSITORY, tuple(names), 0), {})
    assert isinstance(choice, Kept) or choice.tag.name in [*names, stated.pin]
