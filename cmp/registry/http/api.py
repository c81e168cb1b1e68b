"""One registry, asked with the right login, at its pace, again where that helps.

    call ─ login ─ Basic at once, or a token where the registry is known to want one
      └ 401 ─ what its challenge asks for, once; then the login read afresh, once
          └ each request ─ at most 4 attempts, 3 redirects, within the pace and one deadline

No ping is sent: a 200 from it tells nothing about logins.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlsplit

from cachetools import LRUCache

from cmp.errors import BadReplyError, DeniedError, RegistryError, UnreachableError
from cmp.registry.credentials import Login
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.challenge import Challenge, parse_challenges
from cmp.registry.http.exchange import Exchange, HttpRequest, HttpResponse
from cmp.registry.http.pace import Pace
from cmp.registry.http.redirect import MOST_REDIRECTS, origin, redirected
from cmp.registry.http.refusal import LoginRefusedError, Who, refusal
from cmp.registry.http.retry import Deadline, Retry, is_passing
from cmp.registry.http.tokens import Grant, Tokens, basic
from cmp.registry.logins import Logins, source_of, written
from cmp.registry.metadata import LARGEST_DOCUMENT

# Seconds for a call with its tokens, waits and further attempts; Argo CD gives a plugin 90 by
# default, in which several calls must fit.
CALL_SECONDS = 20.0
# Seconds for one exchange. Zot was seen to take 0.6 for a listing, and longer under its own locks.
EXCHANGE_SECONDS = 10.0
_LONGEST_SCOPES = 2000  # characters; one is a repository's name, which has 255
_BEARER = "Bearer "
_MOST_SCOPES = 1000  # remembered ones, of paths that want another scope than their repository's


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a registry: *path* below api_url, as `/v2/demo/app/tags/list`.

    *query* is raw, without `?`; *repository* is whose pull scope is asked for, "" for none in
    particular; *headers* go besides *accept*, with names in lower case; *limit* is how many bytes
    the body may have; *pull_secret* is what a rule writes, "" for the registry's own login.
    """

    method: str
    path: str
    query: str = ""
    repository: str = ""
    accept: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    limit: int = LARGEST_DOCUMENT
    pull_secret: str = field(default="", repr=False)


class AuthKind(StrEnum):
    """How a request says who asks."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class Seen:
    """Of the last answer: with which kind of login it was asked for, and its header Date."""

    auth: AuthKind = AuthKind.NONE
    date: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call under way: with which login, and how long it may take."""

    call: Call
    login: Login | None
    deadline: Deadline

    @property
    def subject(self) -> str:
        """What is asked for, for people."""
        return self.call.repository or self.call.path


class RegistryApi:
    """The registry *endpoint*, asked through *exchange*.

    *clock* gives seconds from anywhere, *sleep* waits some, *jitter* gives 0 to 1 by chance;
    a call takes *seconds* at most.
    """

    def __init__(  # noqa: PLR0913 - what is not pure is passed in
        self,
        endpoint: Endpoint,
        exchange: Exchange,
        logins: Logins,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        seconds: float = CALL_SECONDS,
    ) -> None:
        self._endpoint = endpoint
        self._base = _base_url(endpoint)
        self._exchange = exchange
        self._logins = logins
        self._clock = clock
        self._seconds = seconds
        self._pace = Pace(endpoint.limit, clock=clock, sleep=sleep)
        self._retry = Retry(sleep=sleep, jitter=jitter)
        self._tokens = Tokens(endpoint, self._send_token, clock=clock)
        self._bearer: Challenge | None = None  # the last one that this registry made
        self._scopes: LRUCache[str, tuple[str, ...]] = LRUCache(_MOST_SCOPES)
        self.seen = Seen()

    async def call(self, call: Call) -> HttpResponse:
        """The answer, unless its status is 401, 403, 408, 429 or 5xx.

        Raises `DeniedError`, `ThrottledError`, `UnreachableError` or `BadReplyError`, after
        further attempts and logins where they may help.
        """
        deadline = Deadline(self._seconds, clock=self._clock)
        try:
            # What waits for others, for a turn or a token, is not under the deadline otherwise.
            async with asyncio.timeout(self._seconds):
                return await self._call(call, deadline)
        except TimeoutError:
            raise self._late() from None

    async def _call(self, call: Call, deadline: Deadline) -> HttpResponse:
        asked = _Asked(call, self._login(call), deadline)
        try:
            return await self._answer(asked)
        except LoginRefusedError:
            login = self._login(call, afresh=True)
            if login == asked.login:
                raise
        return await self._answer(replace(asked, login=login))

    def _login(self, call: Call, *, afresh: bool = False) -> Login | None:
        return self._logins.login(self._endpoint, call.pull_secret, call.repository, afresh=afresh)

    async def _answer(self, asked: _Asked) -> HttpResponse:
        response = await self._ask(asked)
        error = refusal(response, self._endpoint.name, asked.subject, self._who(asked))
        if error:
            raise error
        return response

    def _who(self, asked: _Asked) -> Who:
        source = source_of(self._endpoint, asked.call.pull_secret)
        return Who(asked.login, written(source) if source else "")

    async def _ask(self, asked: _Asked) -> HttpResponse:
        """The answer, perhaps a 401, after what its challenge asks for was tried."""
        sent = await self._authorization_at_once(asked)
        response = challenging = await self._send(asked, sent)
        if response.status != 401:
            return response
        if sent and not response.all("www-authenticate"):
            # A Zot that wants tokens answers so to an expired one, and to Basic.
            challenging = await self._send(asked, "")
        if challenging.status != 401:
            # What is seen without a login does not count for somebody who has one.
            anyway = asked.login is None or is_passing(challenging.status)
            return challenging if anyway else response
        other = await self._authorization_for(challenging, asked, sent)
        return await self._send(asked, other) if other not in ("", sent) else response

    async def _authorization_at_once(self, asked: _Asked) -> str:
        """The header Authorization of a call's first request; "" for none."""
        if self._bearer:
            try:
                return await self._token(self._bearer, asked)
            except RegistryError:
                self._bearer = None  # the next call learns anew where tokens are
                raise
        return basic(asked.login) if asked.login else ""

    async def _authorization_for(self, response: HttpResponse, asked: _Asked, refused: str) -> str:
        """What the challenges of *response* ask for; "" where that is nothing there is."""
        challenges = parse_challenges(response.all("www-authenticate"))
        schemes = {challenge.scheme: challenge for challenge in reversed(challenges)}
        self._bearer = schemes.get("bearer")
        if self._bearer:
            self._remember_scopes(self._bearer, asked.call)
            return await self._token(self._bearer, asked, refused)
        return basic(asked.login) if asked.login and "basic" in schemes else ""

    def _remember_scopes(self, bearer: Challenge, call: Call) -> None:
        """Zot's search wants the scope of no repository, whichever one is searched."""
        scopes = pull_scopes(bearer.parameters.get("scope", ""))
        if scopes and scopes != _own_scopes(call):
            self._scopes[call.path] = scopes

    async def _token(self, bearer: Challenge, asked: _Asked, refused: str = "") -> str:
        grant = Grant(
            bearer.parameters.get("realm", ""),
            bearer.parameters.get("service", ""),
            self._scopes.get(asked.call.path) or _own_scopes(asked.call),
        )
        refused = refused.removeprefix(_BEARER)
        try:
            token = await self._tokens.get(grant, asked.login, asked.deadline, refused=refused)
        except LoginRefusedError as error:
            raise error.at(str(self._who(asked))) from None
        return _BEARER + token

    async def _send(self, asked: _Asked, authorization: str) -> HttpResponse:
        """The answer to *asked*, tried again and redirected as needed."""
        call = asked.call
        headers = dict(call.headers)
        if call.accept:
            headers["accept"] = ", ".join(call.accept)
        if authorization:
            headers["authorization"] = authorization
        url = self._base + call.path + (f"?{call.query}" if call.query else "")
        request = HttpRequest(call.method, url, headers, call.body, call.limit)
        response = await self._retry.run(
            lambda: self._follow(request, asked.deadline), asked.deadline
        )
        kind = AuthKind(authorization.partition(" ")[0].lower() or AuthKind.NONE)
        self.seen = Seen(kind, response.header("date"))
        return response

    async def _follow(self, request: HttpRequest, deadline: Deadline) -> HttpResponse:
        """The answer to *request* where its redirects end."""
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._exchange_once(request, deadline)
            further = redirected(request, response)
            if further is None:
                return self._of(request, response)
            request = further
        what = f"the registry {self._endpoint.name} redirects more than {MOST_REDIRECTS} times"
        raise BadReplyError("RT559", what)

    def _of(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """*response*, which is the registry's own if its 401 or 403 is to count for a login."""
        if response.status in (401, 403) and origin(request.url) != origin(self._base):
            host = urlsplit(request.url).hostname
            what = f"{host}, where the registry {self._endpoint.name} redirects to, denies access"
            raise DeniedError("RT559", f"{what} (status {response.status})")
        return response

    async def _send_token(self, request: HttpRequest, deadline: Deadline) -> HttpResponse:
        return await self._retry.run(lambda: self._exchange_once(request, deadline), deadline)

    async def _exchange_once(self, request: HttpRequest, deadline: Deadline) -> HttpResponse:
        async with self._pace.turn(deadline):
            left = deadline.left()
            if left <= 0:
                raise self._late()
            return await self._exchange(request, seconds=min(EXCHANGE_SECONDS, left))

    def _late(self) -> UnreachableError:
        what = f"the registry {self._endpoint.name} gave no whole answer in {self._seconds:g} s"
        return UnreachableError("RT560", what)


def pull_scopes(text: str) -> tuple[str, ...]:
    """Of the scopes in a challenge's *text* those that read repositories, and no more than that.

    A scope is `repository:<name>:<actions>`; what wants anything else gets no token for it.
    """
    scopes = (scope.rpartition(":") for scope in text[:_LONGEST_SCOPES].split(" "))
    reading = (
        f"{resource}:pull"
        for resource, _, actions in scopes
        if resource.startswith("repository:") and "pull" in actions.split(",")
    )
    return tuple(dict.fromkeys(reading))


def _own_scopes(call: Call) -> tuple[str, ...]:
    return (f"repository:{call.repository}:pull",) if call.repository else ()


def _base_url(endpoint: Endpoint) -> str:
    """*api_url* without a login, which belongs elsewhere. Raises `RegistryError`."""
    try:
        origin(endpoint.base_url)
    except ValueError:
        raise RegistryError(
            "RT565",
            f"api_url of the registry {endpoint.name} is no https: or http: URL",
            remedy="write it as https://registry.example.com",
        ) from None
    parts = urlsplit(endpoint.base_url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
