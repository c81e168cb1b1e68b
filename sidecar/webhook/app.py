"""The webhook's HTTP: `POST /webhook` for events, and `GET /healthz`.

Who lacks the secret is sent away by the headers, before the body is read. Answers come before any
work is done: Zot sends an event once, whatever is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from cmp.meter import Meter
from sidecar.webhook.access import Access
from sidecar.webhook.events import Ignored, NotAnEventError, WrongMediaTypeError, hint_in
from sidecar.webhook.limits import Limiter, Outcome

_log = logging.getLogger("retag.webhook")

PATH = "/webhook"
# Bytes. An event carries the manifest, of at most 4 MiB in Zot (MaxManifestBodySize), as a JSON
# string, which takes two bytes for each quotation mark. Real ones have some 2 KB.
LARGEST_BODY = 8 * 1024 * 1024
_MOST_HELD = 32 * 1024 * 1024  # bytes of all bodies that are being read
_QUIET = 60.0  # seconds between two lines in the log about who lacks the secret


class _RefusedError(Exception):
    """The request is answered with *status*, and counted as *outcome*."""

    def __init__(self, status: HTTPStatus, outcome: str, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.outcome = outcome
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Receiver:
    def __init__(
        self, access: Access, limiter: Limiter, meter: Meter, clock: Callable[[], float]
    ) -> None:
        self._access = access
        self._limiter = limiter
        self._meter = meter
        self._clock = clock
        self._held = 0  # bytes
        self._told_at: float | None = None

    async def receive(self, request: Request) -> Response:
        """Answer an event, and count what came of it."""
        try:
            outcome = await self._outcome(request)
        except _RefusedError as error:
            self._count(error.outcome)
            return PlainTextResponse(f"{error}\n", error.status, error.headers)
        self._count(outcome)
        status = HTTPStatus.OK if outcome == "ignored" else HTTPStatus.ACCEPTED
        return PlainTextResponse(f"{outcome}\n", status)

    async def _outcome(self, request: Request) -> str:
        if not self._access.allows(request.headers.raw):
            raise self._refusal()
        body = await self._body(request)
        try:
            found = hint_in(request.headers.raw, body)
        except WrongMediaTypeError as error:
            status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            raise _RefusedError(status, "malformed", str(error)) from None
        except NotAnEventError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "malformed", str(error)) from None
        if isinstance(found, Ignored):
            return "ignored"
        outcome = self._limiter.offer(found)
        if outcome is Outcome.LIMITED:
            why = "too many events; the next poll finds what this one told"
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, outcome, why, retry_after="60")
        return outcome

    async def _body(self, request: Request) -> bytes:
        """The whole body, of a size that was told before."""
        size = _size(request)
        if self._held + size > _MOST_HELD:
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "limited", "too many at a time")
        self._held += size
        try:
            return await request.body()
        except ClientDisconnect:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "malformed", "it ended early") from None
        finally:
            self._held -= size

    def _refusal(self) -> _RefusedError:
        now = self._clock()
        if self._told_at is None or now - self._told_at >= _QUIET:
            self._told_at = now
            _log.warning("an event was refused: it has not the secret of the webhook")
        why = "not the secret of this webhook, as Basic, Bearer or X-Webhook-Secret"
        status = HTTPStatus.UNAUTHORIZED
        return _RefusedError(status, "unauthorized", why, www_authenticate='Basic realm="webhook"')

    def _count(self, outcome: str) -> None:
        self._meter.count("retag_webhook_events_total", outcome=str(outcome))


def webhook_app(
    access: Access, limiter: Limiter, meter: Meter, clock: Callable[[], float]
) -> Router:
    """The application; *clock* gives seconds."""
    receiver = _Receiver(access, limiter, meter, clock)

    async def receive(request: Request) -> Response:
        return await receiver.receive(request)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    routes = [Route(PATH, receive, methods=["POST"]), Route("/healthz", healthz, methods=["GET"])]
    return Router(routes, redirect_slashes=False)


def _size(request: Request) -> int:
    """Bytes of the body, as the request says; h11 lets no other number through.

    Beside a Transfer-Encoding the number would count for nothing (RFC 9112, section 6.3).
    """
    if "content-encoding" in request.headers:
        why = "an event is not compressed"
        raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "malformed", why)
    stated = request.headers.get("content-length")
    if stated is None or "transfer-encoding" in request.headers:
        why = "an event states its Content-Length"
        raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "malformed", why)
    if len(stated) > len(str(LARGEST_BODY)) or int(stated) > LARGEST_BODY:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise _RefusedError(status, "malformed", f"an event has at most {LARGEST_BODY} bytes")
    return int(stated)
