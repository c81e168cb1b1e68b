"""What httpx, httpcore, sockets and TLS raise, as errors with one line: here and nowhere else."""

from __future__ import annotations

import ssl
from typing import TypeVar

import httpcore
import httpx

from cmp.errors import BadReplyError, MisconfiguredError, RegistryError, UnreachableError
from cmp.registry.http.tls import explain

# All that httpx and httpcore raise, and what gets past them: sockets and TLS.
FOREIGN = (
    httpcore.ConnectionNotAvailable,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    OSError,
)
_UNSENDABLE = (
    httpcore.LocalProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)
_GARBAGE = (
    httpcore.RemoteProtocolError,
    httpx.DecodingError,
    httpx.RemoteProtocolError,
    httpx.TooManyRedirects,
)

_T = TypeVar("_T", bound=BaseException)


def error_of(error: Exception) -> RegistryError:
    """The error, without its place, that any of `FOREIGN` is for the rest of Retag."""
    tls = _inner(error, ssl.SSLError)
    if tls is not None:
        return _failed_tls(tls)
    if isinstance(error, _UNSENDABLE):
        return BadReplyError("RT547", "this is nothing that can be asked by HTTP")
    if isinstance(error, _GARBAGE):
        return BadReplyError(
            "RT544",
            "it answers something that is not HTTP/1.1",
            remedy="check the port in api_url, and whether it is http:// or https://",
        )
    return _failed_connection(error)


def is_hang_up(error: Exception) -> bool:
    """Whether the connection ended before a response began, and not in garbage.

    httpcore says so in words of its own, and hands on h11's exception otherwise.
    """
    garbage = any(isinstance(each, Exception) for each in error.args)
    return isinstance(error, httpcore.RemoteProtocolError) and not garbage


def _failed_tls(error: ssl.SSLError) -> UnreachableError:
    what, remedy = explain(error)
    # Who restarts hangs up in the midst of a handshake; all else stays until somebody mends it.
    hung_up = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    kind = UnreachableError if hung_up else MisconfiguredError
    return kind("RT542", what, remedy=remedy)


def _failed_connection(error: Exception) -> UnreachableError:
    if isinstance(error, httpcore.ConnectTimeout | httpx.ConnectTimeout):
        what = "nobody answers there"
        return _unreachable(what, "check host and port, and what a firewall lets through")
    if _inner(error, ConnectionRefusedError) is not None:
        return _unreachable("the connection is refused", "check the port, and that it runs")
    if isinstance(error, httpcore.ConnectError | httpx.ConnectError):
        system = _inner(error, OSError)
        reason = _reason(system) if system is not None else "the connection ended at once"
        return _unreachable(f"cannot connect: {reason}", "check host and port in api_url")
    remedy = "if again, check the port, http or https, and whether it wants a client certificate"
    return _unreachable("the connection broke off", remedy)


def _unreachable(what: str, remedy: str) -> UnreachableError:
    return UnreachableError("RT540", what, remedy=remedy)


def _inner(error: BaseException | None, kind: type[_T]) -> _T | None:
    """The first of *kind* among *error* and what it came from.

    httpcore hands on the exception it maps as an argument, and drops it as the cause.
    """
    while error is not None and not isinstance(error, kind):
        carried = (each for each in error.args if isinstance(each, BaseException))
        error = next(carried, None) or error.__cause__
    return error


def _reason(error: OSError) -> str:
    inner = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return inner.strerror or "the system gives no reason"
