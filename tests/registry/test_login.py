"""Logins are read from environment, files and Secrets; what is none is denied, and not shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cmp.errors import DeniedError
from cmp.registry.credentials import (
    EnvironmentPair,
    EnvironmentVariable,
    Login,
    PullSecret,
    Script,
    SecretField,
    SecretFile,
)
from cmp.registry.login import read_environment, read_file, read_pull_secret, read_secret, refusal

VARIABLE = EnvironmentVariable("LOGIN")
PAIR = EnvironmentPair("USER_NAME", "PASSWORD_NAME")
FIELD = SecretField("ns", "name", "field")
PULL = PullSecret("ns", "name")


@pytest.mark.parametrize(
    ("value", "login"),
    [
        ("user:password", Login("user", "password")),
        ("user:pass:word", Login("user", "pass:word")),
        (" u : p\n", Login(" u ", " p\n")),
    ],
)
def test_a_variable_holds_user_and_password(value: str, login: Login) -> None:
    assert login == read_environment(VARIABLE, {"LOGIN": value})


@pytest.mark.parametrize("value", ["", "hunter2", ":hunter2", "hunter2:"])
def test_a_variable_that_holds_no_login_is_denied(value: str) -> None:
    with pytest.raises(DeniedError, match="environment variable LOGIN") as caught:
        read_environment(VARIABLE, {"LOGIN": value})

    assert "hunter2" not in str(caught.value)


def test_two_variables_hold_user_and_password() -> None:
    environment = {"USER_NAME": "user", "PASSWORD_NAME": "pass:word"}

    assert Login("user", "pass:word") == read_environment(PAIR, environment)


@pytest.mark.parametrize(
    "environment",
    [{"USER_NAME": "u"}, {"PASSWORD_NAME": "p"}, {"USER_NAME": "", "PASSWORD_NAME": "p"}],
)
def test_a_variable_that_is_not_set_is_denied(environment: Mapping[str, str]) -> None:
    with pytest.raises(DeniedError, match="not set, or empty"):
        read_environment(PAIR, environment)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_holds_user_and_password_and_perhaps_a_line_end(tmp_path: Path, end: str) -> None:
    (tmp_path / "login").write_text(f"user:pass:word{end}", newline="")

    assert Login("user", "pass:word") == read_file(SecretFile(str(tmp_path / "login")))


@pytest.mark.parametrize("content", [b"", b"hunter2", b"\xffhunter2:"])
def test_a_file_that_holds_no_login_is_denied(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "login").write_bytes(content)

    with pytest.raises(DeniedError) as caught:
        read_file(SecretFile(str(tmp_path / "login")))

    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_there_is_denied(tmp_path: Path) -> None:
    with pytest.raises(DeniedError, match="No such file"):
        read_file(SecretFile(str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("value", "login"),
    [
        ("user:password", Login("user", "password")),
        ("u:p\n", Login("u", "p\n")),
        (":p", Login("", "p")),
        ("u:", Login("u", "")),
    ],
)
def test_a_field_of_a_secret_holds_user_and_password(value: str, login: Login) -> None:
    assert login == read_secret(FIELD, {"field": value})


@pytest.mark.parametrize("secret", [{}, {"other": "u:p"}, {"field": "hunter2"}])
def test_a_secret_without_a_login_is_denied(secret: Mapping[str, str]) -> None:
    with pytest.raises(DeniedError, match="Secret ns/name") as caught:
        read_secret(FIELD, secret)

    assert "hunter2" not in str(caught.value)


def test_a_pull_secret_holds_a_docker_config() -> None:
    secret = {".dockerconfigjson": '{"auths": {"reg.io": {"username": "u", "password": "p"}}}'}

    assert Login("u", "p") == read_pull_secret(PULL, secret, "https://reg.io")


def test_a_pull_secret_without_a_docker_config_is_denied() -> None:
    with pytest.raises(DeniedError, match="has no field"):
        read_pull_secret(PULL, {"field": "u:p"}, "https://reg.io")


def test_a_script_is_refused_with_what_to_do_instead() -> None:
    assert "runs no scripts" in str(refusal(Script("/bin/script")))
