"""Which addresses are never asked, because whoever names a host must not reach into the machine.

A registry, a token server or a redirect names hosts, and whoever owns a name in DNS decides what
it leads to, at any moment. So the address is judged, not the name, and each time when connecting.

Refused are loopback, link-local, unspecified, multicast and reserved addresses and those where
clouds give out credentials, also as they are written inside of IPv6 ones. Private addresses are
where registries in clusters live and are asked.

What the operator wrote down is theirs to decide, in api_url and token_hosts: an address that
stands there literally may be any; `localhost` may be loopback. Another name, also a listed one,
never may lead to what is refused, since DNS and not the operator says so.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from cmp.errors import DeniedError
from cmp.registry.endpoint import Endpoint

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer for the machine's own credentials and that are not link-local, where most
# are (169.254.169.254 at AWS, Azure, Google and others; 169.254.170.2 and .23 for containers).
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "fd00:ec2::254",  # AWS, instance metadata
        "fd00:ec2::23",  # AWS, pod identity of EKS
        "fd20:ce::254",  # Google Cloud
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's WireServer
        "192.0.0.192",  # Oracle Cloud, classic
        "fd00:c1::a9fe:a9fe",  # Oracle Cloud
        "fd00:42::42",  # Scaleway
        "fd00:a9fe:a9fe::1",  # Akamai
        "fd00:100::100:200",  # Alibaba Cloud
    )
)

_LOOPBACK = "loopback"
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # of which Linux connects 0.0.0.0 to loopback
_RESERVED = ipaddress.IPv4Network("240.0.0.0/4")  # with the broadcast address

# IPv6 addresses whose last 32 bits are an IPv4 address, besides the mapped ones.
_WITH_IPV4 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible, RFC 4291 section 2.5.5.1
        "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 of one network, RFC 8215
    )
)


def listed_hosts(endpoint: Endpoint) -> frozenset[str]:
    """The hosts that the operator wrote down for *endpoint*, without ports."""
    urls = [endpoint.api_url, *(f"//{host}" for host in endpoint.token_hosts)]
    return frozenset(filter(None, map(_host, urls)))


class Addresses:
    """The rule above for the hosts *listed*, as `listed_hosts` has them."""

    def __init__(self, listed: frozenset[str]) -> None:
        self._names = {_plain(host) for host in listed}
        self._literals = {literal(name) for name in self._names} - {None}

    def lists(self, host: str) -> bool:
        """Whether the operator listed *host*, and so lets it have the registry's login."""
        return _plain(host) in self._names

    def check(self, host: str, address: str) -> None:
        """Raise `DeniedError` unless *address*, which *host* is or leads to, may be asked."""
        found = literal(address)
        name = _plain(host)
        if found is not None and found == literal(name) and found in self._literals:
            return
        kind = _kind(found) if found is not None else "no address"
        if not kind or (kind == _LOOPBACK and name in self._names and _is_localhost(name)):
            return
        raise DeniedError(
            "RT543",
            f"{host} is not asked: its address {address} is {kind}",
            remedy="if that is meant, write the address itself in api_url or token_hosts",
        )

    def check_literal(self, host: str) -> None:
        """`check` for a host that is an address itself; nothing for a name.

        Whoever resolves it may read a number or `127.1` as an address, as C's inet_aton does.
        """
        address = literal(_plain(host)) or _number(_plain(host))
        if address is not None:
            self.check(host, str(address))


def literal(host: str) -> _Address | None:
    """The address that *host* is, without brackets; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _number(host: str) -> ipaddress.IPv4Address | None:
    """The address that *host* is to inet_aton, in fewer parts, hexadecimal or octal."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):  # the second for what no C string holds
        return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that hold no address
        return ""


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_localhost(name: str) -> bool:
    """Whether *name* means this machine by itself, RFC 6761 section 6.3."""
    return name == "localhost" or name.endswith(".localhost")


def _kind(address: _Address) -> str:
    """What makes *address* one that is refused; "" for nothing."""
    return next(filter(None, map(_kind_of_form, _forms(address))), "")


def _kind_of_form(address: _Address) -> str:
    if address.is_loopback:
        return _LOOPBACK
    kinds = {
        "a cloud's metadata service": address in _METADATA,
        "link-local": address.is_link_local,
        "unspecified": address.is_unspecified or address in _THIS_NETWORK,
        "multicast": address.is_multicast,
        "reserved": address in _RESERVED,
    }
    return next((kind for kind, holds in kinds.items() if holds), "")


def _forms(address: _Address) -> Iterator[_Address]:
    """*address*, and the IPv4 addresses that a machine on the way may make of it."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.scope_id is not None:  # `%eth0`, which makes it another one only to Python
        yield ipaddress.IPv6Address(int(address))
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    yield from (each for each in embedded if each is not None)
    if any(address in network for network in _WITH_IPV4):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
