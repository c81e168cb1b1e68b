"""A Zot's tags described over real connections: requests are counted by the server."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from cmp.reference import Repository
from cmp.registry.endpoint import Endpoint, Kind
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.client import HttpClient
from cmp.registry.http.source import HttpSource
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets
from cmp.tags import Fault, Needs, Tag
from tests.servers.access import Bearer, Htpasswd
from tests.servers.images import Document, image, index
from tests.servers.model import Model
from tests.servers.tokens import TokenServer
from tests.servers.zot import ZotServer
from tests.servers.zot_search import BEFORE_2_1_2, BEFORE_2_1_15

APP = Repository("registry.example.com", "demo/app")
BUILT = Needs(created=True)
PASSWORD = "made-up-password"
USERS = {"alice": PASSWORD}

Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def _no_socket_is_left() -> Iterator[None]:
    """Collect what a test leaves within it, so that an unclosed socket fails that one."""
    yield
    gc.collect()


def documents(count: int) -> dict[str, Document]:
    """Images and indexes, the oldest first."""
    found = {}
    for number in range(count):
        built = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        one = image(built, labels={"number": str(number)})
        arm = image(built, platform="linux/arm64/v8", labels={"number": str(number)})
        found[f"v{number:04}"] = one if number % 3 else index([one, arm])
    return found


def model(tags: Mapping[str, Document]) -> Model:
    filled = Model()
    filled.push_all(APP.path, tags.items())
    return filled


def no_tls(*, login: bool) -> ssl.SSLContext:
    raise AssertionError(f"nobody speaks TLS here, with a login or not ({login})")


def asked(
    url: str,
    work: Callable[[HttpSource], Coroutine[Any, Any, Result]],
    *,
    kind: Kind = Kind.UNKNOWN,
    credentials: str = "",
) -> Result:
    """What *work* comes to with the registry at *url*."""
    endpoint = Endpoint(name="lab", api_url=url, kind=kind, credentials=credentials)
    logins = Logins(NoSecrets(), environment={"LOGIN": f"alice:{PASSWORD}"}, clock=lambda: 0.0)

    async def run() -> Result:
        client = HttpClient(no_tls, listed=frozenset({"127.0.0.1"}), environment={})
        try:
            return await work(HttpSource(endpoint, RegistryApi(endpoint, client, logins)))
        finally:
            await client.aclose()

    return asyncio.run(run())


async def newest(source: HttpSource, needs: Needs = BUILT) -> Tag:
    """The newest-built tag, as a policy takes it."""
    tags = await described(source, needs)
    return max(tags.values(), key=lambda tag: (tag.created or 0, tag.name))


async def described(source: HttpSource, needs: Needs = BUILT) -> Mapping[str, Tag]:
    listing = await source.list_tags(APP)
    return await source.describe(APP, listing.names, needs)


async def twice(source: HttpSource) -> Sequence[Tag]:
    return [await newest(source), await newest(source)]


@pytest.mark.parametrize(
    ("kind", "first"), [(Kind.ZOT, 2), (Kind.UNKNOWN, 3)], ids=["kind: zot", "found out"]
)
def test_the_newest_build_takes_two_requests_once_it_is_known_to_be_a_zot(
    kind: Kind, first: int
) -> None:
    with ZotServer(model(documents(100))) as zot:
        found = asked(zot.url, twice, kind=kind)

        assert [tag.name for tag in found] == ["v0099"] * 2
        assert len(zot.requests) == first + 2


def test_the_winner_is_the_same_with_search_off() -> None:
    tags = documents(20)
    with ZotServer(model(tags)) as searching, ZotServer(model(tags), search=False) as plain:
        told = asked(searching.url, described)
        read = asked(plain.url, described)

    assert told == read
    assert len(told) == 20


def test_no_manifest_is_ever_pulled() -> None:
    with ZotServer(model(documents(5)), search=False) as zot:
        asked(zot.url, described)

        pulled = [target for target in zot.targets("GET") if "/manifests/" in target]
        assert not pulled


def test_a_search_that_knows_a_part_is_made_whole_or_told() -> None:
    tags = documents(300)
    names = sorted(tags)
    filled = model(tags)
    filled.forget(APP.path, names[:100])
    with ZotServer(filled) as zot:
        whole = asked(zot.url, described)
        filled.forget(APP.path, names[:201])
        broken = asked(zot.url, described)

    assert [tag.fault for tag in whole.values()] == [None] * 300
    assert broken[names[0]].fault is Fault.UNREADABLE
    assert "only 99 of 300 tags" in broken[names[0]].detail
    assert broken[names[-1]].created is not None


def test_a_repository_that_search_does_not_know_is_there_all_the_same() -> None:
    filled = model(documents(3))
    filled.forget(APP.path)
    with ZotServer(filled) as zot:
        assert asked(zot.url, newest).name == "v0002"


@pytest.mark.parametrize(
    ("lacks", "told", "requests"),
    [((), True, 2), (BEFORE_2_1_15, True, 3), (BEFORE_2_1_2, False, 3)],
    ids=["new", "before v2.1.15", "before v2.1.2"],
)
def test_older_zots_are_asked_for_less(
    lacks: frozenset[str], *, told: bool, requests: int
) -> None:
    with ZotServer(model(documents(3)), lacks=lacks) as zot:
        found = asked(zot.url, lambda source: described(source, Needs(pushed=True)), kind=Kind.ZOT)

        assert len(zot.requests) == requests
    for tag in found.values():
        assert told is (tag.pushed is not None)
        assert told is not bool(tag.unanswered)


def test_a_password_is_sent_with_each_of_the_few_requests() -> None:
    with ZotServer(model(documents(50)), access=Htpasswd(USERS)) as zot:
        found = asked(zot.url, twice, credentials="env:LOGIN")

        assert [tag.name for tag in found] == ["v0049"] * 2
        assert [served.status for served in zot.requests] == [200] * 5


@pytest.mark.parametrize("granted", [True, False], ids=["granted", "withheld"])
def test_search_is_done_without_where_no_token_is_given_for_it(*, granted: bool) -> None:
    tags = documents(4)
    with (
        TokenServer(allow=lambda _user, scope: granted or scope != "repository::pull") as tokens,
        ZotServer(model(tags), access=Bearer(tokens.realm, tokens.granted)) as zot,
    ):
        found = asked(zot.url, described, kind=Kind.ZOT)
        gated = asked(
            zot.url, lambda source: described(source, Needs(trusted=True)), kind=Kind.ZOT
        )

    with ZotServer(model(tags)) as plain:
        assert found == asked(plain.url, described)
    assert [bool(tag.unanswered) for tag in gated.values()] == [not granted] * 4
