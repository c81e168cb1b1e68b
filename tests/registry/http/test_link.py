"""A next page is found however its link is written, and one that leads away is refused."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import BadReplyError
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.http.link import next_query

BASE = "https://registry.example.com"
NEXT = 'rel="next"'


def query(*headers: str, base: str = BASE) -> str | None:
    """What `next_query` finds in the header Link, or in several."""
    return next_query(HttpResponse(200, tuple(("link", header) for header in headers)), base)


@pytest.mark.parametrize(
    "header",
    [
        '</v2/app/tags/list?n=3&last=c>; rel="next"',
        "</v2/app/tags/list?n=3&last=c>; rel=next",
        '</v2/app/tags/list?n=3&last=c>;rel="next"',
        '<?n=3&last=c>; rel="next"',
        "</v2/app/tags/list?n=3&last=c>; REL=Next",
        '</v2/app/tags/list?n=3&last=c>; rel="last next"',
        '</v2/app/tags/list?n=3&last=c>; title="a, b; <c> \\" d"; rel=next',
        "</v2/app/tags/list?n=3&last=c>; crossorigin; rel = next ;",
        "</v2/app/tags/list?n=3&last=c>; rel=next; rel=prev",
        '<https://cdn.example.com>; rel=preconnect, <?n=3&last=c>; rel="next"',
        "<?n=3&last=c>; rel=next, </v2/app/tags/list?n=1>; rel=first",
        ", <?n=3&last=c>; rel=next,",
        "<https://registry.example.com/v2/app/tags/list?n=3&last=c>; rel=next",
        "<HTTPS://REGISTRY.example.com:443/v2/app/tags/list?n=3&last=c>; rel=next",
        "<//registry.example.com/v2/app/tags/list?n=3&last=c>; rel=next",
        "</other/prefix/v2/app/tags/list?n=3&last=c#part>; rel=next",
    ],
)
def test_the_query_of_the_next_page_is_found(header: str) -> None:
    assert query(header) == "n=3&last=c"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "</v2/app/tags/list?last=c>; rel=prev",
        "</v2/app/tags/list?last=c>; rel=nextish",
        "</v2/app/tags/list?last=c>; rel=prev; rel=next",
        "<https://other.example.com/?last=c>; rel=preload",
    ],
)
def test_other_links_are_no_next_page(header: str) -> None:
    assert query(header) is None


def test_there_is_no_next_page_without_a_link() -> None:
    assert query() is None


def test_several_headers_count_as_one() -> None:
    assert query("<?n=1>; rel=first", "<?n=3>; rel=next") == "n=3"
    assert query("<?n=3>; rel=next", "<?n=3>; rel=next") == "n=3"


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("<https://other.example.com/v2/app/tags/list?last=c>; rel=next", "another host"),
        ("<http://registry.example.com/v2/app/tags/list?last=c>; rel=next", "another host"),
        ("<https://registry.example.com:8443/?last=c>; rel=next", "another host"),
        ("<http://registry.example.com:443/?last=c>; rel=next", "another host"),
        ("<https://registry.example.com@other.example.com/?last=c>; rel=next", "another host"),
        ("<//other.example.com/v2/app/tags/list?last=c>; rel=next", "another host"),
        ("<file:///etc/passwd?last=c>; rel=next", "another host"),
        ("<https://registry.example.com:port/?last=c>; rel=next", "malformed"),
        ("<https://[::1/?last=c>; rel=next", "malformed"),
        ("</v2/app/tags/list>; rel=next", "does not say where"),
        ("</v2/app/tags/list?>; rel=next", "does not say where"),
        ("<>; rel=next", "does not say where"),
        ("</v2/app/tags/list?last=c; rel=next", "malformed"),
        ("/v2/app/tags/list?last=c; rel=next", "malformed"),
        ("<?last=c>; rel=next, garbage", "malformed"),
        ('<?last=c>; title="open; rel=next', "malformed"),
        ("<?last=c>; rel=next, <?last=d>; rel=next", "2 next pages"),
        ("</v2/app/tags/list?last=c>", "says no relation"),
        ("</v2/app/tags/list?last=c>; rel", "says no relation"),
        ('</v2/app/tags/list?last=c>; rel=""', "says no relation"),
        ('</v2/app/tags/list?last=c>; title="rel=next"', "says no relation"),
        ("<?last=b>; rel=prev, <?last=c>", "says no relation"),
        (f"<?last={'c' * 4096}>; rel=next", "more than 4096 characters"),
    ],
)
def test_a_next_page_that_cannot_be_read_is_an_error(header: str, what: str) -> None:
    with pytest.raises(BadReplyError, match=what) as caught:
        query(header)
    assert caught.value.code == "RT572"


def test_the_origin_is_that_of_api_url_whatever_its_path() -> None:
    header = "<http://127.0.0.1:5000/v2/app/tags/list?last=c>; rel=next"
    assert query(header, base="http://127.0.0.1:5000/registry") == "last=c"


@given(st.text())
def test_anything_is_a_query_or_none_or_an_error(header: str) -> None:
    try:
        found = query(header)
    except BadReplyError:
        return
    assert found is None or re.fullmatch(r"[\x21-\x7e]+", found)


@given(st.text(st.characters(exclude_characters="<>#?\t\r\n", exclude_categories=["C"])))
def test_a_tag_in_a_query_is_escaped_where_it_must_be(tag: str) -> None:
    found = query(f"</v2/app/tags/list?n=1&last={tag}>; {NEXT}")
    assert found is not None
    assert unquote(found) == unquote(f"n=1&last={tag}")
    assert re.fullmatch(r"[\x21-\x7e]+", found)
    assert "#" not in found


def test_a_long_header_is_read_in_one_go() -> None:
    header = '<?a>; x="' + "\\" * 60_000
    with pytest.raises(BadReplyError, match="malformed"):
        query(header)
