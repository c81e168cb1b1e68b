"""`Mirror`: all objects of a kind, kept as they are in the cluster by one watch a namespace.

They stay as last seen while the API server is away. A listing counts only when it is whole, so
that a failing page deletes nothing.

An etcd that was restored from a backup counts from less than was seen before. The API server takes
a watch from there without a word, and tells nothing until the count has caught up; so a watch is
opened again only after a look at how far the cluster has come.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cmp.meter import Meter, Unmetered
from sidecar.kubernetes.errors import ClusterError, GoneError
from sidecar.kubernetes.kinds import Kind
from sidecar.kubernetes.port import Change, Cluster, Happened, Object

_logger = logging.getLogger("retag.kubernetes")

Key = tuple[str, str]  # namespace and name
Kept = TypeVar("Kept")
# Called with the key, what was kept before, and what is now; None for nothing.
OnChange = Callable[[Key, Kept | None, Kept | None], None]

# Seconds between attempts, doubled each time. client-go's are as many as 30; here so much is known
# late once the API server is back, and there is a handful of watches a replica.
_FIRST, _LONGEST = 0.5, 10.0
# Seconds: a watch that told nothing and ended before is a failure, as for client-go; otherwise
# whatever ends watches at once would be asked without a pause.
_SHORTEST = 1.0
_AT_ONCE = 500  # objects of a listing that are told of before others have their turn


def is_older(one: str, other: str) -> bool:
    """Whether the resourceVersion *one* lies before *other*; they grow in one cluster."""
    return one.isdecimal() and other.isdecimal() and int(one) < int(other)


def key_of(manifest: Object) -> Key:
    """Namespace and name of *manifest*."""
    metadata = manifest.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


@dataclass(frozen=True, slots=True)
class Watched(Generic[Kept]):
    """What a mirror watches: *kind* in *namespaces* ("" is all), with *labels* as kubectl's.

    Of each object it keeps what *keep* makes of it; None keeps nothing. If that raises, what was
    kept of the object stays, or *unread* for one of which nothing was. Metrics and logs name it
    *called*, where a kind is watched twice.
    """

    kind: Kind
    namespaces: tuple[str, ...]
    keep: Callable[[Object], Kept | None]
    labels: str = ""
    called: str = ""
    unread: Kept | None = None


@dataclass(slots=True)
class _State:
    """Of one namespace: whether it was listed whole; the *version* from which to watch, "" where
    it has to be listed; why the last attempt failed.
    """

    listed: asyncio.Event = field(default_factory=asyncio.Event)
    version: str = ""
    error: ClusterError | None = None


class Mirror(Generic[Kept]):
    """The objects of *watched*, as last seen by `run`.

    *sleep* waits that many seconds between attempts; *chance* gives a number of [0, 1).
    """

    def __init__(
        self,
        cluster: Cluster,
        watched: Watched[Kept],
        *,
        meter: Meter | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._watched = watched
        self._meter = meter or Unmetered()
        self._sleep = sleep
        self._chance = chance
        self._clock = clock
        self._kept: dict[Key, Kept] = {}
        self._states = {namespace: _State() for namespace in watched.namespaces}
        self._listeners: list[OnChange[Kept]] = []
        self._events = 0
        self.was_restored = False  # whether the cluster has counted from less since

    @property
    def objects(self) -> Mapping[Key, Kept]:
        """What is kept, by namespace and name; it changes as the cluster does."""
        return self._kept

    @property
    def is_synced(self) -> bool:
        """Whether all namespaces were listed whole once."""
        return all(state.listed.is_set() for state in self._states.values())

    @property
    def error(self) -> ClusterError | None:
        """Why the cluster is not seen now; None while it is."""
        return next((each.error for each in self._states.values() if each.error), None)

    async def synced(self) -> None:
        """Return when all namespaces were listed whole once."""
        for state in self._states.values():
            await state.listed.wait()

    def on_change(self, listener: OnChange[Kept]) -> None:
        """Have *listener* called after each change; it must not raise, and not wait."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Watch for ever."""
        self._meter.set("retag_watch_connected", 0.0, kind=self.called)
        async with asyncio.TaskGroup() as group:
            for namespace, state in self._states.items():
                group.create_task(self._run(namespace, state))

    async def _run(self, namespace: str, state: _State) -> None:
        """Watch *namespace* for ever, whatever happens."""
        failures = 0
        while True:
            error = await self._attempt(namespace, state)
            failures = failures + 1 if error else 0
            if error and (failures > 1 or not isinstance(error, GoneError)):
                self._seen(state, error)
                await self._sleep(self._delay(failures))

    async def _attempt(self, namespace: str, state: _State) -> ClusterError | None:
        """List if needed, then watch until that ends; what went wrong, unless it was of use."""
        began = self._clock()
        events = self._events
        error: ClusterError
        try:
            if state.version:
                await self._check(namespace, state)
            if not state.version:
                state.version = await self._list(namespace)
                state.listed.set()
                self._seen(state, None)
            await self._follow(namespace, state)
            if self._events > events or self._clock() - began >= _SHORTEST:
                return None
            error = ClusterError("RT650", f"the watch of {self._watched.kind} ends at once")
        except ClusterError as caught:
            error = caught
        except Exception as bug:
            _logger.exception("the watch of %s failed", self._watched.kind)
            what = f"the watch of {self._watched.kind} failed: {type(bug).__name__}"
            error = ClusterError("RT659", what, remedy="this is a bug: its log has the place")
        if isinstance(error, GoneError) or error.code == "RT659":
            state.version = ""
        self._meter.count("retag_watch_restarts_total", kind=self.called, reason=error.code)
        return error

    async def _check(self, namespace: str, state: _State) -> None:
        """Have *namespace* listed if the cluster has not come as far as was seen already."""
        kind = self._watched.kind
        if is_older(await self._cluster.version(kind, namespace), state.version):
            _logger.warning("the cluster was restored from a backup: %s are listed anew", kind)
            self.was_restored, state.version = True, ""

    async def _list(self, namespace: str) -> str:
        """Take what a whole listing has; the version from which to watch."""
        found: dict[Key, Kept | None] = {}  # never the objects themselves: they are large
        version = ""
        kind, labels = self._watched.kind, self._watched.labels
        async for page in self._cluster.list_pages(kind, namespace, labels=labels):
            for each in page.objects:
                found[key_of(each)] = self._kept_of(each)
            version = page.version
        gone = [key for key in self._of(namespace) if key not in found]
        for number, key in enumerate((*gone, *found), 1):
            self._put(key, found.get(key))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return version

    async def _follow(self, namespace: str, state: _State) -> None:
        """Take what changes from the state's version on, until the watch ends."""
        changes = self._cluster.watch(
            self._watched.kind, namespace, state.version, labels=self._watched.labels
        )
        async for change in changes:
            self._seen(state, None)
            state.version = self._take(change) or state.version

    def _take(self, change: Change) -> str:
        manifest = change.object
        if change.happened is not Happened.BOOKMARK:
            self._events += 1
            gone = change.happened is Happened.DELETED
            self._put(key_of(manifest), None if gone else self._kept_of(manifest))
            self._meter.count("retag_watch_events_total", kind=self.called)
        return str((manifest.get("metadata") or {}).get("resourceVersion") or "")

    def _kept_of(self, manifest: Object) -> Kept | None:
        """What *keep* makes of *manifest*; where that fails, what it made of it before.

        To leave it out would say that it was deleted, and what it ruled would be ruled no more.
        """
        try:
            return self._watched.keep(manifest)
        except Exception:
            key = key_of(manifest)
            _logger.exception("the %s %s/%s cannot be read, it stays as it was", self.called, *key)
            self._meter.count("retag_watch_unreadable_total", kind=self.called)
            return self._kept.get(key, self._watched.unread)

    def _put(self, key: Key, now: Kept | None) -> None:
        before = self._kept.get(key)
        if before == now:
            return
        if now is None:
            del self._kept[key]
        else:
            self._kept[key] = now
        self._meter.set("retag_watch_objects", len(self._kept), kind=self.called)
        for listener in self._listeners:
            try:
                listener(key, before, now)
            except Exception:  # the others are told, and the mirror stays what the cluster is
                _logger.exception("a change of the %s %s/%s was not taken up", self.called, *key)

    def _of(self, namespace: str) -> Iterator[Key]:
        return iter([key for key in self._kept if not namespace or key[0] == namespace])

    def _seen(self, state: _State, error: ClusterError | None) -> None:
        """Remember, and say, that the namespace is seen as it is, or why it is not."""
        if error and (state.error is None or str(state.error) != str(error)):
            _logger.warning("%s", error)
        state.error = error
        self._meter.set("retag_watch_connected", float(self.error is None), kind=self.called)

    @property
    def called(self) -> str:
        """What metrics and logs call it."""
        return self._watched.called or self._watched.kind.name

    def _delay(self, failures: int) -> float:
        """Seconds until the next attempt, from half of the back-off to the whole."""
        longest = min(_LONGEST, _FIRST * 2.0 ** min(failures - 1, 10))
        return longest * (0.5 + self._chance() / 2)
