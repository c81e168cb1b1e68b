"""The resolver dies, is crowded, or has no room; and what people get of it."""

from __future__ import annotations

import resource
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.place import GENERATE, Outcome, Plugin, pod, registries, rules
from tests.plugin.commands import CASES, run
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.resolver import ResolverProcess

HOST = "registry.example.com"
APP = f"{HOST}/app"
MANY = 50
_TAGS = b'{"name": "app", "tags": ["1.0.0", "1.1.0"]}'


def tags(_request: Request) -> Response:
    """The same for every repository."""
    return Response(200, {"Content-Type": "application/json"}, _TAGS)


@pytest.fixture
def registry() -> Iterator[LoopbackServer]:
    with LoopbackServer(tags) as server:
        yield server


@pytest.fixture
def folder(registry: LoopbackServer) -> Iterator[Path]:
    """What `retag serve` is told, and checkouts; short, for the socket's path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "checkouts").mkdir()
        ruled = {f"web-{n}": [APP] for n in range(MANY)}
        ruled |= {f"own-{n}": [f"{APP}-{n}"] for n in range(MANY)}
        (folder / "rules").write_text(rules(ruled))
        (folder / "registries.conf").write_text(registries({HOST: registry.url}))
        yield folder


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MANY) as pool:
        yield pool


def plugin_of(resolver: ResolverProcess) -> Plugin:
    return Plugin(resolver.folder / "checkouts", resolver.socket)


def is_moved(outcome: Outcome, image: str = APP) -> bool:
    """Whether it is the newest tag, without a word."""
    return (outcome.code, outcome.stderr, outcome.stdout) == (0, "", pod(f"{image}:1.1.0"))


def test_a_resolver_that_is_killed_with_20_requests_in_flight_and_comes_back(
    folder: Path, registry: LoopbackServer, threads: ThreadPoolExecutor
) -> None:
    with ResolverProcess(folder) as resolver:
        plugin = plugin_of(resolver)
        with registry.held():
            asked = [
                threads.submit(plugin.generate, f"web-{n}", f"{APP}:1.0.0") for n in range(20)
            ]
            registry.wait_for(1)
            until_metric(resolver, "retag_requests_in_flight 20.0")
            assert resolver.kill() == -signal.SIGKILL
            resolver.start()
        outcomes = [each.result() for each in asked]
        assert [each for each in outcomes if not is_moved(each)] == []
        assert is_moved(plugin.generate("web-0", f"{APP}:1.0.0"))


def test_a_resolver_that_stays_away_is_one_line(folder: Path, threads: ThreadPoolExecutor) -> None:
    plugin = Plugin(folder / "checkouts", folder / "resolver.sock")
    first, second = threads.map(lambda n: plugin.generate(f"web-{n}", f"{APP}:1.0.0"), range(2))
    assert (first.code, first.stdout) == (6, "")
    assert first.stderr == (
        f"error: nothing answers at {folder}/resolver.sock; see whether the resolver's container "
        "in the repo-server's Pod runs [RT600]\n"
    )
    assert second == first


def test_50_cold_requests_for_one_image_make_one_listing(
    folder: Path, registry: LoopbackServer, threads: ThreadPoolExecutor
) -> None:
    with ResolverProcess(folder) as resolver:
        plugin = plugin_of(resolver)
        with registry.held():
            asked = [
                threads.submit(plugin.generate, f"web-{n}", f"{APP}:1.0.0") for n in range(MANY)
            ]
            registry.wait_for(1)
            until_metric(resolver, f"retag_requests_in_flight {MANY}.0")
        assert all(is_moved(each.result()) for each in asked)
    assert registry.targets() == ["/v2/app/tags/list"]


def test_50_cold_requests_for_50_images_make_a_listing_each(
    folder: Path, registry: LoopbackServer, threads: ThreadPoolExecutor
) -> None:
    with ResolverProcess(folder) as resolver:
        plugin = plugin_of(resolver)
        outcomes = threads.map(
            lambda n: plugin.generate(f"own-{n}", f"{APP}-{n}:1.0.0"), range(MANY)
        )
        assert all(is_moved(each, f"{APP}-{n}") for n, each in enumerate(outcomes))
    assert sorted(registry.targets()) == sorted(f"/v2/app-{n}/tags/list" for n in range(MANY))


def test_a_request_of_50_mb_is_answered_whole(folder: Path) -> None:
    config = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '%b'}\n---\n"
    large = config % (b"x" * 900_000) * 56
    with ResolverProcess(folder) as resolver:
        plugin = plugin_of(resolver)
        source = folder / "checkouts" / "web-0"
        source.mkdir()
        (source / "a.yaml").write_bytes(large + pod(f"{APP}:1.0.0").encode())
        named = {"ARGOCD_APP_NAME": "web-0", "RETAG_SOCKET": str(resolver.socket)}
        code, stderr, stdout = run(GENERATE, source, CASES["plain"] | named)
        assert (code, stderr) == (0, "")
        assert len(stdout) > 50_000_000
        assert stdout.endswith(pod(f"{APP}:1.1.0").encode())
        assert is_moved(plugin.generate("web-1", f"{APP}:1.0.0"))


def test_100_connections_that_send_nothing_keep_nobody_out(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    with ExitStack() as stack:
        resolver = stack.enter_context(ResolverProcess(folder))
        plugin = plugin_of(resolver)
        for _ in range(100):
            silent = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            silent.connect(str(resolver.socket))
        until_metric(resolver, "retag_connections 100.0")
        outcomes = threads.map(lambda n: plugin.generate(f"web-{n}", f"{APP}:1.0.0"), range(20))
        assert all(map(is_moved, outcomes))


@pytest.mark.parametrize("place", ["no-folder/file/store.db", "folder.db"])
def test_a_store_that_cannot_be_had_fails_no_request(
    folder: Path, registry: LoopbackServer, place: str
) -> None:
    (folder / "no-folder").write_text("")
    (folder / "folder.db").mkdir()
    with ResolverProcess(folder, ["--store", str(folder / place)]) as resolver:
        plugin = plugin_of(resolver)
        assert is_moved(plugin.generate("web-0", f"{APP}:1.0.0"))
        assert 'retag_store_degraded{store="sqlite"} 1.0' in resolver.get("/metrics")[1]
        registry.stop()
        assert is_moved(plugin.generate("web-0", f"{APP}:1.0.0"))


def test_a_volume_that_is_full_fails_no_request(folder: Path, registry: LoopbackServer) -> None:
    """As the kernel says it of a file's size (setrlimit(2)): writes fail, reads do not."""
    with ResolverProcess(folder, ["--store", str(folder / "store.db")]) as resolver:
        plugin = plugin_of(resolver)
        assert is_moved(plugin.generate("web-0", f"{APP}:1.0.0"))
        assert resolver.process is not None
        resource.prlimit(resolver.process.pid, resource.RLIMIT_FSIZE, (1024, 1024))
        assert is_moved(plugin.generate("own-0", f"{APP}-0:1.0.0"), f"{APP}-0")
        until_metric(resolver, 'retag_store_degraded{store="sqlite"} 1.0')
        registry.stop()
        assert is_moved(plugin.generate("web-0", f"{APP}:1.0.0"))
        assert is_moved(plugin.generate("own-0", f"{APP}-0:1.0.0"), f"{APP}-0")
    resolver.start()
    try:
        again = plugin.generate("web-0", f"{APP}:1.0.0")
        assert (again.code, again.stdout) == (0, pod(f"{APP}:1.1.0"))
    finally:
        resolver.stop()


def until_metric(resolver: ResolverProcess, line: str) -> None:
    """Return when *line* is among the metrics."""
    pause = threading.Event()
    for _ in range(2000):
        if f"\n{line}\n" in resolver.get("/metrics")[1]:
            return
        pause.wait(0.01)
    raise TimeoutError(line)
