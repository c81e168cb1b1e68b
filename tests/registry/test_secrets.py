"""Secrets come from files as Kubernetes mounts them, and never from outside of their folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cmp.errors import DeniedError
from cmp.registry.secrets import NoSecrets, SecretFiles, Secrets, file_stamp


def mount(folder: Path, moment: str, **keys: str) -> None:
    """As kubelet does it: the keys in a folder of their own, which is linked in one step."""
    (folder / moment).mkdir(parents=True)
    for key, value in keys.items():
        (folder / moment / key).write_text(value)
        if not (folder / key).is_symlink():
            (folder / key).symlink_to(f"..data/{key}")
    (folder / "..new").symlink_to(moment)
    (folder / "..new").rename(folder / "..data")


def test_a_mounted_secret_is_read(tmp_path: Path) -> None:
    mount(tmp_path / "ns" / "name", "..2026_1", login="alice:p", other="x\n")

    assert asyncio.run(SecretFiles(tmp_path).data("ns", "name")) == {
        "login": "alice:p",
        "other": "x\n",
    }


def test_plain_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "ns" / "name"
    folder.mkdir(parents=True)
    (folder / ".dockerconfigjson").write_text("{}")
    (folder / "..hidden").write_text("x")
    (folder / "a folder").mkdir()
    (folder / "folder").mkdir()
    (folder / "binary").write_bytes(b"\xff")

    assert asyncio.run(SecretFiles(tmp_path).data("ns", "name")) == {".dockerconfigjson": "{}"}


def test_secrets_that_are_projected_into_one_volume_are_read(tmp_path: Path) -> None:
    real = tmp_path / "..2026_1" / "ns" / "name"
    real.mkdir(parents=True)
    (real / "login").write_text("alice:p")
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "ns").symlink_to("..data/ns")

    assert asyncio.run(SecretFiles(tmp_path).data("ns", "name")) == {"login": "alice:p"}


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    mount(tmp_path / "real" / "ns" / "name", "..2026_1", login="alice:p")
    (tmp_path / "link").symlink_to("real")

    assert asyncio.run(SecretFiles(tmp_path / "link").data("ns", "name")) == {"login": "alice:p"}


def test_a_change_is_seen_and_changes_the_stamp(tmp_path: Path) -> None:
    folder = tmp_path / "ns" / "name"
    secrets = SecretFiles(tmp_path)
    mount(folder, "..2026_1", login="alice:p")
    first = secrets.stamp("ns", "name")

    assert first == secrets.stamp("ns", "name")

    mount(folder, "..2026_2", login="alice:q")

    assert first != secrets.stamp("ns", "name")
    assert asyncio.run(secrets.data("ns", "name")) == {"login": "alice:q"}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("..", "name"), ("ns", ".."), ("ns", "."), ("ns", ""), ("", "name"), ("ns", "a/b"),
        ("ns", "a..b"), ("ns", "..data"), ("ns/../x", "name"), ("/etc", "name"), ("ns", "a\0b"),
        ("Ns", "name"), ("ns", "a\nb"), ("ns", "a" * 254),
    ],
)  # fmt: skip
def test_what_is_no_name_is_denied(tmp_path: Path, namespace: str, name: str) -> None:
    secrets = SecretFiles(tmp_path)

    with pytest.raises(DeniedError, match=r"is no name of a Secret.*RT563"):
        asyncio.run(secrets.data(namespace, name))
    assert secrets.stamp(namespace, name) is None


def _key_outside(folder: Path, outside: Path) -> None:
    (folder / "login").symlink_to(outside / "login")


def _key_of_a_neighbour(folder: Path, _: Path) -> None:
    mount(folder.parent / "other", "..2026_1", login="bob:q")
    (folder / "login").symlink_to("../other/login")


def _data_outside(folder: Path, outside: Path) -> None:
    (folder / "..data").symlink_to(outside)


def _secret_outside(folder: Path, outside: Path) -> None:
    folder.rmdir()
    folder.symlink_to(outside)


@pytest.mark.parametrize(
    "lead_out", [_key_outside, _key_of_a_neighbour, _data_outside, _secret_outside]
)
def test_a_link_that_leads_out_is_denied(
    tmp_path: Path, lead_out: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "login").write_text("root:hunter2")
    folder = tmp_path / "secrets" / "ns" / "name"
    folder.mkdir(parents=True)
    lead_out(folder, outside)

    with pytest.raises(DeniedError, match=r"leads out of its folder.*RT563") as caught:
        asyncio.run(SecretFiles(tmp_path / "secrets").data("ns", "name"))
    assert "hunter2" not in str(caught.value)


def _loop(folder: Path) -> None:
    (folder / "login").symlink_to("login")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "login")


def _large(folder: Path) -> None:
    (folder / "login").write_bytes(b"x" * (1024 * 1024 + 1))


def _large_together(folder: Path) -> None:
    for key in "abcdef":
        (folder / key).write_bytes(b"x" * 200 * 1024)


def _no_folder(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("x")


@pytest.mark.parametrize("make", [_loop, _pipe, _large, _large_together, _no_folder])
def test_what_is_no_secret_is_denied(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = tmp_path / "ns" / "name"
    folder.mkdir(parents=True)
    make(folder)

    with pytest.raises(DeniedError, match=r"the Secret ns/name cannot be read.*RT563"):
        asyncio.run(SecretFiles(tmp_path).data("ns", "name"))


@pytest.mark.parametrize("present", ["", "ns"])
def test_a_secret_that_is_not_there_is_denied(tmp_path: Path, present: str) -> None:
    (tmp_path / present).mkdir(exist_ok=True)
    secrets = SecretFiles(tmp_path)

    with pytest.raises(DeniedError, match=r"the Secret ns/name is not in the folder.*RT563"):
        asyncio.run(secrets.data("ns", "name"))
    assert secrets.stamp("ns", "name") is None


def test_a_key_that_leads_nowhere_is_looked_for_again_and_denied(tmp_path: Path) -> None:
    folder = tmp_path / "ns" / "name"
    folder.mkdir(parents=True)
    (folder / "login").symlink_to("gone")

    with pytest.raises(DeniedError, match=r"is not in the folder.*RT563"):
        asyncio.run(SecretFiles(tmp_path).data("ns", "name"))


def test_without_a_folder_the_option_is_named() -> None:
    secrets: Secrets = NoSecrets()

    with pytest.raises(DeniedError, match=r"--secrets DIR.*RT562"):
        asyncio.run(secrets.data("ns", "name"))
    assert secrets.stamp("ns", "name") == secrets.stamp("ns", "other")


def test_the_stamp_of_a_file_tells_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    first = file_stamp(path)
    replacement = tmp_path / "new"
    replacement.write_text("b")
    replacement.rename(path)

    assert first != file_stamp(path)
    assert file_stamp(tmp_path / "none") == file_stamp(tmp_path / "a\0b") == ()
