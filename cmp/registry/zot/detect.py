"""Whether a registry is a Zot, and whether its search is on.

`GET /v2/_oci/ext/discover` (OCI distribution extensions) is Zot's: it lists the extensions that
are enabled, none as an empty list. Other registries answer 404 or something else.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from cachetools import LRUCache
from pydantic_core import from_json

from cmp.errors import BadReplyError, DeniedError
from cmp.registry.endpoint import Endpoint, Kind
from cmp.registry.http.api import Call, RegistryApi
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.remembered import Once, Terms

SEARCH = "/v2/_zot/ext/search"
_DISCOVER = "/v2/_oci/ext/discover"
# A list of some extensions; a web page that answers instead may well be longer.
_LARGEST_LIST = 256 * 1024
# How long (seconds) it counts that something is not there. It changes by which times tags are
# chosen, and a proxy's page of a maintenance, or a default backend's 404, looks just the same.
REMEMBERED_SECONDS = 60.0
# How long a failure does: all who ask meanwhile would wait as long for the same.
_GRACE = 5.0
# Logins that are told apart; a rule may name one of its own.
_MOST_LOGINS = 1000
_ROOM = 1024 * 1024  # bytes, for about as many


class Zot(Enum):
    """What a registry is."""

    NONE = "no Zot"
    DENIED = "what does not tell this login"
    SEARCHLESS = "a Zot with its search off"
    SEARCHING = "a Zot with its search on"

    @property
    def known(self) -> bool:
        """Whether it is known to be a Zot."""
        return self in (Zot.SEARCHLESS, Zot.SEARCHING)


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
        terms = Terms(clock, REMEMBERED_SECONDS, _GRACE)
        self._answers: Once[str, Zot] = Once(terms, _ROOM, lambda _: 0)

    async def find(self, pull_secret: str = "") -> Zot:
        """What the registry is, as the login of *pull_secret* sees it: asked for once at a time.

        Where `kind` says what it is, nothing is asked. That it has no search is asked again after
        a while; a failure, and that the login is refused, after a moment. Raises
        `UnreachableError` and `ThrottledError`: to guess would be to choose by another rule.
        """
        if self._kind is Kind.ZOT:
            return Zot.SEARCHING
        if self._kind is not Kind.UNKNOWN:
            return Zot.NONE
        if pull_secret in self._searching:
            return self._searching[pull_secret]
        try:
            found = await self._answers.get(pull_secret, lambda: self._discover(pull_secret))
        except DeniedError:
            return Zot.DENIED
        if found is Zot.SEARCHING:
            self._searching[pull_secret] = found
        return found

    async def _discover(self, pull_secret: str) -> Zot:
        call = Call("GET", _DISCOVER, limit=_LARGEST_LIST, pull_secret=pull_secret)
        try:
            return _read(await self._api.call(call))
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
