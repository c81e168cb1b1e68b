"""Which answers are asked for again, and after how long, inside one deadline.

Tried again are 408, 429, every 5xx, and no answer at all: Zot behind a proxy answers 500 to 504
while it restarts. Anything else is an answer, and would be the same the next time; so would be
what a certificate or a proxy's setting prevents. Who says how long to wait is asked again for as
long as there is time; others a few times.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from cmp.errors import MisconfiguredError, UnreachableError
from cmp.registry.http.exchange import HttpResponse

ATTEMPTS = 4
# Seconds before the second attempt at most, doubled for each further one: with what an attempt
# takes, about the time that a restart of Zot takes over storage it knows already.
FIRST_PAUSE = 0.5
# Seconds: a stated wait of as much bounds the requests of a call by its deadline alone.
SHORTEST_WAIT = 1.0
# Epoch seconds, as GitHub's and Docker Hub's X-RateLimit-Reset has them, are larger than this,
# and no registry has its callers wait for thirty years.
_EPOCH_FROM = 1_000_000_000.0
_WHOLE = re.compile(r"[0-9]+", re.ASCII)
_RESETS = ("ratelimit-reset", "x-ratelimit-reset")


class Deadline:
    """A moment *seconds* from now, by *clock*."""

    def __init__(self, seconds: float, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def left(self) -> float:
        """The seconds until then; negative once it has passed."""
        return self._at - self._clock()


class Retry:
    """Tries again; *sleep* waits some seconds, *jitter* gives 0 to 1 by chance."""

    def __init__(
        self, *, sleep: Callable[[float], Awaitable[None]], jitter: Callable[[], float]
    ) -> None:
        self._sleep = sleep
        self._jitter = jitter

    async def run(
        self, attempt: Callable[[], Awaitable[HttpResponse]], deadline: Deadline
    ) -> HttpResponse:
        """The first answer that is none to try again, or the last there was time for.

        Raises what *attempt* raises: `UnreachableError` only after the last one, unless it is a
        `MisconfiguredError`.
        """
        tried = 0
        while True:
            tried += 1
            try:
                response = await attempt()
            except MisconfiguredError:
                raise
            except UnreachableError:
                pause = self._pause(tried)
                if tried >= ATTEMPTS or pause >= deadline.left():
                    raise
            else:
                stated = stated_wait(response)
                pause = self._pause(tried) + stated
                ends = (tried >= ATTEMPTS and stated < SHORTEST_WAIT) or pause >= deadline.left()
                if ends or not is_passing(response.status):
                    return response
            await self._sleep(pause)

    def _pause(self, tried: int) -> float:
        """Full jitter, so that those who failed together do not come back together."""
        return self._jitter() * FIRST_PAUSE * 2.0 ** (min(tried, ATTEMPTS) - 1)


def is_passing(status: int) -> bool:
    """Whether *status* may be another one soon."""
    return status in (408, 429) or status >= 500


def stated_wait(response: HttpResponse) -> float:
    """The seconds that *response* says to wait; 0 where it does not, or not in a form there is.

    Retry-After: seconds or a date (RFC 9110, 10.2.3). Zot sends Ratelimit-Reset alone, in
    seconds; as X-RateLimit-Reset it may also be seconds since the epoch. Dates count from the
    response's own Date, whatever the clock here says.
    """
    after = response.header("retry-after").strip()
    if after:
        return _seconds(after) if _WHOLE.fullmatch(after) else _until(after, response)
    for name in _RESETS if response.status == 429 else ():  # some send it with every answer
        if reset := _seconds(response.header(name).strip()):
            return _since_now(reset, response) if reset >= _EPOCH_FROM else reset
    return 0.0


def _seconds(text: str) -> float:
    return float(text) if _WHOLE.fullmatch(text) else 0.0  # float: digits without end are inf


def _until(text: str, response: HttpResponse) -> float:
    date = parse_date(text)
    return _since_now(date.timestamp(), response) if date else 0.0


def _since_now(epoch_seconds: float, response: HttpResponse) -> float:
    now = parse_date(response.header("date"))
    return max(0.0, epoch_seconds - now.timestamp()) if now else 0.0


def parse_date(text: str) -> datetime | None:
    """The moment that the header value *text* (RFC 9110, 5.6.7) is; None for what is none."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return date if date.tzinfo else None
