"""The folder of the socket, attacked by what runs beside the plugin; and a store's volume."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.faults.place import Plugin, pod, registries, rules
from tests.faults.test_resolver import until_metric
from tests.servers.loopback import LoopbackServer
from tests.servers.resolver import ResolverProcess
from tests.sidecar.test_server_process import tags

HOST = "registry.example.com"
APP = f"{HOST}/app"
OTHER = 65534
IS_ROOT = os.getuid() == 0
# Root may write everywhere, unless it goes without the capability for that.
MORTAL = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if IS_ROOT else ()
AS_OTHER = ("setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups")


@pytest.fixture
def folder() -> Iterator[Path]:
    """What `retag serve` is told; in `run` is its socket, in `out` what is of others."""
    with tempfile.TemporaryDirectory() as name, LoopbackServer(tags) as registry:
        folder = Path(name)
        folder.chmod(0o755)
        for each in ("checkouts", "run", "out"):
            (folder / each).mkdir()
        (folder / "out").chmod(0o777)
        (folder / "rules").write_text(rules({"web": [APP]}))
        (folder / "registries.conf").write_text(registries({HOST: registry.url}))
        yield folder
        (folder / "run").chmod(0o755)


def resolver_in(folder: Path, *options: str, prefix: Sequence[str] = ()) -> ResolverProcess:
    where = ("--socket", str(folder / "run/r.sock"))
    return ResolverProcess(folder, [*where, *options], prefix=prefix)


def is_served(folder: Path) -> bool:
    """Whether the plugin gets the answer of a resolver."""
    plugin = Plugin(folder / "checkouts", folder / "run/r.sock")
    outcome = plugin.generate("web", f"{APP}:1.0.0")
    return (outcome.code, outcome.stderr, outcome.stdout) == (0, "", pod(f"{APP}:1.1.0"))


ATTACKS = {
    "unlink": "rm -f r.sock",
    "rename": "mv -f r.sock ../out/taken",
    "rename in the folder": "mv -f r.sock s.sock",
    "a file over it": "mv -f ../out/file r.sock",
    "a symlink in its place": "ln -sfn ../out/x r.sock",
    "a link to it": "ln -f r.sock s.sock",
    "a folder beside it": "mkdir x",
    "a pipe beside it": "mkfifo x",
    "another mode of the folder": "chmod 777 .",
    "unlink the lock": "rm -f r.sock.lock",
    "rename the lock": "mv -f r.sock.lock ../out/lock",
    "a file over the lock": "mv -f ../out/file r.sock.lock",
    "a symlink in the lock's place": "ln -sfn ../out/x r.sock.lock",
}
# What one may not do to another's anywhere, but may as its owner: a mount forbids that, too.
OF_OWNERS = ("a link to it", "another mode of the folder")


def succeeds(attack: str, run: Path) -> bool:
    """As another user, if this one may become another."""
    file = run.with_name("out") / "file"
    file.touch()
    command = [*(AS_OTHER if IS_ROOT else ()), *ATTACKS[attack].split()]
    return subprocess.run(command, cwd=run, capture_output=True, check=False).returncode == 0


def test_where_the_folder_is_read_only_nothing_can_be_done_to_the_socket(folder: Path) -> None:
    run, attacks = folder / "run", {name for name in ATTACKS if IS_ROOT or name not in OF_OWNERS}
    with resolver_in(folder):
        run.chmod(0o555)
        before = sorted((each.name, each.lstat().st_ino) for each in run.iterdir())
        assert {name for name in attacks if succeeds(name, run)} == set()
        assert sorted((each.name, each.lstat().st_ino) for each in run.iterdir()) == before
        assert is_served(folder)
        run.chmod(0o755)


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in OF_OWNERS])
def test_elsewhere_the_same_attacks_succeed(folder: Path, attack: str) -> None:
    run = folder / "run"
    for name in ("r.sock", "r.sock.lock"):
        (run / name).touch()
    run.chmod(0o777)
    assert succeeds(attack, run)


@contextmanager
def listens(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind(os.fspath(path))
        squatter.listen(100)
        yield


@contextmanager
def symlinked(path: Path) -> Iterator[None]:
    """To a socket at which somebody listens."""
    with listens(path.with_name("other.sock")):
        path.symlink_to("other.sock")
        yield


def dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(os.fspath(path))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with lock_of(path).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def touched(path: Path) -> None:
    lock_of(path).touch()


def lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


_State = Callable[[Path], AbstractContextManager[None] | None]
STATES: dict[str, tuple[_State, str]] = {
    "a socket that nobody listens at": (dead, ""),
    "a lock that nobody holds": (touched, ""),
    "a pipe for a lock": (lambda path: os.mkfifo(lock_of(path)), ""),
    "a squatter": (listens, "RT611"),
    "a lock that somebody holds": (locked, "RT611"),
    "a symlink to a squatter": (symlinked, "RT610"),
    "a symlink to a file": (lambda path: path.symlink_to("../rules"), "RT610"),
    "a symlink to nothing": (lambda path: path.symlink_to("new"), "RT610"),
    "a file": (Path.touch, "RT610"),
    "a folder": (Path.mkdir, "RT610"),
    "a pipe": (os.mkfifo, "RT610"),
    "a lock that is a folder": (lambda path: lock_of(path).mkdir(), "RT610"),
    "a lock that is a symlink": (lambda path: lock_of(path).symlink_to("../rules"), "RT610"),
    "a lock that cannot be opened": (lambda path: lock_of(path).touch(0), "RT610"),
    "a folder that cannot be written to": (lambda path: path.parent.chmod(0o555), "RT610"),
}


@pytest.mark.parametrize("state", STATES)
def test_it_serves_at_the_path_itself_or_ends_with_one_line(folder: Path, state: str) -> None:
    prepare, code = STATES[state]
    path, ruled = folder / "run/r.sock", (folder / "rules").read_text()
    with prepare(path) or nullcontext():
        before = {each.name: each.lstat().st_mode for each in (folder / "run").iterdir()}
        resolver = resolver_in(folder, prefix=MORTAL)
        if not code:
            with resolver:
                assert is_served(folder)
            assert resolver.log.count("error") == 0
            return
        with pytest.raises(RuntimeError, match=r"exit code 6"):
            resolver.start()
        [line] = [line for line in resolver.log.splitlines() if line.startswith("error: ")]
        assert line.startswith(f"error: {path}: ")
        assert line.endswith(f"[{code}]")
        after = {each.name: each.lstat().st_mode for each in (folder / "run").iterdir()}
        assert (before | after) == after, "what stood there is left alone"
    assert (folder / "rules").read_text() == ruled


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_squatter_in_a_folder_that_is_not_read_only_is_noticed_and_left(
    folder: Path, end: signal.Signals
) -> None:
    """So Kubernetes takes the Pod out of service: nobody is rendered for by a squatter long."""
    path = folder / "run/r.sock"
    resolver = resolver_in(folder)
    with resolver:
        assert resolver.get("/readyz")[0] == 200
        path.unlink()
        with listens(path):
            assert resolver.get("/readyz") == (503, "the socket does not answer\n")
            assert resolver.process is not None
            resolver.process.send_signal(end)
            resolver.process.wait()
            assert path.is_socket()
            with pytest.raises(RuntimeError, match=r"another resolver listens there.*\[RT611\]"):
                resolver.start()
        path.unlink()
        resolver.start()
        assert is_served(folder)


@pytest.mark.parametrize("place", ["volume/store.db", "volume/deeper/store.db", "rules/store.db"])
def test_a_volume_for_the_store_that_is_read_only_fails_no_request(
    folder: Path, place: str
) -> None:
    (folder / "volume").mkdir(0o500)
    with resolver_in(folder, "--store", str(folder / place), prefix=MORTAL) as resolver:
        assert is_served(folder)
        until_metric(resolver, 'retag_store_degraded{store="sqlite"} 1.0')
        assert is_served(folder)
        assert resolver.log.count("[RT640]") == 1
    assert list((folder / "volume").iterdir()) == []
