"""Logins are read from where registries.conf and rules say, and again when that changes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Hashable, Mapping
from pathlib import Path

import pytest

from cmp.errors import DeniedError
from cmp.registry.credentials import Login, parse_credentials
from cmp.registry.endpoint import Endpoint
from cmp.registry.logins import Logins, source_of, written

ALICE = Login("alice", "made-up")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Memory:
    """Secrets by namespace and name; it counts how often they are read."""

    def __init__(self, secrets: dict[tuple[str, str], Mapping[str, str]]) -> None:
        self.secrets = secrets
        self.version = 0
        self.reads = 0
        self.afresh = False

    async def data(
        self, namespace: str, name: str, /, *, afresh: bool = False
    ) -> Mapping[str, str]:
        self.reads += 1
        self.afresh = afresh
        return self.secrets[namespace, name]

    def stamp(self, _namespace: str, _name: str, /) -> Hashable:
        return self.version


def docker_config(**logins: str) -> str:
    auths = {
        f"registry.example.com/{path}": {"auth": base64.b64encode(login.encode()).decode()}
        for path, login in logins.items()
    }
    return json.dumps({"auths": auths})


def endpoint(credentials: str = "", *, credsexpire: int = 0) -> Endpoint:
    return Endpoint(
        name="lab",
        api_url="https://registry.example.com",
        credentials=credentials,
        credsexpire=credsexpire,
    )


def memory() -> Memory:
    pull = {".dockerconfigjson": docker_config(team="alice:made-up", other="bob:made-up")}
    return Memory({("ns", "s"): {"login": "alice:made-up"}, ("ns", "p"): pull})


class Known:
    """`Logins` that are waited for."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def login(
        self, endpoint: Endpoint, pull_secret: str, repository: str, *, afresh: bool = False
    ) -> Login | None:
        return asyncio.run(self._logins.login(endpoint, pull_secret, repository, afresh=afresh))


def logins(secrets: Memory | None = None, clock: Clock | None = None) -> Known:
    environment = {"LOGIN": "alice:made-up", "USER": "alice", "WORD": "made-up"}
    held = secrets or memory()
    return Known(Logins(held, environment=environment, clock=clock or Clock()))


@pytest.mark.parametrize(
    "credentials",
    ["env:LOGIN", "env:USER:WORD", "secret:ns/s#login", "pullsecret:ns/p", "lab=env:LOGIN"],
)
def test_each_source_gives_its_login(credentials: str) -> None:
    assert logins().login(endpoint(credentials), "", "team/app") == ALICE


def test_a_file_gives_its_login_and_a_change_of_it_another(tmp_path: Path) -> None:
    path = tmp_path / "login"
    path.write_text("alice:made-up\n")
    known = logins()
    at = endpoint(f"file:{path}")

    assert known.login(at, "", "team/app") == ALICE

    path.write_text("bob:another\n")

    assert Login("bob", "another") == known.login(at, "", "team/app")


def test_no_credentials_are_no_login() -> None:
    assert logins().login(endpoint(), "", "team/app") is None


def test_a_rules_pull_secret_goes_before_the_registrys_credentials() -> None:
    assert logins().login(endpoint("env:MISSING"), "secret:ns/s#login", "team/app") == ALICE


def test_a_pull_secret_gives_each_repository_its_login() -> None:
    known = logins()
    at = endpoint("pullsecret:ns/p")

    assert [
        login.username for path in ("team/a", "other/a") if (login := known.login(at, "", path))
    ] == ["alice", "bob"]


def test_a_login_is_remembered_until_its_source_changes() -> None:
    secrets = memory()
    known = logins(secrets)
    at = endpoint("secret:ns/s#login")

    assert [known.login(at, "", "a") for _ in range(3)] == [ALICE] * 3
    assert secrets.reads == 1

    secrets.secrets["ns", "s"] = {"login": "bob:another"}
    secrets.version += 1

    assert Login("bob", "another") == known.login(at, "", "a")
    assert secrets.reads == 2


def test_a_login_is_read_afresh_when_asked_for() -> None:
    secrets = memory()
    known = logins(secrets)
    at = endpoint("secret:ns/s#login")
    known.login(at, "", "a")

    assert not secrets.afresh

    assert known.login(at, "", "a", afresh=True) == ALICE
    assert (secrets.reads, secrets.afresh) == (2, True)


@pytest.mark.parametrize(("expire", "seconds", "reads"), [(60, 59, 1), (60, 61, 2), (0, 9e9, 1)])
def test_a_login_expires_when_the_operator_says_so(
    expire: int, seconds: float, reads: int
) -> None:
    secrets, clock = memory(), Clock()
    known = logins(secrets, clock)
    at = endpoint("secret:ns/s#login", credsexpire=expire * 10**9)
    known.login(at, "", "a")
    clock.now = seconds
    known.login(at, "", "a")

    assert secrets.reads == reads


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ("env:MISSING", "RT521"),
        ("file:/nonexistent/login", "RT521"),
        ("secret:ns/s#missing", "RT521"),
        ("pullsecret:ns/s", "RT521"),
        ("ext:/bin/hunter2", "RT523"),
        ("alice:hunter2", "RT564"),
        ("hunter2", "RT564"),
    ],
)
def test_what_gives_no_login_is_denied(credentials: str, code: str) -> None:
    with pytest.raises(DeniedError) as caught:
        logins().login(endpoint(credentials), "", "team/app")

    assert caught.value.code == code
    assert code == "RT523" or "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "pull_secret", ["env:LOGIN", "env:USER:WORD", "file:/etc/passwd", "ext:/bin/x", "hunter2"]
)
def test_a_rule_may_name_nothing_but_secrets(pull_secret: str) -> None:
    with pytest.raises(DeniedError, match=r"pullSecret.*RT564") as caught:
        logins().login(endpoint("env:LOGIN"), pull_secret, "team/app")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["env:A", "env:A:B", "secret:ns/name#f", "pullsecret:ns/name", "file:/a/b", "ext:/a"],
)
def test_a_source_is_written_as_it_is_read(text: str) -> None:
    assert text == written(parse_credentials(text).source)


def test_a_source_is_known_without_being_read() -> None:
    assert source_of(endpoint(), "") is None
    assert parse_credentials("env:MISSING").source == source_of(endpoint("env:MISSING"), "")
