from __future__ import annotations

import pytest

from cmp.errors import UnreachableError
from cmp.registry.http.proxies import Proxies, Proxy

PROXY = "http://proxy.example.com:3128"


def via(no_proxy: str, host: str, port: int = 443) -> bool:
    """Whether *host* is asked by a proxy although NO_PROXY is *no_proxy*."""
    proxies = Proxies({"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})
    return proxies.proxy("https", host, port) is not None


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        pytest.param(PROXY, Proxy("proxy.example.com", 3128), id="a URL"),
        pytest.param(PROXY + "/", Proxy("proxy.example.com", 3128), id="a URL with a slash"),
        pytest.param("proxy.example.com:3128", Proxy("proxy.example.com", 3128), id="no scheme"),
        pytest.param("proxy.example.com", Proxy("proxy.example.com", 80), id="no port"),
        pytest.param("http://[2001:db8::1]:3128", Proxy("2001:db8::1", 3128), id="IPv6"),
        pytest.param(
            "http://me:p%40ss@proxy.example.com:3128",
            Proxy("proxy.example.com", 3128, "me", "p@ss"),
            id="a login with an escape",
        ),
        pytest.param("http://me@proxy.example.com", Proxy("proxy.example.com", 80, "me"), id="me"),
    ],
)
def test_a_proxy_is_read_from_its_variable(text: str, proxy: Proxy) -> None:
    assert Proxies({"HTTPS_PROXY": text}).proxy("https", "zot.example.com", 443) == proxy


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("socks5://proxy.example.com", id="SOCKS"),
        pytest.param("https://me:secret@proxy.example.com", id="TLS to the proxy"),
        pytest.param("http://me:secret@proxy.example.com:port", id="no port number"),
        pytest.param("http://", id="no host"),
        pytest.param("http://[::1", id="a broken bracket"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_login(text: str) -> None:
    with pytest.raises(UnreachableError, match="HTTP_PROXY names no proxy") as error:
        Proxies({"HTTP_PROXY": text}).proxy("http", "zot.example.com", 80)

    assert error.value.code == "RT546"
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("environment", "scheme", "host"),
    [
        pytest.param({}, "https", None, id="no variable"),
        pytest.param({"HTTPS_PROXY": ""}, "https", None, id="an empty variable"),
        pytest.param({"HTTP_PROXY": "a"}, "https", None, id="the other scheme's"),
        pytest.param({"ALL_PROXY": "a"}, "https", None, id="ALL_PROXY, which Go does not read"),
        pytest.param({"https_proxy": "a"}, "https", "a", id="lower case"),
        pytest.param({"HTTPS_PROXY": "a", "https_proxy": "b"}, "https", "a", id="both cases"),
        pytest.param({"HTTPS_PROXY": "", "https_proxy": "b"}, "https", "b", id="one is empty"),
        pytest.param({"HTTP_PROXY": "a", "HTTPS_PROXY": "b"}, "http", "a", id="by scheme"),
    ],
)
def test_the_variable_of_the_scheme_counts(
    environment: dict[str, str], scheme: str, host: str | None
) -> None:
    proxy = Proxies(environment).proxy(scheme, "zot.example.com", 443)

    assert (proxy and proxy.host) == host


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        pytest.param("", "localhost", id="localhost"),
        pytest.param("", "LocalHost", id="localhost in capitals"),
        pytest.param("", "127.0.0.1", id="a loopback address"),
        pytest.param("", "::1", id="a loopback address in IPv6"),
        pytest.param("", "::ffff:127.0.0.1", id="a mapped loopback address"),
        pytest.param("*", "zot.example.com", id="everything"),
        pytest.param("a, * ,b", "192.0.2.1", id="everything among others"),
        pytest.param("zot.example.com", "zot.example.com", id="the host"),
        pytest.param("ZOT.example.com", "zot.EXAMPLE.com", id="the host in other case"),
        pytest.param("example.com", "zot.example.com", id="below a name"),
        pytest.param(".example.com", "zot.example.com", id="below a suffix"),
        pytest.param("*.example.com", "zot.example.com", id="below a starred suffix"),
        pytest.param("a.org , example.com", "zot.example.com", id="the second entry"),
        pytest.param("zot.example.com:443", "zot.example.com", id="the host and its port"),
        pytest.param("192.0.2.1", "192.0.2.1", id="an address"),
        pytest.param("192.0.2.1", "::ffff:192.0.2.1", id="an address mapped into IPv6"),
        pytest.param("192.0.2.1:443", "192.0.2.1", id="an address and its port"),
        pytest.param("2001:db8::1", "2001:db8::1", id="an address in IPv6"),
        pytest.param("[2001:db8::1]:443", "2001:db8::1", id="an address in IPv6 and its port"),
        pytest.param("192.0.2.0/24", "192.0.2.77", id="a network"),
        pytest.param("192.0.2.9/24", "192.0.2.77", id="a network with host bits"),
        pytest.param("2001:db8::/32", "2001:db8::5", id="a network in IPv6"),
    ],
)
def test_no_proxy_holds(no_proxy: str, host: str) -> None:
    assert not via(no_proxy, host)


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        pytest.param("", "zot.example.com", id="nothing"),
        pytest.param(",,:443,", "zot.example.com", id="entries without a host"),
        pytest.param(".example.com", "example.com", id="the name of a suffix itself"),
        pytest.param("*.example.com", "example.com", id="the name of a starred suffix itself"),
        pytest.param("example.com", "notexample.com", id="the end of another name"),
        pytest.param("zot.example.com:80", "zot.example.com", id="another port"),
        pytest.param("192.0.2.1:80", "192.0.2.1", id="another port of an address"),
        pytest.param("192.0.2.0/24", "198.51.100.1", id="another network"),
        pytest.param("10.0.0.0/8", "2001:db8::1", id="a network of the other family"),
        pytest.param("10.0.0.0/64", "10.0.0.1", id="no network"),
        pytest.param("192.0.2.0/24", "zot.example.com", id="a name is not resolved"),
        pytest.param("2.1", "192.0.2.1", id="a suffix of an address is none"),
    ],
)
def test_no_proxy_does_not_hold(no_proxy: str, host: str) -> None:
    assert via(no_proxy, host)


def test_a_proxy_is_shown_without_its_login() -> None:
    proxy = Proxy("2001:db8::1", 3128, "me", "secret")

    assert str(proxy) == "http://[2001:db8::1]:3128"
    assert "me" not in repr(proxy)
    assert "secret" not in repr(proxy)
