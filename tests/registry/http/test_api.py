"""A registry is asked with the right login, in few requests, and what it does ends in one line."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import (
    BadReplyError,
    DeniedError,
    RegistryError,
    ThrottledError,
    UnreachableError,
)
from cmp.registry.http.api import EXCHANGE_SECONDS, AuthKind, Call, RegistryApi
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.http.pace import AT_ONCE
from cmp.registry.secrets import SecretFiles
from tests.registry.http.wire import (
    BASIC,
    OK,
    PASSWORD,
    URL,
    Answer,
    Clock,
    Wire,
    api,
    bearer,
    challenge,
    endpoint,
    recorded,
    response,
)

TAGS = Call("GET", "/v2/demo/app/tags/list", repository="demo/app")
SEARCH = Call("GET", "/v2/_zot/ext/search", query="query=%7B%7D", repository="demo/app")
TOKEN_URL = f"{URL}/token?service=lab&scope=repository%3Ademo%2Fapp%3Apull"


def call(at: RegistryApi, asked: Call = TAGS) -> HttpResponse:
    return asyncio.run(at.call(asked))


def zot(
    *, scope: str = "repository:demo/app:pull", tokens: list[str] | None = None
) -> Callable[[HttpRequest], Answer]:
    """A Zot that wants tokens, as recorded: no challenge for Basic and for tokens it never gave.

    The last of *tokens* is given out, and is the only good one.
    """
    given = ["t1"] if tokens is None else tokens

    def answer(request: HttpRequest) -> Answer:
        if "/token" in request.url:
            return response(200, json.dumps({"token": given[-1], "expires_in": 300}))
        authorization = request.headers.get("authorization")
        if authorization == f"Bearer {given[-1]}":
            return OK
        return recorded("tags/bearer_invalid_token") if authorization else bearer(scope)

    return answer


# The request


def test_a_call_is_one_request_below_api_url() -> None:
    wire = Wire([OK])
    asked = Call(
        "POST",
        "/v2/x",
        query="n=1",
        accept=("a/b", "c/d"),
        headers={"if-none-match": "e"},
        body=b"{}",
        limit=7,
    )

    assert OK is call(api(wire, endpoint(f"{URL}/prefix/", login=False)), asked)
    assert [
        HttpRequest(
            "POST",
            f"{URL}/prefix/v2/x?n=1",
            {"accept": "a/b, c/d", "if-none-match": "e"},
            b"{}",
            7,
        )
    ] == wire.requests


def test_a_login_in_api_url_is_not_sent() -> None:
    wire = Wire([OK])

    call(api(wire, endpoint("https://bob:hunter2@registry.example.com", login=False)), TAGS)

    assert [f"{URL}/v2/demo/app/tags/list"] == wire.urls


@pytest.mark.parametrize(
    "url", ["registry.example.com", "ftp://registry.example.com", "https://", "https://[::1"]
)
def test_what_is_no_url_of_a_registry_is_an_error(url: str) -> None:
    with pytest.raises(RegistryError, match=r"no https: or http: URL.*RT565"):
        api(Wire([OK]), endpoint(url))


# Logins


def test_without_credentials_nothing_is_sent() -> None:
    wire = Wire([OK])
    at = api(wire, endpoint(login=False))

    assert OK is call(at)
    assert wire.authorizations == [""]
    assert at.seen.auth is AuthKind.NONE


def test_credentials_are_sent_at_once_and_without_a_ping() -> None:
    wire = Wire([recorded("tags/htpasswd_ok")])
    at = api(wire)

    assert call(at).status == 200
    assert wire.authorizations == [BASIC]
    assert at.seen.auth is AuthKind.BASIC
    assert at.seen.date.endswith("GMT")


def test_a_challenge_on_a_success_is_not_looked_at() -> None:
    wire = Wire([recorded("ping/htpasswd_ok")])

    assert call(api(wire)).status == 200
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "name",
    [
        "ping/htpasswd_bad",
        "tags/aclanon_public_wrong_password_401",
        "distribution/htpasswd_noauth",
    ],
)
def test_a_login_that_is_refused_is_not_sent_twice(name: str) -> None:
    wire = Wire([recorded(name)])

    with pytest.raises(DeniedError, match=r"with the login of env:LOGIN.*RT552"):
        call(api(wire))
    assert wire.authorizations == [BASIC]


def test_where_a_login_is_wanted_and_none_is_there_is_said() -> None:
    wire = Wire([recorded("tags/htpasswd_noauth")])

    with pytest.raises(DeniedError, match=r"without a login.*credentials.*RT552"):
        call(api(wire, endpoint(login=False)))
    assert len(wire.requests) == 1


def test_a_login_that_cannot_be_read_is_denied_before_anything_is_sent() -> None:
    wire = Wire([OK])

    with pytest.raises(DeniedError, match=r"LOGIN.*RT521"):
        call(api(wire, environment={}))
    assert wire.requests == []


def test_a_rules_pull_secret_is_used_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "team" / "pull"
    folder.mkdir(parents=True)
    (folder / "login").write_text(f"alice:{PASSWORD}")
    wire = Wire([recorded("ping/htpasswd_bad")])
    at = api(wire, endpoint(login=False), secrets=SecretFiles(tmp_path))
    secret = "secret:team/pull#login"

    with pytest.raises(DeniedError, match=f"with the login of {secret}") as caught:
        call(at, Call("GET", TAGS.path, repository="demo/app", pull_secret=secret))
    assert wire.authorizations == [BASIC]
    assert PASSWORD not in str(caught.value)


def test_a_login_that_was_changed_meanwhile_is_read_and_used() -> None:
    environment = {"LOGIN": "alice:old"}

    def answer(request: HttpRequest) -> Answer:
        if request.headers["authorization"] == BASIC:
            return OK
        environment["LOGIN"] = f"alice:{PASSWORD}"  # changed while the old one was under way
        return recorded("ping/htpasswd_bad")

    wire = Wire(answer)

    assert OK is call(api(wire, environment=environment))
    assert wire.authorizations[1] == BASIC
    assert len(wire.requests) == 2


def test_a_login_that_was_changed_and_is_refused_too_is_the_end() -> None:
    environment = {"LOGIN": "alice:0"}

    def answer(_: HttpRequest) -> Answer:
        environment["LOGIN"] += "0"
        return recorded("ping/htpasswd_bad")

    wire = Wire(answer)

    with pytest.raises(DeniedError, match="RT552"):
        call(api(wire, environment=environment))
    assert len(wire.requests) == 2


# Tokens


def test_a_zot_that_wants_tokens_gets_one_for_the_login() -> None:
    wire = Wire(zot())
    at = api(wire)

    assert OK is call(at)
    assert wire.authorizations == [BASIC, "", BASIC, "Bearer t1"]
    assert wire.urls[2] == TOKEN_URL
    assert at.seen.auth is AuthKind.BEARER


def test_a_registry_that_says_so_at_once_costs_a_request_less() -> None:
    wire = Wire([recorded("distribution/token_challenge"), response(200, '{"token":"t1"}'), OK])
    at = api(wire, endpoint("http://127.0.0.1:29222"))

    assert OK is call(at)
    assert wire.authorizations == [BASIC, BASIC, "Bearer t1"]
    assert wire.urls[1] == (
        "http://127.0.0.1:29222/auth/token?service=zotlab&scope=repository%3Ademo%2Fapi%3Apull"
    )


def test_anonymous_tokens_are_asked_for_without_a_login() -> None:
    wire = Wire(zot())

    assert OK is call(api(wire, endpoint(login=False)))
    assert wire.authorizations == ["", "", "Bearer t1"]


def test_the_next_call_uses_the_token() -> None:
    wire = Wire(zot())
    at = api(wire)
    call(at)
    wire.requests.clear()

    assert OK is call(at)
    assert wire.authorizations == ["Bearer t1"]


def test_the_next_repository_gets_its_token_without_a_401() -> None:
    wire = Wire(zot())
    at = api(wire)
    call(at)
    wire.requests.clear()

    assert OK is call(at, Call("GET", "/v2/demo/other/tags/list", repository="demo/other"))
    assert wire.authorizations == [BASIC, "Bearer t1"]
    assert wire.urls[0] == f"{URL}/token?service=lab&scope=repository%3Ademo%2Fother%3Apull"


def test_an_expired_token_is_dropped_and_another_one_fetched() -> None:
    tokens = ["t1"]
    wire = Wire(zot(tokens=tokens))
    at = api(wire)
    call(at)
    wire.requests.clear()
    tokens.append("t2")

    assert OK is call(at)
    assert wire.authorizations == ["Bearer t1", "", BASIC, "Bearer t2"]


def test_a_token_that_is_refused_with_a_challenge_needs_no_second_question() -> None:
    answers = [
        bearer(), response(200, '{"token":"t1"}'), OK,
        recorded("distribution/token_invalid"), response(200, '{"token":"t2"}'), OK,
    ]  # fmt: skip
    wire = Wire(answers)
    at = api(wire, endpoint("http://127.0.0.1:29222", token_hosts=["registry.example.com"]))
    call(at)

    assert OK is call(at)
    assert wire.authorizations[3:] == ["Bearer t1", BASIC, "Bearer t2"]


def test_a_token_without_the_right_is_the_end() -> None:
    def answer(request: HttpRequest) -> Answer:
        return response(200, '{"token":"t1"}') if "/token" in request.url else bearer()

    wire = Wire(answer)

    with pytest.raises(DeniedError, match=r"denies access to demo/app with the login.*RT552"):
        call(api(wire))
    assert wire.authorizations == [BASIC, BASIC, "Bearer t1"]


def test_searches_of_zot_want_the_scope_of_no_repository_and_that_is_remembered() -> None:
    def answer(request: HttpRequest) -> Answer:
        wanted = "repository::pull" if "search" in request.url else "repository:demo/app:pull"
        if "/token" in request.url:
            scope = request.url.partition("scope=")[2].replace("%3A", ":").replace("%2F", "/")
            return response(200, json.dumps({"token": scope, "expires_in": 300}))
        good = request.headers.get("authorization") == f"Bearer {wanted}"
        return OK if good else bearer(wanted)

    wire = Wire(answer)
    at = api(wire, endpoint(login=False))
    call(at)
    call(at, SEARCH)
    wire.requests.clear()
    call(at)
    call(at, SEARCH)

    assert wire.authorizations == ["Bearer repository:demo/app:pull", "Bearer repository::pull"]


def test_a_scope_that_is_as_before_again_is_remembered_too() -> None:
    scopes = ["repository:renamed/app:pull"]

    def answer(request: HttpRequest) -> Answer:
        if "/token" in request.url:
            return response(200, json.dumps({"token": request.url.rpartition("=")[2]}))
        wanted = scopes[-1].replace(":", "%3A").replace("/", "%2F")
        good = request.headers.get("authorization") == f"Bearer {wanted}"
        return OK if good else bearer(scopes[-1])

    wire = Wire(answer)
    at = api(wire, endpoint(login=False))
    call(at)
    scopes.append("repository:demo/app:pull")
    call(at)
    wire.requests.clear()
    call(at)

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "scope", ["repository:demo/app:pull,push,delete", "registry:catalog:*", "", "nonsense"]
)
def test_never_more_than_pull_is_asked_for(scope: str) -> None:
    wire = Wire(zot(scope=scope))

    call(api(wire))

    assert TOKEN_URL in wire.urls


def test_a_search_by_post_gets_no_right_to_push() -> None:
    wire = Wire(
        lambda request: (
            response(200, '{"token":"t1"}')
            if "/token" in request.url
            else recorded("graphql/bearer_post_needs_push_scope")
        )
    )
    at = api(wire, endpoint("http://127.0.0.1:29205", login=False))

    with pytest.raises(DeniedError):
        call(at, Call("POST", "/v2/_zot/ext/search"))
    assert "push" not in "".join(wire.urls)


def test_a_registry_that_goes_from_tokens_to_basic_is_followed() -> None:
    basic_only = False
    bearers = zot()

    def answer(request: HttpRequest) -> Answer:
        if not basic_only:
            return bearers(request)
        good = request.headers.get("authorization") == BASIC
        return OK if good else recorded("ping/apikey_as_bearer_401")

    wire = Wire(answer)
    at = api(wire)
    call(at)
    basic_only = True
    wire.requests.clear()

    assert OK is call(at)
    assert OK is call(at)
    assert wire.authorizations == ["Bearer t1", BASIC, BASIC]


def test_where_tokens_are_is_learned_anew_after_a_failure() -> None:
    realm = f"{URL}/token/old"

    def answer(request: HttpRequest) -> Answer:
        if request.url.startswith(f"{URL}/token"):
            good = request.url.startswith(realm)
            return response(200, '{"token":"t1","expires_in":60}') if good else response(404)
        good = request.headers.get("authorization") == "Bearer t1"
        return OK if good else bearer(realm=realm)

    clock = Clock()
    wire = Wire(answer)
    at = api(wire, clock=clock)
    call(at)
    clock.now += 100
    realm = f"{URL}/token/new"
    with pytest.raises(BadReplyError, match="RT557"):
        call(at)

    assert OK is call(at)


def test_a_token_server_that_refuses_names_the_login_and_gets_a_changed_one() -> None:
    environment = {"LOGIN": "alice:old"}

    def answer(request: HttpRequest) -> Answer:
        if "/token" not in request.url:
            good = request.headers.get("authorization") == "Bearer t1"
            return OK if good else bearer()
        good = request.headers["authorization"] == BASIC
        return response(200, '{"token":"t1"}') if good else response(401)

    wire = Wire(answer)
    at = api(wire, environment=environment)
    with pytest.raises(DeniedError, match=r"with the login of env:LOGIN: the token server.*RT556"):
        call(at)
    environment["LOGIN"] = f"alice:{PASSWORD}"

    assert OK is call(at)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('Bearer realm="https://evil.example.net/token"', "RT554"),
        ('Bearer realm="http://registry.example.com/token"', "RT555"),
        ('Bearer realm="https://a:b@registry.example.com/token"', "RT555"),
        ("Bearer", "RT555"),
        ("Negotiate", "RT552"),
        ('Digest realm="x", nonce="y"', "RT552"),
    ],
)
def test_a_challenge_that_is_a_trick_is_denied_and_gets_nothing(value: str, code: str) -> None:
    wire = Wire([challenge(value)])

    with pytest.raises(DeniedError) as caught:
        call(api(wire))
    assert caught.value.code == code
    assert len(wire.requests) == 1


def test_401_without_end_ends() -> None:
    numbers = iter(range(1000))

    def answer(request: HttpRequest) -> Answer:
        number = next(numbers)
        if "/token" in request.url:
            return response(200, json.dumps({"token": f"t{number}"}))
        return bearer(f"repository:demo/{number}:pull", realm=f"{URL}/token/{number}")

    wire = Wire(answer)
    at = api(wire)

    for most in (3, 4):
        wire.requests.clear()
        with pytest.raises(DeniedError):
            call(at)
        assert len(wire.requests) <= most


def test_401_without_a_challenge_ends() -> None:
    wire = Wire([recorded("tags/bearer_invalid_token")])

    with pytest.raises(DeniedError, match="RT552"):
        call(api(wire))
    assert wire.authorizations == [BASIC, ""]


@pytest.mark.parametrize(
    ("login", "probe", "status"),
    [(True, OK, None), (True, response(404), None), (False, OK, 200), (False, response(404), 404)],
)
def test_what_is_seen_without_a_login_is_not_taken_for_what_a_login_sees(
    login: bool, probe: HttpResponse, status: int | None  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    answers = [
        bearer(), response(200, '{"token":"t1"}'), OK,
        recorded("tags/bearer_expired_token"), probe,
    ]  # fmt: skip
    at = api(Wire(answers), endpoint(login=login))
    call(at)

    if status is None:
        with pytest.raises(DeniedError, match="RT552"):
            call(at)
    else:
        assert call(at).status == status


@pytest.mark.parametrize(
    ("probe", "error"),
    [(response(429), ThrottledError), (response(503), UnreachableError)],
)
def test_a_trouble_that_passes_is_not_taken_for_a_refusal(
    probe: HttpResponse, error: type[Exception]
) -> None:
    wire = Wire([recorded("tags/bearer_basic_sent"), probe])

    with pytest.raises(error):
        call(api(wire))


# Redirects


def test_a_blob_in_object_storage_is_fetched_without_the_login() -> None:
    stored = "https://store.example.net/b?sig=1"
    wire = Wire([response(307, location=stored), OK])

    assert OK is call(api(wire))
    assert wire.authorizations == [BASIC, ""]
    assert wire.urls[1] == stored


def test_the_login_does_not_come_back_with_a_redirect_back() -> None:
    answers = [
        response(307, location="https://store.example.net/b"), response(307, location=f"{URL}/b"),
        OK,
    ]  # fmt: skip
    wire = Wire(answers)

    call(api(wire))

    assert wire.authorizations == [BASIC, "", ""]


def test_three_redirects_are_followed_and_no_fourth() -> None:
    redirect = response(307, location="/again")
    wire = Wire([redirect, redirect, redirect, OK])

    assert OK is call(api(wire))

    wire = Wire([redirect])
    with pytest.raises(BadReplyError, match=r"redirects more than 3 times.*RT559"):
        call(api(wire))
    assert len(wire.requests) == 4


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_redirected_to_cannot_ask_for_the_login(status: int) -> None:
    wire = Wire(
        [
            response(307, location="https://store.example.net/b"),
            response(status, www_authenticate=f'Bearer realm="{URL}/token"'),
        ]
    )

    with pytest.raises(DeniedError, match=r"store.example.net denies access.*RT559"):
        call(api(wire))
    assert wire.authorizations == [BASIC, ""]


def test_a_trouble_behind_a_redirect_starts_at_the_registry_again() -> None:
    redirect = response(307, location="https://store.example.net/b")
    wire = Wire([redirect, response(503), redirect, OK])

    assert OK is call(api(wire))
    assert wire.authorizations == [BASIC, "", BASIC, ""]


# Time


def test_what_passes_is_asked_for_again() -> None:
    clock = Clock()
    wire = Wire(
        [UnreachableError("RT540", "x"), response(500), recorded("errors/ratelimit_429"), OK]
    )

    assert OK is call(api(wire, clock=clock))
    assert clock.slept == [0.25, 0.5, 2.0]


@pytest.mark.parametrize(
    ("answer", "error", "count"),
    [
        (recorded("errors/ratelimit_429"), ThrottledError, 9),  # it says when: until the deadline
        (recorded("errors/cluster_member_down_500"), UnreachableError, 4),
        (UnreachableError("RT540", "x"), UnreachableError, 4),
        (response(429, retry_after="3600"), ThrottledError, 1),
        (DeniedError("RT541", "x"), DeniedError, 1),
        (BadReplyError("RT542", "x"), BadReplyError, 1),
        (recorded("tags/acl_forbidden"), DeniedError, 1),
    ],
)
def test_trouble_ends_in_its_error(answer: Answer, error: type[Exception], count: int) -> None:
    wire = Wire([answer])

    with pytest.raises(error):
        call(api(wire))
    assert len(wire.requests) == count


def test_one_exchange_has_ten_seconds_and_the_last_what_is_left() -> None:
    clock = Clock()

    def answer(_: HttpRequest) -> Answer:
        clock.now += 9
        return UnreachableError("RT540", "no answer in time")

    wire = Wire(answer)
    with pytest.raises(UnreachableError):
        call(api(wire, clock=clock))

    assert wire.seconds == [10.0, 10.0, 1.25]


def test_nothing_is_sent_once_the_time_is_over() -> None:
    clock = Clock()

    def answer(_: HttpRequest) -> Answer:
        clock.now += 20
        return recorded("tags/bearer_invalid_token")

    wire = Wire(answer)

    with pytest.raises(UnreachableError, match=r"no whole answer in 20 s.*RT560"):
        call(api(wire, clock=clock))
    assert len(wire.requests) == 1


def test_who_waits_for_others_is_under_the_deadline_too() -> None:
    async def hang(_: HttpRequest, /, *, seconds: float) -> HttpResponse:
        assert seconds > 0
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(UnreachableError, match="RT560"):
        call(api(hang, seconds=0.01))


async def many(at: RegistryApi, count: int) -> list[HttpResponse | BaseException]:
    """The answers to *count* calls at once, errors among them."""
    return await asyncio.gather(*(at.call(TAGS) for _ in range(count)), return_exceptions=True)


def test_the_time_of_a_call_begins_when_it_is_its_turn() -> None:
    clock = Clock()

    async def slow(_: HttpRequest, /, *, seconds: float) -> HttpResponse:
        assert seconds == EXCHANGE_SECONDS
        clock.now += 1  # so 250 seconds for all
        await asyncio.sleep(0)
        return OK

    at = api(slow, clock=clock)

    for _ in range(2):  # each in a loop of its own
        assert asyncio.run(many(at, 250)) == [OK] * 250


def test_a_call_waits_for_those_that_hang_and_has_its_own_time_then() -> None:
    asked = itertools.count()

    async def hang_at_first(_: HttpRequest, /, *, seconds: float) -> HttpResponse:
        assert seconds > 0
        if next(asked) < AT_ONCE:
            await asyncio.Event().wait()
        return OK

    *hung, last = asyncio.run(many(api(hang_at_first, seconds=0.01), AT_ONCE + 1))

    assert last is OK
    assert [type(error) for error in hung] == [UnreachableError] * AT_ONCE


def test_a_limit_of_one_a_second_is_waited_for_by_many() -> None:
    at = api(Wire([OK]), endpoint(limit=1), clock=Clock())

    assert asyncio.run(many(at, 40)) == [OK] * 40


def test_the_limit_of_the_registry_holds_for_its_tokens_too() -> None:
    clock = Clock()
    wire = Wire(zot())

    assert OK is call(api(wire, endpoint(limit=1), clock=clock))
    assert pytest.approx(clock.slept) == [1.0, 1.0, 1.0]


def test_a_limit_that_leaves_no_turn_is_said() -> None:
    at = api(Wire([OK]), endpoint(limit=1), clock=Clock(), seconds=0.5)
    call(at)

    with pytest.raises(ThrottledError, match=r"limit of 1 requests a second.*RT561"):
        call(at)


# Whatever a registry does

_ANSWERS = st.sampled_from(
    [
        OK, response(404), response(401), bearer(), bearer("repository:x:push"),
        bearer(realm="https://evil.example.net/t"), challenge('Basic realm="x"'), response(403),
        response(200, '{"token":"t1"}'), response(200, '{"token":"t2","expires_in":1}'),
        response(307, location="/x"), response(302, location="https://evil.example.net/x"),
        response(301, location="http://registry.example.com/x"), response(429, retry_after="1e9"),
        response(429, retry_after="-1"), response(500), UnreachableError("RT540", "x"),
        response(308), challenge("\x00\xff"), response(408, retry_after="1"),
    ]
)  # fmt: skip


@given(st.lists(_ANSWERS, min_size=1, max_size=12), st.booleans())
def test_every_call_ends_and_no_login_goes_elsewhere(answers: list[Answer], login: bool) -> None:  # noqa: FBT001 - hypothesis passes by place
    clock = Clock()
    wire = Wire(answers)
    at = api(wire, endpoint(login=login), clock=clock)
    for _ in range(2):
        outcome = _outcome(at)
        assert PASSWORD not in str(outcome)
        assert isinstance(outcome, RegistryError) or _is_for_the_caller(outcome.status)

    for request in wire.requests:
        assert request.url.startswith(f"{URL}/") or "authorization" not in request.headers
    assert len(wire.requests) < 100
    assert clock.now - 1000 <= 40


def _outcome(at: RegistryApi) -> HttpResponse | RegistryError:
    try:
        return call(at)
    except RegistryError as error:
        return error


def _is_for_the_caller(status: int) -> bool:
    return status not in {401, 403, 408, 429} and status < 500
