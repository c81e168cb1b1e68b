"""The webhook on its port, from start to end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cmp.errors import ResolverError
from cmp.meter import Meter
from sidecar.listener import Listener, listening
from sidecar.protocol import Gate, Limits
from sidecar.settings import Address
from sidecar.webhook.app import webhook_app
from sidecar.webhook.limits import Hints, Limiter
from sidecar.webhook.settings import WebhookSettings
from sidecar.webhook.tls import Certificate

# A registry sends as many at once as are pushed to it; each is answered within milliseconds. The
# body has as long as the head.
LIMITS = Limits(head=10.0, answer=10.0, connections=64)


@asynccontextmanager
async def receiving(
    settings: WebhookSettings,
    hints: Hints,
    meter: Meter,
    *,
    limits: Limits = LIMITS,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[int]:
    """Take events for the time of the context, and give the port.

    *hints* is called with registry ("" for any) and repository; it must not raise, and not wait.
    Raises `ResolverError` RT685 where the address cannot be had, `UsageError` RT272 for a
    certificate that cannot be used.
    """
    tls = Certificate(settings.tls).context if settings.tls else None
    limiter = Limiter(
        hints,
        allowed=settings.allowed,
        clock=clock,
        later=asyncio.get_running_loop().call_later,
    )
    app = webhook_app(settings.access, limiter, meter, clock)
    try:
        with _listening(settings.address) as bound:
            async with Listener(app, bound, Gate(None, limits, meter), tls=tls):
                yield bound.getsockname()[1]
    finally:
        limiter.close()


def _listening(address: Address) -> socket.socket:
    try:
        return listening(address.host, address.port)
    except OSError as error:
        raise ResolverError(
            "RT685",
            f"the webhook's address cannot be listened at: {error.strerror}",
            where=f"{address.host}:{address.port}",
            remedy="name another with --webhook-bind-address",
        ) from None
