"""`Current`: the configuration that is used now, and how another takes its place.

A changed one is read whole, away from the event loop. If it is sound, requests that begin from
then on use it; those under way keep theirs, which is closed when the last of them has ended. If it
is broken, the one before stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cmp.errors import Severity
from cmp.meter import Meter, Unmetered
from cmp.rules.units import Resource
from sidecar.configuration import Configuration
from sidecar.sources import Sources

_log = logging.getLogger("retag.configuration")

EVERY = 5.0  # seconds between two looks at the files; kubelet takes up to 90 to change a mount
# Seconds until a broken version is read again though its files are the same: a file that it names
# may have come, or a disk may have recovered.
_AGAIN = 60.0

_RESTLESS = 12  # looks

Load = Callable[[Configuration | None], Configuration]


@dataclass(slots=True)
class _Version:
    configuration: Configuration
    users: int = 0


class Current:
    """Begins with *configuration*; *load* reads another, to which it passes the one before.

    *clock* gives seconds and never goes back, *wall* seconds since the epoch.
    """

    def __init__(
        self,
        configuration: Configuration,
        load: Load,
        *,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._meter = meter or Unmetered()
        self._clock = clock
        self._wall = wall
        self._version = _Version(configuration)
        self._old: list[_Version] = []  # that are used still
        self._tried = configuration  # the last that was read, be it broken
        self._tried_at = clock()
        self._told: frozenset[str] = frozenset()
        self._remarked: frozenset[str] = frozenset()
        self._closing: set[asyncio.Task[None]] = set()
        self._refreshing = asyncio.Lock()
        self._resources: Sequence[Resource] = ()  # of the cluster
        self._begin()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Configuration]:
        """The configuration as it is now; it stays open meanwhile."""
        version = self._version
        version.users += 1
        try:
            yield version.configuration
        finally:
            version.users -= 1
            self._retire()

    async def watch(
        self, every: float = EVERY, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`refresh` every so many seconds, for ever, save while the files are being changed.

        A rule that moves from one file to another is in neither for a moment, and must not be
        taken for one that was deleted; so the files have to be the same at two looks. Where
        something always writes there, they are read nevertheless, a minute later.
        """
        before: Hashable = None
        restless = 0
        while True:
            await sleep(every)
            try:
                stamp = await asyncio.to_thread(self._tried.paths.stamp)
                restless = 0 if stamp == before else restless + 1
                if restless % _RESTLESS == 0:
                    await self.refresh()
                before = stamp
                self._remark()
            except Exception:  # noqa: BLE001  # no thread to be had, as it may be
                _log.exception("the configuration could not be looked at")

    async def refresh(self, *, anyway: bool = False) -> None:
        """Take what the files hold, if they changed and are sound. Never raises.

        With *anyway* they are read even if they seem to be the same.
        """
        async with self._refreshing:
            found = await asyncio.to_thread(self._look, anyway=anyway)
            if found is None:
                return
            known = self._tried.broken and _same(found, self._tried)
            self._tried, self._tried_at = found, self._clock()
            if known:
                return
            # Of two broken ones the younger tells what is to be mended.
            if found.broken and not self._version.configuration.broken:
                self._keep_out(found)
            else:
                self._swap(found)

    async def take(self, resources: Sequence[Resource]) -> None:
        """Use *resources* of the cluster from now on, besides the rules of the files."""
        async with self._refreshing:
            self._resources = resources
            used = self._version.configuration
            self._swap(await asyncio.to_thread(used.with_resources, resources))

    async def aclose(self) -> None:
        """Close the configuration, whoever uses it."""
        for sources in _sources([*self._old, self._version]):
            await sources.aclose()
        await asyncio.gather(*self._closing)

    def _look(self, *, anyway: bool) -> Configuration | None:
        """What the files hold; None if that is known. It runs in a thread."""
        if not anyway and self._tried.is_current and not self._is_time_again():
            return None
        found = self._load(self._version.configuration)
        return found.with_resources(self._resources) if self._resources else found

    def _is_time_again(self) -> bool:
        return bool(self._tried.broken) and self._clock() - self._tried_at >= _AGAIN

    def _swap(self, found: Configuration) -> None:
        self._old.append(self._version)
        self._version = _Version(found)
        self._retire()
        self._meter.count(
            "retag_configuration_reloads_total", result="broken" if found.broken else "loaded"
        )
        self._begin()

    def _keep_out(self, found: Configuration) -> None:
        self._meter.count("retag_configuration_reloads_total", result="broken")
        self._meter.set("retag_configuration_last_reload_successful", 0)
        self._tell(found, "the configuration before it stays in use")

    def _begin(self) -> None:
        """Say what is used from now on."""
        used = self._version.configuration
        self._meter.set("retag_configuration_last_reload_successful", not self._tried.broken)
        self._meter.set("retag_configuration_loaded_timestamp_seconds", self._wall())
        for severity in Severity:
            number = sum(each.severity is severity for each in used.findings)
            self._meter.set("retag_configuration_findings", number, severity=severity.value)
        self._tell(used, "requests that it touches fail")
        _log.info(
            "configuration loaded",
            extra={
                "resources": len(used.operator.rules.resources),
                "registries": len(used.sources.registries.endpoints),
                "findings": len(used.findings),
            },
        )

    def _tell(self, found: Configuration, outcome: str) -> None:
        """What is wrong with *found*, each a line, save what was told of the version before."""
        broken = f"the configuration is broken, {outcome}: "
        lines = {str(finding): (logging.WARNING, "") for finding in found.warnings}
        for finding in found.findings:
            if finding.severity is Severity.ERROR:
                lines[str(finding)] = logging.ERROR, "a part of the configuration is disabled: "
        lines |= {str(error): (logging.ERROR, broken) for error in found.broken}
        for line, (level, before) in lines.items():
            if line not in self._told:
                _log.log(level, "%s%s", before, line)
        self._told = frozenset(lines)

    def _remark(self) -> None:
        """What was found out about registries since they are asked, each a line."""
        remarks = self._version.configuration.sources.registries.remarks
        for remark in remarks:
            if remark not in self._remarked:
                _log.warning("%s", remark)
        self._remarked = frozenset(remarks)

    def _retire(self) -> None:
        """Close what is used no more."""
        done = [version for version in self._old if not version.users]
        if not done:
            return
        self._old = [version for version in self._old if version.users]
        used = _sources([*self._old, self._version])
        for sources in _sources(done):
            if not any(sources is each for each in used):
                task = asyncio.create_task(sources.aclose())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)


@asynccontextmanager
async def kept(
    current: Current, to_read: asyncio.Event, *beside: Coroutine[Any, Any, None]
) -> AsyncIterator[Current]:
    """*current* for the time of the context, read again when files change, and on *to_read*.

    What is *beside* runs as long.
    """

    async def read_when_asked() -> None:
        while await to_read.wait():
            to_read.clear()
            await current.refresh(anyway=True)

    work = (current.watch(), read_when_asked(), *beside)
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield current
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await current.aclose()


def _sources(versions: Iterable[_Version]) -> list[Sources]:
    """Those of *versions*, each once."""
    each = [version.configuration.sources for version in versions]
    return list({id(sources): sources for sources in each}.values())


def _same(one: Configuration, other: Configuration) -> bool:
    """Whether both were read of the same files, and have the same faults."""
    return one.stamp == other.stamp and list(map(str, one.broken)) == list(map(str, other.broken))
