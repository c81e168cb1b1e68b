"""`HttpSource`: the `TagSource` of one registry over HTTP, asked in Zot's way where it is a Zot.

`tags/list` alone says which tags there are. What a tag is, Zot's search tells in one request;
elsewhere manifests and image configs do, each read once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy

from cmp.cosign import Claim
from cmp.reference import Repository
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.content import HttpContent
from cmp.registry.http.listing import Lister, check_path
from cmp.registry.metadata import Describer
from cmp.registry.signatures import read_claims
from cmp.registry.unsearched import describe_unsearched
from cmp.registry.zot.detect import Zot
from cmp.registry.zot.metadata import ZotDescriber
from cmp.tags import Listing, Needs, Tag

_NO_ZOT = "is no Zot, which alone tells this"
_UNTOLD = "does not tell this login whether it is a Zot, which alone tells this: set kind: zot"


class HttpSource:
    """What the registry *endpoint* holds, which *api* asks.

    Repositories are asked for by their paths there. *clock* gives seconds since the epoch,
    *monotonic* some that never go back.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        api: RegistryApi,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._api = api
        self._lister = Lister(api, endpoint.base_url, clock, monotonic)
        # Documents are remembered for all logins: whoever has a digest got it by his own login,
        # and what it stands for is known from nothing else.
        self._describer = Describer()
        self._zot = ZotDescriber(endpoint, api, clock=monotonic)
        self._pull_secret = ""

    def authorised(self, pull_secret: str) -> HttpSource:
        """The same registry, asked with the login of *pull_secret*."""
        view = copy(self)
        view._pull_secret = pull_secret  # noqa: SLF001  # its own class
        return view

    def since(self, _instant: float) -> HttpSource:
        """The same: nothing is remembered that may have changed."""
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of this registry, as far as it was asked."""
        return self._zot.remarks

    async def list_tags(self, repository: Repository) -> Listing:
        """All tag names of *repository*, in the order in which the registry lists them."""
        return await self._lister.list_tags(repository, self._pull_secret)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names*."""
        check_path(repository)
        if needs.names_only:
            return {name: Tag(name) for name in names}
        found = await self._zot.find(self._pull_secret)
        content = self._content(repository, found)
        if found.known:
            return await self._zot.describe(
                repository, content, names, needs, pull_secret=self._pull_secret
            )
        why = _NO_ZOT if found is Zot.NONE else _UNTOLD
        return await describe_unsearched(
            self._describer,
            repository,
            content,
            names,
            needs,
            why=f"the registry {self._endpoint.name} {why}",
        )

    async def signatures(self, repository: Repository, digest: str) -> Sequence[Claim]:
        """What claims to be a signature of *digest*."""
        check_path(repository)
        found = await self._zot.find(self._pull_secret)
        return await read_claims(self._content(repository, found), digest)

    def _content(self, repository: Repository, found: Zot) -> HttpContent:
        return HttpContent(
            self._api,
            self._endpoint.base_url,
            repository.path,
            pull_secret=self._pull_secret,
            as_blobs=found.known,
        )
