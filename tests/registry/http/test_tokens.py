"""Tokens come from where a registry may have them from, and are kept while they are good."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cmp.errors import BadReplyError, DeniedError, ThrottledError, UnreachableError
from cmp.registry.credentials import Login
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.http.refusal import LoginRefusedError
from cmp.registry.http.retry import Deadline
from cmp.registry.http.tokens import Grant, Tokens, check_realm
from tests.registry.http.wire import (
    BASIC,
    PASSWORD,
    Answer,
    Answering,
    Clock,
    Wire,
    endpoint,
    response,
)

ALICE = Login("alice", PASSWORD)
REALM = "https://registry.example.com/token"
GRANT = Grant(REALM, "lab", ("repository:demo/app:pull",))
DATE = "Sun, 22 Nov 2026 11:46:21 GMT"


def token(text: str = "t1", **fields: Any) -> HttpResponse:
    return response(200, json.dumps({"token": text} | fields), date=DATE)


def tokens(wire: Wire, clock: Clock | None = None) -> Tokens:
    async def send(request: HttpRequest, deadline: Deadline) -> HttpResponse:
        return await wire(request, seconds=deadline.left())

    return Tokens(endpoint(), send, clock=clock or Clock())


def get(
    kept: Tokens, grant: Grant = GRANT, login: Login | None = None, *, refused: str = ""
) -> str:
    deadline = Deadline(20, clock=Clock())
    return asyncio.run(kept.get(grant, login, deadline, refused=refused))


@pytest.mark.parametrize(
    ("grant", "url"),
    [
        (GRANT, f"{REALM}?service=lab&scope=repository%3Ademo%2Fapp%3Apull"),
        (Grant(REALM, "", ()), REALM),
        (Grant(f"{REALM}?a=b#c", "x y&z", ()), f"{REALM}?a=b&service=x%20y%26z"),
        (Grant(REALM, "", ("a", "b")), f"{REALM}?scope=a&scope=b"),
        (Grant(REALM, "\ud800", ()), f"{REALM}?service=%3F"),
    ],
)
def test_a_token_is_asked_for_with_service_and_scopes(grant: Grant, url: str) -> None:
    wire = Wire([token()])

    assert get(tokens(wire), grant) == "t1"
    assert [url] == wire.urls
    assert wire.requests[0].method == "GET"


def test_a_login_goes_as_basic_and_nobody_without() -> None:
    wire = Wire([token()])
    kept = tokens(wire)

    get(kept)
    get(kept, login=ALICE)

    assert wire.authorizations == ["", BASIC]


def test_access_token_is_as_good() -> None:
    assert get(tokens(Wire([response(200, '{"token":"","access_token":"t2"}')]))) == "t2"


@pytest.mark.parametrize(
    ("fields", "age", "good"),
    [
        pytest.param({}, 49.9, True, id="60 s where nothing is said"),
        pytest.param({}, 50.1, False, id="10 s before the end"),
        pytest.param({"expires_in": 300}, 289, True, id="what is said"),
        pytest.param({"expires_in": 300}, 291, False, id="what is said, over"),
        pytest.param({"expires_in": 8}, 5.9, True, id="a short life, less a quarter"),
        pytest.param({"expires_in": 8}, 6.1, False, id="a short life, over"),
        pytest.param({"expires_in": 0}, 49.9, True, id="nothing"),
        pytest.param({"expires_in": -7}, 50.1, False, id="less than nothing"),
        pytest.param({"expires_in": True}, 2, True, id="no number"),
        pytest.param({"expires_in": "300"}, 51, False, id="a text"),
        pytest.param({"expires_in": 1e300}, 3589, True, id="for ever"),
        pytest.param({"expires_in": 10**30}, 3591, False, id="for ever is an hour"),
        pytest.param(
            {"expires_in": 300, "issued_at": "2026-11-22T11:45:21Z"}, 229, True, id="issued before"
        ),
        pytest.param(
            {"expires_in": 300, "issued_at": "2026-11-22T11:45:21Z"}, 231, False, id="and over"
        ),
        pytest.param(
            {"issued_at": "2027-11-22T11:45:21Z"}, 51, False, id="issued in the future"
        ),
        pytest.param({"issued_at": "yesterday"}, 49, True, id="issued at no time"),
        pytest.param({"issued_at": 5}, 49, True, id="issued at a number"),
        pytest.param({"issued_at": "2020-01-01T00:00:00Z"}, 0, False, id="over when it comes"),
    ],
)  # fmt: skip
def test_a_token_is_kept_until_shortly_before_its_end(
    fields: dict[str, Any], age: float, good: bool  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    clock = Clock()
    wire = Wire([token(**fields), token("t2")])
    kept = tokens(wire, clock)
    get(kept)
    clock.now += age

    assert ("t1" if good else "t2") == get(kept)


def test_without_a_date_issued_at_says_nothing() -> None:
    clock = Clock()
    wire = Wire([response(200, '{"token":"t1","issued_at":"2020-01-01T00:00:00Z"}')])
    kept = tokens(wire, clock)
    get(kept)

    assert get(kept) == "t1"
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("grant", "login"),
    [
        (Grant(REALM, "lab", ("repository:demo/other:pull",)), None),
        (Grant(REALM, "other", GRANT.scopes), None),
        (Grant(f"{REALM}2", "lab", GRANT.scopes), None),
        (GRANT, ALICE),
        (GRANT, Login("bob", PASSWORD)),
    ],
)
def test_a_token_is_for_one_realm_service_scope_and_login(
    grant: Grant, login: Login | None
) -> None:
    kept = tokens(Wire([token("t1"), token("t2")]))

    assert [get(kept), get(kept, grant, login), get(kept)] == ["t1", "t2", "t1"]


def test_a_refused_token_is_not_given_again() -> None:
    wire = Wire([token("t1"), token("t2")])
    kept = tokens(wire)
    get(kept)

    assert [get(kept, refused="t1"), get(kept, refused="t1"), get(kept)] == ["t2"] * 3
    assert len(wire.requests) == 2


def test_those_who_want_the_same_at_once_wait_for_one() -> None:
    wire = Wire([token("t1"), token("t2")])
    kept = tokens(wire)

    async def crowd() -> list[str]:
        deadline = Deadline(20, clock=Clock())
        return await asyncio.gather(*(kept.get(GRANT, None, deadline) for _ in range(50)))

    assert asyncio.run(crowd()) == ["t1"] * 50
    assert len(wire.requests) == 1


def test_those_who_wait_share_a_failure_and_the_next_asks_again() -> None:
    wire = Wire([response(401), token()])
    kept = tokens(wire)

    async def crowd() -> list[str | BaseException]:
        deadline = Deadline(20, clock=Clock())
        gets = (kept.get(GRANT, None, deadline) for _ in range(9))
        return await asyncio.gather(*gets, return_exceptions=True)

    assert all(isinstance(each, LoginRefusedError) for each in asyncio.run(crowd()))
    assert len(wire.requests) == 1
    assert get(kept) == "t1"


def test_who_gives_up_does_not_take_the_token_from_others() -> None:
    async def give_up() -> str:
        asked, go = asyncio.Event(), asyncio.Event()

        async def send(_: HttpRequest, __: Deadline) -> HttpResponse:
            asked.set()
            await go.wait()
            return token()

        kept = Tokens(endpoint(), send, clock=Clock())
        first, second = (
            asyncio.create_task(kept.get(GRANT, None, Deadline(20, clock=Clock())))
            for _ in range(2)
        )
        await asked.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        return await second

    assert asyncio.run(give_up()) == "t1"


def test_a_fetch_that_is_cancelled_itself_is_forgotten() -> None:
    async def cut_off() -> str:
        calls: list[HttpRequest] = []

        async def send(request: HttpRequest, _: Deadline) -> HttpResponse:
            calls.append(request)
            if len(calls) == 1:
                raise asyncio.CancelledError
            return token()

        kept = Tokens(endpoint(), send, clock=Clock())
        with pytest.raises(asyncio.CancelledError):
            await kept.get(GRANT, None, Deadline(20, clock=Clock()))
        return await kept.get(GRANT, None, Deadline(20, clock=Clock()))

    assert asyncio.run(cut_off()) == "t1"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (response(401), LoginRefusedError, "gives no token .status 401.*check its user.*RT556"),
        (response(403, '{"message":"locked"}'), LoginRefusedError, "403.: locked.*RT556"),
        (response(429), ThrottledError, "was asked too often.*RT551"),
        (response(503), UnreachableError, "answered with status 503.*RT550"),
        (response(404, "nothing here"), BadReplyError, "404 instead of a token: nothing.*RT557"),
        (response(302, location=REALM), BadReplyError, "302 instead of a token.*RT557"),
        (response(200, "<html>"), BadReplyError, "sent no usable token.*RT557"),
        (response(200), BadReplyError, "RT557"),
        (response(200, '["t1"]'), BadReplyError, "RT557"),
        (response(200, '{"token":7}'), BadReplyError, "RT557"),
        (response(200, "{}"), BadReplyError, "RT557"),
        (response(200, '{"token":"a\\r\\nx-evil: b"}'), BadReplyError, "RT557"),
        (response(200, '{"token":"a b"}'), BadReplyError, "RT557"),
        (response(200, '{"token":"ä"}'), BadReplyError, "RT557"),
        (response(200, json.dumps({"token": "a" * 70_000})), BadReplyError, "RT557"),
        (response(200, "[" * 100_000), BadReplyError, "RT557"),
        (UnreachableError("RT540", "no answer"), UnreachableError, "RT540"),
    ],
)
def test_what_is_no_token_is_an_error(answer: Answer, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        get(tokens(Wire([answer])), login=ALICE)

    assert PASSWORD not in str(caught.value)
    assert BASIC.split()[1] not in str(caught.value)


def test_no_more_than_a_token_needs_is_read() -> None:
    wire = Wire([token()])

    get(tokens(wire))

    assert wire.requests[0].limit == 256 * 1024


def test_nothing_shows_a_token() -> None:
    kept = tokens(Wire([token("made-up-token")]))
    get(kept)

    assert "made-up-token" not in repr(vars(kept))


@pytest.mark.parametrize(
    ("realm", "at"),
    [
        (REALM, endpoint()),
        ("https://REGISTRY.example.com:8443/token", endpoint()),
        ("https://auth.example.com/token", endpoint(token_hosts=["auth.example.com"])),
        ("https://auth.example.com/token", endpoint(token_hosts=["AUTH.example.com:443"])),
        ("https://auth.example.com:99/token", endpoint(token_hosts=["auth.example.com"])),
        ("https://auth.example.com:99/token", endpoint(token_hosts=["auth.example.com:99"])),
        ("https://[::1]:99/token", endpoint(token_hosts=["[::1]"])),
        ("https://[::1]/token", endpoint("https://[::1]:5000")),
        ("http://registry.example.com/token", endpoint("http://registry.example.com:5000")),
        (REALM, endpoint("http://registry.example.com:5000")),
        ("https://auth.docker.io/token", endpoint("https://registry-1.docker.io")),
    ],
)
def test_realms_that_may_see_the_login(realm: str, at: Endpoint) -> None:
    check_realm(realm, at)


LISTED = endpoint(token_hosts=["auth.example.com:443"])


@pytest.mark.parametrize(
    ("realm", "at", "code"),
    [
        ("https://evil.example.net/token", endpoint(), "RT554"),
        ("https://registry.example.com.evil.example.net/token", endpoint(), "RT554"),
        ("https://evil.registry.example.com/token", endpoint(), "RT554"),
        ("https://registry.example.com./token", endpoint(), "RT554"),
        ("https://auth.example.com:99/token", LISTED, "RT554"),
        ("http://auth.example.com/token", LISTED, "RT555"),
        ("http://registry.example.com/token", endpoint(), "RT555"),
        ("HTTP://registry.example.com/token", endpoint(), "RT555"),
        ("ftp://registry.example.com/token", endpoint("http://registry.example.com"), "RT555"),
        ("https://a:b@registry.example.com/token", endpoint(), "RT555"),
        ("https://registry.example.com@evil.example.net/token", endpoint(), "RT555"),
        ("https://evil.example.net\\@registry.example.com/", endpoint(), "RT555"),
        ("https://registry.example.com\\.evil.example.net/", endpoint(), "RT555"),
        ("https://registry.example.com/\r\nx: y", endpoint(), "RT555"),
        ("https://registry.example.com:99999/token", endpoint(), "RT555"),
        ("https://[::1/token", endpoint(), "RT555"),
        ("https:///token", endpoint(), "RT555"),
        ("//registry.example.com/token", endpoint(), "RT555"),
        ("/token", endpoint(), "RT555"),
        ("", endpoint(), "RT555"),
        (f"https://registry.example.com/{'a' * 2048}", endpoint(), "RT555"),
        # Where urllib sees the registry's host, and others another one.
        ("https://[::1].evil.example.net/", endpoint("https://[::1]:5000"), "RT555"),
        ("https://evil.example.net[::1]/", endpoint("https://[::1]:5000"), "RT555"),
    ],
)
def test_realms_that_get_nothing(realm: str, at: Endpoint, code: str) -> None:
    with pytest.raises(DeniedError) as caught:
        check_realm(realm, at)

    assert caught.value.code == code
    assert "a:b" not in str(caught.value)


def test_an_unlisted_realm_is_named_with_the_setting_that_allows_it() -> None:
    with pytest.raises(DeniedError, match=r"evil\.example\.net.*token_hosts"):
        check_realm("https://evil.example.net/token", endpoint())


def test_nothing_is_sent_to_a_realm_that_may_not_see_the_login() -> None:
    def answering() -> Answering:
        return lambda _: token()

    wire = Wire(answering())
    with pytest.raises(DeniedError):
        get(tokens(wire), Grant("https://evil.example.net/token", "lab", ()), ALICE)

    assert wire.requests == []
