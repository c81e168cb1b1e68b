"""With which header Authorization a registry is asked: a login at once, or what it asked for.

Once a registry has asked for tokens, the next call brings one without being asked.
"""

from __future__ import annotations

from cachetools import LRUCache

from cmp.errors import RegistryError
from cmp.registry.credentials import Login
from cmp.registry.http.call import Asked, Call
from cmp.registry.http.challenge import Challenge, parse_challenges
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.http.refusal import LoginRefusedError
from cmp.registry.http.tokens import Grant, Tokens, basic

_BEARER = "Bearer "
_LONGEST_SCOPES = 2000  # characters; a scope is little more than a repository's name, of 255
_MOST_AREAS = 1000  # with scopes of their own: few, save at a proxy that renames repositories


class Authorizer:
    """What one registry was seen to ask for; *tokens* are its tokens."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._bearer: Challenge | None = None  # its last one
        self._scopes: LRUCache[str, tuple[str, ...]] = LRUCache(_MOST_AREAS)  # by `Call.area`

    async def at_once(self, asked: Asked) -> str:
        """The header for the first request of a call; "" for none. Raises as `Tokens.get`."""
        if self._bearer is None:
            return _basic(asked.who.login)
        try:
            return await self._token(self._bearer, asked)
        except RegistryError:
            self._bearer = None  # where tokens are may have changed: the next call learns it
            raise

    async def answer(self, response: HttpResponse, asked: Asked, refused: str) -> str:
        """What the challenges of *response*, a 401, ask for; "" where nothing here is that.

        *refused* is the header that did not do. Raises as `Tokens.get`.
        """
        challenges = parse_challenges(response.all("www-authenticate"))
        by_scheme = {challenge.scheme: challenge for challenge in reversed(challenges)}
        self._bearer = by_scheme.get("bearer")
        if self._bearer:
            self._learn_scopes(self._bearer, asked.call)
            return await self._token(self._bearer, asked, refused)
        return _basic(asked.who.login) if "basic" in by_scheme else ""

    def _learn_scopes(self, bearer: Challenge, call: Call) -> None:
        """Zot's search wants the scope of no repository, whichever one is searched."""
        scopes = pull_scopes(bearer.parameters.get("scope", "")) or call.scopes
        if scopes != call.scopes:
            self._scopes[call.area] = scopes
        else:
            self._scopes.pop(call.area, None)

    async def _token(self, bearer: Challenge, asked: Asked, refused: str = "") -> str:
        grant = Grant(
            bearer.parameters.get("realm", ""),
            bearer.parameters.get("service", ""),
            self._scopes.get(asked.call.area, asked.call.scopes),
        )
        refused = refused.removeprefix(_BEARER)
        login = asked.who.login
        try:
            return _BEARER + await self._tokens.get(grant, login, asked.deadline, refused=refused)
        except LoginRefusedError as error:
            raise error.at(str(asked.who)) from None


def pull_scopes(text: str) -> tuple[str, ...]:
    """Of the scopes in a challenge's *text* those that read repositories, and no more than that.

    A scope is `repository:<name>:<actions>`; what wants anything else gets no token for it.
    """
    scopes = (scope.rpartition(":") for scope in text[:_LONGEST_SCOPES].split())
    reading = (
        f"{resource}:pull"
        for resource, _, actions in scopes
        if resource.startswith("repository:") and "pull" in actions.split(",")
    )
    return tuple(dict.fromkeys(reading))


def _basic(login: Login | None) -> str:
    return basic(login) if login else ""
