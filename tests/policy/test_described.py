"""Where more than names counts: builds, digests, and tags that could not be described."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmp.policy import Chosen, Keep, Kept, Refusal, Settings, choose, compile_policy
from cmp.policy.policy import MOST_TRIED
from cmp.tags import Fault, Needs, Tag
from tests.policy.deciding import SHA, chosen, decide_described, listing

NEWEST = Settings(strategy="newest-build")


def test_the_newest_build_is_chosen_and_ties_go_by_name() -> None:
    tags = [Tag("a", created=2), Tag("c", created=1), Tag("b", created=2)]
    choice = decide_described(NEWEST, *tags)
    assert choice == Chosen(Tag("b", created=2), "newest build of 3 allowed tags")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (Tag("b"), "no build time"),
        (Tag("b", fault=Fault.GONE), "its manifest is gone"),
        (Tag("b", fault=Fault.MALFORMED), "its manifest is not that of an image"),
        (
            Tag("b", fault=Fault.MALFORMED, detail="no image for linux/arm64"),
            "no image for linux/arm64",
        ),
    ],
    ids=str,
)
def test_a_build_that_is_gone_malformed_or_undated_is_refused(tag: Tag, reason: str) -> None:
    choice = decide_described(NEWEST, Tag("a", created=1), tag)
    assert choice == Chosen(
        Tag("a", created=1), "newest build of 1 allowed tag", (Refusal("b", reason),)
    )
    assert decide_described(NEWEST, tag) == Kept(
        Keep.NOTHING_ALLOWED, f"the only tag, b, is refused: {reason}", (Refusal("b", reason),)
    )


def test_a_build_that_cannot_be_read_leaves_the_choice_incomplete() -> None:
    unread = Tag("b", fault=Fault.UNREADABLE, detail="timeout")
    choice = decide_described(NEWEST, Tag("a", created=9), unread)
    assert choice == Kept(Keep.INCOMPLETE, "b: it could not be read: timeout")


def test_a_build_that_is_refused_by_name_need_not_be_read() -> None:
    settings = replace(NEWEST, ignore_tags=("b",))
    choice = decide_described(settings, Tag("a", created=9), Tag("b", fault=Fault.UNREADABLE))
    assert chosen(choice) == "a"


def test_a_candidate_that_was_not_described_leaves_the_choice_incomplete() -> None:
    choice = choose(compile_policy(NEWEST), listing("ab"), {"a": Tag("a", created=1)})
    assert choice == Kept(Keep.INCOMPLETE, "b: it could not be read: not described")


DIGESTS = Settings(output="tag@digest")


def test_where_names_decide_only_the_best_few_are_described() -> None:
    policy = compile_policy(DIGESTS)
    survey = policy.survey((*(f"1.{minor}" for minor in range(100)), "main"))
    assert survey.survivors[:2] == ("1.99", "1.98")
    assert len(survey.survivors) == MOST_TRIED
    assert survey.refusals == (Refusal("main", "not a version"),)


def test_where_names_decide_the_digest_of_the_best_is_enough() -> None:
    lesser = Tag("1.0", fault=Fault.UNREADABLE)
    partly = Tag("1.1", SHA, fault=Fault.UNREADABLE, detail="its config")
    assert chosen(decide_described(DIGESTS, lesser, partly)) == "1.1"


def test_where_names_decide_a_tag_that_is_gone_gives_way_to_the_next() -> None:
    choice = decide_described(DIGESTS, Tag("1.1", fault=Fault.GONE), Tag("1.0", SHA))
    assert choice == Chosen(
        Tag("1.0", SHA),
        "newest of 1 allowed version",
        (Refusal("1.1", "its manifest is gone"),),
    )


def test_where_names_decide_a_best_tag_that_cannot_be_read_leaves_the_choice_incomplete() -> None:
    choice = decide_described(DIGESTS, Tag("1.1", fault=Fault.UNREADABLE), Tag("1.0", SHA))
    assert choice == Kept(Keep.INCOMPLETE, "1.1: it could not be read")


def test_where_all_the_best_are_gone_the_choice_is_incomplete() -> None:
    gone = [Tag(f"1.{minor}", fault=Fault.GONE) for minor in range(MOST_TRIED + 1)]
    choice = decide_described(DIGESTS, *gone)
    assert isinstance(choice, Kept)
    assert choice.keep is Keep.INCOMPLETE
    assert choice.why == "the 20 best tags are refused, and the others were not looked into"


def test_the_digest_strategy_takes_the_one_tag() -> None:
    settings = Settings(strategy="digest", constraint="main")
    choice = decide_described(settings, Tag("main", SHA), Tag("zzz", SHA))
    assert choice == Chosen(
        Tag("main", SHA),
        "the tag main, where it points now",
        (Refusal("zzz", "not the tag main"),),
    )


def test_the_digest_strategy_wants_the_image_whole() -> None:
    settings = Settings(strategy="digest", constraint="main")
    choice = decide_described(settings, Tag("main", SHA, fault=Fault.MALFORMED), Tag("zzz", SHA))
    assert isinstance(choice, Kept)
    assert choice.why == "the tag main is refused: its manifest is not that of an image"


PUSHED = replace(NEWEST, order_by="pushed")


def test_with_order_by_pushed_the_tag_that_was_pushed_last_is_newest() -> None:
    older = Tag("a", created=9, pushed=1)
    choice = decide_described(PUSHED, older, Tag("c", created=1, pushed=2), Tag("b", pushed=2))
    assert choice == Chosen(Tag("c", created=1, pushed=2), "pushed last of 3 allowed tags")


@pytest.mark.parametrize(
    ("unanswered", "reason"),
    [("", "no push time"), ("search is off", "orderBy pushed: search is off")],
    ids=["this one has none", "nobody tells"],
)
def test_a_tag_without_a_push_time_has_no_place_in_their_order(
    unanswered: str, reason: str
) -> None:
    choice = decide_described(
        PUSHED, Tag("a", created=9, unanswered=unanswered), Tag("b", pushed=1)
    )
    assert choice == Chosen(
        Tag("b", pushed=1), "pushed last of 1 allowed tag", (Refusal("a", reason),)
    )


def test_a_pin_has_no_order() -> None:
    policy = compile_policy(replace(PUSHED, pin="a", platforms=("linux/arm64",)))
    assert policy.needs == Needs()
    assert compile_policy(PUSHED).needs == Needs(pushed=True)


def test_a_refusal_found_elsewhere_makes_room_for_the_next() -> None:
    known = {name: Tag(name, SHA) for name in ("1.0", "1.1")}
    choice = choose(compile_policy(DIGESTS), listing(known), known, {"1.1": "not signed"})
    assert choice == Chosen(
        Tag("1.0", SHA), "newest of 1 allowed version", (Refusal("1.1", "not signed"),)
    )
