"""A stamp tells a change of any file, however it was changed, and costs no reading."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.stamps import stamp_of
from tests.sidecar.mounts import Mount

_LONG_AGO = 1_000_000_000_000_000_000  # nanoseconds


def write(folder: Path) -> None:
    (folder / "a").write_text("y")
    os.utime(folder / "a", ns=(_LONG_AGO, _LONG_AGO))  # the time may be set back


def replace(folder: Path) -> None:
    (folder / "new").write_text("x")
    (folder / "new").replace(folder / "a")


def remove(folder: Path) -> None:
    (folder / "a").unlink()


def add(folder: Path) -> None:
    (folder / "b").write_text("")


def add_deep(folder: Path) -> None:
    (folder / "one" / "two" / "c").write_text("")


def rename(folder: Path) -> None:
    (folder / "a").rename(folder / "z")


def hide(folder: Path) -> None:
    (folder / "a").chmod(0o200)


@pytest.mark.parametrize(
    "change",
    [write, replace, remove, add, add_deep, rename, hide],
    ids=["content", "file", "gone", "one more", "one more below", "name", "rights"],
)
def test_a_change_in_a_folder_is_told(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "one" / "two").mkdir(parents=True)
    before = stamp_of([tmp_path])
    assert before == stamp_of([tmp_path])

    change(tmp_path)

    assert before != stamp_of([tmp_path])


def test_a_swap_of_a_mount_is_told_though_the_text_is_the_same(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "mount", {"rules.yaml": "a: 1"})
    folder, file = stamp_of([mount.folder]), stamp_of([mount.folder / "rules.yaml"])

    mount.swap({"rules.yaml": "a: 1"})

    assert folder != stamp_of([mount.folder])
    assert file != stamp_of([mount.folder / "rules.yaml"])


@pytest.mark.parametrize("name", ["nowhere", "loop", "nul\0"])
def test_what_cannot_be_looked_at_has_a_stamp_too(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    assert stamp_of([tmp_path / name]) == stamp_of([tmp_path / name])


def test_a_file_that_comes_is_told(tmp_path: Path) -> None:
    before = stamp_of([tmp_path / "a"])

    (tmp_path / "a").write_text("")

    assert before != stamp_of([tmp_path / "a"])


def test_folders_with_a_dot_are_not_looked_into(tmp_path: Path) -> None:
    """As `.git`; and a mount's own, whose files are seen by their links."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index").write_text("x")
    before = stamp_of([tmp_path])

    (tmp_path / ".git" / "index").write_text("other")

    assert before == stamp_of([tmp_path])


def test_a_link_to_the_folder_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)

    assert stamp_of([tmp_path]) == stamp_of([tmp_path])
