"""`LastSeen`: objects of the cluster as they are, or until then as a process before this saw them.

What a mirror holds is kept in the store, so that a resolver which starts while the API server is
away knows the rules. A set in the store is a whole one, of this cluster and these namespaces.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from cmp.store import Store
from cmp.store.seen import LARGEST, MOST
from sidecar.kubernetes import ClusterError, Kind
from sidecar.kubernetes.mirror import Key, Mirror

BATCH = 2.0  # seconds in which changes gather, so that many are written at once
# Seconds: a store that was emptied, or did not listen, is told all again within.
AGAIN = 300.0
_FORM = 1  # of what is kept: another one is another set
_EACH = 64  # bytes of an object in the store, besides its own and its name's

Sleep = Callable[[float], Awaitable[None]]


def identity(kind: Kind, cluster: str, namespaces: Sequence[str]) -> str:
    """The name of the set of all *kind* in *namespaces* of *cluster*, whatever that is called."""
    text = json.dumps([_FORM, str(kind), cluster, sorted(namespaces)])
    return f"{kind.plural}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class LastSeen:
    """What *mirror* holds, also kept in *store* under the name *set_name*.

    *sleep* waits that many seconds.
    """

    def __init__(
        self,
        mirror: Mirror[bytes],
        store: Store,
        set_name: str,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._mirror = mirror
        self._store = store
        self._set_name = set_name
        self._sleep = sleep
        self._stored: dict[Key, bytes] | None = None
        self._whole = True  # is what the store has to be told next
        self._known = asyncio.Event()
        self._changed: set[Key] = set()  # since it was told to the store
        self._news = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        mirror.on_change(self._change)

    @property
    def objects(self) -> Mapping[Key, bytes]:
        """By namespace and name; none while nothing is known."""
        return self._mirror.objects if self._mirror.is_synced else self._stored or {}

    @property
    def is_known(self) -> bool:
        """Whether the objects are known, be it as last seen."""
        return self._known.is_set()

    @property
    def error(self) -> ClusterError | None:
        """Why the cluster is not seen now; None while it is."""
        return self._mirror.error

    async def known(self) -> None:
        """Return when the objects are known, be it as last seen."""
        await self._known.wait()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have *listener* called when *objects* may be others; it must not raise, and not wait."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Read the store, watch, and keep what changes, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mirror.run())
            await self._load()
            await self._mirror.synced()
            self._tell_listeners()
            await self._keep()

    async def _load(self) -> None:
        kept = await self._store.seen(self._set_name)
        if kept is not None:
            self._stored = {_key(name): value for name, value in kept.items()}
            self._tell_listeners()

    def _tell_listeners(self) -> None:
        self._known.set()
        for listener in self._listeners:
            listener()

    def _change(self, key: Key, _before: bytes | None, _now: bytes | None) -> None:
        self._changed.add(key)
        self._news.set()
        if self._mirror.is_synced:
            self._tell_listeners()

    async def _keep(self) -> None:
        """Tell the store what differs from what it holds, then what changes."""
        self._whole = self._stored is None
        if self._stored is not None:
            gone = self._stored.keys() - self._mirror.objects.keys()
            self._changed = gone | {
                key
                for key, value in self._mirror.objects.items()
                if self._stored.get(key) != value
            }
            self._stored = None
        while True:
            await self.tell()
            try:
                await asyncio.wait_for(self._news.wait(), AGAIN)
            except TimeoutError:
                continue
            await self._sleep(BATCH)

    async def tell(self) -> None:
        """Have the store hold what the mirror does; of a set that is too large, nothing."""
        if not self._mirror.is_synced or self._stored is not None:
            return
        self._news.clear()
        objects, whole = self._mirror.objects, self._whole
        rows = {"/".join(key): objects.get(key) for key in (objects if whole else self._changed)}
        if _is_too_large(objects):
            rows, whole = {"": None}, False
        self._changed = set()
        self._whole = True  # unless it gets to know all that changed
        kept = await self._store.keep_seen(self._set_name, rows, whole=whole)
        self._whole = not kept or "" in rows


def _is_too_large(objects: Mapping[Key, bytes]) -> bool:
    size = sum(_EACH + len("/".join(key)) + len(value) for key, value in objects.items())
    return size > LARGEST or len(objects) >= MOST


def _key(name: str) -> Key:
    namespace, _, rest = name.partition("/")
    return namespace, rest
