"""Questions to the API server over HTTP, and their answers as bytes, of which none is trusted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec

from cmp import __version__
from sidecar.kubernetes.account import Account
from sidecar.kubernetes.answers import nonsense, oversized, refusal, unreachable
from sidecar.kubernetes.errors import ClusterError, OversizedError

# Times the time-out. For an answer to begin: the connection, TLS and the answer have one each, and
# only httpx itself closes a connection whose TLS does not come about.
_BEGUN = 3
_WHOLE = 4  # for an answer to be whole
_LARGEST_REFUSAL = 64 * 1024
_NAME = f"retag/{__version__}"  # so do managedFields and audit logs call who wrote


@dataclass(frozen=True, slots=True)
class Question:
    """A request; *what* is it for people, *silence* the seconds that its answer may pause.

    A *silence* of 0 is the time-out of all others.
    """

    method: str
    what: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: str = "application/json"
    silence: float = 0.0


class Exchange:
    """Asks the API server of *account*, and waits *timeout* seconds for an answer to begin.

    All of it raises `ClusterError` and its kinds, and nothing else.
    """

    def __init__(self, account: Account, timeout: float) -> None:
        self._account = account
        self._timeout = timeout
        self._stamp = account.stamp()
        self._http = self._connections()
        # Before the certificates changed: watches may still go on there.
        self._former: httpx2.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        if self._former is not None:
            await self._former.aclose()

    async def body(self, question: Question, most: int) -> bytearray:
        """The whole answer, of *most* bytes."""
        async with self._answer(question) as answer:
            async with asyncio.timeout(_WHOLE * self._timeout):
                return await _read(answer, most, question.what)

    async def lines(self, question: Question, most: int) -> AsyncGenerator[bytearray, None]:
        """An empty line once the answer has begun, then its whole lines, of *most* bytes each.

        What the end of the connection has cut comes again another time.
        """
        line = bytearray()
        async with self._answer(question) as answer, aclosing(answer.aiter_raw()) as chunks:
            yield line
            async for chunk in chunks:
                first, *others = chunk.split(b"\n")
                line += first
                for other in others:
                    if line.strip():
                        yield line
                    line = bytearray(other)
                if len(line) > most:
                    raise nonsense(question.what, f"a line has more than {most} bytes")

    @asynccontextmanager
    async def _answer(self, question: Question) -> AsyncIterator[httpx2.Response]:
        """The answer to *question*, which is none of an error, to be read."""
        with _as_cluster_errors(question.what):
            answer, secret = await self._asked(question)
            try:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise nonsense(question.what, "it is compressed, which was not asked for")
                if not answer.is_success:
                    body = await self._refusal(answer, question.what)
                    raise refusal(answer.status_code, body, question.what, secret)
                yield answer
            finally:
                await answer.aclose()

    async def _refusal(self, answer: httpx2.Response, what: str) -> bytearray:
        """What *answer* says. An endless one is nonsense, and no listing that is too large."""
        try:
            async with asyncio.timeout(self._timeout):
                return await _read(answer, _LARGEST_REFUSAL, what)
        except OversizedError as error:
            raise nonsense(what, "a refusal without an end") from error

    async def _asked(self, question: Question) -> tuple[httpx2.Response, str]:
        """The answer's head, and the credential it was asked with.

        It is asked again where that was refused and there is another by now, or where the files of
        certificates have changed.
        """
        header = await self._account.credential.authorization()
        try:
            answer = await self._send(question, header)
        except httpx2.ConnectError:
            if not await self._renewed():
                raise
            answer = await self._send(question, header)
        if answer.status_code == 401:
            await answer.aclose()
            refused, header = header, await self._account.credential.authorization(header)
            if not await self._renewed() and header == refused:
                raise refusal(401, b"", question.what)
            answer = await self._send(question, header)
        return answer, header.partition(" ")[2]

    async def _send(self, question: Question, header: str) -> httpx2.Response:
        """The head of an answer."""
        body = None if question.body is None else msgspec.json.encode(question.body)
        request = self._http.build_request(
            question.method,
            question.path,
            params=question.query,
            content=body,
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",  # so that what is bounded is what comes
                "content-type": question.form,
                "user-agent": _NAME,
                **({"authorization": header} if header else {}),
            },
            timeout=httpx2.Timeout(self._timeout, read=question.silence or self._timeout),
        )
        async with asyncio.timeout(_BEGUN * self._timeout):
            return await self._http.send(request, stream=True, follow_redirects=False)

    async def _renewed(self) -> bool:
        """Whether certificates have changed; then they count from now on."""
        stamp = self._account.stamp()
        if stamp == self._stamp:
            return False
        connections = self._connections()
        former, self._former = self._former, self._http
        self._http, self._stamp = connections, stamp
        if former is not None:
            await former.aclose()
        return True

    def _connections(self) -> httpx2.AsyncClient:
        """Connections by TLS as the account's files say now."""
        proxy = self._account.proxy
        way = None
        if proxy is not None:
            login = (proxy.username, proxy.password) if proxy.username else None
            way = httpx2.Proxy(str(proxy), auth=login)
        transport = httpx2.AsyncHTTPTransport(
            verify=self._account.tls(),
            # Each watch has one for itself, and there is one for each kind and namespace.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=10),
            proxy=way,
            trust_env=False,
        )
        return httpx2.AsyncClient(
            base_url=self._account.server, transport=transport, trust_env=False
        )


async def _read(answer: httpx2.Response, most: int, what: str) -> bytearray:
    body = bytearray()
    async with aclosing(answer.aiter_raw()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > most:
                raise oversized(what, most)
    return body


@contextmanager
def _as_cluster_errors(what: str) -> Iterator[None]:
    """What libraries raise, as `ClusterError`."""
    try:
        yield
    except ClusterError:
        raise
    except TimeoutError:
        raise unreachable(what, "no answer in time") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
        raise unreachable(what, str(error) or type(error).__name__) from None
