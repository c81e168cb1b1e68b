"""What `retag registry check` finds out, answer by answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cmp.errors import UnreachableError
from cmp.reference import Repository
from cmp.registry.check import Answer, Checked, State, check
from cmp.registry.endpoint import Endpoint, Kind
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from tests.registry.http.wire import Answering, Clock, Wire, api, endpoint

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
DATE = ("date", "Thu, 01 Jan 2026 00:00:00 GMT")
APP = Repository("registry.example.com", "team/app")
PING = HttpResponse(200, (DATE,), seconds=0.001, tls="TLSv1.3")
WANTS_BASIC = replace(PING, status=401, headers=(DATE, ("www-authenticate", 'Basic realm="x"')))
SEARCHING = b'{"extensions":[{"name":"_zot","endpoints":["/v2/_zot/ext/search"]}]}'
NOT_FOUND = HttpResponse(404)

Pages = dict[str, HttpResponse]


def zot(**pages: HttpResponse) -> Pages:
    """A Zot in order, by the last word of the path; *pages* stand in the place of some."""
    return {
        "v2": PING,
        "discover": HttpResponse(200, body=SEARCHING),
        "list": HttpResponse(200, body=b'{"name":"team/app","tags":["v1"]}'),
        "search": HttpResponse(200, body=b'{"data":{"CVEListForImage":{"Tag":"v1"}}}'),
        **pages,
    }


def answering(pages: Pages, login: HttpResponse | None) -> Answering:
    """*pages*; the ping is answered with *login* where one is sent."""

    def answer(request: HttpRequest) -> HttpResponse:
        name = request.url.partition("?")[0].rstrip("/").rpartition("/")[2]
        if name == "v2" and login is not None and "authorization" in request.headers:
            return login
        return pages[name]

    return answer


def answers(
    pages: Pages,
    *,
    repository: Repository | None = None,
    login: HttpResponse | None = None,
    **fields: object,
) -> dict[str, Answer]:
    """What is told of each subject, where a registry answers with *pages*."""
    asked = endpoint(login=login is not None).model_copy(update=fields)
    return told(asked, Wire(answering(pages, login)), repository)


def told(asked: Endpoint, wire: Wire, repository: Repository | None = None) -> dict[str, Answer]:
    """What is told of each subject of the registry behind *wire*."""
    checked = Checked(asked, wire, api(wire, asked, clock=Clock()), lambda: NOW)

    async def collect() -> dict[str, Answer]:
        return {each.subject: each async for each in check(checked, repository)}

    return asyncio.run(collect())


def test_a_zot_in_order_is_told_in_one_line_for_each_question() -> None:
    found = answers(zot(), repository=APP, login=PING)

    assert [each.state for each in found.values()] == [State.OK] * 8
    assert found["reach"].what == "it answers in 1 ms"
    assert found["tls"].what == "TLSv1.3, its certificate is trusted"
    assert found["login"].what == "not refused (basic), where anybody is let in"
    assert found["kind"].what == "a Zot with its search on: one request for all tags"
    assert found["listing"].what.startswith("registry.example.com/team/app has 1 tag, listed in")
    assert found["scans"].what == "images are scanned"


def test_who_cannot_be_reached_is_asked_nothing_else() -> None:
    error = UnreachableError("RT540", "the connection is refused", remedy="check the port")

    assert told(endpoint(), Wire([error])) == {
        "reach": Answer(
            "reach", State.FAILED, "the connection is refused", "check the port", "RT540"
        )
    }


@pytest.mark.parametrize("status", [301, 404, 500])
def test_who_answers_as_no_registry_is_asked_nothing_else(status: int) -> None:
    found = answers(zot(v2=replace(PING, status=status)))

    assert list(found) == ["reach", "tls", "clock"]
    assert found["reach"].state is State.FAILED
    assert f"status {status}" in found["reach"].what
    assert "api_url" in found["reach"].remedy


def test_what_protects_nothing_is_a_warning() -> None:
    plain = answers(zot(v2=replace(PING, tls="")))["tls"]
    insecure = answers(zot(), insecure=True)["tls"]

    assert plain.state is insecure.state is State.WARNING
    assert "plain http" in plain.what
    assert "insecure" in insecure.what


@pytest.mark.parametrize(
    ("date", "what"),
    [
        ("Thu, 01 Jan 2026 00:00:05 GMT", "it is right to some seconds"),
        ("Thu, 01 Jan 2026 00:00:06 GMT", "it is 6 s ahead"),
        ("Wed, 31 Dec 2025 23:59:00 GMT", "it is 60 s behind"),
        ("yesterday", "it does not tell the time"),
    ],
)
def test_the_clocks_are_compared(date: str, what: str) -> None:
    clock = answers(zot(v2=replace(PING, headers=(("date", date),))))["clock"]

    assert clock.what == what
    assert (clock.state is State.OK) is ("right" in what)


@pytest.mark.parametrize(
    ("challenge", "state", "what"),
    [
        ('Basic realm="x"', State.OK, "basic: it wants a user name and a password"),
        (
            'Bearer realm="https://auth.example.com/token",service="x"',
            State.OK,
            "bearer: it wants a token from https://auth.example.com/token",
        ),
        ("Bearer", State.OK, "bearer: it wants a token from nowhere"),
        ('Basic realm="x", Bearer realm="y"', State.OK, "bearer: it wants a token from y"),
        (
            "Negotiate",
            State.FAILED,
            "it wants a login of a kind that Retag has not: negotiate",
        ),
        ("", State.FAILED, "it wants a login of a kind that Retag has not: unnamed"),
    ],
)
def test_the_kind_of_login_is_told(challenge: str, state: State, what: str) -> None:
    ping = replace(PING, status=401, headers=(DATE, ("www-authenticate", challenge)))
    auth = answers(zot(v2=ping))["auth"]

    assert (auth.state, auth.what) == (state, what)


@pytest.mark.parametrize(
    ("seconds", "cost"), [(0.071, 10), (0.280, 12), (0.0716 / 4, None), (0.0029, None)]
)
def test_the_cost_of_bcrypt_is_guessed_from_what_a_login_takes(
    seconds: float, cost: int | None
) -> None:
    far, slow = replace(WANTS_BASIC, seconds=0.4), replace(PING, seconds=0.4 + seconds)
    login = answers(zot(v2=far), login=slow)["login"]

    assert login.what.startswith("accepted (basic)")
    assert (f"bcrypt of cost {cost}" in login.what) is (cost is not None)
    assert (login.state is State.WARNING) is (cost is not None)


@pytest.mark.parametrize("page", ["discover", "list"])
def test_a_question_that_cannot_be_asked_is_told_as_that_one(page: str) -> None:
    pages = answering(zot(), PING)

    def answer(request: HttpRequest) -> HttpResponse | Exception:
        fails = request.url.rpartition("/")[2] == page
        return UnreachableError("RT540", "timed out") if fails else pages(request)

    found = list(told(endpoint(login=True), Wire(answer), APP).items())

    subject = {"discover": "kind", "list": "listing"}[page]
    assert found[-1][0] == subject
    assert found[-1][1].state is State.FAILED
    assert "timed out" in found[-1][1].what


def test_a_token_may_take_its_time() -> None:
    challenge = 'Bearer realm="https://registry.example.com/token",service="x"'
    ping = replace(PING, status=401, headers=(DATE, ("www-authenticate", challenge)))
    token = HttpResponse(200, body=b'{"token":"made-up"}')
    others = answering(zot(v2=ping, token=token), None)

    def answer(request: HttpRequest) -> HttpResponse | Exception:
        bearer = request.headers.get("authorization", "").startswith("Bearer ")
        slow = bearer and request.url.endswith("/v2/")
        return replace(PING, seconds=1.0) if slow else others(request)

    login = told(endpoint(login=True), Wire(answer))["login"]

    assert (login.state, login.what) == (State.OK, "accepted (bearer)")


def test_without_a_login_that_is_wanted_nothing_more_is_asked() -> None:
    found = answers(zot(v2=WANTS_BASIC), repository=APP)

    assert list(found)[-1] == "login"
    assert found["login"].state is State.FAILED
    assert "credentials" in found["login"].remedy


def test_a_login_that_is_refused_is_told_with_its_remedy() -> None:
    found = answers(zot(v2=WANTS_BASIC), login=WANTS_BASIC, repository=APP)

    assert list(found)[-1] == "login"
    assert found["login"].state is State.FAILED
    assert "env:LOGIN" in found["login"].what
    assert "check its user name, password and rights" in found["login"].remedy


def test_a_login_for_which_there_is_no_registry_is_no_success() -> None:
    login = answers(zot(), login=NOT_FOUND)["login"]

    assert (login.state, login.what) == (State.FAILED, "GET /v2/ has status 404 with it")


@pytest.mark.parametrize(
    ("discover", "kind", "state", "what"),
    [
        (HttpResponse(200, body=SEARCHING), Kind.ZOT, State.OK, "search on"),
        (HttpResponse(200, body=b'{"extensions":[]}'), Kind.ZOT, State.WARNING, "search off"),
        (NOT_FOUND, Kind.ZOT, State.WARNING, "does not answer as one"),
        (NOT_FOUND, Kind.UNKNOWN, State.OK, "no Zot"),
    ],
)
def test_what_the_registry_is_is_told_whatever_is_said_of_it(
    discover: HttpResponse, kind: Kind, state: State, what: str
) -> None:
    found = answers(zot(discover=discover), kind=kind)["kind"]

    assert found.state is state
    assert what in found.what


def test_that_the_kind_is_denied_is_a_warning() -> None:
    """As by a Zot that wants tokens, where none is given for what is no repository."""
    found = answers(zot(discover=HttpResponse(403)), kind=Kind.ZOT, repository=APP)

    assert found["kind"].state is State.WARNING
    assert found["kind"].what == "it does not tell this login what it is"
    assert "kind: zot" in found["kind"].remedy
    assert found["listing"].state is State.OK


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"errors":[{"message":"cve search is disabled"}]}', "cve search is disabled"),
        (b'{"errors":[{"message":"cve-db is not present"}]}', "cve-db is not present"),
        (b"<html>", "its search answers no GraphQL"),
        (b"[]", "its search answers no GraphQL"),
        (b'{"errors":[{}]}', "its search answers no GraphQL"),
        (b'{"errors":[{"message":"red \\u001b[31m"}]}', "red  [31m"),
    ],
)
def test_whether_images_are_scanned_is_told(body: bytes, what: str) -> None:
    search = HttpResponse(200, body=body)
    scans = answers(zot(search=search), repository=APP)["scans"]

    assert (scans.state, scans.what) == (State.WARNING, f"images are not scanned: {what}")
    assert "extensions.search.cve" in scans.remedy


def test_scans_are_asked_about_only_where_there_is_an_image_and_a_search() -> None:
    empty = HttpResponse(200, body=b'{"name":"team/app","tags":[]}')

    assert "scans" not in answers(zot(list=empty), repository=APP)
    assert "scans" not in answers(zot(discover=NOT_FOUND), repository=APP)


def test_a_repository_that_is_not_there_is_told_under_listing() -> None:
    found = answers(zot(list=NOT_FOUND), repository=APP)["listing"]

    assert found.state is State.FAILED
    assert found.what.startswith("Failed to get tags for registry.example.com/team/app: ")
