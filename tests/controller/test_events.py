"""Events on Applications, as a real API server keeps them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sidecar.cluster.record import Recorded, State
from sidecar.controller.events import KubernetesEvents
from sidecar.controller.limits import Bucket
from sidecar.controller.model import Target
from sidecar.kubernetes.client import Client
from tests.controller.situations import target
from tests.controller.world import Clock, wanted
from tests.servers.kubernetes import ApiServer


class Place:
    """A namespace with Events on one Application."""

    def __init__(self, server: ApiServer, name: str, *, burst: int = 100) -> None:
        self.server = server
        self.namespace = server.namespace(name)
        self.clock = Clock()
        self.burst = burst
        self.target = target(metadata={"namespace": self.namespace, "resourceVersion": "42"})

    def play(self, what: Any) -> list[dict[str, Any]]:
        """The Events there are after *what*, for each of two controllers after another."""

        async def run() -> None:
            client = Client.of_kubeconfig(self.server.kubeconfig)
            bucket = Bucket(1, self.burst, clock=self.clock)
            await what(KubernetesEvents(client, bucket, self.clock), self.target)
            await client.aclose()

        asyncio.run(run())
        path = f"/api/v1/namespaces/{self.namespace}/events"
        found = self.server.request("GET", path)["items"]
        assert isinstance(found, list)
        return found


def _choice(tag: str = "2", before: str = "1", **fields: Any) -> Recorded:
    each = wanted(tag, before, **fields)
    return Recorded(
        choice=each.choice,
        state=State.DELIVERED,
        after=each.after,
        before=each.before,
        title=each.title,
        why=each.why,
    )


def test_an_event_names_what_changed(api_server: ApiServer) -> None:
    async def tell(events: KubernetesEvents, target: Target) -> None:
        await events.updated(target, [_choice(), _choice("3", "", rule="job")])

    [event] = Place(api_server, "events-changed").play(tell)

    assert (event["type"], event["reason"]) == ("Normal", "ImagesUpdated")
    assert event["message"] == (
        "Updated images: registry.example.com/team/app 1 → 2 (the rule app: it is the newest); "
        "registry.example.com/team/job 3 (the rule job: it is the newest)"
    )
    annotations = event["metadata"]["annotations"]
    assert annotations["argocd-image-updater.image-1/old-tag"] == ""
    assert annotations["argocd-image-updater.image-1/new-tag"] == "3"
    assert event["source"] == {"component": "retag-controller"}
    assert event["involvedObject"] == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "namespace": "events-changed",
        "name": "app",
        "uid": "7",
        "resourceVersion": "42",
    }
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2030-03-17T17:46:40Z"


def test_the_same_again_is_counted_also_by_another_controller(api_server: ApiServer) -> None:
    place = Place(api_server, "events-counted")

    async def tell(events: KubernetesEvents, target: Target) -> None:
        for _ in range(3):
            place.clock.advance(10)
            await events.failed(target, "Argo CD does not answer [RT670]")

    [event] = place.play(tell)
    assert event["count"] == 3
    [event] = place.play(tell)

    assert event["count"] == 4
    assert (event["type"], event["reason"]) == ("Warning", "ImageUpdateFailed")
    assert event["firstTimestamp"] == "2030-03-17T17:46:50Z"
    assert event["lastTimestamp"] == "2030-03-17T17:47:40Z"


def test_messages_are_bounded_and_on_one_line(api_server: ApiServer) -> None:
    async def tell(events: KubernetesEvents, target: Target) -> None:
        await events.failed(target, "https://user:made-up@registry.example.com\n" + "x" * 5000)

    [event] = Place(api_server, "events-bounded").play(tell)

    assert len(event["message"]) == 1024
    assert event["message"].startswith("https://registry.example.com x")


def test_too_many_events_are_left_out_and_logged(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def tell(events: KubernetesEvents, target: Target) -> None:
        for number in range(3):
            await events.failed(target, f"number {number}")

    found = Place(api_server, "events-many", burst=2).play(tell)

    assert len(found) == 2
    assert "too many Events" in caplog.text


def test_an_event_that_cannot_be_written_is_logged(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(api_server, "events-nowhere")
    place.target = target(metadata={"namespace": "events-that-is-not-there"})

    async def tell(events: KubernetesEvents, target: Target) -> None:
        await events.failed(target, "made up")

    assert place.play(tell) == []
    assert "no Event" in caplog.text


def test_an_event_that_was_forgotten_is_made_anew(
    api_server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(api_server, "events-forgotten")
    path = "/api/v1/namespaces/events-forgotten/events"

    async def tell(events: KubernetesEvents, target: Target) -> None:
        await events.failed(target, "made up")
        for each in api_server.request("GET", path)["items"]:
            api_server.request("DELETE", f"{path}/{each['metadata']['name']}")
        await events.failed(target, "made up")
        await events.failed(target, "made up")

    [event] = place.play(tell)

    assert event["count"] == 1
    assert "no Event" in caplog.text


def test_what_ran_and_is_no_reference_has_no_tag(api_server: ApiServer) -> None:
    async def tell(events: KubernetesEvents, target: Target) -> None:
        each = _choice()
        odd = Recorded(choice=each.choice, state=each.state, after=each.after, before="?!")
        await events.updated(target, [odd])

    [event] = Place(api_server, "events-odd").play(tell)

    assert event["metadata"]["annotations"]["argocd-image-updater.image-0/old-tag"] == ""


@pytest.mark.parametrize("cut", ["-", "."])
def test_an_event_of_a_long_name_has_a_name_that_kubernetes_takes(
    api_server: ApiServer, cut: str
) -> None:
    name = "a" * 235 + cut + "b" * 17

    async def tell(events: KubernetesEvents, target: Target) -> None:
        long = replace(target, application=replace(target.application, name=name))
        await events.failed(long, "of no use")

    place = Place(api_server, f"long-names-{ord(cut)}")
    (event,) = place.play(tell)

    assert event["involvedObject"]["name"] == name
