"""One registry over HTTP: what is asked of it, how often, and in which way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from cmp.errors import BadReplyError, DeniedError, RegistryError, UnreachableError
from cmp.reference import Repository
from cmp.registry.http.source import HttpSource
from cmp.tags import Fault, Needs, Tag
from tests.registry.http.table import (
    Answer,
    FakeRegistry,
    answer,
    endpoint,
    holding,
    page,
    registry_api,
)
from tests.servers.images import Document, image, index

APP = Repository("registry.example.com", "team/app")
CREATED = Needs(created=True)
DISCOVER = "GET /v2/_oci/ext/discover"
SEARCHLESS = {DISCOVER: answer({"extensions": []})}
IMAGES = {f"v{number}": image(f"2026-01-0{number}T00:00:00Z") for number in range(1, 6)}


def source(registry: FakeRegistry, **fields: object) -> HttpSource:
    """The source of *registry*, with *fields* in registries.conf."""
    at = endpoint(**fields)
    return HttpSource(at, registry_api(registry, at), clock=lambda: 7.0, monotonic=lambda: 0.0)


def describe(
    registry: FakeRegistry, names: Sequence[str], needs: Needs, **fields: object
) -> Mapping[str, Tag]:
    """What the source tells of *names*."""
    return asyncio.run(source(registry, **fields).describe(APP, names, needs))


def kinds(registry: FakeRegistry) -> Counter[str]:
    """How often each kind of thing was asked for: method, and what follows the repository."""
    asked = (each.replace("/v2/team/app/", "") for each in registry.asked)
    return Counter(each.partition("/")[0] for each in asked)


def test_build_times_take_one_listing_and_three_requests_a_tag() -> None:
    registry = FakeRegistry(holding("team/app", IMAGES))
    asked = source(registry, kind="oci")

    async def run() -> Mapping[str, Tag]:
        listing = await asked.list_tags(APP)
        return await asked.describe(APP, listing.names, CREATED)

    tags = asyncio.run(run())

    assert max(tags.values(), key=lambda tag: tag.created or 0).name == "v5"
    assert kinds(registry) == {
        "GET tags": 1,
        "HEAD manifests": 5,
        "GET manifests": 5,
        "GET blobs": 5,
    }


def test_each_digest_is_read_once_however_many_tags_name_it_and_however_often_asked() -> None:
    one = image("2026-01-01T00:00:00Z")
    both = index([one, image("2026-01-02T00:00:00Z", platform="linux/arm64")])
    tags: dict[str, Document] = {"v1": one, "1": one, "both": both, "latest": both}
    registry = FakeRegistry(holding("team/app", tags))
    asked = source(registry, kind="oci")

    async def run() -> None:
        await asked.describe(APP, list(tags), CREATED)
        await asked.describe(APP, list(tags), CREATED)
        await asked.authorised("").describe(APP, list(tags), CREATED)

    asyncio.run(run())

    assert kinds(registry) == {"HEAD manifests": 12, "GET manifests": 3, "GET blobs": 2}
    assert max(Counter(each for each in registry.asked if each.startswith("GET")).values()) == 1


def test_names_alone_are_asked_of_nobody() -> None:
    registry = FakeRegistry({})

    tags = describe(registry, ["v1"], Needs(platforms=("linux/amd64",)))

    assert tags == {"v1": Tag("v1")}
    assert registry.asked == []


def test_a_zot_without_search_is_read_by_digest_and_not_by_pulling() -> None:
    answers = holding("team/app", IMAGES) | SEARCHLESS
    for document in IMAGES.values():
        answers[f"GET /v2/team/app/blobs/{document.digest}"] = answer(document.body)
    registry = FakeRegistry(answers)

    tags = describe(registry, list(IMAGES), CREATED)

    assert [tag.fault for tag in tags.values()] == [None] * 5
    assert registry.asked.count(DISCOVER) == 1
    assert kinds(registry) == {"GET ": 1, "HEAD manifests": 5, "GET blobs": 10}


@pytest.mark.parametrize("created", [False, True], ids=["names decide", "times decide"])
def test_what_only_zot_tells_asks_another_registry_nothing_and_says_why(*, created: bool) -> None:
    """A gate refuses each tag then, so that its build time does not matter."""
    registry = FakeRegistry({})
    needs = Needs(created=created, digest=created, pushed=True, severity=True, trusted=True)

    tag = describe(registry, ["v1"], needs, kind="oci")["v1"]

    why = "the registry example is no Zot, which alone tells this"
    assert tag == Tag("v1", unanswered=why)
    assert registry.asked == []


def test_a_registry_that_denies_what_it_is_says_what_to_set() -> None:
    registry = FakeRegistry({DISCOVER: answer(b"", status=403)})

    tag = describe(registry, ["v1"], Needs(pushed=True))["v1"]

    assert tag.unanswered == (
        "the registry example does not tell this login whether it is a Zot, which alone tells "
        "this: set kind: zot"
    )


def test_whether_it_is_a_zot_is_asked_once() -> None:
    registry = FakeRegistry(holding("team/app", IMAGES))
    asked = source(registry)

    async def run() -> None:
        for name in IMAGES:
            await asked.describe(APP, [name], Needs(digest=True))

    asyncio.run(run())

    assert registry.asked.count(DISCOVER) == 1


def test_what_cannot_be_read_of_a_tag_is_its_fault() -> None:
    digest = IMAGES["v2"].digest
    answers = holding("team/app", IMAGES) | {
        "HEAD /v2/team/app/manifests/v1": answer(b"", 404),
        f"GET /v2/team/app/manifests/{digest}": UnreachableError("RT540", "no answer"),
        "HEAD /v2/team/app/manifests/v3": DeniedError("RT541", "not allowed"),
        "HEAD /v2/team/app/manifests/v4": answer(b"", 400),
    }

    tags = describe(FakeRegistry(answers), list(IMAGES), CREATED, kind="oci")

    assert {name: tag.fault for name, tag in tags.items()} == {
        "v1": Fault.GONE,
        "v2": Fault.UNREADABLE,
        "v3": Fault.UNREADABLE,
        "v4": Fault.MALFORMED,
        "v5": None,
    }


def test_content_that_is_not_what_its_digest_says_is_refused() -> None:
    other = answer(IMAGES["v2"].body, headers={"content-type": IMAGES["v2"].media_type})
    answers = holding("team/app", IMAGES)
    answers[f"GET /v2/team/app/manifests/{IMAGES['v1'].digest}"] = other

    tag = describe(FakeRegistry(answers), ["v1"], CREATED, kind="oci")["v1"]

    assert tag.fault is Fault.MALFORMED
    assert "not what its digest" in tag.detail


@pytest.mark.parametrize("path", ["../other", "a?b", "a#b", "A", "a//b", "a/../b", "a%2fb", "ä"])
def test_no_path_is_made_of_what_is_no_repository(path: str) -> None:
    registry = FakeRegistry({})
    asked = source(registry)
    odd = Repository("registry.example.com", path)

    async def run() -> list[RegistryError]:
        questions = (
            asked.list_tags(odd),
            asked.describe(odd, ["v1"], CREATED),
            asked.signatures(odd, f"sha256:{'0' * 64}"),
        )
        found = await asyncio.gather(*questions, return_exceptions=True)
        return [each for each in found if isinstance(each, RegistryError)]

    errors = asyncio.run(run())

    assert [(type(error), error.code) for error in errors] == [(BadReplyError, "RT508")] * 3
    assert registry.asked == []


def test_a_registry_below_a_path_is_asked_there() -> None:
    answers: dict[str, Answer | list[Answer]] = {
        f"GET /zot{key.removeprefix('GET ')}": value
        for key, value in holding("team/app", IMAGES).items()
        if key.startswith("GET ")
    }
    registry = FakeRegistry(answers)
    asked = source(registry, api_url="https://registry.example.com/zot/")

    listing = asyncio.run(asked.list_tags(APP))

    assert listing.names == tuple(IMAGES)
    assert listing.observed_at == 7.0


def test_what_is_remembered_ages_by_the_clock_that_never_goes_back() -> None:
    def wall() -> float:
        raise AssertionError

    registry = FakeRegistry(holding("team/app", IMAGES))
    at = endpoint()
    asked = HttpSource(at, registry_api(registry, at), clock=wall, monotonic=lambda: 0.0)

    assert asyncio.run(asked.describe(APP, ["v1"], CREATED))["v1"].created is not None


def test_a_listing_is_asked_for_with_the_login_of_the_pull_secret() -> None:
    registry = FakeRegistry({"GET /v2/team/app/tags/list": page(["v1"])})

    with pytest.raises(DeniedError, match="team/login"):
        asyncio.run(source(registry).authorised("pullsecret:team/login").list_tags(APP))

    assert registry.asked == []


@pytest.mark.parametrize("kind", ["oci", "zot"])
def test_signatures_are_asked_for_with_that_login_too(kind: str) -> None:
    registry = FakeRegistry({})
    asked = source(registry, kind=kind).authorised("pullsecret:team/login")

    with pytest.raises(DeniedError, match="team/login"):
        asyncio.run(asked.signatures(APP, IMAGES["v1"].digest))

    assert registry.asked == []


def test_a_view_with_a_login_leaves_the_others_as_they_are() -> None:
    registry = FakeRegistry({"GET /v2/team/app/tags/list": page(["v1"])})
    asked = source(registry)
    asked.authorised("pullsecret:team/login")

    assert asyncio.run(asked.list_tags(APP)).names == ("v1",)


def test_so_are_tags_whose_documents_are_read() -> None:
    registry = FakeRegistry(holding("team/app", IMAGES))
    asked = source(registry, kind="oci").authorised("pullsecret:team/login")

    assert asyncio.run(asked.describe(APP, ["v1"], CREATED))["v1"].fault is Fault.UNREADABLE
    assert registry.asked == []


def test_so_is_search() -> None:
    registry = FakeRegistry({})
    asked = source(registry, kind="zot").authorised("pullsecret:team/login")

    with pytest.raises(DeniedError, match="team/login"):
        asyncio.run(asked.describe(APP, ["v1"], CREATED))

    assert registry.asked == []
