"""Vectors of kind `registries`: what registries.conf says, and which registry serves an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmp.errors import Severity
from cmp.reference import DOCKER_HUB, ImageName
from cmp.registry.config import parse_config
from cmp.registry.duration import parse_duration
from cmp.registry.endpoint import SortMode
from cmp.registry.routing import Route, Routing
from tests.vectors import Case

# What the Image Updater sees only when it puts registries to use that are well written.
_ON_LOADING = {"RT341", "RT342"}


def answer(case: Case) -> dict[str, Any]:
    """The endpoints, or at which of two steps the file fails."""
    endpoints, findings = parse_config(case["conf"], "registries.conf", Path("/nonexistent"))
    errors = {each.code for each in findings if each.severity is Severity.ERROR}
    if errors:
        return {"error": "load" if errors <= _ON_LOADING else "parse"}
    routing = Routing(endpoints, infer=True)
    served = [_endpoint(image, _route(routing, image)) for image in case["images"]]
    return {"count": len(endpoints), "endpoints": served}


def expected(case: Case) -> Any:
    """All of it, with durations as numbers."""
    expect = case["expect"]
    if "error" in expect:
        return expect
    endpoints = [
        each | {"credsexpire": parse_duration(each["credsexpire"])} for each in expect["endpoints"]
    ]
    return expect | {"endpoints": endpoints}


def difference(case: Case) -> str | None:
    """Which registry serves an image: prefixes have boundaries, Docker Hub is one registry.

    And numbers are no text, in registries.conf as in rules.
    """
    got, expect = answer(case), expected(case)
    if got == {"error": "parse"} and _only_lacks_quotes(case):
        return "a number or boolean where text is due is an error"
    if "error" in got or "error" in expect or got["count"] != expect["count"]:
        return None
    pairs = zip(got["endpoints"], expect["endpoints"], strict=True)
    reasons = [_why(mine, peers) for mine, peers in pairs if mine != peers]
    return "; ".join(sorted({reason or "" for reason in reasons})) if all(reasons) else None


def _only_lacks_quotes(case: Case) -> bool:
    _, findings = parse_config(case["conf"], "registries.conf", Path("/nonexistent"))
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    return all("quote it" in finding.what for finding in errors)


def _why(mine: dict[str, Any], peers: dict[str, Any]) -> str | None:
    """The reason for which *mine* is not the endpoint that the Image Updater takes."""
    image = ImageName.parse(mine["image"])
    full = f"{image.registry}/{image.name}"
    prefix = peers["prefix"]
    if not image.alias and "=" in mine["image"]:
        return "what stands before = is an alias only if it is a legal one"
    if not image.legal and image.registry and "." not in image.registry:
        return "a first path element with a port is a registry, constraint or not"
    if full.startswith(prefix) and not f"{full}/".startswith(f"{prefix.rstrip('/')}/"):
        return "a prefix ends on a boundary"
    if mine["prefix"] == DOCKER_HUB == image.repository.registry:
        return "Docker Hub's entry keeps library/ and serves bare names, which are its images"
    return None


def _route(routing: Routing, text: str) -> Route:
    image = ImageName.parse(text)
    if image.registry:
        route = routing.route_repository(image.repository)
    else:
        route = routing.route("", image.name)
    assert route is not None
    return route


def _endpoint(image: str, route: Route) -> dict[str, Any]:
    endpoint = route.endpoint
    mode = endpoint.tagsortmode
    return {
        "image": image,
        "api": endpoint.base_url,
        "prefix": endpoint.prefix,
        "repository": route.path,
        "credentials": endpoint.credentials,
        "credsexpire": endpoint.credsexpire,
        "defaultns": endpoint.defaultns,
        "insecure": endpoint.insecure,
        "tagsort": "unsorted" if mode is SortMode.NONE else mode.value,
    }
