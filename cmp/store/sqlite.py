"""`SqliteStore`: one file on the resolver's volume, read and written on one thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from cmp.errors import printable
from cmp.store.persistent import Contents, StoreError
from cmp.store.port import LastGood
from cmp.store.sqlite_file import (
    FAILURES,
    Connect,
    SqliteFile,
    connect,
    is_damage,
    is_full,
    reason,
)
from cmp.store.sqlite_rows import Rows
from cmp.tags import Listing, Tag

# 200 repositories of 1,000 described tags and 5,000 choices take a fifth of it (docs/store.md).
LARGEST = 256 * 1024 * 1024
_MOST_TIMES_FREED = 8  # a quarter of what is left each time: a tenth stays

_Answer = TypeVar("_Answer")
_Job = Callable[[Rows], _Answer]


class SqliteStore:
    """A `Persistent` store in the file *path*, whose folder has to be there.

    It is opened at the first use. *wall* is seconds since the epoch, *most* the largest size in
    bytes; without *make* the file is neither made nor set aside (for people who look at it).
    All methods raise `StoreError`.
    """

    kind = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        wall: Callable[[], float],
        most: int = LARGEST,
        make: bool = True,
        connect: Connect = connect,
    ) -> None:
        self.place = printable(str(path))
        self._wall = wall
        self._make = make
        self._file = SqliteFile(path, most, make=make, connect=connect)
        self._thread = ThreadPoolExecutor(1, "retag-store")
        self._failures = 0

    async def choices(self, application: str) -> Sequence[LastGood]:
        """All that is remembered of *application*, the last kept first."""
        return await self._run(lambda rows: rows.choices(application))

    async def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """Remember *choices*, each in the place of one that is not newer."""
        await self._write(lambda rows: rows.keep_choices(application, choices))

    async def listing(self, key: str) -> Listing | None:
        """The last listing under *key*."""
        return await self._run(lambda rows: rows.listing(key))

    async def keep_listing(self, key: str, listing: Listing) -> None:
        """Remember *listing* in the place of one that is not newer."""
        await self._write(lambda rows: rows.keep_listing(key, listing))

    async def tags(self, key: str, names: Sequence[str]) -> Mapping[str, Tag]:
        """Those of *names* that were described under *key*."""
        return await self._run(lambda rows: rows.tags(key, names))

    async def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """Remember *tags* under *key*."""
        await self._write(lambda rows: rows.keep_tags(key, tags))

    async def seen(self, kind: str) -> Mapping[str, bytes] | None:
        """The objects of *kind* as they were last kept; None if never whole."""
        return await self._run(lambda rows: rows.seen(kind))

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], *, whole: bool
    ) -> bool:
        """Remember *changed*, all objects of *kind* or what changed; False for want of others."""
        return await self._write(lambda rows: rows.keep_seen(kind, changed, whole=whole))

    async def contents(self) -> Contents:
        """All that is remembered."""
        return await self._run(lambda rows: rows.contents())

    async def clear(self, application: str | None = None) -> int:
        """Forget the choices of *application*, or everything; of how many Applications."""
        return await self._write(lambda rows: rows.clear(application))

    async def aclose(self) -> None:
        """Let go of the file."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._file.close)
        self._thread.shutdown(wait=False)

    async def _write(self, job: _Job[_Answer]) -> _Answer:
        return await self._run(job, self._whole)

    async def _run(
        self,
        job: _Job[_Answer],
        how: Callable[[sqlite3.Connection, _Job[_Answer]], _Answer] | None = None,
    ) -> _Answer:
        loop = asyncio.get_running_loop()
        failures = self._failures
        return await loop.run_in_executor(
            self._thread, lambda: self._guarded(job, how or self._once, failures)
        )

    def _guarded(
        self,
        job: _Job[_Answer],
        how: Callable[[sqlite3.Connection, _Job[_Answer]], _Answer],
        failures: int,
    ) -> _Answer:
        """What *job* gives. Whatever can be wrong with the file is a `StoreError`.

        Jobs that waited while another failed fail with it: each would wait for the same lock.
        """
        if failures != self._failures:
            raise _error("it failed a moment ago")
        try:
            return self._mended(lambda connection: how(connection, job))
        except FAILURES as error:
            self._failures += 1
            self._file.close()
            raise _error(reason(error)) from None

    def _mended(self, job: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """What *job* gives, in a new file where it finds this one damaged."""
        try:
            return job(self._file.connection())
        except FAILURES as error:
            if not (self._make and is_damage(error)):
                raise
            self._file.set_aside(error)
        return job(self._file.connection())

    def _once(self, connection: sqlite3.Connection, job: _Job[_Answer]) -> _Answer:
        return job(Rows(connection, self._wall()))

    def _whole(self, connection: sqlite3.Connection, job: _Job[_Answer]) -> _Answer:
        """What *job* gives, in one transaction; where there is no room, old records go first."""
        for _ in range(_MOST_TIMES_FREED):
            try:
                return self._transaction(connection, job)
            except sqlite3.Error as error:
                if not is_full(error):
                    raise
            self._transaction(connection, Rows.make_room)
        return self._transaction(connection, job)

    def _transaction(self, connection: sqlite3.Connection, job: _Job[_Answer]) -> _Answer:
        connection.execute("BEGIN IMMEDIATE")
        try:
            answer = self._once(connection, job)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk ends it by itself
                connection.execute("ROLLBACK")
            raise
        return answer


def _error(why: str) -> StoreError:
    return StoreError(
        "RT640",
        f"the SQLite store cannot be used: {why}",
        remedy="give it a file in a folder that this process can write, with room on its disk",
    )
