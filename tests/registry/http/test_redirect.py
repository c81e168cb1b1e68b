"""Redirects lead nowhere with a login, never from https to http, and to nothing but http."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import BadReplyError
from cmp.registry.http.exchange import HttpRequest
from cmp.registry.http.redirect import origin, redirected
from tests.registry.http.wire import response

URL = "https://registry.example.com/v2/a/blobs/b"
HEADERS = {"authorization": "Basic made-up", "accept": "*/*"}
REQUEST = HttpRequest("GET", URL, HEADERS, limit=5)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_kind_of_redirect_is_followed(method: str, status: int) -> None:
    request = HttpRequest(method, URL, HEADERS, limit=5)

    further = redirected(request, response(status, location="/x"))

    assert HttpRequest(method, "https://registry.example.com/x", HEADERS, limit=5) == further


@pytest.mark.parametrize(("method", "status"), [("POST", 307), ("GET", 304), ("GET", 200)])
def test_what_is_no_redirect_is_the_answer(method: str, status: int) -> None:
    assert redirected(HttpRequest(method, URL), response(status, location="/x")) is None


@pytest.mark.parametrize(
    ("url", "location", "target", "login"),
    [
        (URL, "https:///x", "https://registry.example.com/x", True),
        (URL, "other", "https://registry.example.com/v2/a/blobs/other", True),
        (URL, "//registry.example.com/x", "https://registry.example.com/x", True),
        (URL, "https://Registry.Example.com:443/x#f", "https://Registry.Example.com:443/x", True),
        (URL, "https://registry.example.com:8443/x", "https://registry.example.com:8443/x", False),
        (URL, "https://store.example.net/x?sig=%2B", "https://store.example.net/x?sig=%2B", False),
        ("http://a.example.com/x", "https://a.example.com/y", "https://a.example.com/y", False),
        ("http://a.example.com/x", "http://b.example.com/y", "http://b.example.com/y", False),
        ("http://a.example.com/x", "/y", "http://a.example.com/y", True),
    ],
)
def test_the_login_stays_where_it_belongs(
    url: str, location: str, target: str, login: bool  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    further = redirected(HttpRequest("GET", url, HEADERS), response(307, location=location))

    assert further is not None
    assert target == further.url
    assert login == ("authorization" in further.headers)
    assert further.headers["accept"] == "*/*"


@pytest.mark.parametrize(
    "location",
    [
        "http://registry.example.com/x",
        "http://store.example.net/x",
        "ftp://store.example.net/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://a:b@store.example.net/x",
        "https://store.example.net\\@registry.example.com/",
        "https://[::1/x",
        "https://[2001:db8::1].evil.example.net/x",
        "https://store.example.net:99999/x",
        "/a b",
        "/a\r\nx: y",
        "/ä",
    ],
)
def test_nobody_goes_to(location: str) -> None:
    with pytest.raises(BadReplyError, match=r"registry.example.com redirects.*RT559") as caught:
        redirected(REQUEST, response(302, location=location))

    assert "a:b" not in str(caught.value)


def test_a_redirect_to_nowhere_is_an_error() -> None:
    with pytest.raises(BadReplyError, match="RT559"):
        redirected(REQUEST, response(302))


@given(st.text(max_size=60) | st.text("htps:/@\\.a#?[]%0", max_size=60))
def test_no_location_takes_the_login_elsewhere(location: str) -> None:
    try:
        further = redirected(REQUEST, response(302, location=location))
    except BadReplyError:
        return

    assert further is not None
    assert "authorization" not in further.headers or origin(further.url) == origin(URL)
