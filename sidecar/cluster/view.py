"""`ClusterView`: all that a resolver knows of its cluster, kept up to date by one watch a kind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cmp.meter import Meter, Unmetered
from cmp.rules.units import Resource
from cmp.store import Store
from sidecar.cluster.applications import WatchedApplications, keep_application
from sidecar.cluster.record_format import SELECTOR
from sidecar.cluster.records import RecordedChoices, keep_record
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.cluster.seen import LastSeen, Sleep, identity
from sidecar.kubernetes import APPLICATIONS, CONFIG_MAPS, IMAGE_UPDATERS, Cluster, ClusterError
from sidecar.kubernetes.mirror import Mirror, Watched

_log = logging.getLogger("retag.cluster")

Take = Callable[[Sequence[Resource]], Awaitable[None]]

GATHER = 0.1  # seconds in which changes of rules gather: `kubectl apply` of a folder is one
_GLANCE = 0.05  # seconds between two looks whether it is known why records are not
_AFTER_A_BUG = 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Where is looked: *cluster* names it, and no other, *argocd* is Argo CD's own namespace.

    ImageUpdaters are in *rules*, Applications in *applications*; ("",) is all namespaces.
    """

    cluster: str
    argocd: str
    rules: tuple[str, ...]
    applications: tuple[str, ...]


class ClusterView:
    """What *cluster* holds where *looked* says, and what *store* remembers of that.

    *wall* is in seconds since the epoch; *sleep* waits that many.
    """

    def __init__(
        self,
        cluster: Cluster,
        looked: Looked,
        store: Store,
        *,
        meter: Meter | None = None,
        wall: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        meter = meter or Unmetered()
        argocd = looked.argocd
        updaters = Mirror(
            cluster, Watched(IMAGE_UPDATERS, looked.rules, keep_rules), meter=meter, sleep=sleep
        )
        watched = Mirror(
            cluster,
            Watched(APPLICATIONS, looked.applications, keep_application),
            meter=meter,
            sleep=sleep,
        )
        self._records = Mirror(
            cluster,
            Watched(CONFIG_MAPS, (argocd,), keep_record, SELECTOR),
            meter=meter,
            sleep=sleep,
        )
        name = identity(IMAGE_UPDATERS, looked.cluster, looked.rules)
        self._rules = LastSeen(updaters, store, name, sleep=sleep)
        name = identity(APPLICATIONS, looked.cluster, looked.applications)
        self._applications = LastSeen(watched, store, name, sleep=sleep)
        self.applications = WatchedApplications(self._applications, argocd, wall=wall)
        watched.on_change(self.applications.changed)
        self.store = RecordedChoices(
            store, self._records.objects, namespace=argocd, control=argocd, wall=wall
        )
        self._reader = RulesReader(argocd)
        self._sleep = sleep
        self._news = asyncio.Event()
        self._rules.on_change(self._news.set)
        self._taken = asyncio.Event()

    async def run(self, take: Take) -> None:
        """Watch for ever, and have *take* use the resources there are, each time they change."""
        await asyncio.gather(
            self._for_ever(self._rules.run),
            self._for_ever(self._applications.run),
            self._for_ever(self._records.run),
            self._for_ever(lambda: self._hand_over(take)),
        )

    async def known(self, seconds: float) -> None:
        """Return when rules and Applications are known, be it as last seen.

        Raises `ClusterError` RT662 if they are not within so many *seconds*.
        """
        if self._taken.is_set() and self._applications.is_known and self._looked_for_records:
            return
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._applications.known()
                await self._taken.wait()
                await self._known_records()
        except TimeoutError:
            raise self._unknown() from None

    async def aclose(self) -> None:
        """Tell the store what it does not know yet, when nothing runs any more."""
        await self._rules.tell()
        await self._applications.tell()

    async def _hand_over(self, take: Take) -> None:
        await self._rules.known()
        while True:
            self._news.clear()
            objects = dict(self._rules.objects)  # of one moment: a thread reads them
            await take(await asyncio.to_thread(self._reader.read, objects))
            self._taken.set()
            await self._news.wait()
            await self._sleep(GATHER)

    async def _for_ever(self, run: Callable[[], Awaitable[None]]) -> None:
        """*run*, again where it ends in a bug: what it has seen until then stays in use."""
        while True:
            try:
                await run()
            except Exception:  # noqa: BLE001  # the resolver lives on, with what it knows
                _log.exception("watching the cluster ended in a bug, and begins anew")
            await self._sleep(_AFTER_A_BUG)

    @property
    def _looked_for_records(self) -> bool:
        """Whether records are known, or cannot be: without them the store alone remembers."""
        return self._records.is_synced or self._records.error is not None

    async def _known_records(self) -> None:
        while not self._looked_for_records:
            await self._sleep(_GLANCE)

    def _unknown(self) -> ClusterError:
        error = self._rules.error or self._applications.error
        what = "ImageUpdaters" if self._rules.error else "Applications"
        why = error.brief if error else "the API server has not listed them yet"
        return ClusterError(
            "RT662",
            f"the {what} of the cluster were not read since the resolver began: {why}",
            remedy=(error.remedy if error else "") or "see that the API server can be reached",
        )
