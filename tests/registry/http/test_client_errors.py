from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import httpcore
import httpx
import pytest

from cmp.errors import BadReplyError, DeniedError, RegistryError, UnreachableError
from cmp.registry.http.connect import Resolve, resolve_host
from cmp.registry.http.exchange import HttpRequest
from cmp.registry.http.failures import FOREIGN, error_of
from tests.registry.http.clients import a_client

# Where nobody answers, or nobody may be asked


def refused(url: str, resolve: Resolve = resolve_host) -> RegistryError:
    async def run() -> RegistryError:
        async with a_client(resolve) as client:
            with pytest.raises(RegistryError) as error:
                await client(HttpRequest("GET", url, {"Authorization": "secret"}), seconds=5)
            return error.value

    return asyncio.run(run())


def test_a_refused_connection_is_told_without_path_query_and_login() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = refused(f"http://someone:secret@127.0.0.1:{port}/v2/?token=secret")

    assert isinstance(error, UnreachableError)
    assert str(error) == (
        f"http://127.0.0.1:{port}: the connection is refused; "
        "check the port, and that it runs [RT540]"
    )


def test_an_unknown_name_is_told() -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = refused("http://registry.example.com/v2/", unknown)

    assert isinstance(error, UnreachableError)
    assert str(error).startswith("registry.example.com:80: the name cannot be resolved: Name or")


def test_an_international_name_is_resolved_in_ascii() -> None:
    asked = []

    async def unknown(host: str, _port: int) -> list[str]:
        asked.append(host)
        return []

    refused("http://b\u00fccher.example.com/v2/", unknown)

    assert asked == ["xn--bcher-kva.example.com"]


def test_a_listed_name_that_leads_to_the_machine_itself_is_denied() -> None:
    async def rebound(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    error = refused("http://registry.example.com/v2/", rebound)

    assert isinstance(error, DeniedError)
    assert str(error).startswith("http://registry.example.com:80: registry.example.com is not")


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "169.254.169.254", "0.0.0.0"])
def test_an_address_that_is_not_listed_and_not_harmless_is_denied(host: str) -> None:
    error = refused(f"http://{host}:5000/latest/meta-data")

    assert isinstance(error, DeniedError)
    assert error.where == f"http://{host}:5000"


# Exceptions of httpx, httpcore and the system


def every(*classes: type[Exception]) -> Iterator[type[Exception]]:
    for each in classes:
        yield each
        yield from every(*each.__subclasses__())


def _httpcore_errors() -> list[type[Exception]]:
    public = [getattr(httpcore, name) for name in httpcore.__all__]
    return [each for each in public if isinstance(each, type) and issubclass(each, Exception)]


def _raised(kind: type[Exception]) -> Exception:
    """One of *kind*, whose message holds what must not be shown."""
    error = kind.__new__(kind, "secret")
    error.args = ("secret",)
    return error


ALL = sorted(
    {
        *every(httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, *_httpcore_errors()),
        *(ConnectionResetError, ConnectionRefusedError, BrokenPipeError, TimeoutError),
    },
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_every_exception_is_one_of_ours(kind: type[Exception]) -> None:
    assert issubclass(kind, FOREIGN)

    error = error_of(_raised(kind))

    assert isinstance(error, UnreachableError | BadReplyError | DeniedError)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (httpcore.ConnectTimeout("x"), UnreachableError, "nobody answers there"),
        (httpcore.ReadTimeout("x"), UnreachableError, "the connection broke off"),
        (httpcore.ConnectError("x"), UnreachableError, "the connection ended at once"),
        (httpcore.ConnectError(OSError(101, "No route")), UnreachableError, "connect: No route"),
        (httpcore.ConnectError(OSError()), UnreachableError, "the system gives no reason"),
        (httpcore.LocalProtocolError("x"), BadReplyError, "nothing that can be asked"),
        (httpcore.RemoteProtocolError("x"), BadReplyError, "not HTTP/1.1"),
        (httpx.InvalidURL("x"), BadReplyError, "nothing that can be asked"),
        (ConnectionResetError(104, "x"), UnreachableError, "the connection broke off"),
    ],
    ids=[
        "connecting takes too long",
        "reading takes too long",
        "an end while connecting",
        "no route",
        "no reason",
        "a request against the rules",
        "garbage",
        "no URL",
        "a reset",
    ],
)
def test_each_kind_of_exception_says_what_to_do(
    raised: Exception, kind: type[RegistryError], said: str
) -> None:
    error = error_of(raised)

    assert type(error) is kind
    assert said in str(error)
