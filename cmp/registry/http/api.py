"""One registry, asked with the right login, at its pace, again where that helps.

    call ─ a place among the few at once, however long that takes; then one deadline
      └ login ─ Basic at once, or a token where the registry is known to want one
          └ 401 ─ what its challenge asks for, once; then the login read afresh, once
              └ each request ─ at most 4 attempts, 3 redirects, within the limit

No ping is sent: a 200 from it tells nothing about logins.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlsplit

from cmp.errors import BadReplyError, DeniedError, RegistryError, UnreachableError
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.authorization import Authorizer
from cmp.registry.http.call import Asked, Call
from cmp.registry.http.exchange import Exchange, HttpRequest, HttpResponse
from cmp.registry.http.pace import Pace
from cmp.registry.http.redirect import MOST_REDIRECTS, REDIRECT, origin, redirected
from cmp.registry.http.refusal import LoginRefusedError, Who, refusal
from cmp.registry.http.retry import Deadline, Retry, is_passing
from cmp.registry.http.tokens import Tokens
from cmp.registry.logins import Logins, source_of, written

__all__ = ["AuthKind", "Call", "RegistryApi", "Seen"]

# Seconds for a call with its tokens, waits and further attempts: Argo CD's repo-server waits 60
# for a plugin, in which several calls must fit.
CALL_SECONDS = 20.0
# Seconds for one exchange. Zot was seen to take 0.6 for a listing, and longer under its own locks.
EXCHANGE_SECONDS = 10.0


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


class RegistryApi:
    """The registry *endpoint*, asked through *exchange*.

    *clock* gives seconds from anywhere, *sleep* waits some, *jitter* gives 0 to 1 by chance;
    a call takes *seconds* at most from when it has its place.
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
        tokens = Tokens(endpoint, self._send_for_token, clock=clock)
        self._authorizer = Authorizer(tokens)
        self.seen = Seen()

    async def call(self, call: Call) -> HttpResponse:
        """The answer, unless its status is 401, 403, 408, 429 or 5xx.

        Calls wait for those before them for as long as it takes: a registry is not to seem out of
        reach because many ask it. Who has less time gives up himself.

        Raises `DeniedError`, `ThrottledError`, `UnreachableError` or `BadReplyError`, after
        further attempts and logins where they may help.
        """
        async with self._pace.place():
            deadline = Deadline(self._seconds, clock=self._clock)
            try:
                # What waits for the token of another call is not under the deadline otherwise.
                async with asyncio.timeout(self._seconds):
                    return await self._call(call, deadline)
            except TimeoutError:
                raise self._late() from None

    async def _call(self, call: Call, deadline: Deadline) -> HttpResponse:
        asked = Asked(call, await self._who(call), deadline)
        try:
            return await self._answer(asked)
        except LoginRefusedError:
            who = await self._who(call, afresh=True)
            if who == asked.who:
                raise
        return await self._answer(replace(asked, who=who))

    async def _who(self, call: Call, *, afresh: bool = False) -> Who:
        login = await self._logins.login(
            self._endpoint, call.pull_secret, call.repository, afresh=afresh
        )
        source = source_of(self._endpoint, call.pull_secret)
        return Who(login, written(source) if source else "")

    async def _answer(self, asked: Asked) -> HttpResponse:
        response = await self._ask(asked)
        error = refusal(response, self._endpoint.name, asked.call.subject, asked.who)
        if error:
            raise error
        return response

    async def _ask(self, asked: Asked) -> HttpResponse:
        """The answer, perhaps a 401, after what its challenge asks for was tried."""
        sent = await self._authorizer.at_once(asked)
        response = challenging = await self._send(asked, sent)
        if response.status != 401:
            return response
        if sent and not response.all("www-authenticate"):
            # A Zot that wants tokens answers so to an expired one, and to Basic.
            challenging = await self._send(asked, "")
        if challenging.status != 401:
            # What is seen without a login does not count for somebody who has one.
            anyway = asked.who.login is None or is_passing(challenging.status)
            return challenging if anyway else response
        other = await self._authorizer.answer(challenging, asked, sent)
        return await self._send(asked, other) if other not in ("", sent) else response

    async def _send(self, asked: Asked, authorization: str) -> HttpResponse:
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
        raise BadReplyError("RT559", what, remedy=REDIRECT)

    def _of(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """*response*, which is the registry's own if its 401 or 403 is to count for a login."""
        if response.status in (401, 403) and origin(request.url) != origin(self._base):
            host = urlsplit(request.url).hostname
            raise DeniedError(
                "RT559",
                f"{host} denies access (status {response.status}), to where the registry "
                f"{self._endpoint.name} redirects",
                remedy="no login is sent there; list the host as a registry if it is one",
            )
        return response

    async def _send_for_token(self, request: HttpRequest, deadline: Deadline) -> HttpResponse:
        return await self._retry.run(lambda: self._exchange_once(request, deadline), deadline)

    async def _exchange_once(self, request: HttpRequest, deadline: Deadline) -> HttpResponse:
        await self._pace.turn(deadline)
        left = deadline.left()
        if left <= 0:
            raise self._late()
        return await self._exchange(request, seconds=min(EXCHANGE_SECONDS, left))

    def _late(self) -> UnreachableError:
        what = f"the registry {self._endpoint.name} gave no whole answer in {self._seconds:g} s"
        return UnreachableError("RT560", what, remedy="look at its load and at its limit here")


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
