from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

import httpcore
import pytest

from cmp.errors import DeniedError, UnreachableError
from cmp.registry.http.addresses import Addresses
from cmp.registry.http.connect import CheckedNetwork, TunnelNetwork, resolve_host
from cmp.registry.http.proxies import Proxy
from tests.registry.http.rawserver import RawServer, reply, serving

NAME = "zot.example.com"


class Names:
    """A resolver that gives one answer after the other, and notes what it was asked."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Checked:
    """Lets every address pass, and notes it."""

    def __init__(self) -> None:
        self.addresses: list[tuple[str, str]] = []

    def __call__(self, host: str, address: str) -> None:
        self.addresses.append((host, address))


async def peer(network: httpcore.AsyncNetworkBackend, host: str, port: int) -> str:
    """The address that *network* connects to for *host*."""
    stream = await network.connect_tcp(host, port, timeout=5)
    address = stream.get_extra_info("server_addr")
    await stream.aclose()
    return str(address[0])


def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to() -> None:
    names, checked = Names(["127.0.0.1"], ["127.0.0.2"]), Checked()

    async def run() -> str:
        server = RawServer()
        async with serving(server, server.says()):
            return await peer(CheckedNetwork(checked, names), NAME, server.port)

    assert asyncio.run(run()) == "127.0.0.1"
    assert len(names.asked) == 1
    assert names.asked[0][0] == NAME
    assert checked.addresses == [(NAME, "127.0.0.1")]


def test_dns_that_changes_is_checked_each_time() -> None:
    # A name is harmless when it is first looked at, and leads to the machine itself later.
    names = Names(["10.0.0.1"], ["127.0.0.1"])
    addresses = Addresses(frozenset({NAME}))
    for found in asyncio.run(names(NAME, 443)):
        addresses.check(NAME, found)

    async def run() -> int:
        server = RawServer()
        async with serving(server, server.says()):
            with pytest.raises(DeniedError, match=r"127\.0\.0\.1 is loopback"):
                await peer(CheckedNetwork(addresses.check, names), NAME, server.port)
            return server.connections

    assert asyncio.run(run()) == 0


def test_one_refused_address_among_good_ones_refuses_the_host() -> None:
    names = Names(["127.0.0.1", "169.254.169.254"])

    def refuse_metadata(host: str, address: str) -> None:
        if address == "169.254.169.254":
            raise DeniedError("RT543", host)

    async def run() -> int:
        server = RawServer()
        async with serving(server, server.says()):
            with pytest.raises(DeniedError):
                await peer(CheckedNetwork(refuse_metadata, names), NAME, server.port)
            return server.connections

    assert asyncio.run(run()) == 0


def test_where_no_address_answers_the_first_failure_counts() -> None:
    async def run() -> None:
        async with serving(RawServer(), _silence) as gone:
            port = gone.port
        names = Names(["127.0.0.1", "127.0.0.2"])
        await CheckedNetwork(Checked(), names).connect_tcp(NAME, port, timeout=5)

    with pytest.raises(httpcore.ConnectError):
        asyncio.run(run())


def test_addresses_are_tried_in_turn() -> None:
    names = Names(["127.0.0.3", "127.0.0.2", "127.0.0.1"])

    async def run() -> str:
        server = RawServer()
        async with serving(server, server.says()):
            return await peer(CheckedNetwork(Checked(), names), NAME, server.port)

    assert asyncio.run(run()) == "127.0.0.1"


def test_no_more_than_eight_addresses_are_tried_and_all_are_checked() -> None:
    addresses = [f"127.0.0.{last}" for last in (2, 3, 4, 5, 6, 7, 8, 9, 1)]
    checked = Checked()

    async def run() -> None:
        server = RawServer()
        async with serving(server, server.says()):
            with pytest.raises(httpcore.ConnectError):
                await peer(CheckedNetwork(checked, Names(addresses)), NAME, server.port)

    asyncio.run(run())

    assert [address for _, address in checked.addresses] == addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254"])
def test_an_address_is_checked_and_not_resolved(host: str) -> None:
    names = Names()

    with pytest.raises(DeniedError, match="is not asked"):
        asyncio.run(peer(CheckedNetwork(Addresses(frozenset()).check, names), host, 80))

    assert names.asked == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(socket.gaierror(-2, "Name not known"), "Name not known", id="unknown"),
        pytest.param(UnicodeError("label too long"), "it is no host name", id="no name"),
        pytest.param([], "it has no address", id="no address"),
    ],
)
def test_a_name_without_an_address_is_one_line(
    answer: Sequence[str] | Exception, said: str
) -> None:
    with pytest.raises(UnreachableError) as error:
        asyncio.run(peer(CheckedNetwork(Checked(), Names(answer)), NAME, 5000))

    assert str(error.value) == (
        f"{NAME}:5000: the name cannot be resolved: {said}; check the name, and DNS [RT541]"
    )


def test_dns_that_is_silent_is_waited_for_no_longer_than_connecting_may_take() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async def run() -> None:
        await CheckedNetwork(Checked(), silent).connect_tcp(NAME, 80, timeout=0.01)

    with pytest.raises(UnreachableError, match="DNS does not answer"):
        asyncio.run(run())


def test_without_a_time_limit_a_connection_is_made_all_the_same() -> None:
    async def run() -> None:
        server = RawServer()
        async with serving(server, server.says()):
            network = CheckedNetwork(Checked(), resolve_host)
            stream = await network.connect_tcp("127.0.0.1", server.port)
            await stream.aclose()

    asyncio.run(run())


def test_the_system_resolves_names() -> None:
    addresses = asyncio.run(resolve_host("localhost", 80))

    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert addresses
    assert asyncio.run(resolve_host("192.0.2.1", 80)) == ["192.0.2.1"]


def test_there_are_no_unix_sockets() -> None:
    network = CheckedNetwork(Checked(), resolve_host)

    with pytest.raises(NotImplementedError):
        asyncio.run(network.connect_unix_socket("/run/docker.sock"))


def test_a_handshake_that_is_never_answered_ends_with_its_time() -> None:
    async def run() -> None:
        async with serving(RawServer(), _silence) as server:
            network = CheckedNetwork(Checked(), resolve_host)
            stream = await network.connect_tcp("127.0.0.1", server.port)
            await stream.start_tls(ssl.create_default_context(), NAME, timeout=0.01)

    with pytest.raises(UnreachableError, match="then does not answer to TLS") as error:
        asyncio.run(run())

    assert error.value.code == "RT542"


async def _silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def tunnelled(handle_reply: bytes, proxy_login: tuple[str, str] = ("", "")) -> RawServer:
    """The proxy after it was asked for a tunnel and said *handle_reply*."""
    server = RawServer()
    async with serving(server, server.says(handle_reply)):
        proxy = Proxy("127.0.0.1", server.port, *proxy_login)
        network = TunnelNetwork(proxy, CheckedNetwork(Checked(), resolve_host))
        stream = await network.connect_tcp(NAME, 443, timeout=5)
        await stream.aclose()
    return server


def test_a_proxy_is_asked_for_a_tunnel_with_its_login() -> None:
    server = asyncio.run(tunnelled(b"HTTP/1.1 200 OK\r\nVia: squid\r\n\r\n", ("me", "pä")))

    (head,) = server.heads
    assert head.splitlines() == [
        f"CONNECT {NAME}:443 HTTP/1.1",
        f"Host: {NAME}:443",
        "Proxy-Authorization: Basic bWU6cMOk",
        "",
    ]


def test_a_proxy_without_a_login_is_sent_none() -> None:
    server = asyncio.run(tunnelled(b"HTTP/1.0 200 \r\n\r\n"))

    assert server.heads == [f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n\r\n"]


def test_an_address_in_ipv6_is_tunnelled_to_in_brackets() -> None:
    async def run() -> list[str]:
        server = RawServer()
        async with serving(server, server.says(b"HTTP/1.1 200 OK\r\n\r\n")):
            proxy = Proxy("127.0.0.1", server.port)
            network = TunnelNetwork(proxy, CheckedNetwork(Checked(), resolve_host))
            stream = await network.connect_tcp("2001:db8::1", 443, timeout=5)
            await stream.aclose()
        return server.heads

    assert asyncio.run(run())[0].startswith("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(reply(status="407 No"), "wants another login, or any; write http:", id="407"),
        pytest.param(reply(status="403 No"), "it refuses to connect: status 403", id="403"),
        pytest.param(reply(status="503 No"), "it refuses to connect: status 503", id="503"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", "does not answer as a proxy", id="SSH"),
        pytest.param(b"", "does not answer as a proxy", id="an end without a word"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", "does not answer as a proxy", id="half a head"),
        pytest.param(reply(b"more"), "does not answer as a proxy", id="words after the head"),
        pytest.param(b"a" * 20_000, "does not answer as a proxy", id="endless words"),
    ],
)
def test_a_proxy_that_grants_no_tunnel_is_one_line_without_its_login(
    answer: bytes, said: str
) -> None:
    with pytest.raises(UnreachableError) as error:
        asyncio.run(tunnelled(answer, ("someone", "secret")))

    assert error.value.code == "RT546"
    assert str(error.value).startswith("the proxy http://127.0.0.1:")
    assert said in str(error.value)
    assert "someone" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_silent_proxy_is_not_waited_for_longer_than_connecting_may_take() -> None:
    async def run() -> None:
        async with serving(RawServer(), _silence) as server:
            proxy = Proxy("127.0.0.1", server.port)
            network = TunnelNetwork(proxy, CheckedNetwork(Checked(), resolve_host))
            await network.connect_tcp(NAME, 443, timeout=0.05)

    with pytest.raises(UnreachableError, match="it does not answer; check HTTP_PROXY"):
        asyncio.run(run())
