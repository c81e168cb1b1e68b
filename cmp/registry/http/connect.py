"""How httpcore connects: to addresses that were checked, and through proxies.

A name is resolved once, every address it has is checked, and the connection goes to one of those
addresses, so that a name that leads elsewhere a moment later changes nothing. TLS still
verifies the name, which httpcore takes from the URL.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore

from cmp.errors import MisconfiguredError, UnreachableError
from cmp.registry.http.addresses import literal
from cmp.registry.http.proxies import Proxy
from cmp.registry.http.retry import is_passing

# Addresses of a host in text, for a host and a port.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
# Raises `cmp.errors.DeniedError` for a host and an address of it that must not be asked.
Check = Callable[[str, str], None]

_MOST_ADDRESSES = 8  # tried of one host: the time for connecting is split among them
_LARGEST_REPLY = 16 * 1024  # bytes of a proxy's answer to CONNECT; Squid's have 3 KB
_CONNECTED = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")

_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of *host*, as the system resolves it. Raises `OSError` or `ValueError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to what *check* lets pass of the addresses that *resolve* finds.

    Raises `DeniedError` if one of the addresses is refused, `UnreachableError` where there is no
    address, and httpcore's own errors where nobody answers. There are no Unix sockets.
    """

    def __init__(self, check: Check, resolve: Resolve) -> None:
        self._check = check
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own parameter
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to *host*, within *timeout* seconds for all of its addresses."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
        except TimeoutError:
            raise _unresolved(host, port, "DNS does not answer") from None
        tried = addresses[:_MOST_ADDRESSES]
        share = None if timeout is None else timeout / len(tried)
        failures: list[Exception] = []
        for address in tried:
            try:
                return _Stream(
                    await self._backend.connect_tcp(
                        address, port, share, local_address, socket_options
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failures.append(error)
        raise failures[0]

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """All addresses of *host*, each checked."""
        if literal(host) is not None:
            addresses: Sequence[str] = [host]
        else:
            try:
                addresses = await self._resolve(host, port)
            except (OSError, ValueError) as error:
                raise _unresolved(host, port, _reason(error)) from None
        if not addresses:
            raise _unresolved(host, port, "it has no address")
        for address in addresses:
            self._check(host, address)
        return addresses


class TunnelNetwork(httpcore.AsyncNetworkBackend):
    """Connects through *proxy*, which is asked for a tunnel with CONNECT (RFC 9110 9.3.6).

    httpcore has tunnels too, but keeps one whose TLS handshake failed in its pool for ever.
    """

    def __init__(self, proxy: Proxy, network: httpcore.AsyncNetworkBackend) -> None:
        self._proxy = proxy
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own parameter
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A tunnel to *host*, each step within *timeout* seconds."""
        stream = await self._network.connect_tcp(
            self._proxy.host, self._proxy.port, timeout, local_address, socket_options
        )
        try:
            await stream.write(self._request(host, port), timeout)
            async with asyncio.timeout(timeout):
                self._judge(await _read_head(stream))
        except (TimeoutError, httpcore.TimeoutException):
            await stream.aclose()
            raise proxy_error(self._proxy, "it does not answer") from None
        except BaseException:
            await stream.aclose()
            raise
        return stream

    def _request(self, host: str, port: int) -> bytes:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._proxy.username or self._proxy.password:
            login = f"{self._proxy.username}:{self._proxy.password}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _judge(self, head: bytes) -> None:
        """Raise `UnreachableError` unless *head* grants the tunnel and nothing comes after it."""
        if _CONNECTED.match(head) and head.endswith(b"\r\n\r\n"):
            return
        status = _STATUS.match(head)
        if status is None or status[1].startswith(b"2"):
            raise proxy_error(self._proxy, "it does not answer as a proxy does")
        raise refused_by_proxy(self._proxy, int(status[1]))


def proxy_error(proxy: Proxy, what: str) -> UnreachableError:
    """The error that says *what* of *proxy*, without its login; it may pass."""
    remedy = "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    return UnreachableError("RT546", what, where=f"the proxy {proxy}", remedy=remedy)


def refused_by_proxy(proxy: Proxy, status: int) -> UnreachableError:
    """The error for *proxy* saying no with *status*."""
    if is_passing(status):
        return proxy_error(proxy, f"it refuses to connect: status {status}")
    if status == 407:
        what = "it wants another login, or any"
        remedy = "write http://user:password@host:port in the environment variable"
    else:
        what, remedy = f"it refuses to connect: status {status}", "allow the registry there"
    return MisconfiguredError("RT546", what, where=f"the proxy {proxy}", remedy=remedy)


class _Stream(httpcore.AsyncNetworkStream):
    """*stream* with two gaps of httpcore's closed.

    A cancelled handshake closes the connection; an alert of TLS that comes in the midst of
    reading, as one about a client certificate does in TLS 1.3, is one of httpcore's errors.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's own parameter
        try:
            return await self._stream.read(max_bytes, timeout)
        except ssl.SSLError as error:
            raise httpcore.ReadError(error) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's own parameter
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own parameter
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except httpcore.ConnectTimeout:
            await self.aclose()
            what = "it connects, and then does not answer to TLS"
            raise UnreachableError("RT542", what, remedy="check the port in api_url") from None
        except BaseException:
            await self.aclose()
            raise
        return _Stream(stream)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


async def _read_head(stream: httpcore.AsyncNetworkStream) -> bytes:
    """What *stream* says up to an empty line, its end, or as much as a proxy may say."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LARGEST_REPLY:
        data = await stream.read(_LARGEST_REPLY)
        if not data:
            break
        head += data
    return head


def _unresolved(host: str, port: int, reason: str) -> UnreachableError:
    return UnreachableError(
        "RT541",
        f"the name cannot be resolved: {reason}",
        where=f"{host}:{port}",
        remedy="check the name, and DNS",
    )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is no host name"
