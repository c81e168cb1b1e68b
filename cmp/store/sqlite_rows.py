"""What stands in the tables of the SQLite file: read, written, shown, thrown away."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from cmp.store import choices as law
from cmp.store import records, seen
from cmp.store.persistent import Contents, Observed
from cmp.store.port import LastGood
from cmp.tags import Listing, Tag

_A_DAY = 24 * 60 * 60
_OLD = 14  # days: twice what `--max-stale` is by default, so nobody wants such observations
# A quarter: so that it is seldom needed, and not much is lost.
_OLDEST_QUARTER_OBSERVED = """\
DELETE FROM observed WHERE id IN (
    SELECT id FROM observed ORDER BY used LIMIT max(1, (SELECT count(*) FROM observed) / 4)
)"""
_OLDEST_QUARTER_OF_CHOICES = """\
DELETE FROM choices WHERE application IN (
    SELECT application FROM choices ORDER BY used
    LIMIT max(1, (SELECT count(*) FROM choices) / 4)
)"""

# Objects of another cluster, or of other namespaces.
_LONG_UNSEEN = """\
DELETE FROM seen WHERE kind IN (SELECT kind FROM seen WHERE key = ? AND used < ?)"""


class Rows:
    """The tables of *connection* at *now* (seconds since the epoch). Raises `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self._now = now
        self._today = int(now) // _A_DAY

    def choices(self, application: str) -> tuple[LastGood, ...]:
        """Those of *application*, the last kept first."""
        sql = "SELECT record, used FROM choices WHERE application = ? AND length(record) <= ?"
        row = self._one(sql, _blob(application), records.LARGEST_RECORD)
        if row is None:
            return ()
        if row[1] != self._today:
            self._touch(application)
        return records.decode_choices(application, _bytes(row[0]), self._now)

    def keep_choices(self, application: str, choices: Sequence[LastGood]) -> None:
        """Each of *choices* in the place of one that is not newer."""
        earlier = self.choices(application)
        kept = law.keep(earlier, choices)
        if kept != earlier:
            record = records.encode_choices(application, kept)
            values = _blob(application), record, self._today
            self._connection.execute("INSERT OR REPLACE INTO choices VALUES (?, ?, ?)", values)

    def listing(self, key: str) -> Listing | None:
        """The listing under *key*."""
        sql = "SELECT listing FROM observed WHERE key = ? AND length(listing) <= ?"
        row = self._one(sql, _blob(key), records.LARGEST_RECORD)
        return None if row is None else records.decode_listing(key, _bytes(row[0]), self._now)

    def keep_listing(self, key: str, listing: Listing) -> None:
        """*listing* in the place of one that is not newer."""
        known = self.listing(key)
        if known is None or known.observed_at <= listing.observed_at:
            values = records.encode_listing(key, listing), self._id(key)
            self._connection.execute("UPDATE observed SET listing = ? WHERE id = ?", values)

    def tags(self, key: str, names: Sequence[str]) -> dict[str, Tag]:
        """Those of *names* that are described under *key*."""
        row = self._one("SELECT id FROM observed WHERE key = ?", _blob(key))
        if row is None:
            return {}
        tags = (self._tag(row[0], key, name) for name in names)
        return {tag.name: tag for tag in tags if tag is not None}

    def keep_tags(self, key: str, tags: Mapping[str, Tag]) -> None:
        """*tags* under *key*."""
        number = self._id(key)
        rows = (
            (number, _blob(tag.name), records.encode_tag(key, tag), self._today)
            for tag in tags.values()
        )
        self._connection.executemany("INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?)", rows)

    def seen(self, kind: str) -> dict[str, bytes] | None:
        """The objects of *kind*, by key; None unless they are a whole set."""
        sql = "SELECT count(*), coalesce(sum(length(record)), 0) FROM seen WHERE kind = ?"
        ((count, size),) = self._all(sql, _blob(kind))
        if count > seen.MOST or size > seen.LARGEST:
            return None
        found = self._all("SELECT key, record FROM seen WHERE kind = ?", _blob(kind))
        return seen.decode(kind, ((_bytes(key), _bytes(record)) for key, record in found))

    def keep_seen(self, kind: str, changed: Mapping[str, bytes | None], *, whole: bool) -> bool:
        """*changed* of *kind*, alone if they are *whole*; False if there is no whole set else."""
        place = _blob(kind)
        if whole:
            self._delete("DELETE FROM seen WHERE kind = ?", place)
        elif self._one("SELECT 1 FROM seen WHERE kind = ? AND key = ?", place, seen.WHOLE) is None:
            return False
        gone = [(place, _blob(key)) for key, value in changed.items() if value is None]
        self._connection.executemany("DELETE FROM seen WHERE kind = ? AND key = ?", gone)
        kept = {key: value for key, value in changed.items() if value is not None}
        end = [] if "" in changed else [(seen.WHOLE, seen.whole(kind))]
        rows = [*end, *seen.encode(kind, kept)]
        self._connection.executemany(
            "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
            ((place, *row, self._today) for row in rows),
        )
        return True

    def contents(self) -> Contents:
        """All that is well-formed, and the size of the file in bytes."""
        names = [_text(name) for (name,) in self._all("SELECT application FROM choices")]
        choices = {name: self.choices(name) for name in sorted(names)}
        keys = [_text(key) for (key,) in self._all("SELECT key FROM observed")]
        ((pages,),) = self._all("PRAGMA page_count")
        ((size,),) = self._all("PRAGMA page_size")
        return Contents(
            {name: kept for name, kept in choices.items() if kept},
            tuple(self._observed(key) for key in sorted(keys)),
            pages * size,
        )

    def clear(self, application: str | None) -> int:
        """Forget *application*, or everything; of how many Applications choices are forgotten."""
        if application is not None:
            sql = "DELETE FROM choices WHERE application = ?"
            return self._connection.execute(sql, (_blob(application),)).rowcount
        self._connection.execute("DELETE FROM tags")
        self._connection.execute("DELETE FROM observed")
        self._connection.execute("DELETE FROM seen")
        return self._connection.execute("DELETE FROM choices").rowcount

    def make_room(self) -> None:
        """Throw away what was used least lately: old observations, others, and choices last."""
        oldest = self._today - _OLD
        gone = self._delete("DELETE FROM tags WHERE used < ?", oldest)
        gone += self._delete("DELETE FROM observed WHERE used < ?", oldest)
        gone += self._delete(_LONG_UNSEEN, seen.WHOLE, oldest)
        gone = gone or self._delete(_OLDEST_QUARTER_OBSERVED)
        self._delete("DELETE FROM tags WHERE observed NOT IN (SELECT id FROM observed)")
        if not gone:
            self._delete(_OLDEST_QUARTER_OF_CHOICES)

    def _observed(self, key: str) -> Observed:
        listing = self.listing(key)
        ((number, size),) = self._all(
            "SELECT id, coalesce(length(listing), 0) FROM observed WHERE key = ?", _blob(key)
        )
        ((described, described_size),) = self._all(
            "SELECT count(*), coalesce(sum(length(name) + length(record)), 0) FROM tags"
            " WHERE observed = ?",
            number,
        )
        return Observed(
            key,
            listing.observed_at if listing else None,
            len(listing.names) if listing else 0,
            described,
            size + described_size,
        )

    def _touch(self, application: str) -> None:
        """Say, once a day, that *application* is in use; where nothing can be written, do not."""
        values = self._today, _blob(application)
        with suppress(sqlite3.OperationalError):
            self._connection.execute("UPDATE choices SET used = ? WHERE application = ?", values)

    def _tag(self, observed: Any, key: str, name: str) -> Tag | None:
        sql = "SELECT record FROM tags WHERE observed = ? AND name = ? AND length(record) <= ?"
        row = self._one(sql, observed, _blob(name), records.LARGEST_TAG)
        return None if row is None else records.decode_tag(key, name, _bytes(row[0]))

    def _id(self, key: str) -> Any:
        """The number of *key*, which is in use today."""
        sql = (
            "INSERT INTO observed (key, used) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET used = excluded.used RETURNING id"
        )
        ((number,),) = self._all(sql, _blob(key), self._today)
        return number

    def _delete(self, sql: str, *values: Any) -> int:
        return self._connection.execute(sql, values).rowcount

    def _one(self, sql: str, *values: Any) -> Any:
        return self._connection.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()


def _blob(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(blob: Any) -> str:
    """A name in the file, which may hold any bytes."""
    return _bytes(blob).decode("utf-8", "replace")


def _bytes(value: Any) -> bytes:
    """What a column holds that should hold bytes; SQLite lets it hold anything."""
    return value if isinstance(value, bytes) else b""
