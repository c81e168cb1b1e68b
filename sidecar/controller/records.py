"""Records of Applications, as ConfigMaps in the controller's namespace.

Each is written only on the version that was read last, so that of two controllers that both take
themselves for the leader one fails, and decides anew.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sidecar.cluster.record import Record
from sidecar.cluster.record_format import SELECTOR, config_map, name_of, parse
from sidecar.controller.model import Target
from sidecar.kubernetes.errors import AbsentError
from sidecar.kubernetes.kinds import CONFIG_MAPS
from sidecar.kubernetes.mirror import Mirror, Watched, is_older
from sidecar.kubernetes.port import Cluster

Key = tuple[str, str]  # the Application's namespace and name


@dataclass(frozen=True, slots=True)
class Held:
    """A ConfigMap's *version* and the *record* in it; None for one that cannot be read."""

    version: str
    record: Record | None = None


def watched(namespace: str) -> Watched[Held]:
    """The ConfigMaps with records in *namespace*."""
    return Watched(CONFIG_MAPS, (namespace,), held, SELECTOR)


def held(manifest: dict[str, Any]) -> Held:
    """What the ConfigMap *manifest* holds: a record only under the name that is its own."""
    metadata = manifest.get("metadata") or {}
    version, record = str(metadata.get("resourceVersion") or ""), parse(manifest.get("data"))
    if record is None or name_of(record.namespace, record.name) != metadata.get("name"):
        return Held(version)
    return Held(version, record)


class Records:
    """The records in *namespace*, as *mirror* sees them and as they were written here since."""

    def __init__(self, cluster: Cluster, namespace: str, mirror: Mirror[Held]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._mirror = mirror
        self._written: dict[str, Held] = {}
        mirror.on_change(self._seen)

    def of(self, target: Target) -> Record:
        """What is recorded of *target*; nothing, where that was of another one with its name."""
        namespace, name = target.key
        found = self._held(name_of(namespace, name))
        record = found.record if found else None
        if record is None or (record.namespace, record.name, record.uid) != (
            namespace,
            name,
            target.uid,
        ):
            return Record(namespace=namespace, name=name, uid=target.uid)
        return record

    def keys(self) -> frozenset[Key]:
        """The Applications of which there are records."""
        records = (each.record for each in self._mirror.objects.values())
        return frozenset((each.namespace, each.name) for each in records if each is not None)

    async def write(self, record: Record) -> None:
        """Record *record*; `ConflictError` if that of its Application was written elsewhere."""
        manifest = config_map(record, self._namespace)
        name = manifest["metadata"]["name"]
        known = self._held(name)
        if known is None:
            made = await self._cluster.create(CONFIG_MAPS, self._namespace, manifest)
        else:
            manifest["metadata"]["resourceVersion"] = known.version
            made = await self._cluster.replace(CONFIG_MAPS, self._namespace, manifest)
        self._written[name] = held(made)

    async def read(self, key: Key) -> None:
        """Read anew what is recorded of the Application *key*."""
        name = name_of(*key)
        try:
            found = await self._cluster.get(CONFIG_MAPS, self._namespace, name)
        except AbsentError:
            self._written[name] = Held("")
        else:
            self._written[name] = held(found)

    async def delete(self, key: Key) -> None:
        """Forget the Application *key*, which is gone."""
        name = name_of(*key)
        if self._held(name) is None:
            return
        with suppress(AbsentError):
            await self._cluster.delete(CONFIG_MAPS, self._namespace, name)
        self._written[name] = Held("")

    def _held(self, name: str) -> Held | None:
        """What was seen last, here or by the mirror; None where there is no ConfigMap."""
        seen = self._mirror.objects.get((self._namespace, name))
        written = self._written.get(name)
        if written is None:
            return seen
        if not written.version:
            return None  # deleted, whatever the mirror still has
        return written if seen is None or is_older(seen.version, written.version) else seen

    def _seen(self, key: Key, _before: Held | None, now: Held | None) -> None:
        """Let go of what was written here once the mirror has it too."""
        written = self._written.get(key[1])
        if written is not None and (now is None or not is_older(now.version, written.version)):
            del self._written[key[1]]
