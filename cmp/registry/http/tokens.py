"""Bearer tokens: fetched from where a registry says, and kept until shortly before they expire.

As the distribution project specifies token authentication: GET of the realm with service and
scope, with the login if there is one. A login goes only to the registry's own host and to those
that the operator lists as `token_hosts`. Refresh and identity tokens are not used.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cachetools import LRUCache
from pydantic_core import from_json

from cmp.errors import BadReplyError, DeniedError, RegistryError, ThrottledError, UnreachableError
from cmp.registry.credentials import Login
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.http.redirect import is_plain
from cmp.registry.http.refusal import LoginRefusedError, encoded, message, remedy
from cmp.registry.http.retry import Deadline, is_passing, parse_date
from cmp.registry.instant import parse_instant

# One for each repository and login, of 2 KB as a rule: room for 2,000 of them, in characters.
_ROOM = 2000 * 2048
_LEAST = 1024  # characters that one counts for at least
# `token` and `access_token` may both hold it, and a server takes no longer header than 64 KiB.
_LARGEST_ANSWER = 256 * 1024
_LONGEST_TOKEN = 64 * 1024
_LONGEST_REALM = 2048  # a URL; it is part of what a token is remembered by
_DEFAULT_LIFE = 60.0  # seconds: the specification's, where expires_in is left out
_LONGEST_LIFE = 3600.0  # seconds: long enough to save requests, however large a number is sent
_MARGIN = 10.0  # seconds before its end a token is not used: the request takes time, clocks differ
_VISIBLE = re.compile(r"[\x21-\x7e]+")
# Docker Hub's own host for tokens, so that an entry for it needs no token_hosts.
_KNOWN_HOSTS = {"registry-1.docker.io": "auth.docker.io"}

_REALM = "check the realm that the registry names"

Send = Callable[[HttpRequest, Deadline], Awaitable[HttpResponse]]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is for: *scopes* say what may be done with it; *realm* is where to get it."""

    realm: str
    service: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    until: float  # by the clock of `Tokens`


_Key = tuple[Grant, Login | None]


class Tokens:
    """The tokens of the registry *endpoint*, asked for by *send*; *clock* gives seconds."""

    def __init__(self, endpoint: Endpoint, send: Send, *, clock: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._send = send
        self._clock = clock
        self._kept: LRUCache[_Key, _Token] = LRUCache(_ROOM, getsizeof=_size)
        self._fetches: dict[_Key, asyncio.Task[_Token]] = {}

    async def get(
        self, grant: Grant, login: Login | None, deadline: Deadline, *, refused: str = ""
    ) -> str:
        """A token for *grant*, another one than *refused*; those who want the same wait for one.

        Raises `LoginRefusedError`, `DeniedError` for a realm that may not be asked, and other
        kinds of `RegistryError` where no usable token comes.
        """
        key = (grant, login)
        kept = self._kept.get(key)
        if kept and kept.until > self._clock() and kept.text != refused:
            return kept.text
        fetch = self._fetches.get(key)
        if fetch is None:
            fetch = asyncio.create_task(self._fetch(key, deadline))
            self._fetches[key] = fetch
            fetch.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: who gives up must not take the token from those who wait with him.
        return (await asyncio.shield(fetch)).text

    def _landed(self, key: _Key, fetch: asyncio.Task[_Token]) -> None:
        del self._fetches[key]
        if not fetch.cancelled() and fetch.exception() is None:
            self._kept[key] = fetch.result()

    async def _fetch(self, key: _Key, deadline: Deadline) -> _Token:
        grant, login = key
        check_realm(grant.realm, self._endpoint)
        request = HttpRequest(
            "GET",
            _url(grant),
            {"accept": "application/json"} | ({"authorization": basic(login)} if login else {}),
            limit=_LARGEST_ANSWER,
        )
        asked_at = self._clock()
        response = await self._send(request, deadline)
        if response.status != 200:
            raise self._failure(response, key)
        return self._read(response, grant, asked_at)

    def _failure(self, response: HttpResponse, key: _Key) -> RegistryError:
        grant, login = key
        status = response.status
        server, said = self._server(grant), message(response, login)
        if status in (401, 403):
            what = f"{server} gives no token (status {status}){said}"
            return LoginRefusedError("RT556", what, remedy=remedy(login))
        if status == 429:
            what = f"{server} was asked too often{said}"
            return ThrottledError("RT551", what, remedy="raise its limit")
        if is_passing(status):
            what = f"{server} answered with status {status}{said}"
            return UnreachableError("RT550", what, remedy="look into its log")
        what = f"{server} answered with status {status} instead of a token{said}"
        return BadReplyError("RT557", what, remedy=_REALM)

    def _read(self, response: HttpResponse, grant: Grant, asked_at: float) -> _Token:
        answer = _json(response.body)
        text = answer.get("token") or answer.get("access_token")
        if not isinstance(text, str) or len(text) > _LONGEST_TOKEN or not _VISIBLE.fullmatch(text):
            what = f"{self._server(grant)} sent no usable token"
            raise BadReplyError("RT557", what, remedy=_REALM)
        life = _life(answer) - _age(answer, response)
        return _Token(text, asked_at + life - min(_MARGIN, life / 4))

    def _server(self, grant: Grant) -> str:
        host = urlsplit(grant.realm).hostname
        return f"the token server {host} of the registry {self._endpoint.name}"


def _size(token: _Token) -> int:
    return max(_LEAST, len(token.text))


def basic(login: Login) -> str:
    """The header Authorization with *login*."""
    return f"Basic {encoded(login)}"


def check_realm(realm: str, endpoint: Endpoint) -> None:
    """Raises `DeniedError` unless a login for *endpoint* may be sent to *realm*.

    It is an https URL, or an http one if api_url is one, without user info, on the registry's
    own host (any port) or on one of token_hosts (`host`: any port, or `host:port`).
    """
    try:
        url = urlsplit(realm)
        malformed = not is_plain(url) or len(realm) > _LONGEST_REALM
    except ValueError:
        malformed = True
    if malformed or "\\" in realm or not _VISIBLE.fullmatch(realm):
        what = f"the registry {endpoint.name} names a token server in a malformed URL"
        raise DeniedError("RT555", what, remedy="set the realm in the registry's configuration")
    host = url.hostname or ""
    if url.scheme != "https" and not url.scheme == endpoint.scheme == "http":
        what = f"the registry {endpoint.name} names the token server {host}, not by https"
        raise DeniedError("RT555", what, remedy="give it an https realm")
    own = urlsplit(endpoint.api_url).hostname or ""
    written = f"[{host}]" if ":" in host else host
    with_port = f"{written}:{url.port or (443 if url.scheme == 'https' else 80)}"
    listed = {own, _KNOWN_HOSTS.get(own), *map(str.lower, endpoint.token_hosts)}
    if not {host, written, with_port} & listed:
        what = f"the registry {endpoint.name} names the token server {host}, which is not listed"
        hint = "if it may see the login, add it to token_hosts in registries.conf"
        raise DeniedError("RT554", what, remedy=hint)


def _url(grant: Grant) -> str:
    realm = grant.realm.partition("#")[0]
    parameters = [("service", grant.service)] if grant.service else []
    parameters += [("scope", scope) for scope in grant.scopes]
    query = urlencode(parameters, quote_via=quote, errors="replace")
    return "".join((realm, "&" if "?" in realm else "?", query)) if query else realm


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = from_json(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _life(answer: dict[str, Any]) -> float:
    """Seconds from when it was issued; what is no positive number counts as left out."""
    seconds = answer.get("expires_in")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        return float(min(seconds, _LONGEST_LIFE))
    return _DEFAULT_LIFE


def _age(answer: dict[str, Any], response: HttpResponse) -> float:
    """Seconds from when it was issued to when it was sent, both by the token server's clock."""
    issued_at = answer.get("issued_at")
    issued = parse_instant(issued_at) if isinstance(issued_at, str) else None
    sent = parse_date(response.header("date"))
    if issued is None or sent is None:
        return 0.0
    return max(0.0, sent.timestamp() - issued / 1e9)
