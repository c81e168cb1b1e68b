"""Hints from one replica to another, by a real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from sidecar.kubernetes.client import Client
from sidecar.kubernetes.kinds import Kind
from sidecar.kubernetes.port import Object
from sidecar.webhook.events import Hint
from sidecar.webhook.relay import MOST, NAME, Relay, heard_in
from tests.metering import Metered
from tests.servers.kubernetes import ApiServer
from tests.servers.resolver import until


class Replica:
    """A replica of the controller, which leads or does not."""

    def __init__(self, *, leads: bool) -> None:
        self.leads = leads
        self.taken: list[tuple[str, str]] = []
        self.slept: list[float] = []
        self.now = 1000.0

    def take(self, registry: str, repository: str) -> bool:
        """Look, if it leads."""
        if self.leads:
            self.taken.append((registry, repository))
        return self.leads

    def wall(self) -> float:
        """Another second each time."""
        self.now += 1
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Note it, and go on."""
        self.slept.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def running(
    server: ApiServer, namespace: str, *replicas: Replica
) -> AsyncIterator[Sequence[Relay]]:
    """The relays of *replicas*, each with its connection."""
    clients = [Client.of_kubeconfig(server.kubeconfig) for _ in replicas]
    relays = [
        Relay(client, namespace, each.take, Metered(), wall=each.wall, sleep=each.sleep)
        for client, each in zip(clients, replicas, strict=True)
    ]
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield relays
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in clients:
            await client.aclose()


def written(server: ApiServer, namespace: str) -> dict[str, Any]:
    """The ConfigMap; empty where there is none."""
    try:
        return server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{NAME}")
    except httpx.HTTPStatusError:
        return {}


def test_the_leader_takes_its_own_and_writes_nothing(api_server: ApiServer) -> None:
    namespace = api_server.namespace("relay-own")
    replica = Replica(leads=True)

    async def main() -> None:
        async with running(api_server, namespace, replica) as (relay,):
            relay.hint("", "team/app")
            assert replica.taken == [("", "team/app")]
            replica.leads = False
            relay.hint("", "team/web")
            await until(lambda: bool(replica.slept))

    asyncio.run(main())
    assert set(heard_in(written(api_server, namespace))) == {Hint("", "team/web")}


def test_what_another_replica_hears_comes_to_the_leader(api_server: ApiServer) -> None:
    namespace = api_server.namespace("relay-other")
    leader, other = Replica(leads=True), Replica(leads=False)

    async def main() -> None:
        async with running(api_server, namespace, leader, other) as (_, relay):
            relay.hint("", "team/app")
            await until(lambda: leader.taken == [("", "team/app")])
            relay.hint("", "team/web")
            relay.hint("registry.example.com", "team/app")
            await until(lambda: len(leader.taken) == 3)
            relay.hint("", "team/app")  # once more
            await until(lambda: len(leader.taken) == 4)

    asyncio.run(main())
    assert leader.taken == [
        ("", "team/app"),
        ("", "team/web"),
        ("registry.example.com", "team/app"),
        ("", "team/app"),
    ]
    assert other.taken == []
    assert set(other.slept) == {3.0}


def test_two_that_write_at_once_lose_nothing(api_server: ApiServer) -> None:
    namespace = api_server.namespace("relay-two")
    leader, one, two = Replica(leads=True), Replica(leads=False), Replica(leads=False)
    names = [f"team/app-{number}" for number in range(10)]

    async def main() -> None:
        async with running(api_server, namespace, leader, one, two) as (_, first, second):
            for name in names:
                first.hint("", name)
                second.hint("", f"{name}-too")
                await asyncio.sleep(0)
            await until(lambda: len({name for _, name in leader.taken}) == 20)

    asyncio.run(main())


def test_what_was_written_before_stays_for_who_comes_to_lead(api_server: ApiServer) -> None:
    namespace = api_server.namespace("relay-stays")
    leader, other = Replica(leads=True), Replica(leads=False)

    async def main() -> None:
        async with running(api_server, namespace, other) as (relay,):
            relay.hint("", "team/app")
            await until(lambda: len(other.slept) == 1)
            relay.hint("", "team/web")
            await until(lambda: len(other.slept) == 2)
        async with running(api_server, namespace, leader):
            await until(lambda: len(leader.taken) == 2)

    asyncio.run(main())
    assert leader.taken == [("", "team/app"), ("", "team/web")]


class Overtaken(Client):
    """A client that somebody *overtakes* between a look at the ConfigMap and a write."""

    overtake: Callable[[], object]

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        """The object as it was just before that."""
        found = await super().get(kind, namespace, name)
        self.overtake()
        return found


def test_who_is_overtaken_by_another_replica_takes_nothing_from_it(
    api_server: ApiServer,
) -> None:
    namespace = api_server.namespace("relay-overtaken")
    other = Replica(leads=False)
    data = [json.dumps([{"registry": "", "repository": "team/theirs", "at": 1001}])]

    def overtake() -> None:
        if data:
            path = f"/api/v1/namespaces/{namespace}/configmaps/{NAME}"
            api_server.patch(path, {"data": {"hints": data.pop()}})

    async def main() -> None:
        client = Overtaken.of_kubeconfig(api_server.kubeconfig)
        client.overtake = overtake
        relay = Relay(client, namespace, other.take, Metered(), wall=other.wall, sleep=other.sleep)
        task = asyncio.create_task(relay.run())
        relay.hint("", "team/app")
        await until(lambda: len(other.slept) == 1)
        relay.hint("", "team/web")
        await until(lambda: len(other.slept) == 3)  # it was refused once
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()

    asyncio.run(main())
    heard = heard_in(written(api_server, namespace))
    assert set(heard) == {Hint("", "team/theirs"), Hint("", "team/web")}


def test_only_so_many_are_kept(api_server: ApiServer) -> None:
    namespace = api_server.namespace("relay-many")
    other = Replica(leads=False)

    async def main() -> None:
        async with running(api_server, namespace, other) as (relay,):
            for number in range(MOST + 5):
                relay.hint("", f"team/app-{number}")
            await until(lambda: bool(other.slept))

    asyncio.run(main())
    heard = heard_in(written(api_server, namespace))
    assert len(heard) == MOST
    assert Hint("", f"team/app-{MOST + 4}") in heard
    assert Hint("", "team/app-0") not in heard


class Faulty(Client):
    """A client whose first answer is none that anybody thought of."""

    asked = 0

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        """The object, from the second time on."""
        self.asked += 1
        if self.asked == 1:
            raise ValueError("made up")
        return await super().get(kind, namespace, name)


def test_a_bug_in_one_write_is_logged_and_ends_no_other(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = api_server.namespace("relay-bug")
    other = Replica(leads=False)

    async def main() -> None:
        client = Faulty.of_kubeconfig(api_server.kubeconfig)
        relay = Relay(client, namespace, other.take, Metered(), wall=other.wall, sleep=other.sleep)
        task = asyncio.create_task(relay.run())
        relay.hint("", "team/app")
        await until(lambda: len(other.slept) == 1)
        relay.hint("", "team/web")
        await until(lambda: len(other.slept) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()

    asyncio.run(main())
    assert "hints are lost by a fault of Retag" in caplog.messages
    assert set(heard_in(written(api_server, namespace))) == {Hint("", "team/web")}


def test_a_relay_that_ends_says_so(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = api_server.namespace("relay-ends")
    other = Replica(leads=False)

    async def fail(_seconds: float) -> None:
        raise ValueError("made up")

    async def main() -> None:
        client = Client.of_kubeconfig(api_server.kubeconfig)
        relay = Relay(client, namespace, other.take, Metered(), wall=other.wall, sleep=fail)
        relay.hint("", "team/app")
        with pytest.raises(ExceptionGroup):
            await relay.run()
        await client.aclose()

    asyncio.run(main())
    assert "hints are no longer passed on, by a fault of Retag" in caplog.messages


def configured(text: Any, name: str = NAME) -> dict[str, Any]:
    """A ConfigMap with *text*."""
    return {"metadata": {"name": name}, "data": {"hints": text}}


_GOOD = {"registry": "", "repository": "team/app", "at": 5}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"metadata": {"name": NAME}}, id="no data"),
        pytest.param(configured(json.dumps([_GOOD]), "other"), id="another name"),
        pytest.param(configured(""), id="empty"),
        pytest.param(configured("["), id="no JSON"),
        pytest.param(configured("[" * 100_000), id="deep"),
        pytest.param(configured("{}"), id="no list"),
        pytest.param(configured(json.dumps([{**_GOOD, "at": float("nan")}])), id="no number"),
        pytest.param(configured(json.dumps([_GOOD]) + " " * 200_000), id="too large"),
        pytest.param(configured(json.dumps([{**_GOOD, "repository": "A"}])), id="no repository"),
        pytest.param(configured(json.dumps([{**_GOOD, "registry": "r" * 256}])), id="registry"),
        pytest.param(configured(json.dumps([{**_GOOD, "at": "5"}])), id="no time"),
        pytest.param(configured(json.dumps([7, None])), id="no entries"),
    ],
)
def test_what_is_no_hint_is_left_out(manifest: dict[str, Any]) -> None:
    assert heard_in(manifest) == {}


def test_a_good_one_beside_bad_ones_counts() -> None:
    assert heard_in(configured(json.dumps([7, _GOOD, {}]))) == {Hint("", "team/app"): 5}
