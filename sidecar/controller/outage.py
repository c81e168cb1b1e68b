"""Repositories that cannot be read for long, and the one Event on each Application for that.

What passes within some minutes is in the ImageUpdater's status only: an Event is for what somebody
has to look at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from sidecar.controller.events import Events
from sidecar.controller.model import Target
from sidecar.controller.targets import Key, Login

_log = logging.getLogger("retag.controller")

LASTING = 900.0  # seconds from the first look that failed to the one that is told
LEAST_LOOKS = 3  # that failed in a row: with a long interval two of them may be chance


@dataclass(slots=True)
class _Outage:
    """*since* is of the clock; *told* are the Applications that have their Event."""

    since: float
    looks: int = 0
    told: set[Key] = field(default_factory=set)


class Outages:
    """Which logins could not be read, since when, and who was told. Forgets at each term."""

    def __init__(self) -> None:
        self._outages: dict[Login, _Outage] = {}

    def failed(self, login: Login, users: Collection[Key], now: float) -> frozenset[Key]:
        """*login* could not be read at *now* (seconds): those of *users* to be told, each once."""
        outage = self._outages.setdefault(login, _Outage(now))
        outage.looks += 1
        if outage.looks < LEAST_LOOKS or now - outage.since < LASTING:
            return frozenset()
        news = frozenset(users) - outage.told
        outage.told = set(users)
        return news

    def lasting(self, login: Login) -> Callable[[], bool]:
        """Who tells whether the outage of *login* that there is now goes on."""
        outage = self._outages.get(login)
        return lambda: outage is not None and self._outages.get(login) is outage

    def over(self, login: Login) -> bool:
        """*login* was read, or nobody wants it any more; whether its outage was told.

        Nobody else is told of it then.
        """
        outage = self._outages.pop(login, None)
        return outage is not None and bool(outage.told)


class Warnings:
    """Writes a warning on each Application for which `tell` is called, in turn, by *events*.

    Only while this replica *leads*; *pace* returns when the next may be written.
    """

    def __init__(
        self, events: Events, leads: Callable[[], bool], pace: Callable[[], Awaitable[None]]
    ) -> None:
        self._events = events
        self._leads = leads
        self._pace = pace
        self._queue: asyncio.Queue[tuple[Target, str, Callable[[], bool]]] = asyncio.Queue()

    def tell(self, target: Target, why: str, lasts: Callable[[], bool]) -> None:
        """Write *why* on *target* soon, if that still *lasts* then."""
        self._queue.put_nowait((target, why, lasts))

    async def run(self) -> None:
        """Write for ever."""
        while True:
            target, why, lasts = await self._queue.get()
            if not lasts():
                continue
            await self._pace()
            if not lasts() or not self._leads():
                continue
            try:
                await self._events.failed(target, why)
            except Exception:  # noqa: BLE001 - an Event is news, and may end nothing else
                _log.exception("%s: no Event, by a fault of Retag", target)


def outage_line(login: Login, why: str) -> str:
    """What an Event says: the same words for the same outage, so that it is counted."""
    minutes = f"{LASTING / 60:.0f} minutes"
    return f"{login.repository} could not be read for {minutes} or longer: {why}"
