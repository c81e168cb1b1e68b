"""Which registry serves an image, and under which path: prefixes, boundaries, defaults."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.reference import Repository
from cmp.registry.endpoint import Endpoint
from cmp.registry.routing import Routing


def endpoint(prefix: str, **fields: Any) -> Endpoint:
    return Endpoint(name=prefix or "all", prefix=prefix, api_url=f"https://api.{prefix}", **fields)


HOST = endpoint("reg.io")
TEAM = endpoint("reg.io/team")
SUB = endpoint("reg.io/team/sub/")
ALL = endpoint("")
HUB = endpoint("docker.io")
DEFAULT = endpoint("zot.example.com", default=True, defaultns="base")

ROUTES = [
    ([HOST], "reg.io", "app", HOST, "app"),
    ([TEAM, HOST], "reg.io", "team/app", HOST, "team/app"),
    ([TEAM], "reg.io", "team/app", TEAM, "team/app"),
    ([TEAM], "reg.io", "team", TEAM, "team"),
    ([TEAM, SUB], "reg.io", "team/sub/app", SUB, "team/sub/app"),
    ([SUB, TEAM], "reg.io", "team/submarine", TEAM, "team/submarine"),
    ([ALL, HOST], "reg.io", "app", HOST, "app"),
    ([ALL, HOST], "other.io", "app", ALL, "app"),
    ([HUB], "docker.io", "library/nginx", HUB, "library/nginx"),
    ([HUB, DEFAULT], "docker.io", "library/nginx", HUB, "library/nginx"),
    ([HOST, DEFAULT], "docker.io", "library/nginx", DEFAULT, "base/nginx"),
    ([HOST, DEFAULT], "docker.io", "team/app", DEFAULT, "team/app"),
    ([ALL], "docker.io", "library/nginx", ALL, "nginx"),
]


@pytest.mark.parametrize(("listed", "registry", "path", "served_by", "asked"), ROUTES)
def test_a_repository_is_served_by_the_registry_with_the_nearest_prefix(
    listed: list[Endpoint], registry: str, path: str, served_by: Endpoint, asked: str
) -> None:
    route = Routing(listed).route_repository(Repository(registry, path))

    assert route is not None
    assert (served_by.prefix, asked) == (route.endpoint.prefix, route.path)


@pytest.mark.parametrize(
    ("listed", "registry", "path"),
    [
        ([], "reg.io", "app"),
        ([], "docker.io", "library/nginx"),
        ([HOST], "reg.io.evil.com", "app"),
        ([HOST], "reg.io:5000", "app"),
        ([HOST], "a.reg.io", "app"),
        ([TEAM], "reg.io", "teamster/app"),
        ([HUB], "docker.io.evil.com", "app"),
        ([DEFAULT], "reg.io", "app"),
    ],
)
def test_no_other_registry_is_listed(listed: list[Endpoint], registry: str, path: str) -> None:
    assert Routing(listed).route_repository(Repository(registry, path)) is None


def test_of_two_entries_with_one_prefix_the_later_counts() -> None:
    later = HOST.model_copy(update={"name": "later"})

    route = Routing([HOST, later]).route("reg.io", "app")

    assert route is not None
    assert later is route.endpoint


def test_names_without_a_registry_go_to_the_default_before_docker_hub() -> None:
    routing = Routing([HUB, DEFAULT])
    route = routing.route("", "nginx")

    assert route is not None
    assert (route.endpoint.prefix, route.path) == ("zot.example.com", "base/nginx")


def test_inferring_knows_docker_hub_and_any_host() -> None:
    routing = Routing([], infer=True)
    hub = routing.route("", "nginx")
    other = routing.route("reg.io:5000", "team/app")

    assert hub is not None
    assert (hub.endpoint.api_url, hub.path) == ("https://registry-1.docker.io", "library/nginx")
    assert other is not None
    assert (other.endpoint.api_url, other.path) == ("https://reg.io:5000", "team/app")
    assert other.endpoint.limit == 20
