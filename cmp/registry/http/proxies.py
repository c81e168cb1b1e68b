"""Which proxy a request goes by, read from the environment as Go's httpproxy reads it.

Argo CD, kustomize and helm are Go programs that stand in the same container with the same
environment, so Retag must not choose another way than they do (golang.org/x/net/http/httpproxy).
Two differences: a proxy that cannot be used is an error, where Go asks without it; and only
proxies that are spoken to by plain HTTP are known, through which TLS goes in a tunnel.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from cmp.errors import MisconfiguredError

_PORT = 80  # of a proxy that names none, as Go has it

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where an HTTP proxy listens, and the login that it is sent; "" and "" for none."""

    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Exception:
    """One entry of NO_PROXY: a *network*, else a *suffix* with its leading dot.

    *itself* says that the suffix without the dot counts too, *port* "" is every port.
    """

    network: _Network | None = None
    suffix: str = ""
    itself: bool = False
    port: str = ""

    def holds(self, host: str, port: str, address: _Address | None) -> bool:
        if self.port not in ("", port):
            return False
        if address is not None:
            return self.network is not None and address in self.network
        if not self.suffix:
            return False
        return host.endswith(self.suffix) or (self.itself and host == self.suffix[1:])


class Proxies:
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY of *environment*; in lower case where those are unset.

    NO_PROXY holds host names (which count for what is below them), `.suffixes`, addresses and
    networks, each but networks with a port if wanted, separated by commas; `*` is everything.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._names = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY"}
        self._texts = {scheme: _either(environment, name) for scheme, name in self._names.items()}
        entries = [each.strip().lower() for each in _either(environment, "NO_PROXY").split(",")]
        self._everything = "*" in entries
        self._exceptions = tuple(_exceptions(entries))

    def proxy(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for *host* (a name in ASCII, or an address without brackets); None for none.

        Loopback hosts have none. Raises `MisconfiguredError` for one that cannot be used.
        """
        text = self._texts.get(scheme, "")
        if not text or self._everything or self._is_excepted(host.lower(), str(port)):
            return None
        proxy = _proxy(text)
        if proxy is None:
            raise MisconfiguredError(
                "RT546",
                f"the environment variable {self._names[scheme]} names no proxy that can be used",
                remedy="write http://host:port: proxies by SOCKS or over TLS are not supported",
            )
        return proxy

    def _is_excepted(self, host: str, port: str) -> bool:
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(each.holds(host, port, address) for each in self._exceptions)


def _either(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower(), "")


def _proxy(text: str) -> Proxy | None:
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        port = url.port or _PORT
    except ValueError:
        return None
    if url.scheme != "http" or not url.hostname:
        return None
    return Proxy(url.hostname, port, unquote(url.username or ""), unquote(url.password or ""))


def _exceptions(entries: list[str]) -> Iterator[_Exception]:
    for entry in entries:
        network = _network(entry) if "/" in entry else None
        if network is not None:
            yield _Exception(network)
            continue
        host, port = _split(entry)
        network = _network(host)
        if network is not None:
            yield _Exception(network, port=port)
        elif host:
            name = host.removeprefix("*") if host.startswith("*.") else host
            itself = not name.startswith(".")
            yield _Exception(suffix=f".{name}" if itself else name, itself=itself, port=port)


def _split(entry: str) -> tuple[str, str]:
    """Host and port of `host:port` or `[address]:port`; without a port all of it is the host."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
