"""What holds of every choice, whatever the settings and the tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from cmp.policy import Choice, FilterTags, Keep, Kept, Refusal, Settings, choose, compile_policy
from cmp.policy.gates import SECOND
from cmp.tags import Tag
from tests.policy.deciding import SHA, chosen, listing, reasons

CORE = [
    "1.0.0",
    "v1.0.0",
    "1.0",
    "1.1.0",
    "1.1.0-rc.1",
    "2.0.0",
    "10",
    "9",
    "9.5",
    "-1",
    "main",
    "Main",
    "z+",
]
names = st.lists(st.sampled_from(CORE) | st.from_regex(r"\Av?[0-3](\.[0-3]){0,2}(-rc[0-9])?\Z"))
stated = st.builds(
    Settings,
    strategy=st.sampled_from(["semver", "newest-build", "alphabetical", "numerical", "digest"]),
    constraint=st.sampled_from([None, "*", "~1", ">=1-0", "main", "<2 || 9"]),
    allow_tags=st.sampled_from([(), ("any",), ("regexp:^v",), ("regexp:[0-9]", "regexp:^m")]),
    ignore_tags=st.sampled_from([(), ("*-rc*",), ("1.?.0",)]),
    deny_tags=st.sampled_from([(), ("2*",)]),
    filter_tags=st.sampled_from([None, FilterTags(r"v?([0-9.]+)", "$1")]),
    order_by=st.sampled_from(["built", "built", "pushed"]),
    min_age=st.sampled_from([None, "1s"]),
)


def known(names: Iterable[str]) -> Mapping[str, Tag]:
    """Tags whose times repeat, so that there are ties; some are too young."""
    return {
        name: Tag(name, SHA, created=len(name) % 3, pushed=(len(name) % 4 - 3) * SECOND)
        for name in names
    }


def choose_known(settings: Settings, names: Iterable[str]) -> Choice:
    return choose(compile_policy(settings), listing(names), known(names))


@given(settings=stated, names=names, data=st.data())
def test_the_order_of_the_listing_is_no_matter(
    settings: Settings, names: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(names))
    assert choose_known(settings, shuffled) == choose_known(settings, names)


@given(settings=stated, names=names)
def test_the_chosen_tag_is_the_greatest_of_those_that_are_not_refused(
    settings: Settings, names: list[str]
) -> None:
    policy = compile_policy(settings)
    ranks = {tag.name: policy.rank(tag, 0) for tag in known(names).values()}
    keys = {name: rank for name, rank in ranks.items() if not isinstance(rank, Refusal)}
    choice = choose_known(settings, names)
    if isinstance(choice, Kept) and choice.keep is Keep.DISABLED:
        return
    assert chosen(choice) == max(keys, key=keys.__getitem__, default=None)
    refused = {name for name, rank in ranks.items() if isinstance(rank, Refusal)}
    assert set(reasons(choice)) == refused


@given(settings=stated, names=names)
def test_choosing_again_changes_nothing(settings: Settings, names: list[str]) -> None:
    seen = listing(names)
    policy = compile_policy(settings)
    assert choose(policy, seen, known(names)) == choose(policy, seen, known(names))


@given(settings=stated, names=names, added=st.sampled_from(CORE))
def test_a_refused_tag_added_never_changes_the_choice(
    settings: Settings, names: list[str], added: str
) -> None:
    if isinstance(compile_policy(settings).rank(known([added])[added], 0), Refusal):
        before, after = choose_known(settings, names), choose_known(settings, [*names, added])
        assert chosen(after) == chosen(before)


@given(settings=stated, names=names)
def test_the_chosen_tag_was_listed_and_its_rule_allows_it(
    settings: Settings, names: list[str]
) -> None:
    best = chosen(choose_known(settings, names))
    assert best is None or (best in names and compile_policy(settings).allows(best))
