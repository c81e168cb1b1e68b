"""Where a redirect leads, and what may go there.

Blobs are often redirected to object storage, whose URLs hold their own signature: no login goes to
another scheme, host or port, nothing goes from https to http, and a chain ends.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import SplitResult, urljoin, urlsplit

from cmp.errors import BadReplyError
from cmp.registry.http.exchange import HttpRequest, HttpResponse

MOST_REDIRECTS = 3
REDIRECT = "check api_url, and where the registry keeps its blobs"
_STATUSES = frozenset({301, 302, 303, 307, 308})
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of *url*. Raises `ValueError` for what is no http: or https: URL."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("no URL of a registry")
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def is_plain(parts: SplitResult) -> bool:
    """Whether a URL names a host, perhaps a port, and nothing else there, as a login.

    Of `[::1].example.com` urlsplit takes the brackets for the host, others may take all. Raises
    `ValueError` for a port that is none.
    """
    host = parts.hostname or ""
    written = f"[{host}]" if ":" in host else host
    return bool(host) and parts.netloc.lower() in (written, f"{written}:{parts.port}")


def redirected(request: HttpRequest, response: HttpResponse) -> HttpRequest | None:
    """What to ask next where *response* redirects *request*; None where it is the answer.

    Raises `BadReplyError` for where nobody goes.
    """
    if response.status not in _STATUSES or request.method not in ("GET", "HEAD"):
        return None
    host = urlsplit(request.url).hostname
    location = response.header("location")
    try:
        target = _target(request.url, location)
        there = origin(target.geturl())
    except ValueError:
        what = f"{host} redirects to what is no URL"
        raise BadReplyError("RT559", what, remedy=REDIRECT) from None
    here = origin(request.url)
    if here[0] == "https" and there[0] == "http":
        what = f"{host} redirects from https to http, at {there[1]}"
        raise BadReplyError("RT559", what, remedy=REDIRECT)
    headers = request.headers
    if there != here:
        headers = {name: headers[name] for name in headers if name != "authorization"}
    return replace(request, url=target.geturl(), headers=headers)


def _target(url: str, location: str) -> SplitResult:
    if not _VISIBLE.fullmatch(location) or "\\" in location:
        raise ValueError("no URL")
    target = urlsplit(urljoin(url, location))
    if not is_plain(target):
        raise ValueError("no host, or more than that")
    return target._replace(fragment="")
