"""A real CNCF distribution is listed and read in each of its ways to let people in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cmp.errors import DeniedError, NotFoundError, UnreachableError
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.registry.http.call import Call
from cmp.registry.http.connections import Surroundings
from cmp.registry.http.content import MANIFESTS, HttpContent
from cmp.tags import Fault, Needs, Tag
from tests.servers import images
from tests.servers.certificates import Authority
from tests.servers.images import Document
from tests.servers.registry import PASSWORD, USER, Registry
from tests.servers.tokens import Signer, TokenServer

APP = Repository("registry.example.com", "team/app")
CREATED = Needs(created=True)
OLD = images.image("2026-01-01T00:00:00Z")
BOTH = images.index([OLD, images.image("2026-02-01T00:00:00Z", platform="linux/arm64/v8")])
DOCKER = images.manifest(
    images.config("2026-01-15T00:00:00Z"), [], media_type=images.DOCKER_MANIFEST
)
TAGS: Mapping[str, Document] = {"v1": OLD, "v10": BOTH, "v2": OLD, "latest": BOTH}
Got = TypeVar("Got")


def registries(folder: Path, api_url: str, fields: str = "", **given: Any) -> Registries:
    """registry.example.com at *api_url*, with *fields* besides."""
    conf = folder / "registries.conf"
    conf.write_text(
        "registries:\n- {name: example, prefix: registry.example.com, "
        f"api_url: '{api_url}'{fields}}}\n"
    )
    surroundings = Surroundings(**{"environment": {}} | given)
    loaded, findings = Registries.load(conf, surroundings=surroundings)
    assert not [finding for finding in findings if finding.severity == "error"]
    return loaded


def ask(asked: Registries, use: Callable[[RoutedSource], Awaitable[Got]]) -> Got:
    """What *use* gets, by a client that is closed then."""

    async def run() -> Got:
        async with asked:
            return await use(RoutedSource(asked))

    return asyncio.run(run())


def names(asked: Registries) -> set[str]:
    """The tags that are listed."""
    return set(ask(asked, lambda source: source.list_tags(APP)).names)


@pytest.fixture(scope="module")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that lets everybody in, with TAGS."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        for tag, document in TAGS.items():
            registry.push("team/app", tag, document)
        yield registry


def test_all_tags_are_listed_in_whatever_order(anonymous: Registry, tmp_path: Path) -> None:
    assert names(registries(tmp_path, anonymous.url)) == set(TAGS)


def test_a_repository_without_tags_is_empty(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry:
        registry.push("team/app", "v1", OLD)
        registry.delete("team/app", OLD.digest)

        assert names(registries(tmp_path, registry.url)) == set()


def test_a_repository_that_is_missing_is_said_to_be(anonymous: Registry, tmp_path: Path) -> None:
    asked = registries(tmp_path, anonymous.url)
    missing = Repository("registry.example.com", "team/missing")

    with pytest.raises(NotFoundError) as caught:
        ask(asked, lambda source: source.list_tags(missing))

    assert str(caught.value).startswith(
        "Failed to get tags for registry.example.com/team/missing: "
        "the registry knows no such repository"
    )


def test_tags_are_described_by_their_documents(anonymous: Registry, tmp_path: Path) -> None:
    asked = registries(tmp_path, anonymous.url)

    tags = ask(asked, lambda source: source.describe(APP, [*TAGS, "gone"], CREATED))

    digests = {name: tag.digest for name, tag in tags.items() if name != "gone"}
    assert digests == {name: document.digest for name, document in TAGS.items()}
    assert tags["v1"].created == tags["v2"].created
    assert (tags["v10"].created or 0) > (tags["v1"].created or 0)
    assert tags["gone"].fault is Fault.GONE


def test_platforms_narrow_what_counts_of_an_index(anonymous: Registry, tmp_path: Path) -> None:
    asked = registries(tmp_path, anonymous.url)
    arm = Needs(created=True, platforms=("linux/arm64",))

    tags = ask(asked, lambda source: source.describe(APP, list(TAGS), arm))

    allowed = {name for name, tag in tags.items() if tag.fault is None}
    assert allowed == {"v10", "latest"}


def test_an_image_of_docker_is_read_too(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry:
        registry.push("team/app", "v1", DOCKER)
        asked = registries(tmp_path, registry.url)

        tag = ask(asked, lambda source: source.describe(APP, ["v1"], CREATED))["v1"]

    assert (tag.fault, tag.digest) == (None, DOCKER.digest)


def test_a_digest_that_is_deleted_is_gone_for_all_its_tags(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry:
        for tag in ("v1", "v2"):
            registry.push("team/app", tag, OLD)
        registry.push("team/app", "v3", DOCKER)
        registry.delete("team/app", OLD.digest)
        asked = registries(tmp_path, registry.url)

        tags = ask(asked, lambda source: source.describe(APP, ["v1", "v2", "v3"], CREATED))

    assert [tag.fault for tag in tags.values()] == [Fault.GONE, Fault.GONE, None]


def test_an_etag_is_the_digest_that_head_tells_anyway(anonymous: Registry, tmp_path: Path) -> None:
    asked = registries(tmp_path, anonymous.url)
    connection = asked.connection(asked.route(APP).endpoint)
    known = {"if-none-match": f'"{OLD.digest}"'}
    call = Call("HEAD", "/v2/team/app/manifests/v1", repository="team/app", accept=MANIFESTS)
    conditional = Call(call.method, call.path, accept=MANIFESTS, headers=known)

    async def use(_: RoutedSource) -> tuple[int, int, str]:
        first = await connection.api.call(call)
        second = await connection.api.call(conditional)
        return first.status, second.status, first.header("etag")

    assert ask(asked, use) == (200, 304, f'"{OLD.digest}"')


def test_it_has_no_api_of_referrers(anonymous: Registry, tmp_path: Path) -> None:
    asked = registries(tmp_path, anonymous.url)
    connection = asked.connection(asked.route(APP).endpoint)
    content = HttpContent(connection.api, anonymous.url, "team/app")

    assert ask(asked, lambda _: content.referrers(OLD.digest)) is None


def test_what_only_zot_tells_is_not_answered(anonymous: Registry, tmp_path: Path) -> None:
    asked = registries(tmp_path, anonymous.url)

    async def use(source: RoutedSource) -> Tag:
        return (await source.describe(APP, ["v1"], Needs(pushed=True)))["v1"]

    assert ask(asked, use).unanswered == "the registry example is no Zot, which alone tells this"


def test_a_login_is_sent_where_one_is_wanted(tmp_path: Path) -> None:
    environment = {"LOGIN": f"{USER}:{PASSWORD}", "WRONG": f"{USER}:wrong"}
    with Registry(tmp_path, login=True) as registry:
        registry.push("team/app", "v1", OLD)

        def with_login(fields: str) -> Registries:
            return registries(tmp_path, registry.url, fields, environment=environment)

        assert names(with_login(", credentials: env:LOGIN")) == {"v1"}
        for fields in ("", ", credentials: env:WRONG"):
            with pytest.raises(DeniedError, match="Failed to get tags for") as caught:
                names(with_login(fields))
            assert "wrong" not in str(caught.value)


def test_a_token_is_fetched_where_one_is_wanted_and_used_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    signer = Signer(authority.server(name="tokens"), authority.file)
    with (
        TokenServer({USER: PASSWORD}, signer=signer) as tokens,
        Registry(tmp_path, tokens=tokens, signer=signer) as registry,
    ):
        for tag, document in TAGS.items():
            registry.push("team/app", tag, document)
        asked = registries(
            tmp_path,
            registry.url,
            ", kind: oci, credentials: env:LOGIN",
            environment={"LOGIN": f"{USER}:{PASSWORD}"},
        )

        async def use(source: RoutedSource) -> Mapping[str, Tag]:
            listing = await source.list_tags(APP)
            return await source.describe(APP, listing.names, CREATED)

        tags = ask(asked, use)

    assert {name: tag.fault for name, tag in tags.items()} == dict.fromkeys(tags)
    assert set(tags) == set(TAGS)
    assert len(tokens.requests) == 1


def test_a_registry_is_believed_by_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    folder = tmp_path / "certificates"
    folder.mkdir()
    with Registry(tmp_path, authority=authority) as registry:
        registry.push("team/app", "v1", OLD)
        stated = registries(tmp_path, registry.url, f", ca_file: '{authority.file}'")
        assert names(stated) == {"v1"}

        mounted = registries(tmp_path, registry.url, certificates=folder)
        with pytest.raises(UnreachableError, match="Failed to get tags for"):
            names(mounted)
        (folder / "127.0.0.1").write_bytes(authority.file.read_bytes())
        assert names(mounted) == {"v1"}


def test_a_client_shows_its_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.client()
    with Registry(tmp_path, authority=authority, clients=True) as registry:
        registry.push("team/app", "v1", OLD)
        trusting = f", ca_file: '{authority.file}'"
        known = (
            f"{trusting}, client_cert: '{client.certificate_file}', "
            f"client_key: '{client.key_file}'"
        )

        assert names(registries(tmp_path, registry.url, known)) == {"v1"}
        with pytest.raises(UnreachableError):
            names(registries(tmp_path, registry.url, trusting))
