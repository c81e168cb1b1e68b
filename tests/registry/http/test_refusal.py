"""What a registry says of its errors is repeated shortly, and never shows a login."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import (
    DeniedError,
    RegistryError,
    ThrottledError,
    UnreachableError,
)
from cmp.registry.credentials import Login
from cmp.registry.http.refusal import LoginRefusedError, Who, encoded, message, refusal
from tests.registry.http.wire import PASSWORD, recorded, response

ALICE = Login("alice", PASSWORD)
WITH = Who(ALICE, "secret:ns/name#field")
WITHOUT = Who(None)


@pytest.mark.parametrize(
    ("name", "who", "error", "line"),
    [
        (
            "tags/htpasswd_noauth", WITHOUT, LoginRefusedError,
            ("the registry lab denies access to demo/app without a login: UNAUTHORIZED "
            "authentication required; name one with credentials in registries.conf, or with "
            "pullSecret in the rule [RT552]"),
        ),
        (
            "ping/htpasswd_bad", WITH, LoginRefusedError,
            ("the registry lab denies access to demo/app with the login of secret:ns/name#field: "
            "UNAUTHORIZED authentication required; check its user name, password and rights "
            "[RT552]"),
        ),
        (
            "tags/aclanon_private_401", WITHOUT, LoginRefusedError,
            ("the registry lab denies access to demo/app without a login: UNAUTHORIZED "
            "authentication required; name one with credentials in registries.conf, or with "
            "pullSecret in the rule [RT552]"),
        ),
        (
            "tags/acl_forbidden", WITH, DeniedError,
            ("the registry lab denies the right to read demo/app with the login of "
            "secret:ns/name#field: DENIED requested access to the resource is denied; grant it "
            "there; a repository that does not exist may be denied in the same way [RT553]"),
        ),
        (
            "errors/ratelimit_429", WITH, ThrottledError,
            ("the registry lab was asked too often for demo/app: Too Many Requests; set limit in "
            "registries.conf to the requests that it allows in a second [RT551]"),
        ),
        (
            "errors/cluster_member_down_500", WITH, UnreachableError,
            ('the registry lab answered with status 500 for demo/app: Get "http://127.0.0.1:28209'
            '/v2/repo-1/tags/list": dial tcp 127.0.0.1:28209: connect: connection refused; look '
            "into its log [RT550]"),
        ),
        (
            "manifests/head_storage_error_500", WITH, UnreachableError,
            "the registry lab answered with status 500 for demo/app; look into its log [RT550]",
        ),
        (
            "distribution/token_invalid", WITH, LoginRefusedError,
            ("the registry lab denies access to demo/app with the login of secret:ns/name#field: "
            "UNAUTHORIZED authentication required; check its user name, password and rights "
            "[RT552]"),
        ),
    ],
)  # fmt: skip
def test_what_real_registries_answer_is_one_line(
    name: str, who: Who, error: type[RegistryError], line: str
) -> None:
    refused = refusal(recorded(name), "lab", "demo/app", who)

    assert type(refused) is error
    assert line == str(refused)


@pytest.mark.parametrize(
    "name",
    [
        "tags/htpasswd_ok", "tags/bearer_ok", "tags/acl_missing_repo_allowed_path",
        "tags/bad_name", "tags/last_unknown", "graphql/unknown_field_422",
        "graphql/no_content_type_400", "distribution/head_304", "ext/mgmt_off_404",
    ],
)  # fmt: skip
def test_what_the_caller_judges_is_no_error(name: str) -> None:
    assert refusal(recorded(name), "lab", "demo/app", WITH) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", ""),
        (" \r\n", ""),
        ("Too Many Requests", ": Too Many Requests"),
        ("404 page not found\n", ": 404 page not found"),
        ('{"code":"DENIED","message":"no"}', ": DENIED no"),
        ('{"errors":[{"code":"A","message":"b"},{"code":"C"}]}', ": A b; C"),
        ('{"errors":[{"code":7,"message":null},null,{}]}', ""),
        ('{"errors":"broken"}', ": broken"),
        ('["a","b"]', ": a; b"),
        ("7", ""),
        ("<html><body>Bad gateway</body></html>", ""),
        ('{"errors":[{"code"', ""),
        ("[" * 10_000, ""),
        ("at https://a:b@registry.example.com/x", ": at https://registry.example.com/x"),
        ("a\x1b[31mred\x00\u202e\nline", ": a [31mred line"),
        ("\ufffd", ": \ufffd"),
        (f"token {'a1B-' * 10} is bad", ": token … is bad"),
        (f"not {PASSWORD}", ""),
        (json.dumps({"message": f"not {PASSWORD}"}), ""),
        (f"not {encoded(ALICE)}", ""),
        ("not alice", ": not alice"),
    ],
)
def test_what_a_registry_says_is_repeated(body: str, said: str) -> None:
    assert said == message(response(401, body), ALICE)


def test_bytes_that_are_no_text_are_passed_over() -> None:
    assert message(
        response(500, "x\ud800".encode("utf-8", "surrogatepass").decode("latin-1")), None
    )


@pytest.mark.parametrize("password", ["", "a", "abc"])
def test_a_password_of_three_letters_hides_nothing(password: str) -> None:
    assert message(response(401, "abc"), Login("alice", password)) == ": abc"


def test_a_long_message_is_cut() -> None:
    said = message(response(500, "word " * 100), None)

    assert len(said) == 202
    assert said.endswith("…")


@given(st.text(min_size=4, max_size=50), st.text(max_size=300), st.text(max_size=300))
def test_no_message_holds_the_password(password: str, before: str, after: str) -> None:
    said = message(response(401, (before + password + after)), Login("alice", password))

    assert password not in said


def test_bytes_of_an_environment_variable_go_out_as_they_came() -> None:
    assert encoded(Login("a", "\udcff")) == "YTr/"


def test_who_asks_shows_no_login() -> None:
    assert PASSWORD not in repr(WITH)
    assert str(WITHOUT) == "without a login"
