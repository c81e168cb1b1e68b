"""The choice for one repository: what is asked, in which order, and whose digest is written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

import pytest

from cmp.cosign import PublicKey
from cmp.cosign.claim import faulty
from cmp.cosign.envelope import read_bundle
from cmp.errors import UnreachableError
from cmp.judge import Verdict, judge, with_facts
from cmp.policy import Choice, Chosen, Keep, Kept, Settings, compile_policy
from cmp.policy.policy import MOST_TRIED
from cmp.reference import Repository
from cmp.tags import Fault, Needs, Platform, Tag
from tests.cosign.cases import case, key
from tests.memory import NOW, MemoryTags

REPOSITORY = Repository("registry.example.com", "team/app")
APP = str(REPOSITORY)
OLD, NEW = (f"sha256:{digit * 64}" for digit in "12")
IMAGE = case("referrers/bundle")
SIGNED = IMAGE.digest
CLAIMS = {SIGNED: read_bundle(IMAGE.document("dsseEnvelope"), "referrer")}
KEYS = (key("second"), key("first"))
LONG_AGO = int((NOW - 86_400) * 1e9)


def verdict(settings: Settings, tags: MemoryTags, keys: Sequence[PublicKey] = ()) -> Verdict:
    return asyncio.run(judge(REPOSITORY, compile_policy(settings), tags, keys))


def chosen(choice: Choice) -> Tag:
    assert isinstance(choice, Chosen), choice.why
    return choice.tag


def kept(choice: Choice) -> tuple[Keep, str]:
    assert isinstance(choice, Kept)
    return choice.keep, choice.why


def memory(*tags: Tag | str, heads: Mapping[str, str] = MappingProxyType({})) -> MemoryTags:
    return MemoryTags({APP: tags}, claims=CLAIMS, heads=heads)


@pytest.mark.parametrize(
    ("settings", "described"),
    [
        (Settings(), 0),
        (Settings(output="digest"), 1),
        (Settings("newest-build"), 3),
        (Settings("newest-build", output="digest"), 4),
        (Settings(min_age="1h"), 4),
        (Settings("newest-build", order_by="pushed"), 3),
        (Settings(pin="1.1"), 0),
        (Settings(pin="1.1", output="digest"), 1),
        (Settings("newest-build", pin="1.1", output="digest"), 1),
        (Settings(pin="1.1", min_age="1h"), 2),
    ],
    ids=[
        "names decide",
        "the best one's digest",
        "all build times",
        "all build times, and the digest of the best by HEAD",
        "what gates need of all, and the digest of the best by HEAD",
        "all push times",
        "nothing for a pin",
        "a pin's digest",
        "a pin's digest, and no build time",
        "what gates need of a pin, and its digest by HEAD",
    ],
)
def test_no_more_is_asked_than_the_policy_needs(settings: Settings, described: int) -> None:
    tags = memory(*(Tag(f"1.{n}", NEW, created=n, pushed=LONG_AGO) for n in range(3)))
    choice = verdict(settings, tags).choice
    assert isinstance(choice, Chosen)
    assert tags.asked[f"describe {APP}"] == described
    assert tags.asked[f"list {APP}"] == (0 if settings == Settings(pin="1.1") else 1)


def test_where_the_best_is_gone_the_next_is_asked_for() -> None:
    gone = [Tag(f"1.{n}", fault=Fault.GONE) for n in (3, 4)]
    tags = memory(*gone, Tag("1.2", NEW), Tag("1.1", OLD))
    choice = verdict(Settings(output="digest"), tags).choice
    assert (chosen(choice).name, chosen(choice).digest) == ("1.2", NEW)
    assert tags.asked[f"describe {APP}"] == 3


def test_where_the_best_cannot_be_read_nothing_else_is_asked() -> None:
    unread = Tag("1.2", fault=Fault.UNREADABLE, detail="timed out")
    tags = memory(unread, Tag("1.1", OLD))
    choice = verdict(Settings(output="digest"), tags).choice
    assert kept(choice) == (Keep.INCOMPLETE, "1.2: it could not be read: timed out")
    assert tags.asked[f"describe {APP}"] == 1


def test_where_the_constraint_is_broken_no_tag_is_looked_into() -> None:
    tags = memory(Tag("1.1", OLD))
    choice = verdict(Settings(constraint="~~1", output="digest"), tags).choice
    assert kept(choice)[0] is Keep.DISABLED
    assert tags.asked == {f"list {APP}": 1}


def test_the_digest_that_is_written_is_that_of_head() -> None:
    tags = memory(Tag("main-1", OLD, created=1), heads={"main-1": NEW})
    choice = verdict(Settings("newest-build", output="tag@digest"), tags).choice
    assert chosen(choice).digest == NEW


GUARDS = {
    "minAge": Settings(min_age="1h"),
    "maxSeverity": Settings(max_severity="low"),
    "requireTrusted": Settings(require_trusted=True),
    "imagesVerification": Settings("newest-build", verify=True),
}


@pytest.mark.parametrize("settings", GUARDS.values(), ids=GUARDS.keys())
def test_a_tag_that_moves_while_a_guard_looks_at_it_is_not_chosen(settings: Settings) -> None:
    looked_at = Tag("1.1", OLD, created=1, pushed=LONG_AGO, severity="none", trusted=True)
    tags = memory(looked_at, heads={"1.1": SIGNED})
    choice = verdict(settings, tags, KEYS).choice
    assert kept(choice) == (Keep.INCOMPLETE, "the tag 1.1 moved while it was looked at")


def test_a_tag_that_is_deleted_while_it_is_looked_at_gives_way_to_the_next() -> None:
    class Deleting(MemoryTags):
        async def describe(
            self, repository: Repository, names: Sequence[str], needs: Needs, /
        ) -> Mapping[str, Tag]:
            tags = await super().describe(repository, names, needs)
            if needs.created:
                return tags
            return {**tags, **{name: Tag(name, fault=Fault.GONE) for name in names if name == "2"}}

    tags = Deleting({APP: [Tag("2", OLD, created=2), Tag("1", NEW, created=1)]})
    found = verdict(Settings("newest-build", output="tag@digest"), tags).choice
    assert (chosen(found).name, chosen(found).digest) == ("1", NEW)
    assert [(each.tag, each.reason) for each in found.refusals] == [
        ("2", "it was deleted while it was looked at")
    ]


def test_a_tag_whose_digest_cannot_be_read_never_leads_to_an_older_tag() -> None:
    class Failing(MemoryTags):
        async def describe(
            self, repository: Repository, names: Sequence[str], needs: Needs, /
        ) -> Mapping[str, Tag]:
            if needs.created:
                return await super().describe(repository, names, needs)
            return {name: Tag(name, fault=Fault.UNREADABLE, detail="timed out") for name in names}

    tags = Failing({APP: [Tag("2", OLD, created=2), Tag("1", NEW, created=1)]})
    found = verdict(Settings("newest-build", output="tag@digest"), tags).choice
    assert kept(found) == (Keep.INCOMPLETE, "the registry gave no digest for 2: timed out")


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        (Tag("1.1"), "the registry gave no digest for 1.1"),
        (
            Tag("1.1", created=1, detail="latest-first: the place in the listing"),
            "the registry gave no digest for 1.1: latest-first: the place in the listing",
        ),
    ],
    ids=["names decide", "times decide"],
)
def test_without_a_digest_where_one_is_due_nothing_is_chosen(tag: Tag, why: str) -> None:
    strategy = "newest-build" if tag.created else "semver"
    choice = verdict(Settings(strategy, output="tag@digest"), memory(tag)).choice
    assert kept(choice) == (Keep.INCOMPLETE, why)


@pytest.mark.parametrize("settings", [Settings(min_age="1h"), Settings(require_trusted=True)])
def test_for_gates_no_digest_is_asked_of_every_tag(settings: Settings) -> None:
    asked: list[Needs] = []

    class Noting(MemoryTags):
        async def describe(
            self, repository: Repository, names: Sequence[str], needs: Needs, /
        ) -> Mapping[str, Tag]:
            asked.append(needs)
            return await super().describe(repository, names, needs)

    known = Tag("1.1", NEW, pushed=LONG_AGO, trusted=True)
    choice = verdict(settings, Noting({APP: [known]})).choice
    assert chosen(choice).digest == NEW
    assert [needs.digest for needs in asked] == [False, True]


UNSIGNED = [Tag("1.2", NEW, created=3), Tag("1.3", OLD, created=4)]
GOOD = Tag("1.1", SIGNED, created=2)


@pytest.mark.parametrize("strategy", ["semver", "newest-build", "alphabetical"])
def test_the_newest_verified_tag_is_chosen_with_the_digest_that_was_verified(
    strategy: str,
) -> None:
    tags = memory(Tag("1.0", SIGNED, created=1), GOOD, *UNSIGNED)
    found = verdict(Settings(strategy, verify=True), tags, KEYS)
    assert isinstance(found.choice, Chosen)
    assert (found.choice.tag.name, found.choice.tag.digest) == ("1.1", SIGNED)
    assert found.choice.verified == f"signed by {key('first')}"
    assert {refusal.tag: refusal.reason for refusal in found.choice.refusals} == {
        "1.3": "imagesVerification: it is not signed",
        "1.2": "imagesVerification: it is not signed",
    }
    assert found.passed_over == ("1.0",)
    assert tags.asked[f"signatures {APP}"] == 3


def test_where_times_decide_those_passed_over_stand_as_they_are_listed() -> None:
    names = ["1.5", "1.9", "1.0", "1.7"]
    tags = memory(*(Tag(name, OLD, created=7 - n) for n, name in enumerate(names)))
    assert verdict(Settings("newest-build"), tags).passed_over == ("1.9", "1.0", "1.7")


def test_what_is_signed_for_another_digest_is_not_verified() -> None:
    tags = memory(Tag("1.1", NEW))
    tags.claims = {NEW: CLAIMS[SIGNED]}
    keep, why = kept(verdict(Settings(verify=True), tags, KEYS).choice)
    assert keep is Keep.NOTHING_ALLOWED
    assert why.endswith("imagesVerification: 1 signature found, of another digest")


def test_what_a_foreign_key_signed_is_not_verified() -> None:
    choice = verdict(Settings(verify=True), memory(GOOD), [key("foreign")]).choice
    keep, why = kept(choice)
    assert keep is Keep.NOTHING_ALLOWED
    assert why.startswith("the only tag, 1.1, is refused: imagesVerification: 1 signature")


@pytest.mark.parametrize("strategy", ["semver", "newest-build"])
def test_only_so_many_tags_are_tried(strategy: str) -> None:
    unsigned = [Tag(f"2.{n}", NEW, created=9 + n) for n in range(MOST_TRIED)]
    tags = memory(GOOD, *unsigned)
    choice = verdict(Settings(strategy, verify=True), tags, KEYS).choice
    keep, why = kept(choice)
    assert keep is Keep.INCOMPLETE
    assert why.startswith("the 20 best tags are ")
    assert len(choice.refusals) == tags.asked[f"signatures {APP}"] == MOST_TRIED


def test_signatures_that_cannot_be_read_never_lead_to_an_older_tag() -> None:
    tags = memory(GOOD, *UNSIGNED)
    tags.unread = UnreachableError("RT501", "timed out")
    choice = verdict(Settings(verify=True), tags, KEYS).choice
    why = "the signatures of 1.3 could not be read: timed out [RT501]"
    assert kept(choice) == (Keep.INCOMPLETE, why)
    assert tags.asked[f"signatures {APP}"] == 1


def test_a_newest_tag_of_too_many_signatures_never_leads_to_an_older_tag() -> None:
    tags = memory(GOOD, *UNSIGNED)
    tags.claims = {OLD: [faulty("tag", "only some were read", unread=True)], **CLAIMS}
    keep, why = kept(verdict(Settings(verify=True), tags, KEYS).choice)
    assert keep is Keep.INCOMPLETE
    assert why.startswith("1.3 has more signatures than were read: ")
    assert why.endswith("tag: only some were read")


def test_verification_without_a_key_chooses_nothing_and_asks_nothing() -> None:
    tags = memory(GOOD)
    assert kept(verdict(Settings(verify=True), tags).choice) == (
        Keep.DISABLED,
        "imagesVerification has no key to verify with",
    )
    assert not tags.asked


def test_a_pin_must_be_verified_too() -> None:
    tags = memory(GOOD, *UNSIGNED)
    good = verdict(Settings(pin="1.1", verify=True), tags, KEYS).choice
    bad = verdict(Settings(pin="1.3", verify=True), tags, KEYS).choice
    assert chosen(good).digest == SIGNED
    assert kept(bad) == (
        Keep.NOTHING_ALLOWED,
        "the tag 1.3 is refused: imagesVerification: it is not signed",
    )


def test_gates_and_signatures_must_both_agree() -> None:
    young = replace(GOOD, name="1.4", pushed=int(NOW * 1e9))
    old = [replace(tag, pushed=LONG_AGO) for tag in (GOOD, *UNSIGNED)]
    choice = verdict(Settings(verify=True, min_age="1h"), memory(young, *old), KEYS).choice
    assert chosen(choice).name == "1.1"
    assert [refusal.tag for refusal in choice.refusals] == ["1.4", "1.3", "1.2"]


def test_a_registry_that_fails_is_told_with_its_error() -> None:
    error = UnreachableError("RT501", "down")
    found = verdict(Settings(), MemoryTags({}, error=error))
    assert found.error is error
    assert kept(found.choice) == (Keep.UNREACHABLE, "down [RT501]")


FACTS = Tag(
    "1.1",
    SIGNED,
    created=1,
    pushed=LONG_AGO,
    severity="low",
    trusted=True,
    signers=("ci@example.com",),
    platforms=(Platform("linux", "arm64"),),
)


def closer(found: Verdict, tags: MemoryTags) -> Verdict:
    return asyncio.run(with_facts(found, tags))


def test_for_people_all_is_asked_of_the_chosen_tag() -> None:
    tags = memory(FACTS, Tag("1.0", OLD))
    assert chosen(closer(verdict(Settings(), memory("1.1", "1.0")), tags).choice) == FACTS
    assert tags.asked == {f"describe {APP}": 1}


@pytest.mark.parametrize(
    "tags",
    [
        memory(replace(FACTS, digest=NEW)),
        memory(replace(FACTS, fault=Fault.MALFORMED)),
        memory(replace(FACTS, digest=None)),
        memory(Tag("1.0", OLD)),
        MemoryTags({}, error=UnreachableError("RT501", "down")),
    ],
    ids=["moved since", "no image", "nothing told", "gone since", "down"],
)
def test_what_cannot_be_told_changes_nothing(tags: MemoryTags) -> None:
    found = verdict(Settings(output="digest"), memory(GOOD))
    assert closer(found, tags) is found


def test_of_nothing_chosen_nothing_is_asked() -> None:
    found, tags = verdict(Settings(), memory(Tag("main"))), memory(FACTS)
    assert closer(found, tags) is found
    assert not tags.asked


def test_a_place_in_the_listing_stays_the_time_by_which_a_tag_was_chosen() -> None:
    placed = Tag("1.0", created=-1, detail="the place in the listing")
    found = Verdict(REPOSITORY, compile_policy(Settings("newest-build")), Chosen(placed, ""))

    shown = asyncio.run(with_facts(found, memory(Tag("1.0", NEW, created=7, pushed=LONG_AGO))))

    tag = chosen(shown.choice)
    assert (tag.created, tag.detail, tag.digest) == (-1, placed.detail, NEW)
    assert tag.pushed == LONG_AGO


class Noted(str):
    """A name that notes in which thread it is ranked."""

    __slots__ = ()
    ranked_in: ClassVar[set[threading.Thread]] = set()

    def __lt__(self, other: str) -> bool:
        self.ranked_in.add(threading.current_thread())
        return super().__lt__(other)


@pytest.mark.parametrize(
    ("count", "in_thread"), [(100, False), (2000, True)], ids=["short", "long"]
)
@pytest.mark.parametrize(
    ("settings", "newest"),
    [(Settings(), False), (Settings("newest-build"), True), (Settings(min_age="1h"), False)],
    ids=["by name", "by time", "with a gate"],
)
def test_only_a_long_listing_is_ranked_in_a_thread_with_the_same_choice(
    settings: Settings, count: int, *, newest: bool, in_thread: bool
) -> None:
    names = [Noted(f"1.{number}.{count}") for number in range(count)]
    tags = memory(*(Tag(name, NEW, created=1, pushed=LONG_AGO) for name in names))
    Noted.ranked_in.clear()

    found = chosen(verdict(settings, tags).choice)

    assert found.name == (max(names) if newest else names[-1])
    assert (threading.main_thread() not in Noted.ranked_in) == in_thread


def test_many_claims_are_tried_in_a_thread_with_the_same_choice() -> None:
    claims = {
        SIGNED: [*(faulty(f"claim {number}", "no") for number in range(50)), *CLAIMS[SIGNED]]
    }
    tags = MemoryTags({APP: [Tag("1.0.0", SIGNED)]}, claims=claims)

    assert chosen(verdict(Settings(verify=True), tags, KEYS).choice).digest == SIGNED
