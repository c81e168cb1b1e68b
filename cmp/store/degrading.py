"""`Degrading`: a persistent store with memory beside it, that never fails and never goes back.

All that is kept goes to both. What is read is the newest of both, and what the persistent store
could not be told stays in memory, is preferred to what stands there, and is told it as soon as it
works again: so a record of before a fault never wins over one that was made during it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from cmp.meter import Meter
from cmp.store import choices as law
from cmp.store.breaker import Breaker
from cmp.store.memory import BESIDE_A_STORE, MemoryStore
from cmp.store.persistent import Persistent, StoreError
from cmp.store.port import LastGood
from cmp.store.unwritten import Unwritten
from cmp.tags import Listing, Tag

# Seconds. A fault costs one request each pause; who watches sees it over within a pause.
PAUSE = 30.0
# Seconds, for a disk or a server that does not answer: a request has 10 for all its look-ups.
PATIENCE = 1.0
_ALL = 5  # times that, for all objects of a kind at once: no request waits for them to be kept

_log = logging.getLogger("retag.store")
_Answer = TypeVar("_Answer")


class Degrading:
    """A `Store` that goes on with memory while *origin* cannot be read or written.

    Reading and writing fail apart, as on a full disk; what fails is tried again after *pause*
    seconds of *clock*, which never goes back, and given up after *patience* seconds. *wall* is
    seconds since the epoch. Faults are counted by *meter*; the log has their beginning and end.
    """

    def __init__(
        self,
        origin: Persistent,
        *,
        meter: Meter,
        clock: Callable[[], float],
        wall: Callable[[], float],
        pause: float = PAUSE,
        patience: float = PATIENCE,
    ) -> None:
        self._origin = origin
        self._meter = meter
        self._patience = patience
        self._patience_for_all = patience * _ALL
        self._memory = MemoryStore(wall=wall, room=BESIDE_A_STORE)
        self._unwritten = Unwritten(wall)
        self._reading = Breaker(clock, pause)
        self._writing = Breaker(clock, pause)
        self._settling: asyncio.Task[None] | None = None
        meter.set("retag_store_degraded", 0, store=origin.kind)

    async def choices(self, application: str) -> Sequence[LastGood]:
        """All that is remembered of *application*, the last kept first."""
        stored = await self._read("choices", lambda: self._origin.choices(application))
        merged = law.merge(
            stored=stored or (),
            known=await self._memory.choices(application),
            unwritten=self._unwritten.choices(application),
        )
        self._memory.learn(application, merged)
        return merged

    async def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """Remember *choices*, each in the place of one that is not newer."""
        await self._memory.keep_choices(application, choices)
        written = False
        try:
            written = await self._keep(application, choices)
        finally:  # whoever was cancelled has perhaps not written
            if not written:
                newest = await self._newest(application, choices)
                self._unwritten.add_choices(application, newest)
        if written:
            self._unwritten.wrote_choices(application, choices)
            self._settle()

    async def listing(self, key: str) -> Listing | None:
        """The newest listing under *key*."""
        stored = await self._read("listing", lambda: self._origin.listing(key))
        known = await self._memory.listing(key)
        if stored is None or (known is not None and known.observed_at >= stored.observed_at):
            return known
        return stored

    async def keep_listing(self, key: str, listing: Listing) -> None:
        """Remember *listing* in the place of one that is not newer."""
        await self._memory.keep_listing(key, listing)
        if await self._observe(
            "keep_listing", key, lambda: self._origin.keep_listing(key, listing)
        ):
            self._settle()

    async def tags(self, key: str, names: Sequence[str]) -> Mapping[str, Tag]:
        """Those of *names* that were described under *key*."""
        stored = await self._read("tags", lambda: self._origin.tags(key, names)) or {}
        known = await self._memory.tags(key, names)
        if self._unwritten.has(key):  # what is stored of it is of before
            return {**stored, **known}
        return {**known, **stored}

    async def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """Remember *tags* under *key*."""
        await self._memory.keep_tags(key, tags)
        if await self._observe("keep_tags", key, lambda: self._origin.keep_tags(key, tags)):
            self._settle()

    async def seen(self, kind: str) -> Mapping[str, bytes] | None:
        """The objects of *kind*; None where the persistent store does not answer."""
        return await self._read("seen", lambda: self._origin.seen(kind), self._patience_for_all)

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], *, whole: bool
    ) -> bool:
        """Remember *changed* of *kind*; whether the persistent store did."""
        kept = False

        async def keep() -> None:
            nonlocal kept
            kept = await self._origin.keep_seen(kind, changed, whole=whole)

        return await self._write("keep_seen", keep, self._patience_for_all) and kept

    async def aclose(self) -> None:
        """Tell the persistent store what it does not know yet, if it listens, and let go of it."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
        for last in (self._tell, self._origin.aclose):
            with suppress(StoreError, TimeoutError):
                await asyncio.wait_for(last(), self._patience)

    async def _newest(self, application: str, choices: Sequence[LastGood]) -> Sequence[LastGood]:
        """*choices*, or what took their place meanwhile."""
        identities = {law.identity(choice) for choice in choices}
        known = await self._memory.choices(application)
        return [choice for choice in known if law.identity(choice) in identities] or choices

    async def _observe(self, operation: str, key: str, ask: Callable[[], Awaitable[None]]) -> bool:
        written = False
        try:
            written = await self._write(operation, ask)
        finally:  # whoever was cancelled has perhaps not written
            if not written:
                self._unwritten.add(key)
        return written

    async def _read(
        self,
        operation: str,
        ask: Callable[[], Awaitable[_Answer]],
        patience: float | None = None,
    ) -> _Answer | None:
        """What the persistent store answers; None where it does not."""
        if not self._reading.allows():
            return None
        try:
            answer = await asyncio.wait_for(ask(), patience or self._patience)
        except (StoreError, TimeoutError) as error:
            self._failed(self._reading, operation, error)
            return None
        self._worked(self._reading)
        self._settle()
        return answer

    async def _write(
        self, operation: str, ask: Callable[[], Awaitable[None]], patience: float | None = None
    ) -> bool:
        """Whether the persistent store did what it was asked."""
        if not self._writing.allows():
            return False
        try:
            await asyncio.wait_for(ask(), patience or self._patience)
        except (StoreError, TimeoutError) as error:
            self._failed(self._writing, operation, error)
            return False
        self._worked(self._writing)
        return True

    def _failed(self, breaker: Breaker, operation: str, error: Exception) -> None:
        origin = self._origin
        self._meter.count("retag_store_errors_total", store=origin.kind, operation=operation)
        self._meter.set("retag_store_degraded", 1, store=origin.kind)
        news = not self._degraded
        breaker.failed()
        if news:
            fault = error if isinstance(error, StoreError) else _no_answer(self._patience)
            _log.warning("%s: going on with what is in memory", fault.at(origin.place))

    def _worked(self, breaker: Breaker) -> None:
        was = self._degraded
        breaker.worked()
        if was and not self._degraded:
            self._meter.set("retag_store_degraded", 0, store=self._origin.kind)
            _log.info("%s: the store works again", self._origin.place)

    @property
    def _degraded(self) -> bool:
        return self._reading.open or self._writing.open

    def _settle(self) -> None:
        """Begin to tell the persistent store what it does not know, where that may work."""
        idle = self._settling is None or self._settling.done()
        if self._unwritten and idle and self._writing.ready:
            self._settling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        for application, choices in self._unwritten.all_choices().items():
            if not await self._tell_choices(application, choices):
                return
        for key in self._unwritten.keys():  # noqa: SIM118  # no mapping
            if not await self._tell_observations(key):
                return

    async def _tell_choices(self, application: str, choices: Sequence[LastGood]) -> bool:
        """Write *choices*, again where they had successors meanwhile: those may be overwritten."""
        told: Sequence[LastGood] = ()
        while told != (newest := await self._newest(application, choices)):
            if not await self._keep(application, newest):
                return False
            told = newest
        self._unwritten.wrote_choices(application, told)
        return True

    async def _keep(self, application: str, choices: Sequence[LastGood]) -> bool:
        return await self._write(
            "keep_choices", lambda: self._origin.keep_choices(application, choices)
        )

    async def _tell_observations(self, key: str) -> bool:
        self._unwritten.discard(key)
        listing, tags = await self._memory.listing(key), self._memory.all_tags(key)
        if listing is not None and not await self._observe(
            "keep_listing", key, lambda: self._origin.keep_listing(key, listing)
        ):
            return False
        return await self._observe("keep_tags", key, lambda: self._origin.keep_tags(key, tags))


def _no_answer(patience: float) -> StoreError:
    return StoreError(
        "RT642",
        f"the store does not answer within {patience:g} s",
        remedy="look after its disk or its server",
    )
