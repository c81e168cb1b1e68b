"""Where credentials are is read from a line, and no message ever shows a piece of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.registry.credentials import (
    Credentials,
    EnvironmentPair,
    EnvironmentVariable,
    InvalidCredentialsError,
    Login,
    PullSecret,
    Script,
    SecretField,
    SecretFile,
    Source,
    parse_credentials,
)

SOURCES = [
    ("env:NAME", EnvironmentVariable("NAME")),
    ("ENV:NAME", EnvironmentVariable("NAME")),
    ("env:USER_NAME:PASSWORD_NAME", EnvironmentPair("USER_NAME", "PASSWORD_NAME")),
    ("secret:ns/name#field", SecretField("ns", "name", "field")),
    ("Secret:ns/name#.dockerconfigjson", SecretField("ns", "name", ".dockerconfigjson")),
    ("pullsecret:ns/name", PullSecret("ns", "name")),
    ("pullSecret:ns/name#x", PullSecret("ns", "name#x")),
    ("file:/etc/retag/login", SecretFile("/etc/retag/login")),
    ("ext:/bin/script", Script("/bin/script")),
    ("ext:script", Script("script")),
]


@pytest.mark.parametrize(("text", "source"), SOURCES)
def test_each_form_names_its_source(text: str, source: Source) -> None:
    assert Credentials(source) == parse_credentials(text)
    assert Credentials(source, "reg.io") == parse_credentials(f"reg.io={text}")


INVALID = [
    "", "env", "env:", ":NAME", "env::NAME", "env:A:", "env:A:B:C", "secret:ns/name",
    "secret:name#field", "secret:ns/name#", "secret:/name#f", "secret:ns/#f", "secret:ns/a/b#f",
    "secret:ns/name#f#g", "secret:ns/name#f:g", "pullsecret:name", "pullsecret:ns/",
    "pullsecret:/name", "pullsecret:a/b/c", "file:relative", "file:/a:b", "ext:/a:b", "ext:",
    "=env:NAME", "reg.io=", "a=b=env:NAME", "user:hunter2", "https://user:hunter2@reg.io",
]  # fmt: skip


@pytest.mark.parametrize("text", INVALID)
def test_what_names_no_source_is_invalid(text: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        parse_credentials(text)


@given(st.text(st.characters(categories=["Lu"]), min_size=8), st.sampled_from([":", "", "x:"]))
def test_a_message_never_holds_what_may_be_a_password(secret: str, before: str) -> None:
    with pytest.raises(InvalidCredentialsError) as caught:
        parse_credentials(f"user{before}{secret}")

    assert secret not in str(caught.value)


def test_a_login_does_not_show_itself() -> None:
    login = Login("admin", "hunter2")

    assert "admin" not in f"{login!r} {login}"
    assert "hunter2" not in f"{login!r} {login}"
