"""registries.conf together with rules, and the logins that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmp.lint import lint
from tests.lint.files import WEB, application, image, lint_text, registries


def config(folder: Path, text: str, name: str = "given.conf") -> Path:
    """A registries.conf in *folder*."""
    path = folder / name
    path.write_text(text)
    return path


ELSEWHERE = registries().replace("prefix: registry.example.com", "prefix: other.example.com")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(registries(), [], id="listed"),
        pytest.param(ELSEWHERE, ["RT382"], id="not listed"),
        pytest.param(registries("api_url: a, kind: odd"), ["RT307"], id="unknown, since faulty"),
        pytest.param("", ["RT382"], id="nothing is listed"),
        pytest.param("registries: [", ["RT300"], id="no YAML"),
    ],
)
@pytest.mark.parametrize("rules", [image(), application(f"image-list: web={WEB}:1.x")])
def test_each_rule_needs_a_registry(
    tmp_path: Path, text: str, found: list[str], rules: str
) -> None:
    given = config(tmp_path, text)

    assert [each.code for each in lint_text(tmp_path, rules, registries=given)] == found


def test_a_registries_conf_among_the_files_counts(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(image())
    config(tmp_path, ELSEWHERE, "registries.conf")

    assert [each.code for each in lint([tmp_path], None, environment={})] == ["RT382"]


def test_one_of_several_is_enough(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(image())
    config(tmp_path, ELSEWHERE, "registries.conf")
    given = config(tmp_path, registries())

    assert (
        lint([tmp_path / "rules.yaml", tmp_path / "registries.conf"], given, environment={}) == []
    )


def test_the_remedy_is_the_entry_that_lacks(tmp_path: Path) -> None:
    (finding,) = lint_text(tmp_path, image(), registries=config(tmp_path, ELSEWHERE))

    assert finding.what == "the registry registry.example.com is not listed in registries.conf"
    assert finding.remedy == "add an entry with prefix: registry.example.com"


@pytest.mark.parametrize(
    ("credentials", "found"),
    [
        pytest.param("env:GOOD", [], id="a login"),
        pytest.param("env:BAD", ["RT388"], id="no colon"),
        pytest.param("env:HALF", ["RT388"], id="no password"),
        pytest.param("env:UNSET", [], id="not set here"),
        pytest.param("env:BAD:BAD", [], id="user and password apart"),
        pytest.param("file:/no/such/file", [], id="a file that is not here"),
        pytest.param("file:/dev/zero", [], id="what is no plain file"),
        pytest.param("secret:argocd/registry#login", [], id="a Secret"),
        pytest.param("pullsecret:argocd/registry", [], id="a pull secret"),
    ],
)
def test_a_login_that_is_here_has_the_form_user_and_password(
    tmp_path: Path, credentials: str, found: list[str]
) -> None:
    environment = {"GOOD": "me:pass", "BAD": "hunter2", "HALF": "me:"}
    text = registries(f"api_url: https://a.example.com, credentials: '{credentials}'")
    given = lint_text(tmp_path, text, file="registries.conf", environment=environment)

    assert [each.code for each in given] == found
    assert "hunter2" not in str(given)


@pytest.mark.parametrize(("login", "found"), [("me:pass\n", []), ("hunter2\n", ["RT388"])])
def test_a_file_holds_a_login(tmp_path: Path, login: str, found: list[str]) -> None:
    (tmp_path / "login").write_text(login)
    text = registries(f"api_url: https://a.example.com, credentials: 'file:{tmp_path}/login'")
    given = lint_text(tmp_path, text, file="registries.conf")

    assert [each.code for each in given] == found
    assert "hunter2" not in str(given)
