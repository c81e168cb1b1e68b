"""Last good choices that the controller recorded in the cluster, behind those of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from cmp.store import LastGood, Store
from cmp.store import choices as law
from cmp.tags import Listing, Tag
from sidecar.cluster import record_format
from sidecar.cluster.applications import key_of_instance
from sidecar.cluster.record_format import name_of
from sidecar.kubernetes import Object
from sidecar.kubernetes.mirror import Key


def keep_record(manifest: Object) -> bytes | None:
    """The last good choices in a ConfigMap of the controller, as JSON; None if there are none.

    One that does not lie where the controller would put it is none.
    """
    record = record_format.parse(manifest.get("data"))
    metadata = manifest.get("metadata") or {}
    if record is None or metadata.get("name") != name_of(record.namespace, record.name):
        return None
    choices = [asdict(choice) for choice in record.last_good]
    return json.dumps(choices, separators=(",", ":")).encode() if choices else None


class RecordedChoices:
    """The `Store` *store*, which also knows the choices in *records*, ConfigMaps of *namespace*.

    *records* hold what `keep_record` keeps, by namespace and name. *control* is Argo CD's own
    namespace; *wall* is in seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        records: Mapping[Key, bytes],
        *,
        namespace: str,
        control: str,
        wall: Callable[[], float],
    ) -> None:
        self._store = store
        self._records = records
        self._namespace = namespace
        self._control = control
        self._wall = wall

    async def choices(self, application: str) -> Sequence[LastGood]:
        """What the store remembers, then what is recorded of other rules of *application*."""
        stored = await self._store.choices(application)
        known = {law.identity(choice) for choice in stored}
        recorded = law.dated(self._recorded(application), self._wall())
        return (*stored, *(each for each in recorded if law.identity(each) not in known))

    async def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """Remember *choices* in the store."""
        await self._store.keep_choices(application, choices)

    async def listing(self, key: str) -> Listing | None:
        """The store's."""
        return await self._store.listing(key)

    async def keep_listing(self, key: str, listing: Listing) -> None:
        """Remember *listing* in the store."""
        await self._store.keep_listing(key, listing)

    async def tags(self, key: str, names: Sequence[str]) -> Mapping[str, Tag]:
        """The store's."""
        return await self._store.tags(key, names)

    async def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """Remember *tags* in the store."""
        await self._store.keep_tags(key, tags)

    async def seen(self, kind: str) -> Mapping[str, bytes] | None:
        """The store's."""
        return await self._store.seen(kind)

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], *, whole: bool
    ) -> bool:
        """Remember *changed* in the store."""
        return await self._store.keep_seen(kind, changed, whole=whole)

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()

    def _recorded(self, application: str) -> Sequence[LastGood]:
        name = name_of(*key_of_instance(application, self._control))
        kept = self._records.get((self._namespace, name))
        return () if kept is None else [LastGood(**choice) for choice in json.loads(kept)]
