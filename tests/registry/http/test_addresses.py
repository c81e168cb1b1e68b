from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import DeniedError
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.addresses import Addresses, listed_hosts

REFUSED = [
    pytest.param("127.0.0.1", "loopback", id="loopback"),
    pytest.param("127.255.0.9", "loopback", id="far loopback"),
    pytest.param("::1", "loopback", id="loopback in IPv6"),
    pytest.param("::ffff:127.0.0.1", "loopback", id="loopback mapped into IPv6"),
    pytest.param("::127.0.0.1", "loopback", id="loopback, IPv4-compatible"),
    pytest.param("::ffff:0:127.0.0.1", "loopback", id="loopback, IPv4-translated"),
    pytest.param("64:ff9b::7f00:1", "loopback", id="loopback behind NAT64"),
    pytest.param("64:ff9b:1::7f00:1", "loopback", id="loopback behind a local NAT64"),
    pytest.param("2002:7f00:1::", "loopback", id="loopback in 6to4"),
    pytest.param("2001:0:7f00:1::", "loopback", id="a Teredo server at loopback"),
    pytest.param("2001:0:102:304::80ff:fffe", "loopback", id="a Teredo client at loopback"),
    pytest.param("169.254.169.254", "link-local", id="metadata of most clouds"),
    pytest.param("169.254.170.2", "link-local", id="metadata of containers"),
    pytest.param("::ffff:169.254.169.254", "link-local", id="metadata mapped into IPv6"),
    pytest.param("64:ff9b::a9fe:a9fe", "link-local", id="metadata behind NAT64"),
    pytest.param("fe80::1", "link-local", id="link-local in IPv6"),
    pytest.param("fe80::1%eth0", "link-local", id="link-local with its interface"),
    pytest.param("fd00:ec2::254", "a cloud's metadata service", id="metadata of AWS in IPv6"),
    pytest.param("100.100.100.200", "a cloud's metadata service", id="metadata of Alibaba"),
    pytest.param(
        "fd00:ec2::254%1", "a cloud's metadata service", id="metadata of AWS with an interface"
    ),
    pytest.param("fd00:c1::a9fe:a9fe", "a cloud's metadata service", id="metadata of Oracle"),
    pytest.param("fd00:42::42", "a cloud's metadata service", id="metadata of Scaleway"),
    pytest.param("fd00:a9fe:a9fe::1", "a cloud's metadata service", id="metadata of Akamai"),
    pytest.param("168.63.129.16", "a cloud's metadata service", id="WireServer of Azure"),
    pytest.param("0.0.0.0", "unspecified", id="unspecified"),
    pytest.param("0.1.2.3", "unspecified", id="this network"),
    pytest.param("::", "unspecified", id="unspecified in IPv6"),
    pytest.param("224.0.0.1", "multicast", id="multicast"),
    pytest.param("ff02::1", "multicast", id="multicast in IPv6"),
    pytest.param("255.255.255.255", "reserved", id="broadcast"),
    pytest.param("240.0.0.1", "reserved", id="reserved"),
    pytest.param("not an address", "no address", id="garbage of a resolver"),
]
ASKED = [
    pytest.param("10.1.2.3", id="private, as services in clusters have"),
    pytest.param("172.16.0.1", id="private, the second block"),
    pytest.param("192.168.1.1", id="private, at home"),
    pytest.param("100.64.0.1", id="shared, of a carrier"),
    pytest.param("198.51.100.7", id="public"),
    pytest.param("2001:db8::1", id="public in IPv6"),
    pytest.param("fd12:3456::1", id="private in IPv6"),
    pytest.param("64:ff9b::c633:6407", id="public behind NAT64"),
    pytest.param("::ffff:10.1.2.3", id="private mapped into IPv6"),
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_a_name_never_leads_to_these_listed_or_not(address: str, kind: str) -> None:
    for listed in (frozenset[str](), frozenset({"registry.example.com"})):
        with pytest.raises(DeniedError) as error:
            Addresses(listed).check("registry.example.com", address)

        assert error.value.code == "RT543"
        assert f"its address {address} is {kind};" in str(error.value)


@pytest.mark.parametrize("address", ASKED)
def test_a_name_may_lead_to_these(address: str) -> None:
    Addresses(frozenset()).check("registry.example.com", address)


@pytest.mark.parametrize(("address", "kind"), REFUSED[:-1])
def test_an_address_that_the_operator_wrote_is_asked(address: str, kind: str) -> None:
    Addresses(frozenset({address})).check(address, address)

    with pytest.raises(DeniedError, match=kind):
        Addresses(frozenset({"192.0.2.1"})).check(address, address)


def test_a_listed_address_is_asked_by_its_own_name_alone() -> None:
    addresses = Addresses(frozenset({"127.0.0.1"}))

    with pytest.raises(DeniedError):
        addresses.check("registry.example.com", "127.0.0.1")
    with pytest.raises(DeniedError):
        addresses.check("127.0.0.2", "127.0.0.2")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "zot.localhost"])
def test_localhost_is_loopback_where_it_is_listed(host: str) -> None:
    addresses = Addresses(frozenset({host.lower().rstrip(".")}))

    addresses.check(host, "127.0.0.1")
    addresses.check(host, "::1")

    with pytest.raises(DeniedError, match="link-local"):
        addresses.check(host, "169.254.169.254")
    with pytest.raises(DeniedError, match="loopback"):
        Addresses(frozenset({"registry.example.com"})).check(host, "127.0.0.1")


def test_only_hosts_that_are_addresses_are_checked_without_resolving() -> None:
    addresses = Addresses(frozenset())

    addresses.check_literal("registry.example.com")
    addresses.check_literal("192.0.2.1")

    with pytest.raises(DeniedError):
        addresses.check_literal("169.254.169.254")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("2130706433", id="a number"),
        pytest.param("0x7f000001", id="a hexadecimal number"),
        pytest.param("127.1", id="two parts"),
        pytest.param("0251.0376.0251.0376", id="octal parts"),
        pytest.param("2852039166.", id="a number with a dot at its end"),
    ],
)
def test_numbers_that_a_resolver_reads_as_an_address_are_checked_as_one(host: str) -> None:
    with pytest.raises(DeniedError, match=r"is (loopback|link-local);"):
        Addresses(frozenset()).check_literal(host)


def test_listed_hosts_are_those_of_the_api_url_and_the_token_hosts() -> None:
    endpoint = Endpoint(
        name="zot",
        api_url="https://Registry.example.com:5000/",
        token_hosts=["auth.example.com:8443", "[::1]", "[broken"],
    )

    hosts = listed_hosts(endpoint)

    assert hosts == {"registry.example.com", "auth.example.com", "::1"}
    assert Addresses(hosts).lists("AUTH.example.com")
    assert not Addresses(hosts).lists("other.example.com")


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_in_ipv6_never_makes_it_allowed(
    address: ipaddress.IPv4Address,
) -> None:
    addresses = Addresses(frozenset())
    forms = [f"::ffff:{address}", f"64:ff9b::{address}", f"::ffff:0:{address}"]

    try:
        addresses.check("host", str(address))
    except DeniedError:
        for form in forms:
            with pytest.raises(DeniedError):
                addresses.check("host", form)
    else:
        for form in forms:
            addresses.check("host", form)
