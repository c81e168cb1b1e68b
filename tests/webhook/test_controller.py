"""Two real controllers and a registry: an event has its repository looked at."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from tests.controller.test_controller import World, image
from tests.servers.controller import ControllerProcess, until
from tests.servers.kubernetes import ApiServer
from tests.servers.model import Model
from tests.servers.ports import free_port
from tests.servers.zot import ZotServer
from tests.webhook.zot import SECRET, bearer, event, request_of, status

_READ = "retag_repositories_polled_total"


def started(world: World, folder: Path) -> tuple[ControllerProcess, int]:
    """A controller that would look again in an hour only, and the port of its webhook."""
    folder.mkdir()
    (folder / "registries.conf").write_text((world.folder / "registries.conf").read_text())
    port = free_port()
    controller = world.controller(
        "--webhook-bind-address",
        f"127.0.0.1:{port}",
        "--disable-tls",
        interval="1h",
    )
    controller.folder = folder
    controller.environment = {"CLOUDEVENTS_WEBHOOK_SECRET": SECRET}
    controller.start()
    return controller, port


def test_an_event_to_either_replica_has_the_leader_look(
    api_server: ApiServer, tmp_path: Path
) -> None:
    namespace = api_server.namespace("webhook-replicas")
    with ZotServer(Model()) as zot, ExitStack() as stack:
        world = World(api_server, namespace, tmp_path, zot)
        world.push("1.0.0")
        world.argo.make("web", image("1.0.0"))
        world.rule()
        leader, first = started(world, tmp_path / "first")
        stack.callback(leader.stop)
        leader.until(_READ, 1)
        other, second = started(world, tmp_path / "second")
        stack.callback(other.stop)
        request = request_of(event(name="team/app"), bearer())

        assert asyncio.run(status(first, request)) == 202
        leader.until(_READ, 2)
        world.push("1.1.0")
        assert asyncio.run(status(second, request)) == 202
        leader.until("retag_repository_hints_total", 2)
        until(lambda: world.argo.is_asked("web"), lambda: leader.log + other.log)

        assert other.metric("retag_repository_hints_total") == 0
        assert (leader.metric("retag_leader"), other.metric("retag_leader")) == (1, 0)
