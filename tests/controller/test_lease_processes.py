"""One leader among real processes, on a real API server."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from tests.servers.kubernetes import ApiServer

Found = TypeVar("Found")

LEASE = 3  # seconds, instead of 15
PATIENCE = 60.0  # on a busy machine


@dataclass
class Replicas:
    """Processes that share a Lease in *namespace*; each writes a file into *folder*."""

    server: ApiServer
    namespace: str
    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *identities: str) -> None:
        """Start a process for each of *identities*."""
        for each in identities:
            file = self.folder / each
            file.touch()
            arguments = [file, self.server.kubeconfig, self.namespace, each, LEASE]
            command = [sys.executable, "-m", "tests.controller.replica", *map(str, arguments)]
            self.running[each] = subprocess.Popen(command)

    def send(self, identity: str, number: signal.Signals) -> None:
        """Send a signal."""
        self.running[identity].send_signal(number)

    def end(self) -> None:
        """End all of them."""
        for process in self.running.values():
            process.kill()
            process.wait(PATIENCE)

    def lines(self, identity: str) -> list[str]:
        """Whole lines of what it wrote."""
        text = (self.folder / identity).read_text()
        return [line for line in text.split("\n")[:-1] if line]

    def terms(self) -> dict[tuple[str, str], list[float]]:
        """When each of them thought that it leads, by identity and term."""
        found: dict[tuple[str, str], list[float]] = {}
        for each in self.running:
            for line in self.lines(each):
                if not line.endswith("ended"):
                    at, identity, term = line.split()
                    found.setdefault((identity, term), []).append(float(at))
        return found

    def leader(self, *, but: str = "") -> str:
        """Who wrote last; waits for one that is not *but*, and has begun since this was asked."""
        since = time.clock_gettime(time.CLOCK_BOOTTIME)

        def latest() -> str | None:
            found = {who: max(at) for (who, _), at in self.terms().items() if who != but}
            recent = {who: at for who, at in found.items() if at > since}
            return max(recent, key=recent.__getitem__) if recent else None

        return wait_for(latest)

    def ended(self, identity: str) -> int:
        """How many terms of it are over."""
        return self.lines(identity).count(f"{identity} ended")


def wait_for(look: Callable[[], Found | None]) -> Found:
    """What *look* finds, as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.02)
    return found


def assert_one_at_a_time(replicas: Replicas) -> None:
    """No two terms overlap: who began to think that it leads did so after all others were done."""
    spans = sorted((min(at), max(at), who) for who, at in replicas.terms().items())
    for (_, ended, before), (began, _, after) in pairwise(spans):
        assert ended < began, f"{after} leads while {before} does"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that may be stopped."""
    with ApiServer(tmp_path_factory.mktemp("leases")) as server:
        yield server


@pytest.fixture
def replicas(
    own_server: ApiServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Replicas]:
    """Replicas that share a namespace."""
    name: str = request.node.name
    namespace = own_server.namespace(name.replace("_", "-")[:60].rstrip("-"))
    made = Replicas(own_server, namespace, tmp_path)
    try:
        yield made
    finally:
        own_server.resume()
        made.end()


def test_another_leads_when_the_leader_is_killed(replicas: Replicas) -> None:
    replicas.start("a", "b", "c")
    killed = replicas.leader()

    replicas.send(killed, signal.SIGKILL)
    other = replicas.leader(but=killed)

    assert other != killed
    assert len(replicas.terms()) >= 2
    assert_one_at_a_time(replicas)


def test_a_leader_that_was_frozen_leads_no_more_when_it_goes_on(replicas: Replicas) -> None:
    replicas.start("a", "b")
    frozen = replicas.leader()

    replicas.send(frozen, signal.SIGSTOP)
    other = replicas.leader(but=frozen)
    replicas.send(frozen, signal.SIGCONT)
    wait_for(lambda: replicas.ended(frozen) or None)

    assert replicas.leader() == other
    assert_one_at_a_time(replicas)


def test_the_next_leads_when_the_leader_ends(replicas: Replicas) -> None:
    replicas.start("a", "b")
    first = replicas.leader()

    replicas.send(first, signal.SIGTERM)
    assert replicas.running[first].wait(PATIENCE) == 0
    other = replicas.leader(but=first)

    path = f"/apis/coordination.k8s.io/v1/namespaces/{replicas.namespace}/leases/retag-controller"
    lease = replicas.server.request("GET", path)
    assert lease["spec"]["holderIdentity"] == other
    assert lease["spec"]["leaseDurationSeconds"] == LEASE
    assert replicas.ended(first) == 1
    assert_one_at_a_time(replicas)


def test_nobody_leads_while_the_api_server_hangs(replicas: Replicas) -> None:
    replicas.start("a", "b")
    first = replicas.leader()

    replicas.server.pause()
    wait_for(lambda: replicas.ended(first) or None)
    replicas.server.resume()
    replicas.leader()

    assert len(replicas.terms()) >= 2
    assert_one_at_a_time(replicas)
