"""Only regular files below the root are read; nothing leads out of it, and nothing waits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmp.errors import BadReplyError, DeniedError, NotFoundError, RegistryError, UnreachableError
from cmp.registry.files import Files

LIMIT = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file in a folder, beside a secret that is none of its business."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root" / "folder").mkdir(parents=True)
    (tmp_path / "root" / "folder" / "file").write_text("content")
    return tmp_path / "root"


def test_a_file_is_read_whole(root: Path) -> None:
    assert Files(root).read("folder/file", LIMIT) == b"content"
    assert Files(root).holds("folder/file")


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)

    assert Files(tmp_path / "link").read("folder/file", LIMIT) == b"content"


def test_a_file_of_the_greatest_size_is_read_and_a_larger_one_refused(root: Path) -> None:
    (root / "file").write_bytes(b"x" * LIMIT)
    (root / "larger").write_bytes(b"x" * (LIMIT + 1))

    assert len(Files(root).read("file", LIMIT)) == LIMIT
    with pytest.raises(BadReplyError, match="RT505"):
        Files(root).read("larger", LIMIT)


@pytest.mark.parametrize("path", ["none", "folder/none", "none/file"])
def test_what_is_not_there_is_not_found(root: Path, path: str) -> None:
    with pytest.raises(NotFoundError):
        Files(root).read(path, LIMIT)
    assert not Files(root).holds(path)


def test_a_missing_root_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no such file"):
        Files(tmp_path / "none").read("file", LIMIT)


ESCAPES = ["", "..", "../secret", "folder/../../secret", "/etc/passwd", "folder//file", "./folder",
           "folder/.", "folder/", "fol\0der"]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_leads_only_down(root: Path, path: str) -> None:
    with pytest.raises(BadReplyError, match="RT504"):
        Files(root).read(path, LIMIT)


def link_file(root: Path) -> None:
    (root / "trap").symlink_to(root.parent / "secret")


def link_file_within(root: Path) -> None:
    (root / "trap").symlink_to("folder/file")


def link_to_nothing(root: Path) -> None:
    (root / "trap").symlink_to("none")


def link_to_itself(root: Path) -> None:
    (root / "trap").symlink_to("trap")


def make_folder(root: Path) -> None:
    (root / "trap").mkdir()


def make_pipe(root: Path) -> None:
    os.mkfifo(root / "trap")


def link_device(root: Path) -> None:
    (root / "trap").symlink_to("/dev/zero")


TRAPS = [
    link_file,
    link_file_within,
    link_to_nothing,
    link_to_itself,
    make_folder,
    make_pipe,
    link_device,
]


@pytest.mark.parametrize("set_trap", TRAPS)
def test_what_is_no_regular_file_is_refused(root: Path, set_trap: object) -> None:
    assert callable(set_trap)
    set_trap(root)

    with pytest.raises(BadReplyError, match="not a regular file"):
        Files(root).read("trap", LIMIT)
    with pytest.raises(BadReplyError, match="not a regular file"):
        Files(root).holds("trap")


@pytest.mark.parametrize("target", ["..", ".", "folder", "/"])
def test_no_step_of_a_path_may_be_a_link(root: Path, target: str) -> None:
    (root / "linked").symlink_to(target)

    with pytest.raises(BadReplyError, match="not a regular file"):
        Files(root).read("linked/file", LIMIT)


def test_a_file_is_no_folder(root: Path) -> None:
    with pytest.raises(BadReplyError, match="not a regular file"):
        Files(root).read("folder/file/more", LIMIT)


def test_a_disk_that_fails_is_unreachable() -> None:
    # The start of a process's memory is mapped to nothing, so that reading it fails.
    with pytest.raises(UnreachableError, match="input/output error"):
        Files(Path("/proc/self")).read("mem", LIMIT)


def test_a_name_longer_than_the_disk_allows_is_an_error_of_the_registry(root: Path) -> None:
    with pytest.raises(UnreachableError, match="RT507"):
        Files(root).read("x" * 300, LIMIT)


def test_a_file_that_may_not_be_read_is_denied(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "folder" / "file").chmod(0)
    root.chmod(0o755)
    monkeypatch.chdir(root)  # the folders above may be closed to others

    with as_nobody(), pytest.raises(DeniedError, match="RT503"):
        Files(Path()).read("folder/file", LIMIT)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Gives up the power of root to read everything, if there is any."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def test_nothing_stays_open(root: Path) -> None:
    make_pipe(root)
    highest = os.open(root, os.O_RDONLY)
    os.close(highest)
    paths = ["folder/file", "folder/none", "trap", "none/file"]

    for path in paths:
        try:
            Files(root).read(path, LIMIT)
        except RegistryError:
            assert path != "folder/file"

    again = os.open(root, os.O_RDONLY)
    os.close(again)
    assert highest == again
