"""Which login of a Docker config a registry gets: that of its host, with the longest path."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cmp.errors import DeniedError
from cmp.registry.credentials import Login
from cmp.registry.dockerconfig import read_docker_config

URL = "https://reg.io"


def auth(text: str = "u:p") -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def config(auths: Any) -> str:
    return json.dumps({"auths": auths})


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("reg.io", URL),
        ("REG.io", URL),
        ("reg.io/", URL),
        ("reg.io:443", URL),
        ("https://reg.io", "https://reg.io:443"),
        ("http://reg.io:80", URL),
        ("https://reg.io/v2/", URL),
        ("https://reg.io/v1/", URL),
        ("reg.io/team", URL),
        ("reg.io", "https://reg.io/api/docker"),
        ("reg.io:5000", "http://reg.io:5000/"),
        ("https://index.docker.io/v1/", "https://registry-1.docker.io"),
        ("docker.io", "https://registry-1.docker.io"),
        ("reg.io", "reg.io"),
    ],
)
def test_a_key_fits_the_registry_whose_host_it_has(key: str, url: str) -> None:
    assert Login("u", "p") == read_docker_config(config({key: auth()}), url)


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("reg.io.evil.com", URL),
        ("reg.io:5000", URL),
        ("reg.io", "https://reg.io:5000"),
        ("*.reg.io", "https://a.reg.io"),
        ("a.reg.io", URL),
        ("reg.io:80", URL),
        ("", URL),
    ],
)
def test_a_key_of_another_host_does_not_fit(key: str, url: str) -> None:
    with pytest.raises(DeniedError, match="has no login for"):
        read_docker_config(config({key: auth()}), url)


KEYS = {
    "reg.io": auth("host:p"),
    "https://reg.io": auth("second:p"),
    "reg.io/team": auth("team:p"),
    "reg.io/team/sub": auth("sub:p"),
    "reg.io/teamster": auth("teamster:p"),
}


@pytest.mark.parametrize(
    ("repository", "user"),
    [
        ("app", "host"),
        ("team/app", "team"),
        ("team", "team"),
        ("team/sub/app", "sub"),
        ("teamster/app", "teamster"),
        ("team/submarine", "team"),
        (None, "sub"),
    ],
)
def test_the_key_with_the_longest_path_counts_then_the_first(
    repository: str | None, user: str
) -> None:
    assert Login(user, "p") == read_docker_config(config(KEYS), URL, repository)


def test_a_key_that_leads_only_elsewhere_does_not_fit() -> None:
    with pytest.raises(DeniedError, match="has no login"):
        read_docker_config(config({"reg.io/team": auth()}), URL, "other/app")


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        (auth("u:p:q"), Login("u", "p:q")),
        (auth("u:"), Login("u", "")),
        ({"auth": "dTpw\r\n"}, Login("u", "p")),
        ({"username": "u", "password": "p"}, Login("u", "p")),
        ({"auth": "", "username": "u", "password": "p"}, Login("u", "p")),
        ({"auth": None, "username": "u", "password": "p"}, Login("u", "p")),
        (auth() | {"username": "x", "password": "y", "identitytoken": "t"}, Login("u", "p")),
    ],
)
def test_auth_counts_before_username_and_password(entry: Any, login: Login) -> None:
    assert login == read_docker_config(config({"reg.io": entry}), URL)


BROKEN: list[Any] = [
    "x", None, [], {}, {"auth": ""}, {"auth": 5}, {"auth": "%%%"}, {"auth": "dT%pw"},
    {"auth": "dTpwdw"}, {"auth": "dQ=="}, {"auth": "dTr__j8-"},
    {"auth": "//86cA=="}, {"username": "u"}, {"username": 1, "password": "p"},
    {"auth": 5, "username": "u", "password": "p"},
    {"identitytoken": "t"},
]  # fmt: skip


@pytest.mark.parametrize("entry", BROKEN)
def test_a_broken_entry_is_denied_for_its_host_alone(entry: Any) -> None:
    text = config({"reg.io": entry, "other.io": auth()})

    with pytest.raises(DeniedError, match="malformed"):
        read_docker_config(text, URL)
    assert Login("u", "p") == read_docker_config(text, "https://other.io")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"auths": null}', '{"auths": []}',
     '{"reg.io": {"auth": "dTpw"}}', '{"auths":' * 100_000,
     '{"auths": {"reg.io": {"auth": "hunter2'],
)  # fmt: skip
def test_what_is_no_docker_config_is_denied_and_not_shown(text: str) -> None:
    with pytest.raises(DeniedError, match="the pull secret is not") as caught:
        read_docker_config(text, URL)

    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
