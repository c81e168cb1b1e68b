"""`open_store`: from what operators write as `--store` to the store, untouched yet."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cmp.meter import Meter, Unmetered
from cmp.store.memory import MemoryStore
from cmp.store.persistent import Persistent
from cmp.store.port import Store
from cmp.store.redis_url import no_store, parse_server

PASSWORD_FILE = "RETAG_STORE_PASSWORD_FILE"  # noqa: S105  # its name, not a password
_ARGO_CD = re.compile(r"argo-?cd.*redis|redis.*argo-?cd", re.IGNORECASE)

_log = logging.getLogger("retag.store")


def open_store(
    text: str,
    *,
    meter: Meter | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    environment: Mapping[str, str] | None = None,
) -> Store:
    """The store that *text* names; it is opened when it is first used, and never fails.

    "" or `memory` is this process alone, a path or `sqlite:PATH` a file, `redis://`, `rediss://`
    (TLS) and `unix://` a Redis. *environment*, by default this process's, may name a file with its
    password as RETAG_STORE_PASSWORD_FILE. *clock* gives seconds and never goes back, *wall*
    seconds since the epoch. Raises `UsageError` RT256 for a text that is none of these.
    """
    origin = open_persistent(text, wall=wall, environment=environment)
    if origin is None:
        return MemoryStore(wall=wall)
    from cmp.store.degrading import Degrading  # noqa: PLC0415  # asyncio, for who needs it

    return Degrading(origin, meter=meter or Unmetered(), clock=clock, wall=wall)


def open_persistent(
    text: str,
    *,
    wall: Callable[[], float] = time.time,
    environment: Mapping[str, str] | None = None,
    make: bool = True,
) -> Persistent | None:
    """The store that *text* names, as it is; None for memory. Raises `UsageError`.

    Without *make* a file is neither made, nor set aside if it is none of ours.
    """
    if text in {"", "memory"}:
        return None
    if "://" in text:
        return _redis(text, wall, os.environ if environment is None else environment)
    path = text.removeprefix("sqlite:")
    if not path or "\0" in path or (path == text and "/" not in path):
        raise no_store("this is no store")
    from cmp.store.sqlite import SqliteStore  # noqa: PLC0415  # SQLite, for who has a file

    return SqliteStore(Path(path), wall=wall, make=make)


def _redis(text: str, wall: Callable[[], float], environment: Mapping[str, str]) -> Persistent:
    file = environment.get(PASSWORD_FILE, "")
    server = parse_server(text, Path(file) if file else None)
    if _ARGO_CD.search(server.place):
        _log.warning(
            "%s: this looks like Argo CD's own Redis; whoever can write there can write"
            " manifests, so give Retag one of its own",
            server.place,
        )
    from cmp.store.redis import RedisStore  # noqa: PLC0415  # redis-py takes 0.2 s to import

    return RedisStore(server, wall=wall)
