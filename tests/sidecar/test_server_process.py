"""The resolver as a process: what its end and its death do to requests, and what they cost."""

from __future__ import annotations

import re
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sidecar.resolver import Reply
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.resolver import PATIENCE, ResolverProcess

APP = "registry.example.com/app"
RULES = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: web
      images:
        - {{alias: app, imageName: {APP}}}
"""
POD = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  containers:
  - {{name: c, image: '{APP}:1.0.0'}}
""".encode()
MOVED = Reply(0, b"", POD.replace(b"1.0.0", b"1.1.0"))
UNRULED = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata: {a: b}\n---\n"


def tags(_request: Request) -> Response:
    """A registry with one repository."""
    body = b'{"name": "app", "tags": ["1.0.0", "1.1.0"]}'
    return Response(200, {"Content-Type": "application/json"}, body)


@pytest.fixture
def registry() -> Iterator[LoopbackServer]:
    with LoopbackServer(tags) as server:
        yield server


@pytest.fixture
def folder(registry: LoopbackServer) -> Iterator[Path]:
    """What `retag serve` is told; the paths of sockets are short, so it is not pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules").write_text(RULES)
        registries = f"""\
registries:
  - {{name: test, prefix: registry.example.com, api_url: '{registry.url}', kind: oci}}
"""
        (folder / "registries.conf").write_text(registries)
        yield folder


def ask_at_once(resolver: ResolverProcess, threads: ThreadPoolExecutor, times: int) -> list[Reply]:
    return list(threads.map(lambda _: resolver.ask(POD), range(times)))


def test_it_answers_and_leaves_only_its_lock(folder: Path) -> None:
    with ResolverProcess(folder) as resolver:
        assert stat.S_IMODE(resolver.socket.stat().st_mode) == 0o660
        assert resolver.ask(POD) == MOVED
        assert resolver.get("/readyz") == (200, "ok\n")
        assert (
            'retag_requests_total{outcome="ok",path="/v1/generate"} 1.0'
            in (resolver.get("/metrics")[1])
        )
        assert resolver.stop() == 0
    left = {path.name for path in folder.iterdir()}
    assert left == {"rules", "registries.conf", "resolver.log", "resolver.sock.lock"}


def test_what_is_in_flight_at_sigterm_is_answered(folder: Path, registry: LoopbackServer) -> None:
    with ResolverProcess(folder) as resolver, ThreadPoolExecutor(20) as threads:
        with registry.held():
            asked = [threads.submit(resolver.ask, POD) for _ in range(20)]
            registry.wait_for(1)
            wait_for_metric(resolver, "retag_requests_in_flight 20.0")
            assert resolver.process is not None
            resolver.process.send_signal(signal.SIGTERM)
            wait_until_gone(resolver.socket)
        assert [each.result() for each in asked] == [MOVED] * 20
        assert resolver.process.wait(PATIENCE) == 0
    assert len(registry.targets()) == 1


def test_after_sigkill_another_takes_the_path(folder: Path, registry: LoopbackServer) -> None:
    with ResolverProcess(folder) as resolver, ThreadPoolExecutor(20) as threads:
        with registry.held():
            asked = [threads.submit(resolver.ask, POD) for _ in range(20)]
            registry.wait_for(1)
            wait_for_metric(resolver, "retag_requests_in_flight 20.0")
            assert resolver.kill() == -signal.SIGKILL
            for each in asked:
                with pytest.raises((ValueError, ConnectionError)):
                    each.result()
        assert resolver.socket.is_socket()
        resolver.start()
        assert ask_at_once(resolver, threads, 20) == [MOVED] * 20


def test_a_second_one_on_the_path_ends_and_the_first_goes_on(folder: Path) -> None:
    with ResolverProcess(folder) as resolver:
        second = ResolverProcess(folder)
        with pytest.raises(RuntimeError, match="another resolver listens there") as caught:
            second.start()
        assert "exit code 6" in str(caught.value)
        assert "[RT611]" in str(caught.value)
        assert resolver.ask(POD) == MOVED


def test_a_request_of_50_mb_takes_less_than_four_times_as_much(folder: Path) -> None:
    large = UNRULED * (50_000_000 // len(UNRULED))
    with ResolverProcess(folder) as resolver:
        assert resolver.ask(POD) == MOVED
        before = peak(resolver)
        for _ in range(3):
            assert resolver.ask(large).stdout == large
        assert peak(resolver) - before < 4 * len(large)


def wait_for_metric(resolver: ResolverProcess, line: str) -> None:
    """Return when *line* is among the metrics."""
    for _ in range(2000):
        if f"\n{line}\n" in resolver.get("/metrics")[1]:
            return
        time.sleep(0.01)
    raise TimeoutError(line)


def wait_until_gone(path: Path) -> None:
    """Return when nothing is at *path*."""
    for _ in range(2000):
        if not path.exists():
            return
        time.sleep(0.01)
    raise TimeoutError(path)


def peak(resolver: ResolverProcess) -> int:
    """Bytes of memory that it ever had at a time."""
    assert resolver.process is not None
    status = Path(f"/proc/{resolver.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
