"""The registries of registries.conf, as one `TagSource` that asks the right one.

Only registries that are listed are ever asked, unless names may be inferred.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from cmp.cosign import Claim
from cmp.errors import Finding, RegistryError, printable
from cmp.reference import Repository
from cmp.registry.config import load_config
from cmp.registry.endpoint import Endpoint, SortMode
from cmp.registry.http.connections import Connection, Connections, Surroundings
from cmp.registry.layout import Clock, LayoutSource
from cmp.registry.logins import source_of, written
from cmp.registry.observation import View, listing_key
from cmp.registry.port import TagSource
from cmp.registry.routing import Route, Routing
from cmp.tags import Listing, Needs, Tag


class Registries:
    """The registries that may be asked; they keep what they remember by digest.

        async with registries:
            tags = await RoutedSource(registries).list_tags(repository)

    *base* is the folder that relative `file:` URLs and paths of certificates start from. With
    *infer* also Docker Hub and any host by its name count as listed. *clock* gives seconds since
    the epoch. `endpoints` are those that are listed, of two with one prefix the later.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        base: Path,
        *,
        infer: bool = False,
        clock: Clock = time.time,
        surroundings: Surroundings | None = None,
    ) -> None:
        listed = {endpoint.prefix: endpoint for endpoint in endpoints}  # as for `Routing`
        self.endpoints = tuple(listed.values())
        self._routing = Routing(self.endpoints, infer=infer)
        self._base = base
        self._clock = clock
        self._layouts: dict[str, LayoutSource] = {}  # by prefix, which is unique
        self._connections = Connections(
            base, surroundings or Surroundings(), clock=clock, monotonic=time.monotonic
        )

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        clock: Clock = time.time,
        surroundings: Surroundings | None = None,
    ) -> tuple[Registries, list[Finding]]:
        """What the registries.conf at *path* lists: nothing, if a finding is an error.

        Raises `RuleError` where it cannot be read at all.
        """
        endpoints, findings = load_config(path)
        return cls(endpoints, path.parent, clock=clock, surroundings=surroundings), findings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of the registries that are connected, each once."""
        return self._connections.remarks

    async def aclose(self) -> None:
        """Close all connections; who asks later connects anew."""
        await self._connections.aclose()

    def route(self, repository: Repository) -> Route:
        """Which registry has *repository*, and under which path. Raises `RegistryError`."""
        route = self._routing.route(repository)
        if route is None:
            raise RegistryError(
                "RT500",
                f"the registry {repository.registry} is not listed in registries.conf",
                remedy=f"add an entry with prefix: {repository.registry}",
            )
        return route

    def source(self, repository: Repository) -> tuple[TagSource, Repository]:
        """Who answers for *repository*, and what to ask for there. Raises `RegistryError`."""
        route = self.route(repository)
        asked = Repository(repository.registry, route.path)
        if route.endpoint.is_layout:
            return self._layout(route.endpoint), asked
        return self._connections.to(route.endpoint).source, asked

    def identity(self, repository: Repository, pull_secret: str) -> str:
        """Whose view of what it is: registry, where that is, path and login, as JSON.

        A login goes by the place where it is written, and nothing in the text is a secret. Raises
        `RegistryError`.
        """
        route = self.route(repository)
        source = source_of(route.endpoint, pull_secret)
        login = written(source) if source is not None else ""
        url = printable(route.endpoint.base_url)
        return listing_key(View(route.endpoint.prefix, url, route.path, login))

    def connection(self, endpoint: Endpoint) -> Connection:
        """What asks *endpoint*, which is over HTTP. Raises `RegistryError`."""
        return self._connections.to(endpoint)

    def _layout(self, endpoint: Endpoint) -> LayoutSource:
        layout = self._layouts.get(endpoint.prefix)
        if layout is None:
            layout = LayoutSource(
                endpoint.folder(self._base),
                clock=self._clock,
                serves=endpoint.prefix.partition("/")[2].strip("/"),
            )
            self._layouts[endpoint.prefix] = layout
        return layout


class RoutedSource:
    """The `TagSource` that asks, for each repository, the registry that has it."""

    def __init__(self, registries: Registries, pull_secret: str = "") -> None:
        self._registries = registries
        self._pull_secret = pull_secret

    def authorised(self, pull_secret: str) -> RoutedSource:
        """The same, with the login of a rule's pull secret."""
        return RoutedSource(self._registries, pull_secret)

    def since(self, _instant: float) -> RoutedSource:
        """The same: nothing is remembered that may have changed."""
        return self

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest*."""
        source, asked = self._source(repository)
        return await source.signatures(asked, digest)

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*, and whether their order tells their age."""
        source, asked = self._source(repository)
        mode = self._registries.route(repository).endpoint.tagsortmode
        newest_first = None if mode is SortMode.NONE else mode is SortMode.LATEST_FIRST
        listing = await source.list_tags(asked)
        return replace(listing, repository=repository, newest_first=newest_first)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*."""
        source, asked = self._source(repository)
        return await source.describe(asked, names, needs)

    def _source(self, repository: Repository) -> tuple[TagSource, Repository]:
        source, asked = self._registries.source(repository)
        return source.authorised(self._pull_secret), asked
