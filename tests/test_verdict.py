"""What a verdict tells of a listing adds up: each tag is chosen, older or refused."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from cmp.judge import Verdict, judge
from cmp.policy import Chosen, FilterTags, Keep, Kept, Settings, compile_policy
from cmp.reference import Repository
from cmp.tags import Fault, Tag
from tests.memory import MemoryTags

REPOSITORY = Repository("registry.example.com", "team/app")
DIGEST = f"sha256:{'1' * 64}"
TAGS = [
    *(Tag(name, DIGEST, created) for created, name in enumerate(("1.0.0", "v1.0.0", "1.1.0"))),
    *(Tag(name, DIGEST, 9) for name in ("2.0.0-rc.1", "build-9", "build-10", "latest", "10")),
    *(Tag(name, DIGEST, 9, pushed=0, severity="low") for name in ("1.1.5", "build-7")),
    Tag("1.1.6", DIGEST, 9, pushed=0, severity="high"),
    Tag("1.2.0", fault=Fault.GONE),
    Tag("main", fault=Fault.MALFORMED),
    Tag(f"sha256-{'5' * 64}.sig", DIGEST, 10),
    Tag("1.0.0+metadata", DIGEST, 11),
]
stated = st.builds(
    Settings,
    strategy=st.sampled_from(["semver", "newest-build", "alphabetical", "digest", "numerical"]),
    constraint=st.sampled_from([None, "1.x", ">=0-0", "latest", "build-9"]),
    allow_tags=st.sampled_from([(), ("any",), ("regexp:^v?1",), ("1",)]),
    ignore_tags=st.sampled_from([(), ("1.1*",)]),
    deny_tags=st.sampled_from([(), ("10", "latest"), ("1.0.0",)]),
    filter_tags=st.sampled_from([None, FilterTags("^build-(.*)$", "$1"), FilterTags("(")]),
    output=st.sampled_from(["tag", "tag@digest", "digest"]),
    pin=st.sampled_from([None, None, "build-9", "3.0.0"]),
    order_by=st.sampled_from(["built", "built", "pushed"]),
    min_age=st.sampled_from([None, "1h"]),
    max_severity=st.sampled_from([None, "low"]),
)
listed = st.lists(st.sampled_from(TAGS), min_size=6, unique_by=lambda tag: tag.name)


def verdict_of(settings: Settings, tags: list[Tag]) -> Verdict:
    source = MemoryTags({str(REPOSITORY): tags})
    return asyncio.run(judge(REPOSITORY, compile_policy(settings), source))


@given(settings=stated, tags=listed)
def test_each_listed_tag_is_chosen_or_older_or_refused_and_only_one_of_these(
    settings: Settings, tags: list[Tag]
) -> None:
    verdict = verdict_of(settings, tags)
    told = Counter(refusal.tag for refusal in verdict.choice.refusals)
    told.update(verdict.passed_over)
    if isinstance(verdict.choice, Chosen):
        told[verdict.choice.tag.name] += 1
    elif verdict.choice.keep is not Keep.NOTHING_ALLOWED:
        return  # the rule is disabled or the choice incomplete: the rest was not judged
    if verdict.listing is not None:
        assert told == Counter(tag.name for tag in tags)


@example(settings=Settings(strategy="newest-build"), tags=TAGS)
@example(settings=Settings(min_age="1h", max_severity="low"), tags=TAGS)
@given(settings=stated, tags=listed)
def test_the_number_in_the_reason_is_that_of_the_tags_it_speaks_of(
    settings: Settings, tags: list[Tag]
) -> None:
    verdict = verdict_of(settings, tags)
    match verdict.choice:
        case Chosen(why=why) if found := re.search(r" of ([0-9]+) allowed ", why):
            assert int(found[1]) == 1 + len(verdict.passed_over)
        case Kept(why=why) if found := re.match(r"none of the ([0-9]+) tags( with)?", why):
            named = [tag for tag in tags if not isinstance(verdict.policy.judge(tag.name), str)]
            assert int(found[1]) == len(named if found[2] else tags)
