"""Hints from the replica that an event came to, to the one that leads.

A Service spreads events over all replicas of the controller, and only the leader looks at
repositories. So the others write what they hear to one small ConfigMap, every few seconds at most,
and the leader watches it. Whoever may write ConfigMaps there can have repositories looked at.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from cmp.meter import Meter
from cmp.reference import is_repository_path
from sidecar.kubernetes.errors import AbsentError, ClusterError
from sidecar.kubernetes.kinds import CONFIG_MAPS
from sidecar.kubernetes.mirror import Key, Mirror, Watched
from sidecar.kubernetes.port import Cluster, Object
from sidecar.webhook.events import Hint

_log = logging.getLogger("retag.webhook")

NAME = "retag.hints"
SELECTOR = "retag.dev/record=hints"
SPACING = 3.0  # seconds between two writes
MOST = 200  # hints that are kept, the last ones
_LONGEST_REGISTRY = 255
_LARGEST = 200_000  # characters of all hints
_KEY = "hints"

Heard = Mapping[Hint, float]  # when each was heard last, in seconds since the epoch
Take = Callable[[str, str], bool]  # registry and repository; whether this replica leads


class Relay:
    """Has each hint taken here if this replica leads, and else by the one that does.

    The ConfigMap is in *namespace*. *wall* gives seconds since the epoch, *sleep* waits.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        take: Take,
        meter: Meter,
        *,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._take = take
        self._wall = wall
        self._sleep = sleep
        self._unsent: dict[Hint, float] = {}
        self._wake = asyncio.Event()
        watched = Watched(CONFIG_MAPS, (namespace,), heard_in, SELECTOR)
        self._mirror = Mirror(cluster, watched, meter=meter)
        self._mirror.on_change(self._seen)

    def hint(self, registry: str, repository: str) -> None:
        """Something may have changed in *repository* of *registry* ("" if unknown)."""
        if self._take(registry, repository):
            return
        self._unsent[Hint(registry, repository)] = self._wall()
        self._unsent = _last(self._unsent)
        self._wake.set()

    async def run(self) -> None:
        """Pass hints on for ever. Nobody waits for this one, so it says itself that it ends."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._mirror.run())
                group.create_task(self._send())
        except Exception:
            _log.exception("hints are no longer passed on, by a fault of Retag")
            raise

    async def _send(self) -> None:
        while await self._wake.wait():
            self._wake.clear()
            sending, self._unsent = self._unsent, {}
            try:
                await self._write(sending)
            except ClusterError as error:  # another replica wrote, or the API server is away
                _log.debug("hints wait: %s", error)
                self._unsent = _last({**sending, **self._unsent})
                self._wake.set()
            except Exception:  # noqa: BLE001 - those that come later may be written
                _log.exception("hints are lost by a fault of Retag")
            await self._sleep(SPACING)

    async def _write(self, sending: Heard) -> None:
        try:
            found = await self._cluster.get(CONFIG_MAPS, self._namespace, NAME)
        except AbsentError:
            manifest = _config_map(self._namespace, _last(sending))
            await self._cluster.create(CONFIG_MAPS, self._namespace, manifest)
            return
        manifest = _config_map(self._namespace, _last({**heard_in(found), **sending}))
        manifest["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        await self._cluster.replace(CONFIG_MAPS, self._namespace, manifest)

    def _seen(self, _key: Key, before: Heard | None, now: Heard | None) -> None:
        """Take what is new, if this replica leads."""
        for hint, at in (now or {}).items():
            if (before or {}).get(hint) != at:
                self._take(hint.registry, hint.repository)


def heard_in(manifest: Object) -> Heard:
    """The hints in a ConfigMap; what is none is left out."""
    text = (manifest.get("data") or {}).get(_KEY)
    if manifest["metadata"].get("name") != NAME or not text or len(text) > _LARGEST:
        return {}
    try:
        entries = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return {}
    return dict(filter(None, map(_entry, entries))) if isinstance(entries, list) else {}


def _refuse(constant: str) -> NoReturn:
    """NaN is equal to nothing, so it would be new each time."""
    raise ValueError(constant)


def _entry(value: Any) -> tuple[Hint, float] | None:
    match value:
        case {
            "registry": str(registry),
            "repository": str(repository),
            "at": int() | float() as at,
        }:
            if len(registry) <= _LONGEST_REGISTRY and is_repository_path(repository):
                return Hint(registry, repository), at
    return None


def _config_map(namespace: str, heard: Heard) -> Object:
    hints = [
        {"registry": hint.registry, "repository": hint.repository, "at": at}
        for hint, at in heard.items()
    ]
    labels = {"app.kubernetes.io/managed-by": "retag-controller", "retag.dev/record": "hints"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels},
        "data": {_KEY: json.dumps(hints, separators=(",", ":"))},
    }


def _last(heard: Heard) -> dict[Hint, float]:
    """The last of *heard*, the oldest first."""
    return dict(sorted(heard.items(), key=lambda pair: pair[1])[-MOST:])
