"""The registries of registries.conf, as one `TagSource` that asks the right one.

Only registries that are listed are ever asked, unless names may be inferred.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cmp.cosign import Claim
from cmp.errors import Finding, RegistryError
from cmp.reference import Repository
from cmp.registry.config import load_config
from cmp.registry.endpoint import Endpoint, SortMode
from cmp.registry.layout import Clock, LayoutSource
from cmp.registry.port import TagSource
from cmp.registry.routing import Route, Routing
from cmp.tags import Fault, Listing, Needs, Tag, positions_as_times


class Registries:
    """The registries that may be asked; those on disk keep what they remember by digest.

    *base* is the folder that relative `file:` URLs start from. With *infer* also Docker Hub and
    any host by its name count as listed. *clock* gives seconds since the epoch.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        base: Path,
        *,
        infer: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self._routing = Routing(endpoints, infer=infer)
        self._base = base
        self._clock = clock
        self._layouts: dict[str, LayoutSource] = {}  # by prefix, which is unique

    @classmethod
    def load(cls, path: Path, *, clock: Clock = time.time) -> tuple[Registries, list[Finding]]:
        """What the registries.conf at *path* lists: nothing, if a finding is an error.

        Raises `RuleError` where it cannot be read at all.
        """
        endpoints, findings = load_config(path)
        return cls(endpoints, path.parent, clock=clock), findings

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
        endpoint = route.endpoint
        if not endpoint.is_layout:
            raise RegistryError(
                "RT516",
                f"registries over HTTP are not in this version: {endpoint.name} is one",
                remedy="name a storage root with api_url: file:///path",
            )
        return self._layout(endpoint), Repository(repository.registry, route.path)

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

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    def authorised(self, _pull_secret: str) -> RoutedSource:
        """The same, with the login of a rule's pull secret."""
        return self

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest*."""
        source, asked = self._registries.source(repository)
        return await source.signatures(asked, digest)

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*."""
        source, asked = self._registries.source(repository)
        return replace(await source.list_tags(asked), repository=repository)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*; where tags are sorted by age, their place is their time."""
        source, asked = self._registries.source(repository)
        mode = self._registries.route(repository).endpoint.tagsortmode
        if mode is SortMode.NONE or not needs.created:
            return await source.describe(asked, names, needs)
        listing = await source.list_tags(asked)
        tags = _by_place(names, listing, mode)
        if needs.digest:
            tags |= await _with_digests(tags, source, asked)
        return tags


def _by_place(names: Sequence[str], listing: Listing, mode: SortMode) -> dict[str, Tag]:
    """Tags whose build times are their places in *listing*.

    As for the Image Updater no manifest is looked at.
    """
    times = positions_as_times(listing.names, newest_first=mode is SortMode.LATEST_FIRST)
    detail = f"tagsortmode {mode}: the place in the listing, not the build time"
    return {
        name: Tag(name, created=times[name], detail=detail)
        if name in times
        else Tag(name, fault=Fault.GONE, detail="the tag is gone")
        for name in names
    }


async def _with_digests(
    tags: Mapping[str, Tag], source: TagSource, asked: Repository
) -> dict[str, Tag]:
    """Those of *tags* that are listed, with their digests; faulty where that cannot be known.

    Nothing else of their manifests counts: neither the platform nor a build time.
    """
    listed = [name for name, tag in tags.items() if tag.fault is None]
    described = await source.describe(asked, listed, Needs(digest=True))
    return {
        name: replace(tags[name], digest=tag.digest) if tag.digest else tag
        for name, tag in described.items()
    }
