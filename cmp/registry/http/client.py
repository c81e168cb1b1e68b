"""The one place where HTTP is spoken: a request goes out, its response comes back whole.

httpx reads URLs and builds requests (international names, escapes, Host, Content-Length). What it
stands on, httpcore, sends them, since only there may one say how to connect, which is where
addresses have to be checked. Of httpx's own client nothing is needed: it adds redirects, cookies,
decoding, proxies of its own reading and logins from ~/.netrc, none of which may happen here.

Their exceptions become errors by `cmp.registry.http.failures`. Lines name scheme, host and port,
never a path, query, header or login.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpcore
import httpx

from cmp import __version__
from cmp.errors import BadReplyError, RegistryError, UnreachableError
from cmp.registry.http.addresses import Addresses
from cmp.registry.http.connect import (
    CheckedNetwork,
    Resolve,
    TunnelNetwork,
    refused_by_proxy,
    resolve_host,
)
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.http.failures import FOREIGN, error_of, is_hang_up
from cmp.registry.http.proxies import Proxies, Proxy

# Zot closes what was idle for 120 s (its Go server's IdleTimeout); who asks at that moment loses.
_KEEP_ALIVE = 60.0
# More than a registry is asked at once, with room for its token server; the rest waits its turn.
_CONNECTIONS = 32
# A firewall that drops packets answers nothing at all; a registry that lives accepts in seconds.
_CONNECT_SECONDS = 10.0

# Zot answers 401 to names like `docker/…`, even where everybody may read.
_LOOK = "look at its load, and at what is on the way"
_API_URL = "check api_url"
_OURS = {"User-Agent": f"retag/{__version__}", "Accept-Encoding": "identity"}
_PORTS = {"http": 80, "https": 443}
_REPEATABLE = frozenset({"GET", "HEAD"})
_BODILESS = frozenset({204, 304})

# Go's, nginx's and Apache's words for plain HTTP at a port of TLS, all with status 400.
_TLS_PORT = re.compile(
    rb"HTTP request (was sent )?to (an )?HTTPS|plain HTTP to an SSL-enabled", re.IGNORECASE
)


class MakeContext(Protocol):
    """`cmp.registry.http.tls.make_context` for one registry."""

    def __call__(self, *, login: bool) -> ssl.SSLContext: ...


@dataclass(frozen=True, slots=True)
class _Way:
    """What requests must have in common to use one another's connections, besides the host."""

    secure: bool
    login: bool
    proxy: Proxy | None


class HttpClient:
    """An `Exchange` over HTTP/1.1, for one registry and the hosts that its login is sent to.

    *context* is `make_context` of the registry, called when TLS is first spoken; what it raises,
    the request raises. *listed* are its `listed_hosts`: others are never shown the client
    certificate. *environment* holds the proxies; a proxied name is resolved by the proxy, so only
    literal addresses are checked then. *clock* gives seconds, *resolve* addresses.

    Connections are kept for 60 s and belong to the event loop of the first request; making a
    client needs no loop. `aclose` it. The head of a response is bounded by httpcore and h11: 100
    KiB, and one read of 64 KiB more.
    """

    def __init__(
        self,
        context: MakeContext,
        *,
        listed: frozenset[str],
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._context = context
        self._addresses = Addresses(listed)
        self._proxies = Proxies(environment)
        self._clock = clock
        self._resolve = resolve
        self._pools: dict[_Way, httpcore.AsyncConnectionPool] = {}

    async def __call__(self, request: HttpRequest, /, *, seconds: float) -> HttpResponse:
        """The response to *request*, whole, within *seconds*; a closed idle connection counts not.

        Raises as `Exchange` says: RT540 to RT548.
        """
        message = _message(request)
        proxy = self._proxy(message.url)
        where = _place(message.url, proxy)
        started = self._clock()
        try:
            async with asyncio.timeout(seconds) as deadline:
                response = await self._exchange(message, proxy, request.limit, seconds)
        except FOREIGN as error:
            if deadline.expired():
                # No number: *seconds* are what is left, and lines do not change from run to run.
                what = "it did not answer whole in time"
                raise UnreachableError("RT540", what, where=where, remedy=_LOOK) from None
            raise error_of(error).at(where) from None
        except RegistryError as error:
            raise (error if error.where else error.at(where)) from None
        return replace(response, seconds=self._clock() - started)

    async def aclose(self) -> None:
        """Close all connections."""
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            await pool.aclose()

    def _proxy(self, url: httpx.URL) -> Proxy | None:
        """Whom to ask for *url* instead. Raises `RegistryError`."""
        proxy = self._proxies.proxy(url.scheme, _host(url), _port(url))
        if proxy is not None:
            self._addresses.check_literal(_host(url))
        return proxy

    async def _exchange(
        self, message: httpx.Request, proxy: Proxy | None, limit: int, seconds: float
    ) -> HttpResponse:
        secure = message.url.scheme == "https"
        login = self._addresses.lists(_host(message.url))
        pool = self._pool(_Way(secure=secure, login=secure and login, proxy=proxy))
        response = await _send(pool, message, min(_CONNECT_SECONDS, seconds / 2))
        try:
            read = await _read(message.method, response, limit)
        finally:
            await response.aclose()
        if (
            proxy is not None and read.status == 407 and not read.tls
        ):  # in a tunnel nobody else answers
            raise refused_by_proxy(proxy, read.status)
        if read.status == 400 and not read.tls and _TLS_PORT.search(read.body):
            raise BadReplyError("RT544", "it speaks TLS there", remedy="write https:// in api_url")
        return read

    def _pool(self, way: _Way) -> httpcore.AsyncConnectionPool:
        if way not in self._pools:
            self._pools[way] = self._new_pool(way)
        return self._pools[way]

    def _new_pool(self, way: _Way) -> httpcore.AsyncConnectionPool:
        proxy = way.proxy
        # What the operator's own environment names as a proxy may have any address.
        check = self._addresses.check if proxy is None else _anywhere
        network: httpcore.AsyncNetworkBackend = CheckedNetwork(check, self._resolve)
        forwarding: httpcore.Proxy | None = None
        if proxy is not None and way.secure:
            network = TunnelNetwork(proxy, network)
        elif proxy is not None:
            forwarding = _forwarding(proxy)
        return httpcore.AsyncConnectionPool(
            ssl_context=self._context(login=way.login) if way.secure else None,
            proxy=forwarding,
            max_connections=_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE,
            network_backend=network,
        )


def _message(request: HttpRequest) -> httpx.Request:
    """*request* as httpx has it. Raises `BadReplyError`."""
    try:
        headers = httpx.Headers(dict(request.headers), encoding="latin-1")
        headers.update(_OURS)
        message = httpx.Request(request.method, request.url, headers=headers, content=request.body)
    except (httpx.InvalidURL, ValueError):  # the second for a header that is not latin-1
        what = "this URL or header cannot be sent by HTTP"
        raise BadReplyError("RT547", what, remedy=_API_URL) from None
    if message.url.scheme not in _PORTS or not message.url.host:
        what = "only URLs with http:// or https:// and a host are asked"
        raise BadReplyError("RT547", what, remedy=_API_URL)
    return message


async def _send(
    pool: httpcore.AsyncConnectionPool, message: httpx.Request, connect_seconds: float
) -> httpcore.Response:
    """The response of *pool*, its body unread.

    Where a connection from the pool turns out to be closed, as when the registry was restarted,
    the request is sent again, until it had a new connection; each failed one leaves the pool.
    """
    while True:
        attempt = _Attempt()
        try:
            return await pool.handle_async_request(_wire(message, attempt, connect_seconds))
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            if not attempt.connected and message.method in _REPEATABLE:
                continue
            if is_hang_up(error):
                raise httpcore.ReadError(error) from None
            raise


@dataclass(slots=True)
class _Attempt:
    """Whether sending a request took a new connection, as httpcore's trace tells."""

    connected: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        self.connected = self.connected or event.startswith("connection.connect_tcp")


def _wire(message: httpx.Request, attempt: _Attempt, connect_seconds: float) -> httpcore.Request:
    url = message.url
    return httpcore.Request(
        message.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=message.headers.raw,
        content=message.content,
        extensions={"timeout": {"connect": connect_seconds}, "trace": attempt.trace},
    )


async def _read(method: str, response: httpcore.Response, limit: int) -> HttpResponse:
    """*response* with its body, of at most *limit* bytes. Raises `BadReplyError`."""
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in response.headers
    )
    answer = HttpResponse(response.status, headers, tls=_tls_version(response))
    if method != "HEAD" and response.status not in _BODILESS:
        _check_head(answer, limit)
    # Also where there is no body: a response not read to its end costs its connection.
    return replace(answer, body=await _read_body(response, limit))


def _check_head(answer: HttpResponse, limit: int) -> None:
    if answer.header("content-encoding").strip().lower() not in ("", "identity"):
        raise BadReplyError(
            "RT545",
            "it sends a compressed answer, which was not asked for",
            remedy="switch compression off in the proxy before the registry",
        )
    length = answer.header("content-length")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)


async def _read_body(response: httpcore.Response, limit: int) -> bytes:
    body = bytearray()  # chunks may be of one byte each
    try:
        async for part in response.aiter_stream():
            body += part
            if len(body) > limit:
                raise _too_large(limit)
    except httpcore.RemoteProtocolError as error:
        # Far more often a registry that stops than one that cannot count: so it may pass.
        raise httpcore.ReadError(error) from None
    return bytes(body)


def _too_large(limit: int) -> BadReplyError:
    return BadReplyError("RT545", f"its answer is larger than the {limit} bytes allowed here")


def _tls_version(response: httpcore.Response) -> str:
    stream = response.extensions["network_stream"]
    tls = stream.get_extra_info("ssl_object")
    return "" if tls is None else tls.version() or ""


def _forwarding(proxy: Proxy) -> httpcore.Proxy:
    login = (proxy.username, proxy.password)
    return httpcore.Proxy(str(proxy), auth=login if any(login) else None)


def _anywhere(_host: str, _address: str) -> None:
    """Every address may be asked."""


def _host(url: httpx.URL) -> str:
    """The host in ASCII, without brackets."""
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]


def _place(url: httpx.URL, proxy: Proxy | None) -> str:
    """What messages say of *url*: scheme, host and port, and the way there."""
    host = _host(url)
    origin = f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{_port(url)}"
    return origin if proxy is None else f"{origin} by way of the proxy {proxy}"
