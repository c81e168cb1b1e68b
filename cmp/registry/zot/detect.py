"""Whether a registry is a Zot, and whether its search is on.

`GET /v2/_oci/ext/discover` (OCI distribution extensions) is Zot's: it lists the extensions that
are enabled, none as an empty list. Other registries answer 404 or something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from cachetools import LRUCache, TTLCache
from pydantic_core import from_json

from cmp.errors import BadReplyError, DeniedError
from cmp.registry.endpoint import Endpoint, Kind
from cmp.registry.http.api import Call, RegistryApi
from cmp.registry.http.exchange import HttpResponse

SEARCH = "/v2/_zot/ext/search"
_DISCOVER = "/v2/_oci/ext/discover"
# A list of some extensions; a web page that answers instead may well be longer.
_LARGEST_LIST = 256 * 1024
# How long (seconds) it counts that something is not there: search may be switched on, a Zot come.
REMEMBERED_SECONDS = 600.0
# Logins that are told apart; a rule may name one of its own.
_MOST_LOGINS = 1000


class Zot(Enum):
    """What a registry is."""

    NONE = "no Zot"
    DENIED = "what does not tell this login"
    SEARCHLESS = "a Zot with its search off"
    SEARCHING = "a Zot with its search on"


class Detector:
    """Finds out, for each login, what *endpoint* is. *clock* gives monotonic seconds."""

    def __init__(
        self, endpoint: Endpoint, api: RegistryApi, *, clock: Callable[[], float]
    ) -> None:
        self._kind = endpoint.kind
        self._api = api
        # That search is switched off later is learned from search; that a registry is no Zot may
        # have been said by what stands before one that is restarting.
        self._searching: LRUCache[str, Zot] = LRUCache(_MOST_LOGINS)
        self._lacking: TTLCache[str, Zot] = TTLCache(_MOST_LOGINS, REMEMBERED_SECONDS, timer=clock)
        self._asking = asyncio.Lock()

    async def find(self, pull_secret: str = "") -> Zot:
        """What the registry is, as the login of *pull_secret* sees it: asked for once.

        Where `kind` says what it is, nothing is asked. That it has no search is asked again after
        a while, and a refused login is not remembered, for it may soon be right. Raises
        `UnreachableError` and `ThrottledError`, and remembers nothing then: to guess would be to
        choose by another rule.
        """
        if self._kind is Kind.ZOT:
            return Zot.SEARCHING
        if self._kind is not Kind.UNKNOWN:
            return Zot.NONE
        async with self._asking:
            known = self._searching.get(pull_secret) or self._lacking.get(pull_secret)
            return known or await self._ask(pull_secret)

    async def _ask(self, pull_secret: str) -> Zot:
        found = await self._discover(pull_secret)
        if found is Zot.SEARCHING:
            self._searching[pull_secret] = found
        elif found is not Zot.DENIED:
            self._lacking[pull_secret] = found
        return found

    async def _discover(self, pull_secret: str) -> Zot:
        call = Call("GET", _DISCOVER, limit=_LARGEST_LIST, pull_secret=pull_secret)
        try:
            return _read(await self._api.call(call))
        except DeniedError:
            return Zot.DENIED
        except BadReplyError:
            return Zot.NONE


def _read(response: HttpResponse) -> Zot:
    """What a list of extensions says; anything else is no Zot's."""
    if response.status != 200:
        return Zot.NONE
    try:
        listed = from_json(response.body)
    except ValueError:
        return Zot.NONE
    extensions = listed.get("extensions") if isinstance(listed, dict) else None
    if not isinstance(extensions, list):
        return Zot.NONE
    if not extensions:
        return Zot.SEARCHLESS
    zots = [each for each in extensions if isinstance(each, dict) and each.get("name") == "_zot"]
    endpoints = [each.get("endpoints") for each in zots]
    if any(isinstance(paths, list) and SEARCH in paths for paths in endpoints):
        return Zot.SEARCHING
    return Zot.SEARCHLESS if zots else Zot.NONE
