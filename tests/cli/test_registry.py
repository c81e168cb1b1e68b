"""`retag registry check`, the real command, against a Zot that wants a login."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Laptop
from tests.servers import images
from tests.servers.access import Htpasswd
from tests.servers.model import Model
from tests.servers.zot import ZotServer

USERS = {"alice": "made-up-password"}


def check(laptop: Laptop, *arguments: str, login: str = "alice:made-up-password") -> list[str]:
    """What is printed about the registry `zot`, by subject; the exit code comes first."""
    model = Model()
    model.push("team/app", "v1.0.0", images.image("2026-01-01T10:00:00Z"))
    with ZotServer(model, access=Htpasswd(USERS)) as zot:
        laptop.write(
            "registries.conf",
            "registries:\n"
            f"- {{name: zot, prefix: registry.example.com, api_url: '{zot.url}',"
            " credentials: 'env:LOGIN'}\n"
            "- {name: folder, prefix: folder.example.com, api_url: 'file:zot'}\n",
        )
        done = laptop.retag(
            "registry",
            "check",
            *arguments,
            "--registries=registries.conf",
            LOGIN=login,
            PYTHONWARNINGS="error",
        )
    assert b"Warning" not in done.stderr
    text = done.stdout.decode() or done.stderr.decode()
    return [str(done.returncode), *text.splitlines()]


@pytest.mark.parametrize("name", ["zot", "registry.example.com"])
def test_a_registry_is_named_by_its_name_or_prefix(laptop: Laptop, name: str) -> None:
    code, *lines = check(laptop, name, "--repository", "team/app")

    assert code == "0"
    assert [line.split()[1] for line in lines] == [
        "reach", "tls", "clock", "auth", "login", "kind", "listing", "scans",
    ]  # fmt: skip
    assert lines[2] == "ok       clock    it is right to some seconds"
    assert "login    accepted (basic)" in lines[4]
    assert "registry.example.com/team/app has 1 tag," in lines[6]


def test_a_refused_login_fails_without_showing_it(laptop: Laptop) -> None:
    code, *lines = check(laptop, "zot", login="alice:another-password")

    assert code == "1"
    assert lines[-1].startswith("failed   login    the registry zot denies access to /v2/")
    assert "another-password" not in "\n".join(lines)


def test_the_answers_can_be_had_as_json(laptop: Laptop) -> None:
    code, *lines = check(laptop, "zot", "-o", "json")
    document = json.loads("\n".join(lines))

    assert (code, document["registry"]) == ("0", "zot")
    assert document["answers"][3] == {
        "subject": "auth",
        "state": "ok",
        "what": "basic: it wants a user name and a password",
        "remedy": None,
        "code": None,
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other", "there is no registry 'other'; registries.conf lists zot, folder [RT260]"),
        (
            "folder",
            "the registry folder is a folder: there is nobody to ask; retag tags reads it [RT261]",
        ),
    ],
)
def test_what_cannot_be_checked_is_a_usage_error(laptop: Laptop, name: str, message: str) -> None:
    code, *lines = check(laptop, name)

    assert code == "2"
    assert lines[-1] == f"error: {message}"


def test_a_line_that_fails_has_the_code_of_its_error(laptop: Laptop) -> None:
    _, *lines = check(laptop, "zot", login="alice:another-password")

    assert lines[-1].endswith(" [RT552]")
