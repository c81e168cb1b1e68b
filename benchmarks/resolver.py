"""The resolver at the size of a large Argo CD: what it asks, how soon it is ready, what it holds.

1,000 Applications of 5 images each, which are 200 repositories of 1,000 tags, on the tests' Zot in
a process of its own. Requests come over the resolver's socket, as the plugin sends them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from benchmarks.corpus import RULED, sparse
from benchmarks.registry import REGISTRY, Server, zot
from benchmarks.row import Row
from tests.servers.resolver import ResolverProcess

APPLICATIONS = 1_000
IMAGES = 5  # of each
REPOSITORIES = 200
TAGS = 1_000  # of each repository
REQUESTS = 10_000
CHANGED = 10  # of so many Applications, each time another, one has manifests that are new
AT_ONCE = 50
STARTS = 5

_RESOURCE = """\
---
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules-{number}, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: "{pattern}"
      images:
"""
_IMAGE = '        - {{alias: image-{number}, imageName: "{image}:~1"}}\n'
_CONTAINER = '        - {{name: c{number}, image: "{image}:v1.0.0"}}\n'
_WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, annotations: {{version: "{version}"}}}}
spec:
  template:
    spec:
      containers:
"""


def image(number: int) -> str:
    """The repository of that number on the benchmarks' Zot."""
    return f"{REGISTRY}/team/app-{number}"


def resource(number: int, pattern: str, images: list[int]) -> str:
    """An ImageUpdater for Applications whose names are like *pattern*."""
    stated = "".join(_IMAGE.format(number=each, image=image(each)) for each in images)
    return _RESOURCE.format(number=number, pattern=pattern) + stated


@contextmanager
def resolver(server: Server, rules: str) -> Iterator[ResolverProcess]:
    """`retag serve`, not started yet, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules").write_text(rules)
        entry = f"{{name: zot, prefix: {REGISTRY}, api_url: '{server.url}', kind: zot}}"
        (folder / "registries.conf").write_text(f"registries: [{entry}]\n")
        yield ResolverProcess(folder, ["--store", str(folder / "store.db"), "--loglevel", "warn"])


def run() -> Iterator[Row]:
    """Listings for one cold image, the start, and memory after 1,000 and 10,000 requests."""
    with zot(TAGS) as server, resolver(server, resource(0, "*", [0])) as process:
        yield from _cold(server, process)
    with zot(TAGS, REPOSITORIES) as server, resolver(server, _rules()) as process:
        yield _start(process, "resolver: from start to ready", "≤ 1000")
        yield from _memory(server, process)
    with zot(1) as server, resolver(server, _rules_of_each()) as process:
        yield _start(process, "the same, with a resource for each Application", "")


def _cold(server: Server, process: ResolverProcess) -> Iterator[Row]:
    with process, ThreadPoolExecutor(AT_ONCE) as pool:
        server.requests()
        replies = list(pool.map(lambda _: process.ask(_manifests(0, 0, [0])), range(AT_ONCE)))
    assert all(b"app-0:v1.9.99" in reply.stdout for reply in replies)
    method = "over the socket, counted at the registry"
    name = f"{AT_ONCE} requests at once for a cold image: listings"
    yield Row(name, server.requests("/tags/list"), "", "1", method)


def _start(process: ResolverProcess, name: str, target: str) -> Row:
    took = []
    before = _spent_by_children()
    for _ in range(STARTS):
        start = time.perf_counter()
        process.start()
        took.append(time.perf_counter() - start)
        process.stop()
    cpu = (_spent_by_children() - before) / STARTS
    method = f"median of {STARTS}, until /readyz; {APPLICATIONS} Applications; {cpu:.2f} s CPU"
    return Row(name, median(took) * 1000, "ms", target, method)


def _memory(server: Server, process: ResolverProcess) -> Iterator[Row]:
    size = f"{APPLICATIONS} Applications, {REPOSITORIES} repositories of {TAGS} tags"
    times = REQUESTS // APPLICATIONS
    with process:
        server.requests()
        _ask(process, [0])
        first = _held(process)
        method = f"VmRSS after a request for each; {size}"
        yield Row("resolver: memory", first, "MB", "≤ 200", method)
        listings = server.requests("/tags/list")
        yield Row("its listings", listings, "", f"≤ {REPOSITORIES}", "for those requests")
        start = time.perf_counter()
        _ask(process, range(1, times))
        rate = (REQUESTS - APPLICATIONS) / (time.perf_counter() - start)
        held = _held(process)
        more = 100 * (held / first - 1)
        method = f"one in {CHANGED} with new manifests, 100 KB each; {held:.0f} MB"
        yield Row(f"memory after {REQUESTS} requests", more, "% more", "≤ 10", method)
        yield Row("requests answered", rate, "a second", "", "the same, 8 at a time")


def _ask(process: ResolverProcess, turns: Iterable[int]) -> None:
    """A request for each Application, in each of *turns*."""
    with ThreadPoolExecutor(8) as pool:
        for turn in turns:
            asked = partial(_asked, process, turn)
            for fault in pool.map(asked, range(APPLICATIONS)):
                assert not fault, fault


def _asked(process: ResolverProcess, turn: int, application: int) -> bytes:
    """What is wrong with the answer to a request, which is as in turn 0 for most."""
    version = turn if application % CHANGED == turn % CHANGED else 0
    images = _images(application)
    manifests = _manifests(application, version, images) + _others(images[0])
    reply = process.ask(manifests, ARGOCD_APP_NAME=_name(application))
    good = reply.exit_code == 0 and reply.stdout.count(b":v1.9.99") >= IMAGES
    return b"" if good else reply.stderr or reply.stdout


def _name(application: int) -> str:
    return f"team-{application % (REPOSITORIES // IMAGES)}-app-{application}"


def _images(application: int) -> list[int]:
    first = application * IMAGES % REPOSITORIES
    return list(range(first, first + IMAGES))


def _rules() -> str:
    """For each team's Applications, which have the same images."""
    teams = range(REPOSITORIES // IMAGES)
    return "".join(resource(team, f"team-{team}-*", _images(team)) for team in teams)


def _rules_of_each() -> str:
    each = range(APPLICATIONS)
    return "".join(resource(number, _name(number), _images(number)) for number in each)


def _manifests(application: int, version: int, images: list[int]) -> bytes:
    head = _WORKLOAD.format(name=f"app-{application}", version=version)
    containers = (_CONTAINER.format(number=each, image=image(each)) for each in images)
    return (head + "".join(containers)).encode()


@cache
def _others(number: int) -> bytes:
    """Some 100 KB of other manifests, with that image in one of twenty."""
    return sparse(100_000).replace(RULED.encode(), image(number).encode())


def _spent_by_children() -> float:
    """Seconds of CPU of all processes that we started and that have ended."""
    spent = getrusage(RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _held(process: ResolverProcess) -> float:
    """Megabytes of memory that the resolver's process holds now (Linux)."""
    assert process.process is not None
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    [line] = [each for each in status.splitlines() if each.startswith("VmRSS:")]
    return int(line.split()[1]) / 1000
