"""A Zot for tests: real HTTP on 127.0.0.1 over a `Model`, answering as recorded from real ones."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from http import HTTPStatus

from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.model import Model
from tests.servers.zot_content import Content
from tests.servers.zot_errors import JSON, TEXT, empty, not_routed

# The grammar of a repository's name in the OCI distribution specification; others are not routed.
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_REPOSITORY = re.compile(
    rf"/v2/(?P<name>{_NAME})/(?:(?P<tags>tags/list)"
    r"|(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+))"
)
_MANAGEMENT = "/v2/_zot/ext/mgmt"
_SEARCH = "/v2/_zot/ext/search"
_PROBES = ("/livez", "/readyz", "/startupz")


class ZotServer(LoopbackServer):
    """Serves *model*. `requests` is what was asked."""

    def __init__(
        self,
        model: Model,
        *,
        tls: ssl.SSLContext | None = None,
        delay: Callable[[Request], float] = lambda _: 0.0,
    ) -> None:
        super().__init__(self._locked, tls=tls, delay=delay)
        self.model = model
        self._content = Content(model)

    def _locked(self, request: Request) -> Response:
        with self.model.lock:
            return self._route(request)

    def _route(self, request: Request) -> Response:
        path = request.path
        if path in _PROBES:
            return Response(HTTPStatus.OK, TEXT, b"ok")
        if path == "/v2/":
            return self._ping(request)
        if path == "/v2/_catalog":
            return self._content.catalog(request, list(self.model.repositories))
        found = _REPOSITORY.fullmatch(path)
        return not_routed() if found is None else self._repository(request, found)

    def _ping(self, request: Request) -> Response:
        if request.method == "HEAD":
            return empty(HTTPStatus.METHOD_NOT_ALLOWED)
        headers = {**JSON, "Docker-Distribution-Api-Version": "registry/2.0"}
        return Response(HTTPStatus.OK, headers)

    def _repository(self, request: Request, found: re.Match[str]) -> Response:
        name, reference = found["name"], found["reference"]
        if found["tags"]:
            return self._content.tags(request, name)
        if found["kind"] == "manifests":
            return self._content.manifest(request, name, reference)
        if found["kind"] == "blobs":
            return self._content.blob(request, name, reference)
        return self._content.referrers(request, name, reference)
