"""Which registry serves a repository, and which path it is asked for there.

As for the Image Updater: the registry whose prefix is the image's host; else the longest prefix,
which may hold a path; else, where that is allowed, `https://` and the host. Unlike there, a prefix
ends on a boundary (`reg.io` serves neither `reg.io.example.com` nor `reg.io:5000`), and an image
of Docker Hub is the same with and without `docker.io/` and `library/`. It is served by an entry
for docker.io, else by the default, else as any other; `library/` is asked for at Docker Hub's
entries, and elsewhere only where `defaultns` says so.
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
    """The registries that are listed; with *infer* any host by its name.

    Then Docker Hub is listed as well, unless an entry is for it or is the default.
    """

    def __init__(self, endpoints: Iterable[Endpoint], *, infer: bool = False) -> None:
        self._by_prefix: dict[str, Endpoint] = {}
        for endpoint in endpoints:  # of two with one prefix, the later
            self._by_prefix[endpoint.prefix] = _with_hub_namespace(endpoint)
        listed = self._by_prefix.values()
        self._default = next((endpoint for endpoint in listed if endpoint.default), None)
        if infer and self._default is None:
            self._by_prefix.setdefault(DOCKER_HUB, _HUB)
        self._infer = infer

    def route(self, repository: Repository) -> Route | None:
        """Where *repository* is; None if nowhere."""
        endpoint = self._endpoint(repository)
        if endpoint is None:
            return None
        path = repository.path
        if repository.registry == DOCKER_HUB:
            namespace, _, name = path.partition("/")
            path = name if namespace == _HUB_NAMESPACE and "/" not in name else path
        if endpoint.defaultns and "/" not in path:
            path = f"{endpoint.defaultns}/{path}"
        return Route(endpoint, path)

    def _endpoint(self, repository: Repository) -> Endpoint | None:
        if endpoint := self._by_prefix.get(repository.registry):
            return endpoint
        matching = [prefix for prefix in self._by_prefix if _begins(repository, prefix)]
        nearest = max(matching, key=len, default="")
        if self._default and repository.registry == DOCKER_HUB and not nearest:
            return self._default
        if matching:
            return self._by_prefix[nearest]
        return _inferred(repository.registry) if self._infer else None


def _begins(repository: Repository, prefix: str) -> bool:
    return not prefix or f"{repository}/".startswith(f"{prefix.rstrip('/')}/")


def _inferred(registry: str) -> Endpoint:
    return Endpoint(
        name=registry, prefix=registry, api_url=f"https://{registry}", limit=_INFERRED_LIMIT
    )


def _with_hub_namespace(endpoint: Endpoint) -> Endpoint:
    if endpoint.prefix.partition("/")[0] != DOCKER_HUB or endpoint.defaultns:
        return endpoint
    return endpoint.model_copy(update={"defaultns": _HUB_NAMESPACE})
