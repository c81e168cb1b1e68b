"""Probes and metrics, by HTTP on a TCP port.

Ready says that requests are answered, with an error perhaps. It says nothing of registries or of
the cluster: a container that is not ready takes the whole repo-server out of service.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

Metrics = Callable[[], tuple[bytes, str]]  # the text, and its content type


def health(why_not_ready: Callable[[], str], metrics: Metrics) -> Router:
    """`/healthz`, `/readyz` and `/metrics`.

    *why_not_ready* is "" for ready.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        why = why_not_ready()
        return PlainTextResponse(f"{why or 'ok'}\n", status_code=503 if why else 200)

    async def shown(_request: Request) -> Response:
        text, content_type = metrics()
        return Response(text, headers={"content-type": content_type})

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", shown)]
    return Router(routes, redirect_slashes=False)
