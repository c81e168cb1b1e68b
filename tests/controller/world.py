"""A controller's deliverer before a real API server, with a clock that the test turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from cmp.reference import Reference
from cmp.store import LastGood
from sidecar.cluster.record import Record
from sidecar.controller.deliver import Deliverer
from sidecar.controller.events import KubernetesEvents
from sidecar.controller.limits import Bucket
from sidecar.controller.model import Target, Wanted, target_of
from sidecar.controller.records import Held, Records, watched
from sidecar.kubernetes.client import Client
from sidecar.kubernetes.kinds import APPLICATIONS, CONFIG_MAPS, Kind
from sidecar.kubernetes.mirror import Mirror, Watched
from sidecar.kubernetes.port import Cluster, Object, Patch
from tests.controller.argo import ArgoCD
from tests.metering import Metered
from tests.servers.kubernetes import ApiServer

PROJECT: Mapping[str, Any] = {"spec": {}}
START = 1_900_000_000.5
ACCOUNT = "controller"


def image(tag: str) -> str:
    """The image of the tests, at *tag*."""
    return f"registry.example.com/team/app:{tag}"


def wanted(tag: str, before: str = "", *, rule: str = "app", **more: Any) -> Wanted:
    """The choice *tag*, while the tag *before* runs."""
    reference = Reference.parse(f"registry.example.com/team/{rule}:{tag}")
    choice = LastGood(rule, "f", str(reference.repository), tag, None, 1.0)
    return Wanted(
        choice=choice,
        title=f"the rule {rule}",
        alias=more.pop("alias", rule),
        after=str(reference),
        before=f"registry.example.com/team/{rule}:{before}" if before else "",
        why="it is the newest",
        runs=more.pop("runs", tag == before),
        **more,
    )


class Clock:
    """Seconds that go on only when told to."""

    def __init__(self) -> None:
        self.now = START
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait for others to turn the clock so far."""
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        if seconds > 0:
            await future

    def advance(self, seconds: float) -> None:
        """Turn it."""
        self.now += seconds
        for at, future in self._sleepers:
            if at <= self.now and not future.done():
                future.set_result(None)
        self._sleepers = [each for each in self._sleepers if not each[1].done()]


class KilledError(BaseException):
    """The process is gone."""


class Spied:
    """A cluster that counts writes, and may end the process before or after the n-th of them."""

    def __init__(self, cluster: Cluster, *, dies_at: int = -1, after: bool = False) -> None:
        self._cluster = cluster
        self._dies_at = dies_at
        self._after = after
        self.namespace = cluster.namespace
        self.writes: list[tuple[str, Any]] = []
        self.busy = 0
        self.is_dead = False
        self.before_write: Callable[[str], None] = lambda _: None
        self.after_write: Callable[[str], None] = lambda _: None

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        found: Object = await self._spied(self._cluster.get(kind, namespace, name))
        return found

    def list_pages(self, *args: Any, labels: str = "") -> Any:
        return self._cluster.list_pages(*args, labels=labels)

    async def version(self, kind: Kind, namespace: str, /) -> str:
        return await self._cluster.version(kind, namespace)

    def watch(self, *args: Any, labels: str = "") -> Any:
        return self._cluster.watch(*args, labels=labels)

    async def create(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        made: Object = await self._write(
            f"create {kind}", manifest, self._cluster.create, kind, namespace
        )
        return made

    async def replace(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        made: Object = await self._write(
            f"replace {kind}", manifest, self._cluster.replace, kind, namespace
        )
        return made

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        assert not of
        made: Object = await self._write(
            f"patch {kind}", patch, self._cluster.patch, kind, namespace, name
        )
        return made

    async def delete(self, kind: Kind, namespace: str, name: str, /) -> None:
        await self._write(f"delete {kind}", name, self._cluster.delete, kind, namespace)

    async def aclose(self) -> None:
        await self._cluster.aclose()

    async def _write(self, what: str, body: Any, call: Any, *args: Any) -> Any:
        dies = len(self.writes) == self._dies_at
        self.is_dead = self.is_dead or (dies and not self._after)
        if self.is_dead:
            raise KilledError
        self.before_write(what)
        self.writes.append((what, body))
        made = await self._spied(call(*args, body))
        self.after_write(what)
        self.is_dead = dies
        if dies:
            raise KilledError
        return made

    async def _spied(self, call: Any) -> Any:
        self.busy += 1
        try:
            return await call
        finally:
            self.busy -= 1

    def count(self, what: str) -> int:
        """How many writes were *what*."""
        return sum(each == what for each, _ in self.writes)


class Controller:
    """One replica: its mirrors, and its deliverer."""

    def __init__(self, cluster: Spied, namespace: str, clock: Clock) -> None:
        self.cluster = cluster
        self.clock = clock
        self.meter = Metered()
        self.leads = True
        self.project: Mapping[str, Any] | None = PROJECT
        self.maps: Mirror[Held] = Mirror(cluster, watched(namespace))
        self.targets: Mirror[Target] = Mirror(
            cluster,
            Watched(APPLICATIONS, (namespace,), lambda each: target_of(each, "it")),
        )
        self.records = Records(cluster, namespace, self.maps)
        self.deliverer = Deliverer(
            cluster,
            self.records,
            KubernetesEvents(cluster, Bucket(10, 100, clock=clock), clock),
            lambda: self.leads,
            project=lambda _: self.project,
            clock=clock,
            wall=clock,
            sleep=clock.sleep,
            meter=self.meter,
        )
        self.targets.on_change(self._changed)
        self.namespace = namespace
        self.running: asyncio.Task[None] | None = None

    def _changed(self, key: tuple[str, str], _before: Target | None, now: Target | None) -> None:
        if now is None:
            self.deliverer.gone(key)
        else:
            self.deliverer.changed(now)

    def target(self, name: str) -> Target:
        """The Application *name*, as it was last seen."""
        return self.targets.objects[self.namespace, name]

    def record(self, name: str) -> Record:
        """What is recorded of it."""
        return self.records.of(self.target(name))

    def state(self, name: str, rule: str = "app") -> str:
        """How far the choice of *rule* has come; "" if nothing is recorded."""
        found = [each for each in self.record(name).choices if each.choice.rule == rule]
        return found[0].state if found else ""

    def want(self, name: str, *wanted: Wanted) -> None:
        """Have *wanted* delivered."""
        self.deliverer.want(self.target(name), wanted)

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when *condition* holds: a real API server does something for it."""
        async with asyncio.timeout(20):
            while not condition():
                assert self.running is None or not self.running.done(), self.running
                await asyncio.sleep(0.005)

    async def seen(self, name: str, argo: ArgoCD) -> None:
        """Return when the Application is seen as it is, and all is done that can be now."""
        version = argo.get(name)["metadata"]["resourceVersion"]
        await self.until(lambda: int(self.target(name).version) >= int(version))
        await self.idle()

    async def idle(self) -> None:
        """Return when all is done that can be done now."""
        quiet = 0
        while quiet < 30:
            quiet = 0 if self.cluster.busy else quiet + 1
            await asyncio.sleep(0.001 if self.cluster.busy else 0)

    async def after(self, seconds: float) -> None:
        """Turn the clock, and let be done what is due then."""
        self.clock.advance(seconds)
        await self.idle()


class World:
    """A namespace with an Argo CD, in which controllers come and go."""

    def __init__(self, server: ApiServer, namespace: str, *, is_old: bool = False) -> None:
        self.server = server
        self.namespace = server.namespace(namespace)
        self.clock = Clock()
        self.argo = ArgoCD(server, self.namespace, self.clock, is_old=is_old)
        server.apply(*_account(self.namespace))
        token = server.token_of(self.namespace, ACCOUNT)
        self._kubeconfig = server.kubeconfig_for(token, self.namespace, self.namespace)

    @asynccontextmanager
    async def controller(self, **dies: Any) -> AsyncIterator[Controller]:
        """A controller that runs, with the rights that a controller has."""
        cluster = Spied(Client.of_kubeconfig(self._kubeconfig), **dies)
        it = Controller(cluster, self.namespace, self.clock)
        watching = [asyncio.create_task(each.run()) for each in (it.maps, it.targets)]
        try:
            async with asyncio.timeout(20):
                await it.maps.synced()
                await it.targets.synced()
            it.running = asyncio.create_task(it.deliverer.run())
            yield it
        finally:
            for task in (*watching, *([] if it.running is None else [it.running])):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, KilledError, BaseExceptionGroup):
                    await task
            await cluster.aclose()

    def events(self) -> list[dict[str, Any]]:
        """The Events of the namespace, in the order of their making."""
        found = self.server.request("GET", f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return sorted(found, key=lambda each: int(each["metadata"]["resourceVersion"]))

    def config_maps(self) -> list[str]:
        """The names of all records."""
        path = f"/api/v1/namespaces/{self.namespace}/{CONFIG_MAPS.plural}"
        found = self.server.request("GET", path)["items"]
        names = [each["metadata"]["name"] for each in found]
        return [each for each in names if each.startswith("retag.")]


def deliver(
    server: ApiServer,
    name: str,
    play: Callable[[World], Coroutine[Any, Any, None]],
    *,
    is_old: bool = False,
) -> World:
    """The world of *name* once *play* was played in it."""
    world = World(server, f"deliver-{name}", is_old=is_old)
    asyncio.run(play(world))
    return world


def _account(namespace: str) -> list[dict[str, Any]]:
    metadata = {"name": ACCOUNT, "namespace": namespace}
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["applications"],
            "verbs": ["get", "list", "watch", "patch"],
        },
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "watch", "create", "update", "delete"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    subject = {"kind": "ServiceAccount", **metadata}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": ACCOUNT},
        },
    ]
