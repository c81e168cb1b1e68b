"""What is looked at without a cluster: the socket, files, programs, arguments, registries."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmp.registry.http.connections import Surroundings
from sidecar.doctor import here
from sidecar.doctor.flags import Known, check_flags
from sidecar.doctor.pods import Workload, flag_of
from sidecar.doctor.registries import check_registries
from sidecar.doctor.result import Result, State
from sidecar.unixsocket import UnixSocket
from tests.doctor.conftest import troubles_of
from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.registry import PASSWORD, USER, Registry

ANOTHER = os.getuid() + 1


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[Path]:
    """The socket of a resolver that listens."""
    with UnixSocket(tmp_path / "it.sock") as bound:
        bound.socket.listen()
        yield bound.path


def _looked(path: Path, plugin: int = ANOTHER) -> dict[str, str]:
    return troubles_of(here.check_socket(path, plugin=plugin))


def test_the_resolvers_socket_is_well(resolver: Path) -> None:
    assert _looked(resolver) == {}


def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert _looked(tmp_path / "it.sock") == {
        "RT102": f"{tmp_path}/it.sock: No such file or directory"
    }


def test_a_socket_of_the_plugins_user_is_told(resolver: Path) -> None:
    assert "the plugin's own user" in _looked(resolver, plugin=os.getuid())["RT103"]


def test_a_socket_that_others_may_write_is_told(resolver: Path) -> None:
    resolver.chmod(0o666)

    assert "has mode 0666, and the resolver makes it 0660" in _looked(resolver)["RT103"]


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "it.sock").touch()

    assert "is no socket" in _looked(tmp_path / "it.sock")["RT103"]


def test_a_socket_that_nobody_answers_at_is_told(tmp_path: Path) -> None:
    path = tmp_path / "it.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        path.chmod(0o660)
    assert stat.S_ISSOCK(path.stat().st_mode)

    assert "nobody answers" in _looked(path)["RT104"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file away")
def test_a_socket_that_another_user_answers_at_is_told(resolver: Path) -> None:
    os.chown(resolver, ANOTHER + 1, -1)

    assert "and user 0 answers" in _looked(resolver)["RT104"]


def test_renderers_are_looked_for() -> None:
    assert troubles_of(here.check_programs(lambda name: f"/bin/{name}")) == {}
    found = troubles_of(here.check_programs({"helm": "/bin/helm"}.get))
    assert found == {"RT106": "kustomize cannot be found"}


def test_a_file_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    found = list(here.check_present("rules", [tmp_path, tmp_path / "rules"]))

    assert [each.state for each in found] == [State.OK, State.ERROR]
    assert troubles_of(found) == {"RT100": f"{tmp_path}/rules is not there"}


def _workload(*arguments: str) -> Workload:
    pod = {"containers": [{"name": "it", "args": [*arguments]}, {"name": "other"}]}
    return Workload("deployment", {}, 1, pod)


KNOWN = {"serve": Known(frozenset({"--store", "--rules"}), {"--once": "retag render does it"})}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serve", "--store=memory", "--rules", "/rules"], {}),
        (["serve", "--once"], {"RT108": "deployment/it is given --once of the Image Updater"}),
        (["serve", "--stores=x"], {"RT105": "deployment/it is given --stores, which"}),
        (
            ["serve", "--stores=x", "--once"],
            {
                "RT105": "deployment/it is given --stores, which",
                "RT108": "deployment/it is given --once of the Image Updater",
            },
        ),
        (["run", "--whatever"], {}),
    ],
)
def test_arguments_are_looked_at(arguments: list[str], told: dict[str, str]) -> None:
    found = troubles_of(check_flags(_workload(*arguments), KNOWN))

    assert found.keys() == told.keys()
    assert all(found[code].startswith(words) for code, words in told.items())


@pytest.mark.parametrize("command", ["serve", "controller"])
def test_the_page_with_the_flags_of_the_command_is_named(command: str) -> None:
    known = {command: Known(frozenset(), {})}

    (found,) = check_flags(_workload(command, "--whatever"), known)

    assert found.remedy == f"leave it out; docs/{command}.md lists the flags"


@pytest.mark.parametrize("words", [["--store=a"], ["--store", "a"], ["x", "--store", "a", "y"]])
def test_a_flags_value_stands_behind_it(words: list[str]) -> None:
    assert flag_of({"args": words}, "--store") == "a"
    assert flag_of({"args": words}, "--rules") == ""


def _asked(folder: Path, *fields: str, login: str = "") -> list[Result]:
    entry = ", ".join(("name: it", "prefix: registry.example.com", *fields))
    (folder / "registries.conf").write_text(f"registries:\n- {{{entry}}}\n")
    surroundings = Surroundings(environment={"LOGIN": login})

    async def ask() -> list[Result]:
        path = folder / "registries.conf"
        return [each async for each in check_registries(path, surroundings)]

    return asyncio.run(ask())


def _errors(found: list[Result]) -> list[str]:
    """What keeps tags from being read."""
    return [each.what for each in found if each.state is State.ERROR]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Registry]:
    """One that wants a login, over TLS with a private authority."""
    folder = tmp_path_factory.mktemp("registry")
    with Registry(folder, login=True, authority=authority) as running:
        yield running


def _place(registry: Registry, authority: Authority | None = None) -> list[str]:
    place = [f"api_url: '{registry.url}'", "credentials: 'env:LOGIN'", "kind: oci"]
    return [*place, f"ca_file: '{authority.file}'"] if authority else place


def test_a_registry_that_answers_is_well(
    tmp_path: Path, registry: Registry, authority: Authority
) -> None:
    found = _asked(tmp_path, *_place(registry, authority), login=f"{USER}:{PASSWORD}")

    assert _errors(found) == []
    assert {each.subject for each in found} == {"it"}


def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path, registry: Registry) -> None:
    [what] = _errors(_asked(tmp_path, *_place(registry), login=f"{USER}:{PASSWORD}"))

    assert what.startswith("reach: ")
    assert "certificate" in what


@pytest.mark.parametrize("login", ["no-colon", f"{USER}:another", ""])
def test_a_login_of_a_wrong_form_or_value_is_told_and_not_shown(
    tmp_path: Path, registry: Registry, authority: Authority, login: str
) -> None:
    found = _asked(tmp_path, *_place(registry, authority), login=login)

    [what] = _errors(found)
    assert what.startswith("login: ")
    assert not login or login not in str(found)


def test_a_registry_that_is_not_there_is_told(tmp_path: Path) -> None:
    [what] = _errors(_asked(tmp_path, f"api_url: 'http://127.0.0.1:{free_port()}'"))

    assert what.startswith("reach: ")


def test_a_registry_on_disk_has_nobody_to_ask(tmp_path: Path) -> None:
    [found] = _asked(tmp_path, "api_url: 'file:zot'")

    assert (found.state, found.subject) == (State.OK, "it")


def test_a_fault_of_registries_conf_is_told(tmp_path: Path) -> None:
    found = _asked(tmp_path, "api_url: 'https://registry.example.com'", "tagsortmode: no-such")

    assert [each.state for each in found] == [State.ERROR]
    assert found[0].subject == "registries"
    assert found[0].code


def test_a_registries_conf_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    async def ask() -> list[Result]:
        return [each async for each in check_registries(tmp_path, Surroundings())]

    [found] = asyncio.run(ask())

    assert found.state is State.ERROR
    assert found.code
