"""A Zot's tags over HTTP: what a choice costs in requests, seconds, CPU and memory.

The server is the one of the tests, in a process of its own. It answers as recorded from real ones,
and the client is a process of its own as well, so that memory is that of one choice.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import TypeVar
from urllib.parse import urlsplit

from benchmarks.row import Row
from cmp.judge import judge
from cmp.policy import Chosen, Settings, compile_policy
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.registry.endpoint import Endpoint
from tests.servers import images
from tests.servers.model import Model
from tests.servers.registry import Registry
from tests.servers.zot import ZotServer

ROUNDS = 5
POLLED = 200
Result = TypeVar("Result")
SPAWN = multiprocessing.get_context("spawn")
REGISTRY = "registry.example.com"
METHOD = f"median of {ROUNDS} choices, each in a new process; requests counted at the server"


@dataclass(frozen=True)
class Spent:
    """What a choice took: seconds of wall, first and again, and bytes of memory."""

    first: float
    again: float
    memory: int


class Server:
    """A Zot in another process, with `team/app` of so many tags, or many small repositories."""

    def __init__(self, url: str, pipe: Connection) -> None:
        self.url = url
        self._pipe = pipe

    def requests(self, end: str = "") -> int:
        """How many came, to paths that end with *end*, since this was asked last."""
        self._pipe.send("paths")
        return sum(path.endswith(end) for path in self._pipe.recv())


@contextmanager
def zot(tags: int, repositories: int = 1) -> Iterator[Server]:
    """A `Server` that runs while this does."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(theirs, tags, repositories), daemon=True)
    process.start()
    try:
        yield Server(ours.recv(), ours)
    finally:
        ours.send("stop")
        process.join()


def _serve(pipe: Connection, tags: int, repositories: int) -> None:
    model = Model()
    content = list(map(_tag, range(tags)))
    for number in range(repositories):
        model.push_all(_path(number), content)
    with ZotServer(model) as server:
        pipe.send(server.url)
        seen = 0
        while pipe.recv() == "paths":
            pipe.send([served.request.path for served in server.requests[seen:]])
            seen = len(server.requests)


def _path(number: int) -> str:
    return f"team/app-{number}"


def _tag(number: int) -> tuple[str, images.Document]:
    """`v1.<minor>.<patch>`, built in another order than that of the versions."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + number * 7919 % 10_007))
    return f"v1.{number // 100}.{number % 100}", images.image(at, labels={"n": str(number)})


def run() -> Iterator[Row]:
    """Build times of 1,000 and 10,000 tags, a listing beside the bare request, and a poll."""
    with zot(1000) as server:
        yield from _built(server)
    with zot(10_000) as server:
        yield from _large(server)
    yield from _listed()
    with zot(20, POLLED) as server:
        yield from _polled(server)


def _built(server: Server) -> Iterator[Row]:
    name = "newest-build of 1,000 tags"
    first = _median(server, "newest-build", "zot", lambda spent: spent.first)
    yield Row(f"{name}, kind: zot", first * 1000, "ms", "≤ 200", METHOD)
    yield Row("its requests", server.requests() / ROUNDS, "", "≤ 2", METHOD)
    _in_a_process(_choice, server.url, "newest-build", "", 1)
    yield Row("its requests on first contact", server.requests(), "", "≤ 4", "one choice")
    plain = _in_a_process(_choice, server.url, "newest-build", "oci", 1).first
    method = f"{server.requests()} requests, one choice, the same winner"
    yield Row("the same by the OCI way takes", plain / first, "times", "", method)


def _large(server: Server) -> Iterator[Row]:
    name = "newest-build of 10,000 tags"
    spent = [_in_a_process(_choice, server.url, "newest-build", "zot", 1) for _ in range(ROUNDS)]
    first = median(each.first for each in spent)
    yield Row(f"{name}, kind: zot", first * 1000, "ms", "≤ 1500", METHOD)
    yield Row("its requests", server.requests() / ROUNDS, "", "≤ 2", METHOD)
    memory = max(each.memory for each in spent)
    yield Row("its memory", memory / 1e6, "MB", "≤ 100", "peak RSS over that before it")


def _listed() -> Iterator[Row]:
    """Beside a real CNCF distribution, since the tests' Zot has its listings ready."""
    with tempfile.TemporaryDirectory() as folder, Registry(_many_tags(Path(folder))) as registry:
        spent = [
            _in_a_process(_choice, registry.url, "semver", "oci", ROUNDS) for _ in range(ROUNDS)
        ]
        bare = median(_in_a_process(_bare, registry.url) for _ in range(ROUNDS))
    name = "listing 10,000 tags and choosing by semver, beside the bare request"
    method = f"docker-registry; bare: http.client and json, {bare * 1000:.0f} ms"
    again = median(each.again for each in spent)
    first = median(each.first for each in spent)
    yield Row(name, again / bare, "times", "≤ 1.5", f"{method}; nothing new since")
    yield Row("the first time", first / bare, "times", "", f"{method}; no tag seen before")


def _many_tags(folder: Path) -> Path:
    """A storage folder of distribution whose `team/app-0` has 10,000 tags."""
    tags = folder / "storage/docker/registry/v2/repositories" / _path(0) / "_manifests/tags"
    for number in range(10_000):
        (tags / f"v1.{number // 100}.{number % 100}").mkdir(parents=True)
    return folder


def _polled(server: Server) -> Iterator[Row]:
    cpu = _in_a_process(_poll, server.url)
    name = f"a poll of {POLLED} repositories of 20 tags, nothing new"
    yield Row(name, server.requests() / 2, "requests", f"≤ {POLLED}", "mean of two polls")
    yield Row("its CPU", cpu, "s CPU", "≤ 2", "the second poll, time.process_time")


def _median(server: Server, strategy: str, kind: str, of: Callable[[Spent], float]) -> float:
    rounds = (_in_a_process(_choice, server.url, strategy, kind, 1) for _ in range(ROUNDS))
    return median(map(of, rounds))


def _in_a_process(function: Callable[..., Result], *arguments: object) -> Result:
    """What *function* returns, called in a new process."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        return pool.submit(function, *arguments).result()


def _choice(url: str, strategy: str, kind: str, times: int) -> Spent:
    """So many choices by *strategy* of a registry that is asked for the first time."""
    return asyncio.run(_choices(url, Settings(strategy=strategy), kind, times))


async def _choices(url: str, settings: Settings, kind: str, times: int) -> Spent:
    repository = Repository(REGISTRY, _path(0))
    before = _peak()
    took = []
    async with _registries(url, kind) as registries:
        for _ in range(times):
            start = time.perf_counter()
            verdict = await judge(repository, compile_policy(settings), RoutedSource(registries))
            took.append(time.perf_counter() - start)
            assert isinstance(verdict.choice, Chosen)
    return Spent(took[0], median(took[1:] or took), _peak() - before)


def _poll(url: str) -> float:
    """Seconds of CPU of the second of two polls, ten repositories at a time."""
    return asyncio.run(_polls(url))


async def _polls(url: str) -> float:
    policy = compile_policy(Settings())
    spent = 0.0
    async with _registries(url, "zot") as registries:
        for _ in range(2):
            start = time.process_time()
            asked = (Repository(REGISTRY, _path(number)) for number in range(POLLED))
            source = RoutedSource(registries)
            await asyncio.gather(*(judge(each, policy, source) for each in asked))
            spent = time.process_time() - start
    return spent


def _bare(url: str) -> float:
    """Seconds of a listing without Retag: again, so that the connection is there."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        connection.request("GET", f"/v2/{_path(0)}/tags/list")
        assert len(json.loads(connection.getresponse().read())["tags"]) == 10_000
        took.append(time.perf_counter() - start)
    connection.close()
    return median(took[1:])


def _registries(url: str, kind: str) -> Registries:
    endpoint = Endpoint.model_validate(
        {"name": "zot", "prefix": REGISTRY, "api_url": url, "kind": kind}
    )
    return Registries([endpoint], Path())


def _peak() -> int:
    """Bytes of memory that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
