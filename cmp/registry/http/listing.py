"""All tag names of a repository: `tags/list`, whole or not at all.

OCI distribution specification 1.1, "Listing Tags". It is asked without `n`: Zot then answers
everything at once, where each page would cost it as much as the whole. Other registries page
anyway, and say so with a Link.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

from pydantic_core import from_json

from cmp.errors import BadReplyError, NotFoundError, RegistryError, UnreachableError
from cmp.reference import Repository, is_repository_path
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.call import Call
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.http.link import next_query
from cmp.registry.jsonsize import count_values
from cmp.tags import Listing

# Fifty times the largest repository that Zot was measured with, which took 105 KB.
MOST_TAGS = 500_000
MOST_VALUES = MOST_TAGS + 1000  # of one page: tags, and what else a registry says of them
LARGEST_LISTING = 32 * 1024 * 1024
# The smallest pages that registries are known to send hold 100 tags.
MOST_PAGES = 2000
# Seconds for all pages, with those of further walks: Argo CD's repo-server waits no longer.
LONGEST = 60.0
# A page that begins behind a tag which was deleted meanwhile is missing (Zot): from the start.
MOST_WALKS = 3


@dataclass(frozen=True, slots=True)
class Lister:
    """Lists repositories of the registry at *base_url*, which *api* asks.

    *clock* gives seconds since the epoch, *monotonic* some that never go back.
    """

    api: RegistryApi
    base_url: str
    clock: Callable[[], float]
    monotonic: Callable[[], float] = time.monotonic

    async def list_tags(self, repository: Repository, pull_secret: str = "") -> Listing:
        """All tags of *repository*, whose path is the one on the registry, as a login sees them.

        Raises a `RegistryError` that names the repository, where one page fails or the walk has
        no end or takes longer than `LONGEST`; a `NotFoundError` where the registry says that there
        is no such repository.
        """
        check_path(repository)
        path = repository.path
        call = Call(
            "GET",
            f"/v2/{path}/tags/list",
            repository=path,
            limit=LARGEST_LISTING,
            pull_secret=pull_secret,
        )
        try:
            return await self._list(call, repository)
        except RegistryError as error:
            raise _named(error, repository) from error

    async def _list(self, call: Call, repository: Repository) -> Listing:
        until = self.monotonic() + LONGEST
        for _ in range(MOST_WALKS):
            observed_at = self.clock()
            names = await self._walk(call, until)
            if names is not None:
                return Listing(repository, names, observed_at)
        what = f"tags were deleted during each of {MOST_WALKS} readings of the list"
        raise UnreachableError("RT574", what)

    async def _walk(self, call: Call, until: float) -> tuple[str, ...] | None:
        """The names on all pages, each once; None where a page behind the first one is missing."""
        names: dict[str, None] = {}
        asked = {""}
        size = 0
        while True:
            if self.monotonic() > until:
                raise UnreachableError("RT574", f"the list took longer than {LONGEST:.0f} s")
            response = await self.api.call(call)
            if response.status == 404 and call.query:
                return None
            names |= dict.fromkeys(read_names(response))
            size += len(response.body)
            if size > LARGEST_LISTING or len(names) > MOST_TAGS:
                raise _endless(f"more than {MOST_TAGS} tags, or {LARGEST_LISTING} bytes")
            query = next_query(response, self.base_url)
            if query is None:
                return tuple(names)
            if query in asked:
                raise _endless("a page that leads back to an earlier one")
            if len(asked) == MOST_PAGES:
                raise _endless(f"more than {MOST_PAGES} pages")
            asked.add(query)
            call = replace(call, query=query)


def check_path(repository: Repository) -> None:
    """Nothing if the path may stand in a URL as it is, which Zot wants. Raises `BadReplyError`."""
    if not is_repository_path(repository.path):
        raise BadReplyError("RT508", f"{repository.path!r} is not a repository's name")


def read_names(response: HttpResponse) -> list[str]:
    """The names on a page, as they stand there. Raises `RegistryError`.

    `tags` is a list of strings, or null for none (CNCF distribution). `name` is not looked at: a
    proxy may know the repository by another.
    """
    if response.status == 404:
        raise _missing(response)
    if response.status != 200:
        raise _no_list(f"it answered with status {response.status}")
    if count_values(response.body) > MOST_VALUES:
        raise _endless(f"more than {MOST_TAGS} tags")
    try:
        page = from_json(response.body, cache_strings="none")
    except ValueError as error:
        raise _no_list("the answer is not JSON") from error
    if not isinstance(page, dict) or "tags" not in page:
        raise _no_list("the answer has no field tags")
    tags = page["tags"]
    if tags is None:
        return []
    if not isinstance(tags, list) or not set(map(type, tags)) <= {str}:
        raise _no_list("the field tags is not a list of strings")
    return tags


def _named(error: RegistryError, repository: Repository) -> RegistryError:
    """*error*, said to be one of listing *repository*, in words that people search for."""
    named = copy(error)
    what = ": ".join(filter(None, (error.where, error.what)))
    named.what, named.where = f"Failed to get tags for {repository}: {what}", ""
    return named


def _missing(response: HttpResponse) -> NotFoundError:
    # NAME_UNKNOWN by the specification, NOT_FOUND by Harbor; always in a list of errors.
    if b'"errors"' in response.body:
        return NotFoundError(
            "RT570",
            "the registry knows no such repository",
            remedy="check its name, and the registry's log: "
            "Zot says the same where it cannot read the repository's index.json",
        )
    return NotFoundError(
        "RT570",
        "it answered 404 without a reason, as what is no registry does",
        remedy="check the repository's name, and api_url in registries.conf",
    )


def _no_list(what: str) -> BadReplyError:
    return BadReplyError("RT571", what, remedy="check that api_url names a registry")


def _endless(what: str) -> BadReplyError:
    return BadReplyError("RT573", f"the list has {what}")
