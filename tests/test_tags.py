"""Tag names, platforms and what is asked of tags."""

from __future__ import annotations

import pytest

from cmp.tags import Needs, Platform, is_signature, is_tag, positions_as_times, wants

HEX = "0a" * 32
AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
ARM64_V8 = Platform("linux", "arm64", "v8")
UNSTATED = Platform("", "")


@pytest.mark.parametrize("name", ["a", "_", "1.2.3-rc_1", "A" * 128])
def test_a_tag_is_in_the_grammar(name: str) -> None:
    assert is_tag(name)


@pytest.mark.parametrize("name", ["", ".a", "-a", "a+b", "a/b", "a b", "é", "a\n", "A" * 129])
def test_a_name_outside_the_grammar_is_no_tag(name: str) -> None:
    assert not is_tag(name)


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_cosign_and_referrers_tags_are_signatures(suffix: str) -> None:
    assert is_signature(f"sha256-{HEX}{suffix}")


@pytest.mark.parametrize(
    "name", ["sha256-0a", f"sha256-{HEX}.txt", f"sha256-{HEX.upper()}", "sig"]
)
def test_other_tags_are_no_signatures(name: str) -> None:
    assert not is_signature(name)


@pytest.mark.parametrize(
    ("platforms", "actual", "is_wanted"),
    [
        pytest.param((), AMD64, True, id="no filter"),
        pytest.param(("linux/amd64",), AMD64, True, id="the same"),
        pytest.param(("linux/amd64",), ARM64, False, id="another architecture"),
        pytest.param(("windows/amd64",), AMD64, False, id="another system"),
        pytest.param(("linux/arm64",), ARM64_V8, True, id="any variant"),
        pytest.param(("linux/arm64/v8",), ARM64_V8, True, id="that variant"),
        pytest.param(("linux/arm64/v8",), ARM64, False, id="a variant is wanted"),
        pytest.param(("linux/arm64/",), ARM64_V8, True, id="empty variant"),
        pytest.param(("linux/arm/v7", "linux/amd64"), AMD64, True, id="one of several"),
        pytest.param((" linux/amd64\t",), AMD64, True, id="space around"),
        pytest.param(("amd64",), AMD64, False, id="malformed"),
        pytest.param(("linux",), AMD64, False, id="system alone"),
        pytest.param(("linux/amd64",), UNSTATED, False, id="image without a platform"),
        pytest.param((), UNSTATED, True, id="no filter, no platform"),
        pytest.param(("",), UNSTATED, True, id="empty entry, no platform"),
    ],
)
def test_platforms_are_filtered_as_the_image_updater_does(
    platforms: tuple[str, ...], actual: Platform, *, is_wanted: bool
) -> None:
    assert wants(platforms, actual) is is_wanted


def test_a_platform_prints_as_it_is_written() -> None:
    assert str(AMD64) == "linux/amd64"
    assert str(ARM64_V8) == "linux/arm64/v8"


def test_a_listing_answers_only_what_asks_for_names() -> None:
    assert Needs(platforms=("linux/amd64",)).names_only
    assert not Needs(created=True).names_only
    assert not Needs(digest=True).names_only


def test_push_times_scans_and_trust_are_for_a_search_to_answer() -> None:
    for needs in (Needs(pushed=True), Needs(severity=True), Needs(trusted=True)):
        assert needs.searched
        assert not needs.names_only
    assert not Needs(created=True, digest=True).searched


@pytest.mark.parametrize(("newest_first", "newest"), [(True, "a"), (False, "c")])
def test_where_a_registry_sorts_by_age_the_place_stands_for_the_time(
    newest: str, *, newest_first: bool
) -> None:
    times = positions_as_times(["a", "b", "c"], newest_first=newest_first)
    assert max(times, key=times.__getitem__) == newest
    assert sorted(times.values())[1] == times["b"]
