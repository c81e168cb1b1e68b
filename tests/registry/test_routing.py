"""Which registry serves an image, and under which path: prefixes, boundaries, defaults."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.reference import Reference, Repository
from cmp.registry.endpoint import Endpoint
from cmp.registry.routing import Routing


def endpoint(prefix: str, **fields: Any) -> Endpoint:
    return Endpoint(name=prefix or "all", prefix=prefix, api_url=f"https://api.{prefix}", **fields)


HOST = endpoint("reg.io")
TEAM = endpoint("reg.io/team")
SUB = endpoint("reg.io/team/sub/")
ALL = endpoint("")
HUB = endpoint("docker.io")
HUB_TEAM = endpoint("docker.io/team")
HUB_LIBRARY = endpoint("docker.io/library")
DEFAULT = endpoint("zot.example.com", default=True, defaultns="base")
PLAIN = endpoint("zot.example.com", default=True)

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
    ([HOST, PLAIN], "docker.io", "library/nginx", PLAIN, "nginx"),
    ([HOST, PLAIN], "docker.io", "library/deep/app", PLAIN, "library/deep/app"),
    ([HUB_TEAM, PLAIN], "docker.io", "team/app", HUB_TEAM, "team/app"),
    ([HUB_TEAM, PLAIN], "docker.io", "library/nginx", PLAIN, "nginx"),
    ([HUB_LIBRARY, PLAIN], "docker.io", "library/nginx", HUB_LIBRARY, "library/nginx"),
    ([ALL, DEFAULT], "docker.io", "library/nginx", DEFAULT, "base/nginx"),
    ([ALL, DEFAULT], "other.io", "app", ALL, "app"),
    ([ALL], "docker.io", "library/nginx", ALL, "nginx"),
]


@pytest.mark.parametrize(("listed", "registry", "path", "served_by", "asked"), ROUTES)
def test_a_repository_is_served_by_the_registry_with_the_nearest_prefix(
    listed: list[Endpoint], registry: str, path: str, served_by: Endpoint, asked: str
) -> None:
    route = Routing(listed).route(Repository(registry, path))

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
    assert Routing(listed).route(Repository(registry, path)) is None


def test_of_two_entries_with_one_prefix_the_later_counts() -> None:
    later = HOST.model_copy(update={"name": "later"})

    route = Routing([HOST, later]).route(Repository("reg.io", "app"))

    assert route is not None
    assert later is route.endpoint


@pytest.mark.parametrize(
    ("listed", "image", "api_url", "asked"),
    [
        ([], "nginx", "https://registry-1.docker.io", "library/nginx"),
        ([ALL], "nginx", "https://registry-1.docker.io", "library/nginx"),
        ([HUB], "nginx", HUB.api_url, "library/nginx"),
        ([HUB, PLAIN], "nginx", HUB.api_url, "library/nginx"),
        ([PLAIN], "nginx", PLAIN.api_url, "nginx"),
        ([PLAIN], "docker.io/nginx", PLAIN.api_url, "nginx"),
        ([DEFAULT], "library/nginx", DEFAULT.api_url, "base/nginx"),
        ([PLAIN], "reg.io:5000/team/app", "https://reg.io:5000", "team/app"),
    ],
)
def test_inferring_knows_docker_hub_unless_there_is_a_default_and_any_host(
    listed: list[Endpoint], image: str, api_url: str, asked: str
) -> None:
    route = Routing(listed, infer=True).route(Reference.parse(image).repository)

    assert route is not None
    assert (route.endpoint.api_url, route.path) == (api_url, asked)


@pytest.mark.parametrize(("image", "limit"), [("reg.io:5000/team/app", 20), ("nginx", 10)])
def test_registries_that_no_entry_limits_are_asked_as_often_as_the_image_updater_does(
    image: str, limit: int
) -> None:
    route = Routing([], infer=True).route(Reference.parse(image).repository)

    assert route is not None
    assert route.endpoint.limit == limit
