"""By names alone: the greatest allowed tag is chosen, and every other has its reason."""

from __future__ import annotations

import pytest

from cmp.policy import Chosen, FilterTags, Keep, Kept, Refusal, Settings, compile_policy
from cmp.tags import Tag
from tests.policy.deciding import SIGNATURE, chosen, decide, decide_described, reasons

DATED = FilterTags(r"^main-(?P<ts>[0-9]+)-[0-9a-f]+$", "$ts")
NUMBERED = FilterTags(r"^r([0-9.]+)([a-z]?)$", "$1")

CHOSEN = [
    pytest.param(Settings(), "1.9.0 1.10.0 1.2.0", "1.10.0", id="versions, not text"),
    pytest.param(Settings(), "1.0 1.0.0 v1.0.0 01.0.0", "v1.0.0", id="ties go by name"),
    pytest.param(Settings(), "1.1.0-rc1 1.0.0 latest", "1.0.0", id="releases only"),
    pytest.param(
        Settings(constraint="~1.2-0"), "1.2.0 1.3.0 1.2.1-rc", "1.2.1-rc", id="constraint"
    ),
    pytest.param(Settings(allow_tags=("regexp:^v",)), "v1 v2 3", "v2", id="allowed"),
    pytest.param(Settings(ignore_tags=("3*",)), "1 2 3", "2", id="ignored"),
    pytest.param(Settings(deny_tags=("3",)), "1 2 3", "2", id="denied"),
    pytest.param(
        Settings(ignore_tags=("[", "3")), "1 2 3", "2", id="malformed glob ignores nothing"
    ),
    pytest.param(Settings(strategy="alphabetical"), "a C b", "b", id="alphabetical"),
    pytest.param(Settings(strategy="name"), ["a", SIGNATURE], "a", id="no signatures"),
    pytest.param(Settings(strategy="name"), "a z+1", "a", id="no names outside the grammar"),
    pytest.param(Settings(strategy="numerical"), "9 10 x", "10", id="numbers, not text"),
    pytest.param(
        Settings(strategy="numerical", filter_tags=NUMBERED),
        "r9 r10.5 r10.25 x",
        "r10.5",
        id="extracted",
    ),
    pytest.param(
        Settings(strategy="numerical", filter_tags=NUMBERED),
        "r7b r7a r7",
        "r7b",
        id="equal extractions tie by name",
    ),
    pytest.param(
        Settings(strategy="numerical", filter_tags=DATED),
        "main-9-ff main-10-0a dev-11-0",
        "main-10-0a",
        id="time stamps",
    ),
    pytest.param(
        Settings(strategy="numerical", filter_tags=NUMBERED),
        f"r{2**53 + 1} r{2**53}",
        f"r{2**53 + 1}",
        id="beyond float64",
    ),
    pytest.param(
        Settings(strategy="name", filter_tags=FilterTags("^.-(.)", "$1")),
        "a-z z-a",
        "a-z",
        id="alphabetical by extraction",
    ),
    pytest.param(
        Settings(constraint="<3", filter_tags=FilterTags("^app-(.*)$", "$1")),
        "app-2.1 app-2.0 app-3.0 9",
        "app-2.1",
        id="constraint on the extraction",
    ),
    pytest.param(
        Settings(filter_tags=FilterTags("^1")),
        "1.1 2.1",
        "1.1",
        id="a pattern without template filters",
    ),
]

REFUSED = [
    pytest.param(Settings(), "latest", "not a version", id="no version"),
    pytest.param(Settings(constraint="~1"), "2.0.0", "outside ~1", id="constraint"),
    pytest.param(
        Settings(allow_tags=("regexp:^v",)), "1", "not matched by allowTags ^v", id="not allowed"
    ),
    pytest.param(
        Settings(allow_tags=("v1",)),
        "v1",
        "allowTags allows nothing: 'v1' is not a value of allowTags: "
        "write any, or regexp: and an RE2 expression",
        id="no prefix",
    ),
    pytest.param(Settings(ignore_tags=("1*",)), "1.0", "ignored by 1*", id="ignored"),
    pytest.param(Settings(deny_tags=("1*",)), "1.0", "denied by 1*", id="denied"),
    pytest.param(
        Settings(filter_tags=FilterTags("^v")), "1.0", "not matched by filterTags", id="filterTags"
    ),
    pytest.param(
        Settings(filter_tags=FilterTags("(")),
        "1.0",
        "filterTags.pattern allows nothing: '(' is not a regular expression (RE2): missing )",
        id="malformed filterTags",
    ),
    pytest.param(Settings(strategy="numerical"), "1e5", "not a number", id="no number"),
    pytest.param(Settings(), "1.0+x", "not a tag name that OCI allows", id="grammar"),
    pytest.param(
        Settings(), SIGNATURE, "a signature or attestation, not an image", id="signature"
    ),
]


@pytest.mark.parametrize(("settings", "names", "best"), CHOSEN)
def test_the_greatest_allowed_tag_is_chosen(
    settings: Settings, names: str | list[str], best: str
) -> None:
    assert chosen(decide(settings, names)) == best


@pytest.mark.parametrize(("settings", "name", "reason"), REFUSED)
def test_a_refused_tag_has_its_reason(settings: Settings, name: str, reason: str) -> None:
    choice = decide(settings, [name])
    assert choice == Kept(
        Keep.NOTHING_ALLOWED,
        f"the only tag, {name}, is refused: {reason}",
        (Refusal(name, reason),),
    )
    assert compile_policy(settings).rank(Tag(name), 0) == Refusal(name, reason)


@pytest.mark.parametrize(
    ("settings", "names", "why"),
    [
        pytest.param(
            Settings(constraint="~2"),
            "1.0 main dev 1+x",
            "none of the 4 tags is allowed; the commonest reason (2): not a version",
            id="several reasons",
        ),
        pytest.param(
            Settings(), "main dev", "none of the 2 tags is allowed: not a version", id="one reason"
        ),
        pytest.param(
            Settings(strategy="digest", constraint="edge"),
            "main dev",
            "the tag edge is not in the registry",
            id="no such tag",
        ),
        pytest.param(
            Settings(strategy="digest", constraint="edge", ignore_tags=("e*",)),
            "edge main dev",
            "the tag edge is refused: ignored by e*",
            id="the tag is ignored",
        ),
        pytest.param(
            Settings(strategy="digest", constraint="e", filter_tags=FilterTags("^(.)", "$1")),
            "main dev",
            "none of the 2 tags is allowed: not the tag e",
            id="any tag of which this is extracted",
        ),
        pytest.param(
            Settings(pin="3.0", output="digest"),
            "1.0 2.0",
            "the tag 3.0 is not in the registry",
            id="no such tag to pin",
        ),
    ],
)
def test_nothing_allowed_says_what_is_in_the_way(settings: Settings, names: str, why: str) -> None:
    choice = decide(settings, names)
    assert isinstance(choice, Kept)
    assert (choice.keep, choice.why) == (Keep.NOTHING_ALLOWED, why)


def test_an_empty_repository_has_nothing_to_choose() -> None:
    assert decide(Settings(), "") == Kept(Keep.NOTHING_ALLOWED, "the repository has no tags")


def test_a_choice_says_why_and_holds_every_refusal() -> None:
    choice = decide(Settings(constraint="~1.2"), "1.2.0 1.2.1 2.0.0 main")
    assert isinstance(choice, Chosen)
    assert choice.why == "newest of 2 allowed versions in ~1.2"
    assert reasons(choice) == {"2.0.0": "outside ~1.2", "main": "not a version"}


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        (Settings(constraint="~1"), "1.0"),
        (Settings(constraint="~1", pin="2.0", min_age="3d", suspend=True), "1.0"),
        (Settings(strategy="latest", ignore_tags=("2*", "main")), "1.0"),
        (Settings(strategy="digest", constraint="main"), "main"),
        (Settings(strategy="name", filter_tags=FilterTags("^m")), "main"),
        (Settings(constraint="~1", deny_tags=("1*", "main")), "1.0"),
        (Settings(constraint="bogus"), ""),
        (Settings(deny_tags=("[",)), ""),
    ],
    ids=str,
)
def test_a_rule_allows_the_tags_that_it_is_about(settings: Settings, allowed: str) -> None:
    policy = compile_policy(settings)
    names = ("1.0", "2.0", "main", "1.0+x", SIGNATURE)
    assert [name for name in names if policy.allows(name)] == allowed.split()


def test_what_holds_back_tags_with_the_right_names_is_told_before_the_wrong_names() -> None:
    tags = (Tag("main"), Tag("dev"), Tag("1.0.0", severity=""))

    choice = decide_described(Settings(max_severity="low"), *tags)

    assert isinstance(choice, Kept)
    assert choice.why.startswith(
        "the only tag with an allowed name, 1.0.0, is refused: maxSeverity low: not scanned"
    )
