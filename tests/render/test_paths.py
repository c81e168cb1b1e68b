"""Paths that a tenant writes lead nowhere but into the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmp.errors import RenderError
from cmp.render import paths
from cmp.render.paths import check_links, check_own, inside, locate, read_file, shadow, walk
from tests.render.sources import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, {"outside.txt": "secret", "repo/a/x.txt": "x", "repo/b/y.txt": "y"})
    return (tmp_path / "repo").resolve()


@pytest.mark.parametrize("path", ["a/x.txt", "a/../b/y.txt", "../repo/b/y.txt", "."])
def test_a_path_in_the_repository_is_found(root: Path, path: str) -> None:
    assert inside(root, root / path) == (root / path).resolve()


@pytest.mark.parametrize(
    "path", ["../outside.txt", "..", "a/../../outside.txt", "/etc/passwd", "../not-there"]
)
def test_a_path_out_of_the_repository_is_refused_be_it_there_or_not(root: Path, path: str) -> None:
    with pytest.raises(RenderError, match=r"leads out of the repository.*RT434"):
        inside(root, root / path)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.txt", "../.."])
def test_a_link_out_of_the_repository_is_refused(root: Path, target: str) -> None:
    (root / "a" / "link").symlink_to(target)

    with pytest.raises(RenderError, match=r"^here: a/link leads out of the repository.*RT434"):
        inside(root, root / "a" / "link", where="here")


def test_a_link_in_the_repository_is_followed(root: Path) -> None:
    (root / "a" / "link").symlink_to("../b")

    assert inside(root, root / "a" / "link" / "y.txt") == root / "b" / "y.txt"


def test_a_loop_of_links_is_an_error(root: Path) -> None:
    (root / "loop").symlink_to("loop")

    with pytest.raises(RenderError, match="RT435"):
        inside(root, root / "loop")


def test_a_path_that_is_too_long_is_an_error(root: Path) -> None:
    with pytest.raises(RenderError, match="RT435"):
        inside(root, root / ("x" * 300))


def test_what_is_not_there_is_none_or_an_error(root: Path) -> None:
    assert locate(root, root / "nothing") is None
    with pytest.raises(RenderError, match=r"nothing is not there.*RT435"):
        inside(root, root / "nothing")


def test_a_file_is_read_whole(root: Path) -> None:
    assert read_file(root / "a" / "x.txt", 1) == b"x"


def test_a_file_longer_than_the_limit_is_an_error(root: Path) -> None:
    with pytest.raises(RenderError, match=r"longer than 0 bytes.*RT436"):
        read_file(root / "a" / "x.txt", 0)


def test_pipes_devices_links_and_folders_are_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("a/x.txt")

    for path in (root / "pipe", root / "link", root / "a", root / "nothing", Path("/dev/zero")):
        with pytest.raises(RenderError, match="RT435"):
            read_file(path, 10)


def test_entries_come_in_the_order_of_go(root: Path) -> None:
    write(root, {"a.yaml": "", "a-b/z": "", ".git/config": "", "B": "", "a/é": "", "a/z/q": ""})

    names = [Path(entry.path).relative_to(root).as_posix() for entry in walk(root)]

    assert names == [
        "B",
        "a",
        "a/x.txt",
        "a/z",
        "a/z/q",
        "a/é",
        "a-b",
        "a-b/z",
        "a.yaml",
        "b",
        "b/y.txt",
    ]


def test_entries_of_one_folder_are_its_own(root: Path) -> None:
    assert [entry.name for entry in walk(root, recurse=False)] == ["a", "b"]


def test_a_folder_that_is_not_there_cannot_be_walked(root: Path) -> None:
    with pytest.raises(RenderError, match="RT435"):
        list(walk(root / "nothing"))


def test_too_many_entries_are_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MOST_FILES", 3)

    with pytest.raises(RenderError, match=r"more than 3 files.*RT436"):
        list(walk(root))


def test_links_that_stay_in_the_repository_pass(root: Path) -> None:
    (root / "a" / "b").symlink_to("../b")
    (root / "b" / "a").symlink_to("../a")
    (root / "b" / "file").symlink_to("y.txt")

    check_links(root, root / "a")


def test_a_link_behind_a_linked_folder_is_seen(root: Path) -> None:
    (root / "a" / "b").symlink_to("../b")
    (root / "b" / "passwd").symlink_to("/etc/passwd")

    with pytest.raises(RenderError, match=r"b/passwd leads out.*RT434"):
        check_links(root, root / "a")


def test_links_to_too_many_folders_are_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a" / "b").symlink_to("../b")
    monkeypatch.setattr(paths, "_MOST_LINKED", 1)

    with pytest.raises(RenderError, match="RT436"):
        check_links(root, root / "a")


def test_a_shadow_is_a_copy_of_one_folder_among_links(root: Path, tmp_path: Path) -> None:
    write(root, {"a/deep/er/f": "f", "a/deep/beside": "b", ".git/config": ""})
    (root / "a" / "deep" / "er" / "link").symlink_to("../beside")
    (root / "a" / "deep" / "er" / "f").chmod(0o444)

    copy = shadow(root, root / "a" / "deep" / "er", tmp_path / "copy")

    (copy / "f").write_text("changed")
    assert copy == tmp_path / "copy" / "a" / "deep" / "er"
    assert (copy / "../../../b/y.txt").read_text() == "y"
    assert (copy / "link").read_text() == "b"
    assert (root / "a" / "deep" / "er" / "f").read_text() == "f"


def test_a_shadow_of_the_root_is_a_copy_of_all_but_git(root: Path, tmp_path: Path) -> None:
    write(root, {".git/config": ""})
    os.mkfifo(root / "pipe")

    copy = shadow(root, root, tmp_path / "copy")

    assert sorted(path.name for path in copy.rglob("*")) == ["a", "b", "x.txt", "y.txt"]


def test_a_shadow_has_an_end(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_LARGEST_COPY", 1)

    with pytest.raises(RenderError, match="RT436"):
        shadow(root, root, tmp_path / "copy")


def test_what_would_be_written_through_a_link_is_refused(root: Path) -> None:
    (root / "a" / "own").symlink_to("x.txt")
    (root / "a" / "foreign").symlink_to("../b/y.txt")

    check_own(root / "a", root / "a" / "own")
    with pytest.raises(RenderError, match=r"foreign is a link out of the source.*RT437"):
        check_own(root / "a", root / "a" / "foreign")
