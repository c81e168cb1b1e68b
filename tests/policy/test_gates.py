"""Gates: what a registry knows of a tag holds it back, and so does what it does not tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.policy import Chosen, Keep, Kept, Output, Refusal, Settings, choose, compile_policy
from cmp.policy.gates import SECOND, InvalidAgeError, compile_gates, parse_age
from cmp.tags import Fault, Listing, Needs, Tag
from tests.policy.deciding import REPOSITORY, SHA, chosen, reasons

NOW = 1_767_225_600  # seconds: 2026-01-01T00:00:00Z
HOUR = 3_600


def pushed(name: str, *, ago: float) -> Tag:
    """A tag that was pushed some seconds *ago*."""
    return Tag(name, SHA, pushed=int((NOW - ago) * SECOND))


def decide(settings: Settings, *tags: Tag) -> Chosen | Kept:
    known = {tag.name: tag for tag in tags}
    return choose(compile_policy(settings), Listing(REPOSITORY, tuple(known), NOW), known)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600),
     ("1d12h", 129_600), ("1h1h", 7_200), ("1h".rjust(32, "0"), 3_600)],
)  # fmt: skip
def test_an_age_is_a_sum_of_whole_units(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds * SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "h",
        "1.5h",
        "-1h",
        "1 h",
        "1y",
        "1h2",
        "7days",
        "12h ",
        "12h\n",
        "٣h",
        "9" * 40 + "s",
    ],
)
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(InvalidAgeError, match="as 12h, 7d or 1d12h"):
        parse_age(text)


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3 * HOUR + 1, "3 h ago"),
        (47 * HOUR, "1 d ago"),
        (-5, "in the future, by the clock here"),
    ],
)
def test_a_tag_that_is_too_young_says_how_young_it_is(ago: int, told: str) -> None:
    choice = decide(Settings(min_age="2d"), pushed("1.0", ago=ago))
    assert reasons(choice) == {"1.0": f"minAge 2d: pushed {told}"}


def test_a_tag_is_old_enough_once_its_age_is_reached() -> None:
    tags = [pushed("1.0", ago=9 * HOUR), pushed("1.1", ago=HOUR), pushed("1.2", ago=HOUR - 1)]
    choice = decide(Settings(min_age="1h"), *tags)
    refusals = (Refusal("1.2", "minAge 1h: pushed 59 min ago"),)
    assert choice == Chosen(tags[1], "newest of 2 allowed versions", refusals)


SEVERITIES = ["none", "unknown", "low", "medium", "high", "critical"]


@given(limit=st.sampled_from(["none", "low", "medium", "high", "critical"]), data=st.data())
def test_a_scan_may_find_no_worse_than_the_limit(limit: str, data: st.DataObject) -> None:
    found = data.draw(st.sampled_from(SEVERITIES))
    choice = decide(Settings(max_severity=limit), Tag("1.0", SHA, severity=found))
    if SEVERITIES.index(found) <= SEVERITIES.index(limit):
        assert chosen(choice) == "1.0"
    else:
        assert reasons(choice) == {"1.0": f"maxSeverity {limit}: a scan found {found}"}


@pytest.mark.parametrize(
    ("severity", "reason"),
    [
        ("", "not scanned (Zot: extensions.search.cve)"),
        ("dire", "a scan found 'dire', which is no severity known here"),
        (None, "what a scan found is not known"),
    ],
    ids=["not scanned", "not a severity", "not told"],
)
def test_not_scanned_is_not_clean(severity: str | None, reason: str) -> None:
    choice = decide(Settings(max_severity="critical"), Tag("1.0", SHA, severity=severity))
    assert reasons(choice) == {"1.0": f"maxSeverity critical: {reason}"}


UNTRUSTED = "no signature of it is trusted (Zot: extensions.trust)"


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (
            Tag("1.0", SHA, trusted=False, signers=("a@example.com", "b@example.com")),
            f"signed by a@example.com, b@example.com, and {UNTRUSTED}",
        ),
        (Tag("1.0", SHA, trusted=False), UNTRUSTED),
        (Tag("1.0", SHA), "whether it is trusted is not known"),
    ],
    ids=["signed by others", "not signed", "not told"],
)
def test_what_is_not_trusted_is_held_back(tag: Tag, reason: str) -> None:
    settings = Settings(require_trusted=True)
    assert reasons(decide(settings, tag)) == {"1.0": f"requireTrusted: {reason}"}
    assert chosen(decide(settings, replace(tag, trusted=True))) == "1.0"


ALL = Settings(min_age="1h", max_severity="low", require_trusted=True)
OPEN = replace(pushed("1.0", ago=2 * HOUR), severity="low", trusted=True)


@pytest.mark.parametrize(
    ("silent", "gate"),
    [
        (replace(OPEN, pushed=None), "minAge 1h"),
        (replace(OPEN, severity=None), "maxSeverity low"),
        (replace(OPEN, trusted=None), "requireTrusted"),
    ],
    ids=["push times", "scans", "trust"],
)
def test_why_nobody_answers_is_told_in_the_words_of_the_registry(silent: Tag, gate: str) -> None:
    why = "Zot's search is off: set extensions.search.enable"
    choice = decide(ALL, replace(silent, unanswered=why))
    assert reasons(choice) == {"1.0": f"{gate}: {why}"}
    assert chosen(decide(ALL, OPEN)) == "1.0"


@given(
    tag=st.builds(
        Tag,
        name=st.just("1.0"),
        digest=st.just(SHA),
        pushed=st.sampled_from([None, OPEN.pushed, NOW * SECOND]),
        severity=st.sampled_from([None, "", "low", "high"]),
        trusted=st.sampled_from([None, False, True]),
    )
)
def test_only_what_passes_each_gate_alone_passes_all_of_them(tag: Tag) -> None:
    alone = [
        Settings(min_age="1h"),
        Settings(max_severity="low"),
        Settings(require_trusted=True),
    ]
    passes = all(chosen(decide(settings, tag)) for settings in alone)
    assert (chosen(decide(ALL, tag)) is not None) is passes


def test_what_gates_need_is_asked_with_the_digest_they_are_about() -> None:
    gated = Needs(digest=True, pushed=True, severity=True, trusted=True)
    assert compile_policy(ALL).needs == gated
    assert compile_policy(replace(ALL, pin="1.0")).needs == gated
    newest = compile_policy(replace(ALL, strategy="newest-build", platforms=("linux/arm64",)))
    assert newest.needs == replace(gated, created=True, platforms=("linux/arm64",))
    assert compile_gates(Settings(), []).needs == Needs()


@pytest.mark.parametrize(
    ("output", "written"),
    [("tag", Output.TAG_AND_DIGEST), ("tag@digest", Output.TAG_AND_DIGEST),
     ("digest", Output.DIGEST)],
)  # fmt: skip
@pytest.mark.parametrize("settings", [Settings(min_age="1h"), Settings(verify=True)], ids=str)
def test_with_a_gate_the_digest_that_was_looked_at_is_written(
    settings: Settings, output: str, written: Output
) -> None:
    assert compile_policy(replace(settings, output=output)).output is written


def test_where_gates_decide_all_that_names_leave_are_looked_at() -> None:
    names = tuple(f"1.{minor}" for minor in range(100))
    assert compile_policy(ALL).survey(names).survivors == names[::-1]


def test_an_older_tag_that_cannot_be_read_matters_to_nobody() -> None:
    best = pushed("1.1", ago=2 * HOUR)
    unread = Tag("1.0", fault=Fault.UNREADABLE, detail="timed out")
    choice = decide(Settings(min_age="1h"), best, unread)
    refusals = (Refusal("1.0", "it could not be read: timed out"),)
    assert choice == Chosen(best, "newest of 1 allowed version", refusals)


def test_a_newer_tag_that_cannot_be_read_leaves_the_choice_incomplete() -> None:
    young, unread = pushed("1.2", ago=0), Tag("1.1", fault=Fault.UNREADABLE)
    choice = decide(Settings(min_age="1h"), pushed("1.0", ago=2 * HOUR), unread, young)
    assert isinstance(choice, Kept)
    assert (choice.keep, choice.why) == (Keep.INCOMPLETE, "1.1: it could not be read")
    assert reasons(choice) == {"1.2": "minAge 1h: pushed 0 s ago"}


def test_a_pin_passes_the_gates_like_any_tag() -> None:
    settings = Settings(min_age="1h", pin="old", suspend=True)
    old, young = pushed("old", ago=2 * HOUR), pushed("young", ago=0)
    assert chosen(decide(settings, old, young)) == "old"
    choice = decide(replace(settings, pin="young"), old, young)
    assert isinstance(choice, Kept)
    assert choice.why == "the tag young is refused: minAge 1h: pushed 0 s ago"


@pytest.mark.parametrize(
    ("settings", "name", "moves"),
    [
        (Settings("digest", "1.2"), "1.2", True),
        (Settings("digest", "1.2", pin="1.3"), "1.3", False),
        (Settings("newest-build"), "latest", True),
        (Settings("newest-build"), "main-4f2", False),
        (Settings(), "1.2.3", False),
    ],
)
def test_a_tag_that_is_followed_or_has_no_number_may_move(
    settings: Settings, name: str, *, moves: bool
) -> None:
    assert compile_policy(settings).may_move(name) is moves
