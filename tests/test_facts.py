"""What is told of a chosen tag: only what is known, in the same words for people and programs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmp.facts import facts, facts_as_json, moving
from cmp.policy import Choice, Chosen, Keep, Kept, Settings, compile_policy
from cmp.tags import Platform, Tag

DIGEST = "sha256:" + "5a" * 32
SECOND = 10**9
TAG = Tag(
    "latest",
    DIGEST,
    created=0,
    pushed=1_767_225_600 * SECOND,
    severity="",
    trusted=False,
    signers=("ci@example.com", "somebody"),
    platforms=(Platform("linux", "amd64"), Platform("linux", "arm64", "v8")),
)
POLICY = compile_policy(Settings())


def test_all_that_is_known_is_told() -> None:
    assert dict(facts(POLICY, Chosen(TAG, "", verified="signed by a key"))) == {
        "pushed": "2026-01-01T00:00:00Z",
        "built": "1970-01-01T00:00:00Z",
        "platform": "linux/amd64, linux/arm64/v8",
        "signers": "ci@example.com, somebody (not trusted by the registry)",
        "severity": "not scanned",
        "digest": DIGEST,
        "verified": "signed by a key",
    }
    assert facts_as_json(Chosen(TAG, "", verified="signed by a key")) == {
        "tag": "latest",
        "digest": DIGEST,
        "pushed": "2026-01-01T00:00:00Z",
        "built": "1970-01-01T00:00:00Z",
        "platforms": ["linux/amd64", "linux/arm64/v8"],
        "severity": "",
        "trusted": False,
        "signers": ["ci@example.com", "somebody"],
        "verified": "signed by a key",
    }


def test_what_is_not_known_is_not_told() -> None:
    assert list(facts(POLICY, Chosen(Tag("1"), ""))) == []
    nothing = dict.fromkeys(["tag", "digest", "pushed", "built", "severity", "trusted"])
    assert facts_as_json(Kept(Keep.SUSPENDED, "")) == {
        **nothing,
        "platforms": [],
        "signers": [],
        "verified": None,
    }


def test_a_place_in_the_listing_is_no_time() -> None:
    chosen = Chosen(Tag("1", created=-3, detail="tagsortmode: the place in the listing"), "")
    assert list(facts(POLICY, chosen)) == [("built", "tagsortmode: the place in the listing")]
    assert facts_as_json(chosen)["built"] is None


@pytest.mark.parametrize("time", [10**30, -(10**30), 253_402_300_800 * SECOND])
def test_a_time_that_no_calendar_has_is_not_told(time: int) -> None:
    assert list(facts(POLICY, Chosen(Tag("1", created=time), ""))) == []


def test_where_a_guard_adds_the_digest_that_is_explained() -> None:
    for settings in (Settings(min_age="1h"), Settings(verify=True)):
        assert "written" in dict(facts(compile_policy(settings), Chosen(TAG, "")))
        stated = replace(settings, output="digest")
        assert "written" not in dict(facts(compile_policy(stated), Chosen(TAG, "")))


DIGESTS = compile_policy(Settings("alphabetical", output="tag@digest"))


def test_a_digest_that_a_zot_will_drop_is_noted() -> None:
    (note,) = moving(DIGESTS, Chosen(TAG, ""))
    assert note.startswith("a digest is written, and Zot keeps none of a tag that moves")


def test_where_a_digest_stays_or_nobody_knows_nothing_is_noted() -> None:
    choices: list[Choice] = [
        Chosen(replace(TAG, name="1.2"), ""),
        Chosen(replace(TAG, pushed=None), ""),
        Kept(Keep.SUSPENDED, ""),
    ]
    assert not any(list(moving(DIGESTS, choice)) for choice in choices)
    assert list(moving(POLICY, Chosen(TAG, ""))) == []
