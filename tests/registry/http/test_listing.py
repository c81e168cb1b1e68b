"""A listing is all tags of a repository, or an error: never a part."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import (
    BadReplyError,
    DeniedError,
    NotFoundError,
    RegistryError,
    UnreachableError,
)
from cmp.reference import Repository
from cmp.registry.http import listing
from cmp.registry.http.exchange import HttpRequest
from cmp.registry.http.listing import Lister, read_names
from cmp.tags import Listing
from tests.registry.http.table import (
    NAME_UNKNOWN,
    Answer,
    FakeRegistry,
    answer,
    endpoint,
    page,
    registry_api,
)

APP = Repository("registry.example.com", "team/app")
LIST = "GET /v2/team/app/tags/list"


def read(
    registry: FakeRegistry,
    clock: Callable[[], float] = lambda: 7.0,
    monotonic: Callable[[], float] = lambda: 0.0,
    *,
    api_url: str = "",
    repository: Repository = APP,
) -> Listing:
    """The tags of *repository* in *registry*."""
    at = endpoint(**{"api_url": api_url} if api_url else {})
    lister = Lister(registry_api(registry, at), at.base_url, clock, monotonic)
    return asyncio.run(lister.list_tags(repository))


def names_of(answers: dict[str, Answer | list[Answer]]) -> tuple[str, ...]:
    """The tags that a registry with *answers* has."""
    return read(FakeRegistry(answers)).names


def refused(answers: dict[str, Answer | list[Answer]]) -> RegistryError:
    """The error that listing ends with."""
    with pytest.raises(RegistryError) as caught:
        names_of(answers)
    return caught.value


def test_tags_are_listed_by_one_request_without_n() -> None:
    registry = FakeRegistry({LIST: page(["v1", "v2"])})

    found = read(registry)

    assert (found.repository, found.names, found.observed_at) == (APP, ("v1", "v2"), 7.0)
    assert registry.asked == [LIST]


def test_a_token_for_it_is_one_to_pull_from_the_repository() -> None:
    realm = 'Bearer realm="https://registry.example.com/token",service="x"'
    token = "GET /token?service=x&scope=repository%3Ateam%2Fapp%3Apull"
    registry = FakeRegistry(
        {
            LIST: [answer(status=401, headers={"www-authenticate": realm}), page(["v1"])],
            token: answer({"token": "made-up"}),
        }
    )

    assert read(registry).names == ("v1",)
    assert registry.asked == [LIST, token, LIST]


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ([], ()),
        (None, ()),
        (["v2", "v10", "V1", "latest", "1"], ("v2", "v10", "V1", "latest", "1")),
        (["b", "a", "b", "a"], ("b", "a")),
        (
            ["v1+build", "-x", "a:b", "a b", "", "ä", "x" * 300, f"sha256-{'0' * 64}.sig"],
            ("v1+build", "-x", "a:b", "a b", "", "ä", "x" * 300, f"sha256-{'0' * 64}.sig"),
        ),
    ],
    ids=["empty", "null", "unsorted", "doubled", "odd names"],
)
def test_names_are_kept_as_they_are_listed(tags: list[str] | None, names: tuple[str, ...]) -> None:
    assert names_of({LIST: page(tags)}) == names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in</html>",
        b"null",
        b"[]",
        b'["v1"]',
        b"{}",
        b'{"name":"team/app"}',
        b'{"name":"team/app","Tags":["v1"]}',
        b'{"name":"team/app","tags":{}}',
        b'{"name":"team/app","tags":"v1"}',
        b'{"name":"team/app","tags":["v1",2]}',
        b'{"name":"team/app","tags":["v1",null]}',
        b'{"name":"team/app","tags":["v1",["v2"]]}',
        b'{"name":"team/app","tags":["v1"',
        b'{"name":"team/app","tags":["v1"]}{',
        b'{"name":"team/app","tags":["\\ud800"]}',
        b'{"name":"team/app","tags":["\xff"]}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode(errors="replace") or "nothing",
)
def test_what_is_no_listing_is_never_taken_for_an_empty_one(body: bytes) -> None:
    error = refused({LIST: answer(body)})

    assert isinstance(error, BadReplyError)
    assert error.code == "RT571"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_tags_are_a_list_of_strings_or_an_error(tags: object) -> None:
    body = json.dumps({"name": "app", "tags": tags}).encode()
    strings = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)

    try:
        names = listing.read_names(answer(body))
    except BadReplyError:
        assert not strings
        assert tags is not None
    else:
        assert names == (tags or [])


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 405, 422])
def test_any_other_status_is_an_error(status: int) -> None:
    error = refused({LIST: answer({"name": "app", "tags": ["v1"]}, status)})

    assert isinstance(error, BadReplyError)
    assert f"it answered with status {status}" in str(error)


def test_a_repository_that_is_missing_may_be_one_that_cannot_be_read() -> None:
    error = refused({LIST: answer(NAME_UNKNOWN, 404)})

    assert isinstance(error, NotFoundError)
    assert str(error) == (
        "Failed to get tags for registry.example.com/team/app: "
        "the registry knows no such repository; check its name, and the registry's log: "
        "Zot says the same where it cannot read the repository's index.json [RT570]"
    )


def test_a_registry_may_have_another_code_for_what_is_missing() -> None:
    body = {"errors": [{"code": "NOT_FOUND", "message": "repository app not found"}]}

    assert "knows no such repository" in str(refused({LIST: answer(body, 404)}))


def test_what_is_no_registry_is_told_from_a_missing_repository() -> None:
    error = refused({})

    assert isinstance(error, NotFoundError)
    assert "answered 404 without a reason" in str(error)
    assert "api_url" in error.remedy


@pytest.mark.parametrize(
    "failure",
    [
        UnreachableError("RT540", "no answer", where="https://registry.example.com"),
        DeniedError("RT541", "not allowed", remedy="ask"),
    ],
    ids=["unreachable", "denied"],
)
def test_every_error_begins_with_the_words_people_search_for_once(failure: RegistryError) -> None:
    pages: dict[str, Answer | list[Answer]] = {
        LIST: page(["a"], "<?last=a>; rel=next"),
        f"{LIST}?last=a": failure,
    }

    error = refused(pages)

    assert type(error) is type(failure)
    assert str(error) == f"Failed to get tags for registry.example.com/team/app: {failure}"


def test_pages_are_followed_by_the_query_of_their_links_alone() -> None:
    registry = FakeRegistry(
        {
            LIST: page(["a", "b"], '</v2/elsewhere/tags/list?n=2&last=b>; rel="next"'),
            f"{LIST}?n=2&last=b": page(["b", "c"], "<?n=2&last=c>; rel=next"),
            f"{LIST}?n=2&last=c": page(["d"]),
        }
    )

    assert read(registry).names == ("a", "b", "c", "d")
    assert len(registry.requests) == 3


def test_pages_behind_a_path_prefix_are_asked_for_with_it() -> None:
    at = "/registry/v2/team/app/tags/list"
    registry = FakeRegistry(
        {
            f"GET {at}": page(["a"], "</v2/team/app/tags/list?last=a>; rel=next"),
            f"GET {at}?last=a": page(["b"]),
        }
    )

    found = read(registry, api_url="https://registry.example.com/registry")

    assert found.names == ("a", "b")


def test_a_page_may_be_empty() -> None:
    pages: dict[str, Answer | list[Answer]] = {
        LIST: page(None, "<?last=a>; rel=next"),
        f"{LIST}?last=a": page(["b"]),
    }
    assert names_of(pages) == ("b",)


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ("<https://evil.example.com/v2/team/app/tags/list?last=a>; rel=next", "another host"),
        ("</v2/team/app/tags/list>; rel=next", "where the next page begins"),
        ("garbage", "malformed"),
    ],
    ids=["off the origin", "without a query", "malformed"],
)
def test_a_link_that_cannot_be_followed_makes_no_shorter_list(link: str, what: str) -> None:
    registry = FakeRegistry({LIST: page(["a"], link)})

    with pytest.raises(BadReplyError, match=what):
        read(registry)
    assert registry.asked == [LIST]


@pytest.mark.parametrize(
    "broken",
    [
        answer(b"{}"),
        answer(b"", 400),
        page(["c"], "<https://evil.example.com/?last=c>; rel=next"),
    ],
    ids=["no listing", "refused", "leads away"],
)
def test_a_later_page_that_is_broken_makes_no_shorter_list(broken: Answer) -> None:
    error = refused({LIST: page(["a"], "<?last=a>; rel=next"), f"{LIST}?last=a": broken})

    assert isinstance(error, BadReplyError)


def test_pages_that_lead_in_a_circle_are_an_error() -> None:
    pages: dict[str, Answer | list[Answer]] = {
        LIST: page(["a"], "<?last=a>; rel=next"),
        f"{LIST}?last=a": page(["b"], "<?last=b>; rel=next"),
        f"{LIST}?last=b": page(["a"], "<?last=a>; rel=next"),
    }

    error = refused(pages)

    assert error.code == "RT573"
    assert "leads back" in str(error)


def test_a_page_that_is_gone_starts_the_walk_again() -> None:
    """Zot answers 404 for a page behind a tag that was deleted."""
    registry = FakeRegistry(
        {
            LIST: [page(["a"], "<?last=a>; rel=next"), page(["b"], "<?last=b>; rel=next")],
            f"{LIST}?last=a": answer(b"", 404),
            f"{LIST}?last=b": page(["c"]),
        }
    )
    moments = iter(range(100))

    found = read(registry, lambda: float(next(moments)))

    assert found.names == ("b", "c")
    assert found.observed_at == 1.0  # 0 is the first walk's


def test_pages_that_are_gone_each_time_are_a_passing_error() -> None:
    registry = FakeRegistry({LIST: page(["a"], "<?last=a>; rel=next")})

    with pytest.raises(UnreachableError, match="tags were deleted") as caught:
        read(registry)

    assert caught.value.code == "RT574"
    assert len(registry.requests) == 6


def test_a_repository_that_goes_during_the_walk_is_missing() -> None:
    pages: dict[str, Answer | list[Answer]] = {
        LIST: [page(["a"], "<?last=a>; rel=next"), answer(NAME_UNKNOWN, 404)]
    }
    assert isinstance(refused(pages), NotFoundError)


def endless(names: Callable[[int], list[str]]) -> FakeRegistry:
    """A registry whose every page leads to a new one, and has *names* of its number."""
    pages = itertools.count(1)

    def turn(_: HttpRequest) -> Answer:
        number = next(pages)
        return page(names(number), f"<?last={number}>; rel=next")

    return FakeRegistry({}, turn)


@pytest.mark.parametrize(
    ("names", "most"),
    [
        (lambda _: [], listing.MOST_PAGES),
        (lambda number: [f"{number}"], listing.MOST_PAGES),
        (lambda number: [f"{number}-{each}" for each in range(50_000)], 11),
        (lambda number: [f"{number}".ljust(4_000_000, "x")], 9),
    ],
    ids=["empty pages", "short pages", "many tags", "long names"],
)
def test_a_list_without_an_end_is_an_error(names: Callable[[int], list[str]], most: int) -> None:
    registry = endless(names)

    with pytest.raises(BadReplyError) as caught:
        read(registry)

    assert caught.value.code == "RT573"
    assert len(registry.requests) <= most


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"tags":[],"x":[' + b"[]," * 500_000 + b"[]]}", id="empty lists"),
        pytest.param(b'{"tags":[],"x":[' + b"{}," * 500_000 + b"{}]}", id="empty objects"),
        pytest.param(
            b'{"tags":[],"x":[' + b",".join([b"[" * 100 + b"]" * 100] * 5010) + b"]}", id="nests"
        ),
        pytest.param(b'{"tags":[' + b'"a",' * 501_000 + b'"a"]}', id="one tag again and again"),
    ],
)
def test_what_would_take_many_times_its_bytes_is_not_read(body: bytes) -> None:
    with pytest.raises(BadReplyError, match="the list has more than 500000 tags") as caught:
        read_names(answer(body))

    assert caught.value.code == "RT573"


def test_a_page_may_have_as_many_bytes_as_a_whole_list() -> None:
    registry = FakeRegistry({LIST: page(["x" * listing.LARGEST_LISTING])})

    with pytest.raises(BadReplyError, match="too large"):
        read(registry)
    assert registry.requests[0].limit == listing.LARGEST_LISTING


def test_a_list_that_takes_too_long_is_a_passing_error() -> None:
    moments = itertools.count(0.0, 20.0)
    registry = endless(lambda number: [f"{number}"])

    with pytest.raises(UnreachableError, match="longer than 60 s") as caught:
        read(registry, monotonic=lambda: next(moments))

    assert caught.value.code == "RT574"
    assert len(registry.requests) == 3  # at 20, 40 and 60


def test_all_walks_together_have_the_time_of_one() -> None:
    moments = itertools.count(0.0, 16.0)
    registry = FakeRegistry({LIST: page(["a"], "<?last=a>; rel=next")})

    with pytest.raises(UnreachableError, match="longer than 60 s"):
        read(registry, monotonic=lambda: next(moments))

    assert registry.asked == [LIST, f"{LIST}?last=a", LIST]


def test_a_clock_that_is_set_ends_no_walk() -> None:
    moments = itertools.count(0.0, 1e9)
    pages: dict[str, Answer | list[Answer]] = {
        LIST: page(["a"], "<?last=a>; rel=next"),
        f"{LIST}?last=a": page(["b"]),
    }

    assert read(FakeRegistry(pages), lambda: next(moments)).names == ("a", "b")


@pytest.mark.parametrize("path", ["../admin", "app?n=1", "app#x", "App", "a//b", ""])
def test_what_is_no_name_of_a_repository_comes_into_no_url(path: str) -> None:
    registry = FakeRegistry({})

    with pytest.raises(BadReplyError, match="RT508"):
        read(registry, repository=Repository("registry.example.com", path))
    assert registry.asked == []


def test_as_many_tags_as_a_list_may_have_are_listed() -> None:
    names = [f"{number}" for number in range(listing.MOST_TAGS)]

    assert len(names_of({LIST: page(names)})) == listing.MOST_TAGS
