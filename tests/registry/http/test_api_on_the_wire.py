"""The requests that each way of authentication costs, counted at the server that gets them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from cmp.errors import DeniedError, ThrottledError
from cmp.registry.credentials import Login
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.api import AuthKind, Call, RegistryApi
from cmp.registry.http.client import HttpClient
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets
from tests.registry.http.wire import PASSWORD, Clock
from tests.servers.access import Bearer, Htpasswd
from tests.servers.images import image
from tests.servers.loopback import Served
from tests.servers.model import Model
from tests.servers.tokens import TokenServer
from tests.servers.zot import ZotServer

ALICE = Login("alice", PASSWORD)
USERS = {"alice": PASSWORD}
RIGHTS = {"demo/*": ["alice"], "secret/**": ["bob"], "public/*": ["", "alice"]}

Result = TypeVar("Result")


def no_tls(*, login: bool) -> ssl.SSLContext:
    raise AssertionError(f"nobody speaks TLS here, with a login or not ({login})")


def model(*repositories: str) -> Model:
    filled = Model()
    for repository in repositories or ("demo/app", "demo/other", "secret/app", "public/app"):
        filled.push(repository, "v1.0.0", image("2026-01-01T00:00:00Z"))
    return filled


def tags_of(repository: str) -> Call:
    return Call("GET", f"/v2/{repository}/tags/list", repository=repository)


def asked(
    url: str,
    work: Callable[[RegistryApi], Coroutine[Any, Any, Result]],
    *,
    login: Login | None = ALICE,
    clock: Clock | None = None,
    sleep: Callable[[float], Coroutine[Any, Any, None]] | None = None,
    **fields: object,
) -> Result:
    """What *work* comes to with the registry at *url*."""
    clock = clock or Clock()
    environment = {"LOGIN": f"{login.username}:{login.password}"} if login else {}
    credentials = "env:LOGIN" if login else ""
    values = {"name": "lab", "api_url": url, "credentials": credentials} | fields
    logins = Logins(NoSecrets(), environment=environment, clock=clock)

    async def run() -> Result:
        client = HttpClient(no_tls, listed=frozenset({"127.0.0.1"}), environment={}, clock=clock)
        api = RegistryApi(
            Endpoint.model_validate(values),
            client,
            logins,
            clock=clock,
            sleep=sleep or clock.sleep,
            jitter=lambda: 0.0,
        )
        try:
            return await work(api)
        finally:
            await client.aclose()

    return asyncio.run(run())


def statuses(served: list[Served]) -> list[int]:
    return [each.status for each in served]


def in_turn(*calls: Call) -> Callable[[RegistryApi], Coroutine[Any, Any, list[int]]]:
    async def work(api: RegistryApi) -> list[int]:
        return [(await api.call(call)).status for call in calls]

    return work


def test_a_password_costs_one_request_for_each_call() -> None:
    with ZotServer(model(), access=Htpasswd(USERS)) as zot:
        assert asked(zot.url, in_turn(tags_of("demo/app"), tags_of("demo/other"))) == [200, 200]

        assert statuses(zot.requests) == [200, 200]


def test_where_all_may_read_some_a_login_reads_the_rest() -> None:
    with ZotServer(model(), access=Htpasswd(USERS, rights=RIGHTS)) as zot:
        assert asked(zot.url, in_turn(tags_of("demo/app"), tags_of("public/app"))) == [200, 200]
        assert asked(zot.url, in_turn(tags_of("public/app")), login=None) == [200]

        assert statuses(zot.requests) == [200] * 3


@pytest.mark.parametrize(
    ("repository", "login", "line"),
    [
        ("secret/app", ALICE, "denies the right to read secret/app with the login of env:LOGIN"),
        ("secret/none", ALICE, "denies the right to read secret/none"),
        ("demo/app", None, "denies access to demo/app without a login"),
        ("public/app", Login("alice", "wrong"), "denies access to public/app with the login"),
    ],
)
def test_what_may_not_be_read_is_denied_by_one_request(
    repository: str, login: Login | None, line: str
) -> None:
    with ZotServer(model(), access=Htpasswd(USERS, rights=RIGHTS)) as zot:
        with pytest.raises(DeniedError, match=line):
            asked(zot.url, in_turn(tags_of(repository)), login=login)

        assert len(zot.requests) == 1


def test_what_is_not_there_is_for_the_caller() -> None:
    with ZotServer(model(), access=Htpasswd(USERS, rights=RIGHTS)) as zot:
        assert asked(zot.url, in_turn(tags_of("demo/none"))) == [404]


@pytest.mark.parametrize(
    ("login", "first"), [(ALICE, [401, 401, 200]), (None, [401, 200])], ids=["login", "anonymous"]
)
def test_a_token_is_found_out_about_once(login: Login | None, first: list[int]) -> None:
    async def work(api: RegistryApi) -> AuthKind:
        calls = [tags_of("demo/app"), tags_of("demo/app"), tags_of("demo/other")]
        for call in calls:
            assert (await api.call(call)).status == 200
        return api.seen.auth

    with TokenServer(USERS) as tokens:
        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(model(), access=access) as zot:
            assert asked(zot.url, work, login=login) is AuthKind.BEARER

            assert statuses(zot.requests) == [*first, 200, 200]
            assert statuses(tokens.requests) == [200, 200]


def test_tokens_that_are_revoked_are_replaced() -> None:
    with TokenServer(USERS) as tokens:

        async def work(api: RegistryApi) -> int:
            await api.call(tags_of("demo/app"))
            tokens.revoke()
            return (await api.call(tags_of("demo/app"))).status

        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(model(), access=access) as zot:
            assert asked(zot.url, work) == 200

            assert statuses(zot.requests)[3:] == [401, 401, 200]
            assert len(tokens.requests) == 2


def test_a_scope_that_is_not_granted_is_denied() -> None:
    with TokenServer(USERS, allow=lambda _, scope: "secret" not in scope) as tokens:
        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(model(), access=access) as zot:
            with pytest.raises(DeniedError, match="denies access to secret/app"):
                asked(zot.url, in_turn(tags_of("secret/app")))

            assert len(zot.requests) == 3


def test_a_wrong_password_is_said_by_the_token_server() -> None:
    with TokenServer(USERS) as tokens:
        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(model(), access=access) as zot:
            with pytest.raises(DeniedError, match=r"with the login of env:LOGIN: .* no token"):
                asked(zot.url, in_turn(tags_of("demo/app")), login=Login("alice", "wrong"))

            assert len(tokens.requests) == 1


def test_searches_get_the_scope_that_zot_wants_for_them() -> None:
    search = Call(
        "GET",
        "/v2/_zot/ext/search",
        query="query=%7BExpandedRepoInfo(repo%3A%22demo%2Fapp%22)%7BImages%7BTag%7D%7D%7D",
        repository="demo/app",
    )
    with TokenServer(USERS) as tokens:
        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(model(), access=access) as zot:
            assert (
                asked(zot.url, in_turn(tags_of("demo/app"), search, tags_of("demo/app"), search))
                == [200] * 4
            )

            assert statuses(zot.requests)[3:] == [401, 200, 200, 200]
            assert len(tokens.requests) == 2


def test_fifty_calls_at_once_ask_for_one_token() -> None:
    async def work(api: RegistryApi) -> set[int]:
        await api.call(tags_of("demo/app"))
        crowd = (api.call(tags_of("demo/other")) for _ in range(50))
        return {response.status for response in await asyncio.gather(*crowd)}

    with TokenServer(USERS) as tokens:
        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(model(), access=access) as zot:
            assert asked(zot.url, work) == {200}

            assert len(tokens.requests) == 2
            assert zot.connections <= 10


def test_a_rate_limit_is_waited_for_as_zot_says() -> None:
    clock = Clock()
    with ZotServer(model(), rate=2, clock=clock) as zot:
        calls = [tags_of("demo/app")] * 5

        assert asked(zot.url, in_turn(*calls), clock=clock, login=None) == [200] * 5
        assert statuses(zot.requests).count(429) == len(clock.slept)
        assert set(clock.slept) == {1.0}


def test_with_its_limit_written_down_a_registry_never_says_that_it_was_too_much() -> None:
    clock = Clock()
    with ZotServer(model(), rate=2, clock=clock) as zot:
        calls = [tags_of("demo/app")] * 9

        asked(zot.url, in_turn(*calls), clock=clock, login=None, limit=2)

        assert statuses(zot.requests) == [200] * 9


def test_a_limit_that_stays_is_throttling() -> None:
    with ZotServer(model(), rate=1, clock=lambda: 0.0) as zot:
        with pytest.raises(ThrottledError, match=r"asked too often for demo/app.*RT551"):
            asked(zot.url, in_turn(*[tags_of("demo/app")] * 2), login=None)

        assert statuses(zot.requests) == [200] + [429] * 20  # it says: in a second; up to 20


def test_a_restart_passes_unnoticed() -> None:
    with ZotServer(model(), access=Htpasswd(USERS)) as zot:

        async def start(_: float) -> None:
            zot.start()

        async def work(api: RegistryApi) -> int:
            await api.call(tags_of("demo/app"))
            await asyncio.to_thread(zot.stop)
            return (await api.call(tags_of("demo/app"))).status

        assert asked(zot.url, work, sleep=start) == 200


def test_a_trouble_of_the_server_passes() -> None:
    with ZotServer(model(), access=Htpasswd(USERS)) as zot:
        zot.fail_next(500, None, 503)

        assert asked(zot.url, in_turn(tags_of("demo/app"))) == [200]
        assert len(zot.requests) == 4
