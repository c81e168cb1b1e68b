"""Vectors of kind `registries`: what registries.conf says, and which registry serves an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmp.errors import Severity
from cmp.reference import DOCKER_HUB, ImageName, Repository
from cmp.registry.config import parse_config
from cmp.registry.duration import parse_duration
from cmp.registry.endpoint import Endpoint, SortMode
from cmp.registry.routing import Route, Routing
from tests.vectors import Case

Shape = dict[str, Any]

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
    listed, _ = parse_config(case["conf"], "registries.conf", Path("/nonexistent"))
    pairs = zip(got["endpoints"], expect["endpoints"], strict=True)
    reasons = [_why(mine, peers, listed) for mine, peers in pairs if mine != peers]
    return "; ".join(sorted({reason or "" for reason in reasons})) if all(reasons) else None


def _only_lacks_quotes(case: Case) -> bool:
    _, findings = parse_config(case["conf"], "registries.conf", Path("/nonexistent"))
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    return bool(errors) and all("quote it" in finding.what for finding in errors)


def _why(mine: Shape, peers: Shape, listed: Sequence[Endpoint]) -> str | None:
    """The reason for which *mine*, if it is as meant, is not what the Image Updater takes."""
    image = ImageName.parse(mine["image"])
    full = f"{image.registry}/{image.name}"
    prefix = peers["prefix"]
    if mine != _meant(image, listed):
        return None
    if not image.alias and "=" in mine["image"]:
        return "what stands before = is an alias only if it is a legal one"
    if not image.legal and image.registry and "." not in image.registry:
        return "a first path element with a port is a registry, constraint or not"
    if full.startswith(prefix or "\0") and not _begins(full, prefix):
        return "a prefix ends on a boundary"
    if image.repository.registry == DOCKER_HUB:
        return "Docker Hub's images are one in every spelling, and where its entry or default is"
    return None


def _meant(image: ImageName, listed: Sequence[Endpoint]) -> Shape:
    """Where *image* is to be, worked out in another way than by the product's routing."""
    repository = image.repository
    endpoint = _endpoint_meant(repository, listed)
    name = repository.path
    if repository.registry == DOCKER_HUB and name.count("/") == 1:
        name = name.removeprefix("library/")
    at_hub = endpoint.prefix.partition("/")[0] == DOCKER_HUB
    namespace = endpoint.defaultns or ("library" if at_hub else "")
    path = f"{namespace}/{name}" if namespace and "/" not in name else name
    return _endpoint(image.text, Route(endpoint, path)) | {"defaultns": namespace}


def _endpoint_meant(repository: Repository, listed: Sequence[Endpoint]) -> Endpoint:
    """The first there is: by the host, by the longest prefix, the default, any, the inferred."""
    host = repository.registry
    by_prefix = {each.prefix: each for each in listed}
    defaults = [each for each in by_prefix.values() if each.default]
    if not defaults:
        hub = Endpoint(name="hub", prefix=DOCKER_HUB, api_url="https://registry-1.docker.io")
        by_prefix.setdefault(DOCKER_HUB, hub)
    fitting = [each for each in by_prefix if each and _begins(str(repository), each)]
    fitting.sort(key=lambda prefix: (prefix == host, len(prefix)), reverse=True)
    candidates = [by_prefix[prefix] for prefix in fitting]
    candidates += defaults if host == DOCKER_HUB else []
    candidates += [each for each in by_prefix.values() if not each.prefix]
    candidates.append(Endpoint(name=host, prefix=host, api_url=f"https://{host}"))
    return candidates[0]


def _begins(image: str, prefix: str) -> bool:
    return f"{image}/".startswith(f"{prefix.rstrip('/')}/")


def _route(routing: Routing, text: str) -> Route:
    route = routing.route(ImageName.parse(text).repository)
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
