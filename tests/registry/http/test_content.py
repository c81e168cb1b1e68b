"""A tag is resolved by HEAD, what it names is read by digest, and nothing more is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from cmp.errors import BadReplyError, DeniedError, NotFoundError, RegistryError, UnreachableError
from cmp.registry.documents import OCI_INDEX, OCI_MANIFEST, Descriptor
from cmp.registry.http.content import MOST_PAGES, HttpContent
from cmp.registry.metadata import LARGEST_DOCUMENT
from cmp.registry.referrers import Referrer
from tests.registry.http.table import Answer, FakeRegistry, answer, endpoint, registry_api
from tests.registry.memory import digest_of

BODY = b'{"schemaVersion":2}'
DIGEST = digest_of(BODY)
OTHER = f"sha256:{'2' * 64}"
HEAD = "HEAD /v2/team/app/manifests/v1"
NAMED = {"content-type": OCI_MANIFEST, "docker-content-digest": DIGEST}
MANIFEST = Descriptor(OCI_MANIFEST, DIGEST)
Got = TypeVar("Got")


def content(registry: FakeRegistry, *, as_blobs: bool = False) -> HttpContent:
    """The repository team/app of *registry*."""
    api, base_url = registry_api(registry), endpoint().base_url
    return HttpContent(api, base_url, "team/app", as_blobs=as_blobs)


def of(answers: dict[str, Answer | list[Answer]]) -> HttpContent:
    """The repository team/app of a registry with *answers*."""
    return content(FakeRegistry(answers))


def refused(asked: Coroutine[Any, Any, Got]) -> RegistryError:
    """The error that *asked* ends with."""
    with pytest.raises(RegistryError) as caught:
        asyncio.run(asked)
    return caught.value


def test_a_tag_is_resolved_by_one_head_that_accepts_all_types() -> None:
    registry = FakeRegistry({HEAD: answer(headers=NAMED)})

    found = asyncio.run(content(registry).resolve("v1"))

    assert found == MANIFEST
    assert registry.asked == [HEAD]
    assert registry.requests[0].headers["accept"] == (
        "application/vnd.oci.image.index.v1+json, "
        "application/vnd.oci.image.manifest.v1+json, "
        "application/vnd.docker.distribution.manifest.list.v2+json, "
        "application/vnd.docker.distribution.manifest.v2+json"
    )


ASKING: dict[str, Callable[[HttpContent], Coroutine[Any, Any, object]]] = {
    "a tag": lambda content: content.resolve("v1"),
    "a manifest": lambda content: content.manifest(MANIFEST),
    "a blob": lambda content: content.blob(DIGEST),
    "referrers": lambda content: content.referrers(DIGEST),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_all_is_asked_with_the_login_of_the_pull_secret(
    ask: Callable[[HttpContent], Coroutine[Any, Any, object]],
) -> None:
    registry = FakeRegistry({})
    asked = replace(content(registry), pull_secret="pullsecret:team/login")

    assert isinstance(refused(ask(asked)), DeniedError)
    assert registry.asked == []


def test_a_token_for_it_is_one_to_pull_from_the_repository() -> None:
    realm = 'Bearer realm="https://registry.example.com/token",service="x"'
    wanted = answer(status=401, headers={"www-authenticate": realm})
    token = "GET /token?service=x&scope=repository%3Ateam%2Fapp%3Apull"
    answers: dict[str, Answer | list[Answer]] = {HEAD: [wanted, answer(headers=NAMED)]}
    registry = FakeRegistry(answers | {token: answer({"token": "made-up"})})

    assert asyncio.run(content(registry).resolve("v1")) == MANIFEST
    assert registry.asked == [HEAD, token, HEAD]


def test_a_media_type_is_read_without_its_parameters_and_case() -> None:
    kind = {**NAMED, "content-type": f"{OCI_INDEX.upper()} ; charset=utf-8"}

    found = asyncio.run(of({HEAD: answer(headers=kind)}).resolve("v1"))

    assert found.media_type == OCI_INDEX


def test_without_the_digest_in_the_answer_it_is_that_of_the_manifest() -> None:
    kind = {"content-type": OCI_MANIFEST}
    pages: dict[str, Answer | list[Answer]] = {
        HEAD: answer(headers=kind),
        "GET /v2/team/app/manifests/v1": answer(BODY, headers=kind),
    }
    assert asyncio.run(of(pages).resolve("v1")) == MANIFEST


def test_a_tag_that_goes_before_its_manifest_is_read_is_gone() -> None:
    assert isinstance(refused(of({HEAD: answer()}).resolve("v1")), NotFoundError)


@pytest.mark.parametrize(
    ("given", "kind", "what"),
    [
        (answer(b"", 404), NotFoundError, "there is no tag v1"),
        (answer(b"", 400), BadReplyError, "it answered 400"),
        (answer(b"", 304), BadReplyError, "it answered 304"),
        (answer(headers={**NAMED, "docker-content-digest": "sha256:1"}), BadReplyError, "digest"),
        (
            answer(headers={**NAMED, "docker-content-digest": "../../../etc"}),
            BadReplyError,
            "not a digest",
        ),
        (UnreachableError("RT540", "no answer"), UnreachableError, "no answer"),
    ],
    ids=["missing", "refused", "not modified", "short digest", "path", "unreachable"],
)
def test_a_tag_that_cannot_be_resolved_says_why(
    given: Answer, kind: type[RegistryError], what: str
) -> None:
    error = refused(of({HEAD: given}).resolve("v1"))

    assert type(error) is kind
    assert what in str(error)


@pytest.mark.parametrize("tag", ["", "../other/manifests/v1", "a b", "a?b", "a#b", "v1+x", "ä"])
def test_no_path_is_made_of_what_is_no_tag(tag: str) -> None:
    registry = FakeRegistry({})

    error = refused(content(registry).resolve(tag))

    assert (type(error), error.code) == (BadReplyError, "RT575")
    assert registry.asked == []


def test_a_manifest_is_read_by_its_digest() -> None:
    registry = FakeRegistry(
        {f"GET /v2/team/app/manifests/{DIGEST}": answer(BODY, headers={"content-type": OCI_INDEX})}
    )

    found = asyncio.run(content(registry).manifest(MANIFEST))

    assert found == (OCI_INDEX, BODY)
    assert "index" in registry.requests[0].headers["accept"]


def test_a_manifest_served_without_a_type_has_that_of_what_names_it() -> None:
    found = asyncio.run(
        of({f"GET /v2/team/app/manifests/{DIGEST}": answer(BODY)}).manifest(MANIFEST)
    )

    assert found == (OCI_MANIFEST, BODY)


def test_on_zot_a_manifest_is_read_as_a_blob_which_counts_as_no_pull() -> None:
    served = {"content-type": "application/octet-stream"}
    registry = FakeRegistry({f"GET /v2/team/app/blobs/{DIGEST}": answer(BODY, headers=served)})

    found = asyncio.run(content(registry, as_blobs=True).manifest(MANIFEST))

    assert found == (OCI_MANIFEST, BODY)
    assert len(registry.requests) == 1


def test_a_blob_is_read_up_to_the_limit_of_documents() -> None:
    registry = FakeRegistry({f"GET /v2/team/app/blobs/{DIGEST}": answer(BODY)})

    assert asyncio.run(content(registry).blob(DIGEST)) == BODY
    assert registry.requests[0].limit == LARGEST_DOCUMENT


@pytest.mark.parametrize("digest", ["", "latest", "sha256:../../x", "sha256:" + "A" * 64])
def test_no_path_is_made_of_what_is_no_digest(digest: str) -> None:
    registry = FakeRegistry({})
    repository = content(registry)

    for asked in (
        repository.blob(digest),
        repository.referrers(digest),
        repository.manifest(Descriptor(OCI_MANIFEST, digest)),
    ):
        assert isinstance(refused(asked), BadReplyError)
    assert registry.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(404, NotFoundError, "RT576"), (400, BadReplyError, "RT577"), (206, BadReplyError, "RT577")],
)
def test_what_cannot_be_read_by_digest_says_why(
    status: int, kind: type[RegistryError], code: str
) -> None:
    registry = FakeRegistry({}, lambda _: answer(BODY, status))
    repository = content(registry)

    for asked in (repository.blob(DIGEST), repository.manifest(MANIFEST)):
        error = refused(asked)
        assert (type(error), error.code) == (kind, code)
        assert DIGEST in str(error)


REFERRERS = f"GET /v2/team/app/referrers/{DIGEST}"


def listed(*digests: str, link: str = "") -> Answer:
    """A list of signatures with *digests*."""
    manifests = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "artifactType": "a/b"}
        for digest in digests
    ]
    return answer({"schemaVersion": 2, "manifests": manifests}, headers={"link": link})


def test_referrers_are_listed_with_their_kinds() -> None:
    registry = FakeRegistry({REFERRERS: listed(OTHER)})

    found = asyncio.run(content(registry).referrers(DIGEST))

    assert found == (Referrer(OCI_MANIFEST, OTHER, "a/b"),)
    assert registry.requests[0].headers["accept"] == OCI_INDEX


def test_a_referrer_may_leave_out_all_but_its_digest() -> None:
    body = {"manifests": [{"digest": OTHER, "artifactType": None, "annotations": {"a": "b"}}]}

    assert asyncio.run(of({REFERRERS: answer(body)}).referrers(DIGEST)) == (Referrer("", OTHER),)


@pytest.mark.parametrize("manifests", [[], None])
def test_there_may_be_no_referrers(manifests: list[Any] | None) -> None:
    body = {"manifests": manifests}

    assert asyncio.run(of({REFERRERS: answer(body)}).referrers(DIGEST)) == ()


def test_a_registry_without_referrers_says_so() -> None:
    assert asyncio.run(of({}).referrers(DIGEST)) is None


def test_referrers_are_listed_over_pages() -> None:
    pages: dict[str, Answer | list[Answer]] = {
        REFERRERS: listed(DIGEST, link="<?page=2>; rel=next"),
        f"{REFERRERS}?page=2": listed(OTHER),
    }

    found = asyncio.run(of(pages).referrers(DIGEST)) or ()

    assert [each.digest for each in found] == [DIGEST, OTHER]


@pytest.mark.parametrize(
    "broken",
    [
        answer(b"<html>"),
        answer({"manifests": [{}]}),
        answer({"manifests": [{"digest": 1}]}),
        answer({"manifests": [None]}),
        answer({"errors": []}),
        answer(b"", 400),
        listed(OTHER, link="<https://evil.example.com/?page=2>; rel=next"),
    ],
    ids=["no JSON", "no digest", "odd digest", "null", "no list", "refused", "leads away"],
)
def test_a_list_of_referrers_that_is_broken_is_never_a_shorter_one(broken: Answer) -> None:
    assert isinstance(refused(of({REFERRERS: broken}).referrers(DIGEST)), BadReplyError)


def test_a_later_page_of_referrers_that_is_missing_is_an_error() -> None:
    pages: dict[str, Answer | list[Answer]] = {REFERRERS: listed(DIGEST, link="<?p=2>; rel=next")}

    assert isinstance(refused(of(pages).referrers(DIGEST)), NotFoundError)


def test_referrers_without_an_end_are_an_error() -> None:
    registry = FakeRegistry({}, lambda _: listed(OTHER, link="<?page=2>; rel=next"))

    error = refused(content(registry).referrers(DIGEST))

    assert error.code == "RT573"
    assert len(registry.requests) == MOST_PAGES
