"""The SQLite file: opened, made, recognised as ours, and set aside where it is not.

A file that is no database, is damaged, or belongs to something else or to another version of the
schema is renamed `<name>.aside` (one is kept) and made anew. Used on one thread only.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from cmp.errors import printable

_APPLICATION = 0x52455447  # "RETG", in the header's field for this (file(1) shows it)
_VERSION = 2  # of the schema; any other is set aside
_PAGE = 4096  # bytes
# Seconds for a lock of another process. All its transactions are short; a request does not wait.
_BUSY = 0.25
_TURN = 0.01  # seconds between two attempts, where SQLite itself does not wait
_WAL_KEPT = 8 * 1024 * 1024  # bytes that the log has left after it was written back
_TABLES = (
    """CREATE TABLE choices (
        application BLOB PRIMARY KEY, record BLOB NOT NULL, used INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE observed (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, listing BLOB
    )""",
    """CREATE TABLE tags (
        observed INTEGER NOT NULL, name BLOB NOT NULL, record BLOB NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (observed, name)
    ) WITHOUT ROWID""",
    """CREATE TABLE seen (
        kind BLOB NOT NULL, key BLOB NOT NULL, record BLOB NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID""",
)
_OURS = sorted((table.encode(),) for table in _TABLES)
# The statements are right, so where SQLite finds fault with one, the file is not as they expect.
_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_IOERR_SHORT_READ,
    }
)
# What opening and using a file may raise; the third, where a message holds what is no text.
FAILURES = (sqlite3.Error, OSError, UnicodeDecodeError)

_log = logging.getLogger("retag.store")

Connect = Callable[[Path, float], sqlite3.Connection]


class ForeignFileError(OSError):
    """The file is a database, but none of this version of Retag."""


def is_damage(error: Exception) -> bool:
    """Whether *error* says that the file is not what it should be, and never will be."""
    if isinstance(error, (ForeignFileError, UnicodeDecodeError)):
        return True
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _DAMAGED or code & 0xFF in _DAMAGED  # the low byte: the primary code


def is_full(error: sqlite3.Error) -> bool:
    """Whether *error* says that there is no room, on the disk or within the file's bound."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def reason(error: Exception) -> str:
    """What *error*, one of `FAILURES`, says, on one line."""
    if isinstance(error, ForeignFileError):
        return "the file is not a store of this version of Retag"
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else type(error).__name__
    return printable(str(error))


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """A connection to the existing file at *path*. Raises `sqlite3.Error`."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = bytes  # a foreign file may hold text that is none
    return connection


class SqliteFile:
    """A connection to the file at *path*, made when it is first wanted.

    It follows the path: where the file was deleted or replaced, the new one is opened. *most* is
    the largest size in bytes. Without *make* a file is neither made nor set aside: its errors
    are raised (`FileNotFoundError`, `ForeignFileError`, or other `FAILURES`).
    """

    def __init__(self, path: Path, most: int, *, make: bool, connect: Connect) -> None:
        self._path = path
        self._pages = most // _PAGE
        self._make = make
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def connection(self) -> sqlite3.Connection:
        """The open connection. Raises `FAILURES`."""
        if self._connection is not None and _identity(self._path) == self._identity:
            return self._connection
        self.close()
        try:
            self._connection = self._opened()
        except FAILURES as error:
            if not (self._make and is_damage(error)):
                raise
            self.set_aside(error)
            self._connection = self._opened()
        return self._connection

    def set_aside(self, error: Exception) -> None:
        """Give the file that was opened another name, if it still has this one.

        The log has that, and the *error* that is the reason. Raises OSError.
        """
        opened = self._identity
        self.close()
        if opened is None or _identity(self._path) != opened:
            return  # another process did so before
        if not self._path.is_file():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # a device or a folder stays
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").replace(f"{self._path}.aside{suffix}")
        with suppress(FileNotFoundError):
            Path(f"{self._path}-shm").unlink()
        path = printable(str(self._path))
        why = reason(error)
        _log.warning("%s: %s; it is %s.aside now, and a new file is made", path, why, path)

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection, self._identity = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._make:
            _create(self._path)
        self._identity = _identity(self._path)
        if self._identity is None:
            raise FileNotFoundError(2, "there is no such file", str(self._path))
        connection = self._connect(self._path, _BUSY)
        try:
            self._prepare_in_turn(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare_in_turn(self, connection: sqlite3.Connection) -> None:
        """`_prepare`, when others who are at it have done: SQLite waits for no change of mode."""
        ends = time.monotonic() + _BUSY
        while True:
            try:
                return self._prepare(connection)
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() >= ends:
                    raise
            time.sleep(_TURN)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if _is_empty(connection) and self._make:
            _make_schema(connection)
        _recognise(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA max_page_count = {self._pages}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT}")
        # What others wrote into the file is not run: no views or triggers with functions.
        connection.execute("PRAGMA trusted_schema = OFF")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _create(path: Path) -> None:
    """An empty file that only its owner reads; SQLite gives its log the same mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(tables == 0)


def _make_schema(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE}")
    connection.execute("PRAGMA journal_mode = WAL")
    with closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            if _is_empty(connection):  # else another process was faster
                for statement in _TABLES:
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA application_id = {_APPLICATION}")
                cursor.execute(f"PRAGMA user_version = {_VERSION}")
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise


def _recognise(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    if (application, version) != (_APPLICATION, _VERSION) or sorted(tables) != _OURS:
        raise ForeignFileError
