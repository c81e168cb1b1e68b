"""Challenges are read as registries write them, and nothing makes their reader fail."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.http.challenge import Challenge, parse_challenges
from tests.registry.http.wire import recorded

BEARER = {"realm": "https://a.example.com/token", "service": "lab", "scope": "repository:a/b:pull"}


@pytest.mark.parametrize(
    ("text", "challenges"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param('Basic realm="x"', [Challenge("basic", {"realm": "x"})], id="basic"),
        pytest.param("basic realm=", [Challenge("basic", {"realm": ""})], id="Zot's, no value"),
        pytest.param("Negotiate", [Challenge("negotiate")], id="a scheme alone"),
        pytest.param(
            'Bearer realm="https://a.example.com/token",service="lab",'
            'scope="repository:a/b:pull"',
            [Challenge("bearer", BEARER)],
            id="bearer",
        ),
        pytest.param(
            "BEARER Realm=https://a.example.com/token, SERVICE=lab ,scope=repository:a/b:pull",
            [Challenge("bearer", BEARER)],
            id="no quotes, spaces, other cases",
        ),
        pytest.param(
            'Basic realm="a", Bearer realm="b"',
            [Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})],
            id="two in one header",
        ),
        pytest.param(
            'Negotiate YWJj==, Basic realm="a"',
            [Challenge("negotiate", {"ywjj": "="}), Challenge("basic", {"realm": "a"})],
            id="what has no parameters beside what has",
        ),
        pytest.param(
            r'Basic realm="a \"b\" \\ c, Bearer realm=d"',
            [Challenge("basic", {"realm": r'a "b" \ c, Bearer realm=d'})],
            id="escapes and a challenge in quotes",
        ),
        pytest.param(
            'Basic realm = "a" ,, charset="UTF-8",',
            [Challenge("basic", {"realm": "a", "charset": "UTF-8"})],
            id="white space and empty elements",
        ),
        pytest.param(
            'Basic realm="a", realm="b"', [Challenge("basic", {"realm": "a"})], id="stated twice"
        ),
        pytest.param(
            'Basic realm="a', [Challenge("basic", {"realm": "a"})], id="a quote that is not closed"
        ),
        pytest.param(
            'Basic realm="a\\', [Challenge("basic", {"realm": "a"})], id="an escape of nothing"
        ),
        pytest.param('realm="a"', [], id="a parameter of no scheme"),
        pytest.param(
            '"x"(, Basic realm="a"', [Challenge("basic", {"realm": "a"})], id="nonsense, then one"
        ),
        pytest.param('="x"', [], id="nonsense"),
        pytest.param('Basic realm="a"' + " " * 20_000 + ",Bearer", [
            Challenge("basic", {"realm": "a"})
        ], id="what is too long is cut"),
    ],
)  # fmt: skip
def test_each_form_is_read(text: str, challenges: list[Challenge]) -> None:
    assert challenges == parse_challenges([text])


def test_several_headers_are_read_in_their_order() -> None:
    assert [Challenge("basic"), Challenge("bearer")] == parse_challenges(["Basic", "Bearer"])


@pytest.mark.parametrize(
    ("name", "scheme", "scope"),
    [
        ("tags/bearer_challenge", "bearer", "repository:demo/api:pull"),
        ("catalog/bearer_challenge", "bearer", "repository::pull"),
        ("graphql/bearer_post_needs_push_scope", "bearer", "repository::push"),
        ("distribution/token_challenge", "bearer", "repository:demo/api:pull"),
        ("tags/htpasswd_noauth", "basic", None),
        ("ping/htpasswd_ok", "basic", None),
        ("distribution/htpasswd_noauth", "basic", None),
    ],
)
def test_what_was_recorded_is_read(name: str, scheme: str, scope: str | None) -> None:
    (challenge,) = parse_challenges(recorded(name).all("www-authenticate"))

    assert scheme == challenge.scheme
    assert scope == challenge.parameters.get("scope")


@given(st.lists(st.text(max_size=200) | st.text('"\\, =BbaA\t', max_size=200), max_size=3))
def test_no_text_makes_it_fail(values: list[str]) -> None:
    for challenge in parse_challenges(values):
        assert challenge.scheme == challenge.scheme.lower()


_TOKENS = st.text(string.ascii_lowercase + string.digits + "-_.", min_size=1, max_size=10)
_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
_CHALLENGES = st.builds(Challenge, _TOKENS, st.dictionaries(_TOKENS, _VALUES, max_size=4))


@given(st.lists(_CHALLENGES, max_size=4))
def test_what_is_written_by_the_grammar_is_read_as_it_was(challenges: list[Challenge]) -> None:
    assert challenges == parse_challenges([", ".join(map(_written, challenges))])


def _written(challenge: Challenge) -> str:
    quoted = (
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for name, value in challenge.parameters.items()
    )
    return f"{challenge.scheme} {', '.join(quoted)}".strip()
