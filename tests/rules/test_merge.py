"""Settings of spec, ref and image as one, field by field."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cmp.rules.merge import merge_settings, merge_verification, merge_write_back
from cmp.rules.model import CommonUpdateSettings, ImagesVerification, WriteBackConfig

strings = st.text("ab", max_size=2)
blocks = st.fixed_dictionaries(
    {},
    optional={
        "updateStrategy": strings,
        "forceUpdate": st.booleans(),
        "allowTags": st.lists(strings, max_size=2),
        "ignoreTags": st.lists(strings, max_size=2),
        "platforms": st.lists(strings, max_size=2),
        "pullSecret": strings,
        "suspend": st.booleans(),
        "denyTags": st.lists(strings, max_size=2),
        "orderBy": st.sampled_from(["built", "pushed"]),
        "output": st.sampled_from(["tag", "digest"]),
    },
).map(CommonUpdateSettings.model_validate)


@given(above=blocks, below=blocks)
def test_a_stated_field_replaces_the_one_above_and_no_other(
    above: CommonUpdateSettings, below: CommonUpdateSettings
) -> None:
    merged = dict(merge_settings(above, below))
    for name, value in below:
        assert merged[name] == (dict(above)[name] if value is None else value)


@given(first=blocks, second=blocks, third=blocks)
def test_it_does_not_matter_which_levels_are_merged_first(
    first: CommonUpdateSettings, second: CommonUpdateSettings, third: CommonUpdateSettings
) -> None:
    at_once = merge_settings(first, second, third)
    assert at_once == merge_settings(merge_settings(first, second), third)
    assert at_once == merge_settings(first, merge_settings(second, third))


@given(block=blocks)
def test_a_level_without_settings_changes_nothing(block: CommonUpdateSettings) -> None:
    assert merge_settings(None, block, None, CommonUpdateSettings()) == block


def verification(**fields: Any) -> ImagesVerification:
    return ImagesVerification.model_validate(fields)


def test_verification_is_none_only_where_no_level_has_it() -> None:
    key = {"secretName": "cosign", "key": "pub"}
    assert merge_verification(None, None) is None
    assert merge_verification(None, verification()) == verification()
    assert merge_verification(verification(cosignKey=key), verification(enabled=False)) == (
        verification(cosignKey=key, enabled=False)
    )


def write_back(**fields: Any) -> WriteBackConfig:
    return WriteBackConfig.model_validate(fields)


def test_git_settings_merge_field_by_field_and_a_pull_request_as_a_whole() -> None:
    general = write_back(
        method="git",
        gitConfig={"branch": "main", "repository": "r", "pullRequest": {"github": {}}},
    )
    specific = write_back(gitConfig={"branch": "dev", "pullRequest": {"gitlab": {}}})
    assert merge_write_back(general, specific) == write_back(
        method="git",
        gitConfig={"branch": "dev", "repository": "r", "pullRequest": {"gitlab": {}}},
    )
    assert merge_write_back(None, None) == write_back()
    assert merge_write_back(general, None) == general
    assert merge_write_back(write_back(method="git"), write_back(method="argocd")) == write_back(
        method="argocd"
    )
