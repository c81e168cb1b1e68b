"""A Zot for tests: real HTTP on 127.0.0.1 over a `Model`, answering as recorded from real ones.

What is not here: pushing over HTTP (a `Model` is filled directly), ranges of blobs, events, and
the extensions that Retag does not ask.
"""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from http import HTTPStatus

from tests.servers.access import MANAGEMENT, Access, Anonymous, Reader
from tests.servers.images import compact
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.model import Model
from tests.servers.zot_content import Content
from tests.servers.zot_errors import JSON, NO_SNIFF, TEXT, empty, not_routed
from tests.servers.zot_search import Search

# The grammar of a repository's name in the OCI distribution specification; others are not routed.
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_REPOSITORY = re.compile(
    rf"/v2/(?P<name>{_NAME})/(?:(?P<tags>tags/list)"
    r"|(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+))"
)
_DISCOVER = "/v2/_oci/ext/discover"
_SEARCH = "/v2/_zot/ext/search"
_CATALOG = "/v2/_catalog"
_PROBES = ("/livez", "/readyz", "/startupz")


@dataclass
class _Bucket:
    """Requests of one client to one path that may come now, and when that was counted."""

    left: float
    at: float


class ZotServer(LoopbackServer):
    """Serves *model* to those whom *access* admits; `requests` is what was asked.

    *search* switches search and mgmt on, *lacks* and *cve* are those of `Search`. *rate* is
    requests a second for each path, by *clock*. *delay* tells seconds to wait before an answer.
    """

    def __init__(
        self,
        model: Model,
        *,
        access: Access | None = None,
        search: bool = True,
        lacks: Collection[str] = (),
        cve: str = "off",
        rate: int = 0,
        tls: ssl.SSLContext | None = None,
        delay: Callable[[Request], float] = lambda _: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access or Anonymous()
        super().__init__(
            self._locked,
            tls=tls,
            delay=lambda request: delay(request) + self._access.seconds(request),
        )
        self.model = model
        self._content = Content(model)
        self._search = Search(model, lacks=lacks, cve=cve) if search else None
        self._rate = rate
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def _locked(self, request: Request) -> Response:
        with self.model.lock:
            found = _REPOSITORY.fullmatch(request.path)
            if found is None and not self._is_endpoint(request.path):
                return not_routed()
            return self._limited(request, found) if self._rate else self._admitted(request, found)

    def _is_endpoint(self, path: str) -> bool:
        searching = self._search is not None and path.rstrip("/") in {_SEARCH, MANAGEMENT}
        return searching or path in {"/v2/", _CATALOG, _DISCOVER, *_PROBES}

    def _limited(self, request: Request, found: re.Match[str] | None) -> Response:
        """A bucket of *rate* requests that fills all the time; what was left is told."""
        now = self._clock()
        key = request.client.partition(":")[0], request.path
        bucket = self._buckets.setdefault(key, _Bucket(self._rate, now))
        bucket.left = min(self._rate, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        refused = bucket.left < 1
        if not refused:
            bucket.left -= 1
        response = (
            Response(HTTPStatus.TOO_MANY_REQUESTS, TEXT, b"Too Many Requests")
            if refused
            else self._admitted(request, found)
        )
        told = {
            "Ratelimit-Limit": str(self._rate),
            "Ratelimit-Remaining": str(math.floor(bucket.left)),
            "Ratelimit-Reset": "1",
            "X-Rate-Limit-Duration": "1",
            "X-Rate-Limit-Limit": f"{self._rate:.2f}",
            "X-Rate-Limit-Request-Remote-Addr": request.client,
        }
        return replace(response, headers={**response.headers, **told})

    def _admitted(self, request: Request, found: re.Match[str] | None) -> Response:
        if request.path in _PROBES:
            return Response(HTTPStatus.OK, TEXT, b"ok")
        if request.method not in _methods(request.path, found):
            return empty(HTTPStatus.METHOD_NOT_ALLOWED)
        reader = self._access.admit(request, found["name"] if found else "")
        if isinstance(reader, Response):
            return reader
        return self._common(request, reader) if found is None else self._repository(request, found)

    def _common(self, request: Request, reader: Reader) -> Response:
        """What is not about one repository."""
        path = request.path.rstrip("/")
        if path == "/v2":
            greeting = {"Docker-Distribution-Api-Version": "registry/2.0"}
            return Response(HTTPStatus.OK, {**JSON, **greeting, **self._access.greeting})
        if path == _CATALOG:
            names = filter(reader.may_read, self.model.repositories)
            return self._content.catalog(request, list(names))
        if path == _DISCOVER:
            return Response(HTTPStatus.OK, JSON, compact({"extensions": self._extensions()}))
        if path == MANAGEMENT or self._search is None:
            return self._management()
        return self._search.answer(request, reader)

    def _repository(self, request: Request, found: re.Match[str]) -> Response:
        name, reference = found["name"], found["reference"]
        if found["tags"]:
            return self._content.tags(request, name)
        if found["kind"] == "manifests":
            return self._content.manifest(request, name, reference)
        if found["kind"] == "blobs":
            return self._content.blob(request, name, reference)
        return self._content.referrers(request, name, reference)

    def _extensions(self) -> list[dict[str, object]]:
        if self._search is None:
            return []
        zot: dict[str, object] = {
            "name": "_zot",
            "url": "https://github.com/project-zot/zot/blob//pkg/extensions/_zot.md",
            "description": "zot registry extensions",
            "endpoints": [_SEARCH, MANAGEMENT],
        }
        return [zot]

    def _management(self) -> Response:
        told = {
            "distSpecVersion": "1.1.1",
            "commit": "",
            "releaseTag": "",
            "binaryType": "",
            "http": {"auth": self._access.management},
        }
        return Response(HTTPStatus.OK, {**TEXT, **NO_SNIFF}, compact(told))


def _methods(path: str, found: re.Match[str] | None) -> Collection[str]:
    """What may be done there, besides pushing and deleting, which tests do to the model."""
    if path.rstrip("/") == _SEARCH:
        return {"GET", "POST"}
    return {"GET", "HEAD"} if found and found["kind"] in {"manifests", "blobs"} else {"GET"}
