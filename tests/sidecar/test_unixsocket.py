"""The socket's place: its mode, what may be replaced there, and what is left at the end."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cmp.errors import ResolverError
from sidecar.unixsocket import UnixSocket


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.sock"


def connect(path: Path) -> None:
    """Raises `OSError` where nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_its_mode_is_0660_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with UnixSocket(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert stat.S_IMODE(Path(f"{path}.lock").stat().st_mode) == 0o600
            assert os.umask(umask) == umask
    finally:
        os.umask(before)


def test_it_never_had_another_mode(path: Path) -> None:
    seen: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            try:
                seen.add(stat.S_IMODE(path.stat().st_mode))
            except FileNotFoundError:
                continue

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(200):
        with UnixSocket(path):
            pass
    ended.set()
    looking.join()
    assert seen <= {0o660}


def test_nobody_can_connect_before_it_listens(path: Path) -> None:
    with UnixSocket(path) as bound:
        with pytest.raises(ConnectionRefusedError):
            connect(path)
        bound.socket.listen()
        connect(path)


def test_at_the_end_it_is_gone(path: Path) -> None:
    with UnixSocket(path) as bound:
        assert bound.in_place
    assert not path.exists()
    assert not bound.in_place


def test_what_somebody_put_in_its_place_stays(path: Path) -> None:
    with UnixSocket(path) as bound:
        path.unlink()
        path.write_text("of somebody else")
        assert not bound.in_place
    assert path.read_text() == "of somebody else"


def test_a_socket_that_nobody_listens_at_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(path))
    with UnixSocket(path) as bound:
        bound.socket.listen()
        connect(path)


def test_a_resolver_that_runs_is_left_alone_even_before_it_listens(path: Path) -> None:
    with UnixSocket(path) as first:
        with pytest.raises(ResolverError, match="another resolver") as caught:
            UnixSocket(path)
        assert caught.value.code == "RT611"
        assert first.in_place


def test_whoever_listens_there_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(0)
        with pytest.raises(ResolverError, match="another resolver"):
            UnixSocket(path)
        # The look at it fills its queue, and a full one is a listener's too.
        for _ in range(3):
            with pytest.raises(ResolverError, match="another resolver"):
                UnixSocket(path)
    assert path.is_socket()


def _symlink(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def _lock_symlink(path: Path) -> None:
    Path(f"{path}.lock").symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(Path.mkdir, "no socket stands there", id="a folder"),
        pytest.param(Path.touch, "no socket stands there", id="a file"),
        pytest.param(os.mkfifo, "no socket stands there", id="a pipe"),
        pytest.param(_symlink, "no socket stands there", id="a symlink to nothing"),
        pytest.param(_lock_symlink, "r.sock.lock beside it cannot be", id="a symlinked lock"),
        pytest.param(
            lambda path: Path(f"{path}.lock").mkdir(),
            "lock beside it cannot be",
            id="a folder lock",
        ),
    ],
)
def test_nothing_else_is_replaced(
    path: Path, prepare: Callable[[Path], object], message: str
) -> None:
    prepare(path)
    before = sorted(path.parent.iterdir())
    with pytest.raises(ResolverError, match=message) as caught:
        UnixSocket(path)
    assert caught.value.code == "RT610"
    assert str(path) in str(caught.value)
    assert set(before) <= set(path.parent.iterdir())
    assert not path.with_name("elsewhere").exists()


def test_a_symlink_to_a_live_socket_is_refused(path: Path) -> None:
    target = path.with_name("t.sock")
    with UnixSocket(target) as bound:
        path.symlink_to(target)
        with pytest.raises(ResolverError, match="no socket stands there"):
            UnixSocket(path)
        assert bound.in_place


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/r.sock", "No such file or directory"),
        ("file/r.sock", "Not a directory"),
        ("a" * 108, "longer than the 107 bytes"),
    ],
)
def test_a_place_that_cannot_be_is_said_in_one_line(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResolverError, match=message):
        UnixSocket(tmp_path / name)


def test_the_longest_path_that_fits_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with UnixSocket(Path("s" * 107)) as bound:
        bound.socket.listen()
        connect(Path("s" * 107))


def test_a_start_that_fails_leaves_no_lock_held(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ResolverError):
        UnixSocket(path)
    path.rmdir()
    with UnixSocket(path):
        pass


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write everywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with a lock that may be opened and an old socket, where nothing can be changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "r.sock.lock").touch()
        (folder / "r.sock.lock").chmod(0o666)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
            old.bind(str(folder / "r.sock"))
        (folder / "r.sock").chmod(0o666)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("name", ["r.sock", "s.sock"])
def test_a_folder_that_may_not_be_changed_is_said(read_only: Path, name: str) -> None:
    with pytest.raises(ResolverError, match="Permission denied") as caught:
        UnixSocket(read_only / name)
    assert caught.value.code == "RT610"
