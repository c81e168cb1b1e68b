"""TLS and proxies on the wire, between the client and servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cmp.errors import DeniedError, UnreachableError
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.addresses import listed_hosts
from cmp.registry.http.client import HttpClient
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.http.tls import make_context
from tests.registry.http.rawserver import Handler, RawServer, reply, serving
from tests.servers.certificates import Authority


class Wired:
    """A client of one registry at *host*, as registries.conf describes it."""

    def __init__(
        self,
        host: str,
        *,
        environment: Mapping[str, str] | None = None,
        base: Path = Path(),
        **fields: Any,
    ) -> None:
        self.url = f"https://{host}/v2/?token=secret"
        entry = {"name": "zot", "api_url": f"https://{host}"} | fields
        endpoint = Endpoint.model_validate(entry)
        self.client = HttpClient(
            partial(make_context, endpoint, base, None),
            listed=listed_hosts(endpoint),
            environment=environment or {},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, url: str = "") -> HttpResponse:
        return await self.client(HttpRequest("GET", url or self.url), seconds=20)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def over_tls(context: ssl.SSLContext, url: str = "", **fields: Any) -> HttpResponse:
    """What a client with *fields* in registries.conf gets of a server with *context*."""

    async def run() -> HttpResponse:
        server = RawServer()
        handle = server.says(reply(b"[]"))
        async with serving(server, handle, context), Wired(server.host, **fields) as wired:
            return await wired.get(url.replace("PORT", str(server.port)))

    return asyncio.run(run())


def fails_over_tls(context: ssl.SSLContext, said: str, url: str = "", **fields: Any) -> None:
    with pytest.raises(UnreachableError) as error:
        over_tls(context, url, **fields)

    assert error.value.code == "RT542"
    assert error.value.where.startswith("https://")
    assert said in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "name"),
    [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")],
    ids=["1.2", "1.3"],
)
def test_a_registry_with_a_private_authority_is_believed_by_its_file(
    authority: Authority, version: ssl.TLSVersion, name: str
) -> None:
    context = authority.server_context()
    context.maximum_version = version

    response = over_tls(context, ca_file=str(authority.file))

    assert (response.body, response.tls) == (b"[]", name)


def test_an_unknown_authority_is_refused(authority: Authority) -> None:
    said = "not from a known authority; give its CA with ca_file or ca_data"
    fails_over_tls(authority.server_context(), said)


def test_an_unknown_authority_is_passed_with_insecure(authority: Authority) -> None:
    assert over_tls(authority.server_context(), insecure=True).tls == "TLSv1.3"


def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    context = authority.server_context("zot.example.com", "192.0.2.1")
    fails_over_tls(context, "is for another address", ca_file=str(authority.file))
    fails_over_tls(
        context,
        "is for another host name; use a name in api_url",
        "https://localhost:PORT/",
        ca_file=str(authority.file),
        token_hosts=["localhost"],
    )


def self_signed(folder: Path, start: datetime, end: datetime, *, names: bool = True) -> Path:
    """A file with key and certificate of 127.0.0.1, valid from *start* to *end*."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if names:
        address = x509.IPAddress(ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


def serving_context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        pytest.param(NOW - 2 * DAY, NOW - DAY, "has expired; renew it", id="expired"),
        pytest.param(NOW + DAY, NOW + 2 * DAY, "not valid yet; check the clock", id="too early"),
    ],
)
def test_a_certificate_out_of_its_time_is_refused(
    tmp_path: Path, start: datetime, end: datetime, said: str
) -> None:
    path = self_signed(tmp_path, start, end)
    fails_over_tls(serving_context(path), said, ca_file=str(path))


def test_a_self_signed_certificate_is_trusted_itself(tmp_path: Path) -> None:
    path = self_signed(tmp_path, NOW - DAY, NOW + DAY)

    assert over_tls(serving_context(path), ca_file=str(path)).body == b"[]"
    fails_over_tls(serving_context(path), "not from a known authority")


def test_a_certificate_whose_name_is_no_alternative_name_is_refused(tmp_path: Path) -> None:
    path = self_signed(tmp_path, NOW - DAY, NOW + DAY, names=False)
    said = "among its alternative names"
    fails_over_tls(serving_context(path), said, ca_file=str(path))


def test_a_client_certificate_is_shown_to_those_who_ask(authority: Authority) -> None:
    context = authority.server_context(clients=True)
    issued = authority.client()
    fields = {
        "ca_file": str(authority.file),
        "client_cert": str(issued.certificate_file),
        "client_key": str(issued.key_file),
    }

    assert over_tls(context, **fields).body == b"[]"


def test_a_host_that_is_not_listed_never_sees_the_client_certificate(
    authority: Authority,
) -> None:
    context = authority.server_context(clients=True)
    issued = authority.client()

    async def run() -> None:
        server = RawServer()
        fields = {
            "ca_file": str(authority.file),
            "client_cert": str(issued.certificate_file),
            "client_key": str(issued.key_file),
        }
        async with serving(server, server.says(reply()), context):
            entry = {"name": "zot", "api_url": "https://127.0.0.1"} | fields
            endpoint = Endpoint.model_validate(entry)
            asked: list[bool] = []

            def recorded(*, login: bool) -> ssl.SSLContext:
                asked.append(login)
                return make_context(endpoint, Path(), None, login=login)

            async def elsewhere(_host: str, _port: int) -> list[str]:
                return []

            client = HttpClient(
                recorded, listed=listed_hosts(endpoint), environment={}, resolve=elsewhere
            )
            url = f"https://127.0.0.1:{server.port}/"
            assert (await client(HttpRequest("GET", url), seconds=10)).status == 200
            elsewhere_too = HttpRequest("GET", "https://storage.example.com/")
            with pytest.raises(UnreachableError):
                await client(elsewhere_too, seconds=5)
            await client.aclose()
            assert asked == [True, False]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (ssl.TLSVersion.TLSv1_2, "it refuses the TLS handshake; give client_cert and client_key"),
        (ssl.TLSVersion.TLSv1_3, "it wants a client certificate; give client_cert and client_key"),
    ],
    ids=["1.2", "1.3"],
)
def test_a_missing_client_certificate_is_told(
    authority: Authority, version: ssl.TLSVersion, said: str
) -> None:
    context = authority.server_context(clients=True)
    context.maximum_version = version

    # Servers of asyncio end a failed handshake without the alert that others send. What the
    # client says meanwhile is read, as a closing socket would answer it with a reset.
    def refuse(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ) as tls:
            with contextlib.suppress(ssl.SSLError):
                tls.do_handshake()
            tls.shutdown(socket.SHUT_WR)
            while tls.recv(65536):
                pass

    async def run() -> str:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            host = f"127.0.0.1:{listening.getsockname()[1]}"
            refusing = asyncio.create_task(asyncio.to_thread(refuse, listening))
            async with Wired(host, ca_file=str(authority.file)) as wired:
                with pytest.raises(UnreachableError) as error:
                    await wired.get()
            await refusing
        return str(error.value)

    assert said in asyncio.run(run())


def alerting(code: int) -> Handler:
    """Answer the first words of TLS with the fatal alert *code* (RFC 8446 section 6)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(bytes([21, 3, 3, 0, 2, 2, code]))
        await writer.drain()

    return handle


async def _no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def _hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)


async def _silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def failing(handle: Handler) -> UnreachableError:
    async with serving(RawServer(), handle) as server, Wired(server.host) as wired:
        with pytest.raises(UnreachableError) as error:
            await wired.get()
        assert error.value.where == f"https://{server.host}"
        return error.value


@pytest.mark.parametrize(
    ("handle", "code", "said"),
    [
        pytest.param(_no_tls, "RT542", "does not speak TLS there; write http://", id="HTTP"),
        pytest.param(_hang_up, "RT540", "the connection ended at once", id="an end"),
        pytest.param(alerting(40), "RT542", "refuses the TLS handshake", id="handshake failure"),
        pytest.param(alerting(42), "RT542", "refuses the client", id="bad certificate"),
        pytest.param(alerting(45), "RT542", "certificate has expired", id="certificate expired"),
        pytest.param(alerting(46), "RT542", "refuses the client", id="certificate unknown"),
        pytest.param(alerting(48), "RT542", "does not trust the issuer", id="unknown authority"),
        pytest.param(alerting(70), "RT542", "no TLS 1.2 or later", id="protocol version"),
        pytest.param(alerting(80), "RT542", "TLS failed: ", id="an internal error"),
    ],
)
def test_a_handshake_that_fails_says_why(handle: Handler, code: str, said: str) -> None:
    error = asyncio.run(failing(handle))

    assert error.code == code
    assert said in str(error)


def test_a_request_that_is_cancelled_in_its_handshake_leaves_nothing() -> None:
    async def run() -> None:
        reached = asyncio.Event()

        async def silence(_reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            reached.set()
            await asyncio.Event().wait()

        async with serving(RawServer(), silence) as server, Wired(server.host) as wired:
            task = asyncio.create_task(wired.get())
            await reached.wait()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


def test_a_file_that_cannot_be_used_fails_the_request_alone() -> None:
    async def run() -> None:
        async with Wired("127.0.0.1", ca_file="missing.pem") as wired:
            with pytest.raises(UnreachableError, match=r"missing\.pem cannot be read") as error:
                await wired.get()
            assert error.value.code == "RT548"

    asyncio.run(run())


# Proxies


def relaying(proxy: RawServer, server: RawServer) -> Handler:
    """Grant each tunnel, and lead it to *server*, wherever it was to go."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy.head(reader)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        finally:
            far_writer.transport.abort()

    return handle


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_tls_goes_through_a_tunnel_and_is_verified_for_the_registry(
    authority: Authority,
) -> None:
    async def run() -> tuple[list[bytes], list[str]]:
        server, proxy = RawServer(), RawServer()
        tls = authority.server_context("zot.example.com")
        async with (
            serving(server, server.says(*[reply(b"[]")] * 2), tls),
            serving(proxy, relaying(proxy, server)),
        ):
            environment = {"HTTPS_PROXY": f"http://someone:secret@{proxy.host}"}
            file = str(authority.file)
            async with Wired("zot.example.com", environment=environment, ca_file=file) as wired:
                return [(await wired.get()).body for _ in range(2)], proxy.heads

    bodies, heads = asyncio.run(run())

    assert bodies == [b"[]", b"[]"]
    assert len(heads) == 1
    assert heads[0].startswith("CONNECT zot.example.com:443 HTTP/1.1\r\n")
    assert "token" not in heads[0]


def test_handshakes_that_fail_in_a_tunnel_use_up_no_connections(authority: Authority) -> None:
    async def run() -> None:
        server, proxy = RawServer(), RawServer()
        async with (
            serving(server, server.says(reply()), authority.server_context("zot.example.com")),
            serving(proxy, relaying(proxy, server)),
        ):
            environment = {"https_proxy": f"http://{proxy.host}"}
            async with Wired("zot.example.com", environment=environment) as wired:
                for _ in range(40):
                    with pytest.raises(UnreachableError, match="known authority") as error:
                        await wired.get()
                    assert error.value.where == (
                        f"https://zot.example.com:443 by way of the proxy http://{proxy.host}"
                    )

    asyncio.run(run())


def by_proxy(answer: bytes, url: str) -> tuple[HttpResponse, list[str]]:
    """The response for *url* by a proxy that says *answer*, and what it was asked."""

    async def run() -> tuple[HttpResponse, list[str]]:
        proxy = RawServer()
        async with serving(proxy, proxy.says(answer)):
            environment = {
                "HTTP_PROXY": f"http://someone:secret@{proxy.host}",
                "HTTPS_PROXY": proxy.host,
            }
            async with Wired("127.0.0.1", environment=environment) as wired:
                return await wired.get(url), proxy.heads

    return asyncio.run(run())


def test_plain_http_is_asked_of_the_proxy_as_a_whole_url() -> None:
    response, heads = by_proxy(reply(b"[]"), "http://zot.example.com:5000/v2/?n=1")

    assert response.body == b"[]"
    lines = heads[0].splitlines()
    assert lines[0] == "GET http://zot.example.com:5000/v2/?n=1 HTTP/1.1"
    assert "Host: zot.example.com:5000" in lines
    assert "Proxy-Authorization: Basic c29tZW9uZTpzZWNyZXQ=" in lines


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        pytest.param("http://zot.example.com/", "407 No", "wants another login", id="http, 407"),
        pytest.param("https://zot.example.com/", "407 No", "wants another login", id="https, 407"),
        pytest.param("https://zot.example.com/", "503 No", "status 503", id="https, 503"),
    ],
)
def test_a_proxy_that_refuses_is_told_apart_from_the_registry(
    url: str, status: str, said: str
) -> None:
    with pytest.raises(UnreachableError, match=said) as error:
        by_proxy(reply(status=status), url)

    assert error.value.code == "RT546"
    assert str(error.value).startswith("the proxy http://127.0.0.1:")
    assert "secret" not in str(error.value)


def test_a_failure_of_the_registry_behind_a_proxy_is_its_own() -> None:
    assert by_proxy(reply(status="503 No"), "http://zot.example.com/")[0].status == 503


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_forbidden_address_is_not_asked_of_a_proxy_either(scheme: str) -> None:
    with pytest.raises(DeniedError, match="is link-local"):
        by_proxy(reply(b"[]"), f"{scheme}://169.254.169.254/latest/meta-data")


def test_a_proxy_that_is_not_there_is_named() -> None:
    async def run() -> None:
        async with serving(RawServer(), _silence) as gone:
            host = gone.host
        environment = {"HTTPS_PROXY": host}
        async with Wired("zot.example.com", environment=environment) as wired:
            with pytest.raises(UnreachableError, match="the connection is refused") as error:
                await wired.get()
            assert error.value.where.endswith(f" by way of the proxy http://{host}")

    asyncio.run(run())
