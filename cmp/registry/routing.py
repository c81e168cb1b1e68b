"""Which registry serves an image, and which repository path it is asked for.

As for the Image Updater: the registry whose prefix is the image's host; else the longest prefix,
which may hold a path; else, where that is allowed, `https://` and the host. Unlike there, a prefix
ends on a boundary (`reg.io` serves neither `reg.io.example.com` nor `reg.io:5000`), and the entry
of Docker Hub keeps its `library/` and serves names without a registry too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cmp.reference import DOCKER_HUB, Repository
from cmp.registry.endpoint import Endpoint

_HUB_NAMESPACE = "library"
_HUB = Endpoint(
    name="Docker Hub",
    prefix=DOCKER_HUB,
    api_url="https://registry-1.docker.io",
    defaultns=_HUB_NAMESPACE,
    limit=10,
)
_INFERRED_LIMIT = 20  # requests a second, as the Image Updater's


@dataclass(frozen=True, slots=True)
class Route:
    """*endpoint* serves the image, and knows it as *path*."""

    endpoint: Endpoint
    path: str


class Routing:
    """The registries that are listed; with *infer* also Docker Hub and any host by its name."""

    def __init__(self, endpoints: Iterable[Endpoint], *, infer: bool = False) -> None:
        self._by_prefix = {DOCKER_HUB: _HUB} if infer else {}
        for endpoint in endpoints:  # of two with one prefix, the later
            self._by_prefix[endpoint.prefix] = _with_hub_namespace(endpoint)
        listed = self._by_prefix.values()
        self._default = next((endpoint for endpoint in listed if endpoint.default), None)
        self._infer = infer

    def route(self, registry: str, name: str) -> Route | None:
        """Where image *name* of *registry* ("" if the image states none) is; None if nowhere."""
        endpoint = self._endpoint(registry, name)
        if endpoint is None:
            return None
        if endpoint.defaultns and "/" not in name:
            return Route(endpoint, f"{endpoint.defaultns}/{name}")
        return Route(endpoint, name)

    def route_repository(self, repository: Repository) -> Route | None:
        """Where *repository* is; Docker Hub's, if no entry is for it, are at the default."""
        if repository.registry != DOCKER_HUB:
            return self.route(repository.registry, repository.path)
        name = repository.path.removeprefix(f"{_HUB_NAMESPACE}/")
        return self.route(DOCKER_HUB, name) or self.route("", name)

    def _endpoint(self, registry: str, name: str) -> Endpoint | None:
        if not registry:
            return self._default or self._by_prefix.get(DOCKER_HUB)
        if endpoint := self._by_prefix.get(registry):
            return endpoint
        image = f"{registry}/{name}"
        matching = [prefix for prefix in self._by_prefix if _begins(image, prefix)]
        if matching:
            return self._by_prefix[max(matching, key=len)]
        return _inferred(registry) if self._infer else None


def _begins(image: str, prefix: str) -> bool:
    return not prefix or f"{image}/".startswith(f"{prefix.rstrip('/')}/")


def _inferred(registry: str) -> Endpoint:
    return Endpoint(
        name=registry, prefix=registry, api_url=f"https://{registry}", limit=_INFERRED_LIMIT
    )


def _with_hub_namespace(endpoint: Endpoint) -> Endpoint:
    if endpoint.prefix != DOCKER_HUB or endpoint.defaultns:
        return endpoint
    return endpoint.model_copy(update={"defaultns": _HUB_NAMESPACE})
