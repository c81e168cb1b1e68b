"""The SQLite file in trouble: damaged, foreign, locked, full, read-only, gone, shared."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.store.persistent import StoreError
from cmp.store.sqlite import SqliteStore
from cmp.store.sqlite_file import connect
from cmp.tags import Tag
from tests.effort import examples
from tests.memory import NOW
from tests.store.values import choice, listing, parts

Answer = TypeVar("Answer")
_DAY = 86_400


def run(use: Callable[[SqliteStore], Awaitable[Answer]], store: SqliteStore) -> Answer:
    async def used() -> Answer:
        try:
            return await use(store)
        finally:
            await store.aclose()

    return asyncio.run(used())


def opened(path: Path, **options: object) -> SqliteStore:
    return SqliteStore(path, wall=lambda: NOW, **options)  # type: ignore[arg-type]  # as stated


async def keep_and_read(store: SqliteStore) -> object:
    await store.keep_choices("app", [choice("v2")])
    return await store.choices("app")


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as anybody may open it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def filled(path: Path) -> Path:
    """A store with something of each kind."""

    async def fill(store: SqliteStore) -> None:
        await store.keep_choices("app", [choice("v1", age=9)])
        await store.keep_listing("key", listing("v1", age=9))
        await store.keep_tags("key", {f"v{n}": Tag(f"v{n}", created=n) for n in range(500)})

    run(fill, opened(path))
    return path


def garbage(path: Path) -> None:
    path.write_bytes(b"nothing of a database" * 1000)


def half_a_header(path: Path) -> None:
    path.write_bytes(filled(path).read_bytes()[:50])


def another_program(path: Path) -> None:
    with database(path) as other:
        other.execute("CREATE TABLE theirs (value)")


def empty_of_another_program(path: Path) -> None:
    with database(path) as other:
        other.execute("PRAGMA application_id = 7")
        other.execute("CREATE TABLE theirs (value)")


def a_later_version(path: Path) -> None:
    with database(filled(path)) as ours:
        ours.execute("PRAGMA user_version = 3")


def another_table(path: Path) -> None:
    with database(filled(path)) as ours:
        ours.execute("CREATE TABLE more (value)")


def a_trigger(path: Path) -> None:
    with database(filled(path)) as ours:
        ours.execute("CREATE TRIGGER t AFTER INSERT ON choices BEGIN DELETE FROM tags; END")


def pages_of_noise(path: Path) -> None:
    whole = bytearray(filled(path).read_bytes())
    whole[4096:] = os.urandom(len(whole) - 4096)
    path.write_bytes(whole)


def cut_after_a_page(path: Path) -> None:
    path.write_bytes(filled(path).read_bytes()[:4096])


@pytest.mark.parametrize(
    "spoil",
    [
        garbage,
        half_a_header,
        another_program,
        empty_of_another_program,
        a_later_version,
        another_table,
        a_trigger,
        pages_of_noise,
        cut_after_a_page,
    ],
)
def test_a_file_that_is_no_store_is_set_aside_and_made_anew(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.db"
    spoil(path)
    before = path.read_bytes()

    assert run(keep_and_read, opened(path)) == (choice("v2"),)
    assert run(lambda store: store.choices("app"), opened(path)) == (choice("v2"),)
    assert (tmp_path / "store.db.aside").read_bytes()[100:4096] == before[100:4096]
    [told] = caplog.records
    assert (told.name, told.levelname) == ("retag.store", "WARNING")
    assert told.getMessage().startswith(f"{path}: ")
    assert told.getMessage().endswith(f"; it is {path}.aside now, and a new file is made")


def test_of_files_that_were_set_aside_the_last_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for text in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(text)
        run(keep_and_read, opened(path))

    assert sorted(each.name for each in tmp_path.iterdir()) == ["store.db", "store.db.aside"]
    assert (tmp_path / "store.db.aside").read_bytes() == b"second" * 1000


def test_damage_that_shows_later_is_set_aside_too(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")

    async def use(store: SqliteStore) -> object:
        await store.choices("app")
        with path.open("r+b") as file:  # the same file, as a bad disk changes it
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        return await store.tags("key", ["v7"]), await keep_and_read(store)

    assert run(use, opened(path)) == ({}, (choice("v2"),))
    assert (tmp_path / "store.db.aside").exists()


@settings(max_examples=examples(40))
@given(st.data())
def test_no_flipped_byte_makes_a_wrong_answer(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = filled(tmp_path_factory.mktemp("flipped") / "store.db")
    whole = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=30)):
        whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)

    async def use(store: SqliteStore) -> tuple[object, object, object]:
        seen = await store.listing("key")
        return tuple(await store.choices("app")), parts(seen), await store.tags("key", ["v7"])

    choices, seen, tags = run(use, opened(path))

    assert choices in ((), (choice("v1", age=9),))
    assert seen in (None, parts(listing("v1", age=9)))
    assert tags in ({}, {"v7": Tag("v7", created=7)})


def poison(path: Path, statement: str, *values: object) -> None:
    with database(path) as ours:
        ours.execute(statement, values)


# What SQLite lets a column hold: anything.
columns = st.one_of(
    st.binary(), st.text(st.characters(codec="utf-8")), st.floats(), st.integers(-9, 9)
)


@settings(max_examples=examples(40))
@given(columns)
def test_whatever_stands_in_a_record_is_not_believed(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = filled(tmp_path_factory.mktemp("poisoned") / "store.db")
    if value != value:  # noqa: PLR0124  # NaN is NULL there, which is refused
        value = b""
    poison(path, "UPDATE choices SET record = ?", value)
    poison(path, "UPDATE observed SET listing = ?", value)
    poison(path, "UPDATE tags SET record = ?", value)

    async def use(store: SqliteStore) -> None:
        assert await store.choices("app") == ()
        assert await store.listing("key") is None
        assert await store.tags("key", ["v7"]) == {}
        await store.contents()
        await store.keep_listing("key", listing("v1"))
        await store.keep_tags("key", {"v7": Tag("v7")})
        assert await keep_and_read(store) == (choice("v2"),)
        assert parts(await store.listing("key")) == parts(listing("v1"))
        assert await store.tags("key", ["v7"]) == {"v7": Tag("v7")}

    run(use, opened(path))
    assert not path.with_name("store.db.aside").exists()


def test_a_record_under_another_name_is_not_believed(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    poison(path, "UPDATE choices SET application = ?", b"other")
    poison(path, "UPDATE observed SET key = ?", b"other")

    async def use(store: SqliteStore) -> tuple[object, ...]:
        choices, seen = await store.choices("other"), await store.listing("other")
        return choices, seen, await store.tags("other", ["v7"])

    assert run(use, opened(path)) == ((), None, {})


def in_no_folder(tmp_path: Path) -> Path:
    return tmp_path / "none" / "store.db"


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "store.db"


def a_folder(tmp_path: Path) -> Path:
    (tmp_path / "store.db").mkdir()
    return tmp_path / "store.db"


def a_pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "store.db")
    return tmp_path / "store.db"


def too_long(tmp_path: Path) -> Path:
    return tmp_path / ("a" * 300)


@pytest.mark.parametrize("place", [in_no_folder, below_a_file, a_folder, a_pipe, too_long])
def test_where_no_file_can_be_made_one_line_says_so(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    path = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(StoreError, match="RT640") as caught:
        run(keep_and_read, opened(path))

    assert str(caught.value).startswith("the SQLite store cannot be used: ")
    assert sorted(tmp_path.rglob("*")) == before


def read_only(path: Path, _patience: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = bytes
    return connection


def test_a_read_only_file_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    tomorrow = SqliteStore(path, wall=lambda: NOW + _DAY, connect=read_only)

    assert run(lambda store: store.choices("app"), tomorrow) == (choice("v1", age=9),)
    with pytest.raises(StoreError, match="readonly"):
        run(keep_and_read, opened(path, connect=read_only))


def test_nothing_is_touched_before_the_first_use(tmp_path: Path) -> None:
    async def nothing(_store: SqliteStore) -> None:
        pass

    run(nothing, opened(tmp_path / "store.db"))

    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_reads_the_file_and_its_log(tmp_path: Path) -> None:
    def modes_of_all() -> list[int]:
        return [stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()]

    async def use(store: SqliteStore) -> list[int]:
        await keep_and_read(store)
        return modes_of_all()

    umask = os.umask(0)
    try:
        modes = run(use, opened(tmp_path / "store.db"))
    finally:
        os.umask(umask)

    assert modes == [0o600] * 3


def test_a_locked_file_is_read_and_writing_fails_once_for_all_who_wait(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    tries = 0

    def counting(place: Path, patience: float) -> sqlite3.Connection:
        nonlocal tries
        tries += 1
        return connect(place, patience)

    async def use(store: SqliteStore) -> list[object]:
        with database(path) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await store.choices("app") == (choice("v1", age=9),)
            jobs = [store.keep_choices("app", [choice()]) for _ in range(20)]
            failed = await asyncio.gather(*jobs, return_exceptions=True)
            other.execute("ROLLBACK")
        assert await keep_and_read(store) == (choice("v2"),)
        return list(failed)

    failed = run(use, opened(path, connect=counting))

    assert all(isinstance(each, StoreError) for each in failed)
    assert ["locked" in str(each) for each in failed] == [True] + [False] * 19
    assert tries == 2


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_file_that_goes_away_is_followed(tmp_path: Path, *, replaced: bool) -> None:
    path = filled(tmp_path / "store.db")
    other = tmp_path / "other.db"
    run(lambda store: store.keep_choices("app", [choice("v3")]), opened(other))

    def go_away() -> None:
        if replaced:
            other.replace(path)
        else:
            path.unlink()

    async def use(store: SqliteStore) -> object:
        before = await store.choices("app")
        go_away()
        return before, await store.choices("app"), await keep_and_read(store)

    there = (choice("v3"),) if replaced else ()
    assert run(use, opened(path)) == ((choice("v1", age=9),), there, (choice("v2"),))
    assert run(lambda store: store.choices("app"), opened(path)) == (choice("v2"),)


def many(prefix: str, count: int) -> dict[str, Tag]:
    return {f"{prefix}{n}": Tag(f"{prefix}{n}", detail="x" * 200) for n in range(count)}


def test_the_file_stays_within_its_bound_and_the_oldest_observations_go_first(
    tmp_path: Path,
) -> None:
    path, most, days = tmp_path / "store.db", 1024 * 1024, 0
    store = SqliteStore(path, wall=lambda: NOW + days * _DAY, most=most)

    async def use(store: SqliteStore) -> set[int]:
        nonlocal days
        await store.keep_choices("app", [choice()])
        for days in range(10):
            await store.keep_listing(f"key {days}", listing("v1"))
            await store.keep_tags(f"key {days}", many("v", 800))
        assert await store.choices("app") == (choice(),)
        return {day for day in range(10) if await store.tags(f"key {day}", ["v7"])}

    left = run(use, store)

    assert left == set(range(min(left), 10))
    assert len(left) >= 2
    assert path.stat().st_size <= most


def test_observations_that_nobody_wants_any_more_make_room_before_others(tmp_path: Path) -> None:
    path, days = tmp_path / "store.db", 0
    store = SqliteStore(path, wall=lambda: NOW + days * _DAY, most=1024 * 1024)

    async def use(store: SqliteStore) -> object:
        nonlocal days
        await store.keep_tags("key", many("old", 1500))
        days = 20
        await store.keep_tags("key", many("new", 1500))
        await store.keep_tags("key", many("newer", 1000))
        return [len(await store.tags("key", [name])) for name in ("old7", "new7", "newer7")]

    assert run(use, store) == [0, 1, 1]


def test_choices_make_room_where_there_is_nothing_else(tmp_path: Path) -> None:
    days = 0
    store = SqliteStore(tmp_path / "store.db", wall=lambda: NOW + days * _DAY, most=256 * 1024)

    async def use(store: SqliteStore) -> list[int]:
        nonlocal days
        for days in range(10):
            await store.keep_choices(
                f"app {days}", [choice(rule="r" * 8000, fingerprint=str(n)) for n in range(5)]
            )
            await store.choices("app 0")  # which is in use
        return [day for day in range(10) if await store.choices(f"app {day}")]

    left = run(use, store)

    assert left[0] == 0
    assert left[1:] == list(range(left[1], 10))


def test_what_has_no_room_at_all_is_not_kept(tmp_path: Path) -> None:
    store = opened(tmp_path / "store.db", most=20 * 4096)

    with pytest.raises(StoreError, match="full"):
        run(lambda store: store.keep_tags("key", many("v", 2000)), store)
    assert run(keep_and_read, opened(tmp_path / "store.db")) == (choice("v2"),)


_WRITER = """\
import asyncio, sys
from pathlib import Path
from cmp.store.sqlite import SqliteStore
from tests.memory import NOW
from tests.store.values import choice

async def write():
    store = SqliteStore(Path(sys.argv[1]), wall=lambda: NOW)
    for number in range(100):
        for _ in range(20):  # a busy file is an error, and what degrades tries again
            try:
                await store.keep_choices("app", [choice(f"v{number}", age=200 - number)])
                await store.keep_choices("app", [choice(rule=f"{sys.argv[2]} {number}")])
                break
            except Exception as error:
                if "locked" not in str(error):
                    raise
        else:
            raise SystemExit("always locked")
    await store.aclose()

asyncio.run(write())
"""


def test_processes_that_share_a_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, path, name],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    said = [process.communicate()[1] for process in processes]

    kept = run(lambda store: store.choices("app"), opened(path))

    assert said == [b"", b""]
    assert {each.tag for each in kept if each.rule == "rule"} == {"v99"}
    assert len(kept) == 201


def test_whoever_only_looks_makes_nothing_and_sets_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    with pytest.raises(StoreError, match="No such file"):
        run(lambda store: store.contents(), opened(path, make=False))
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="not a store of this version"):
        run(lambda store: store.contents(), opened(path, make=False))
    garbage(path)
    with pytest.raises(StoreError, match="not a database"):
        run(lambda store: store.contents(), opened(path, make=False))

    assert list(tmp_path.iterdir()) == [path]


def test_the_log_says_why_a_file_was_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.db"
    a_later_version(path)
    run(keep_and_read, opened(path))

    assert caplog.messages == [
        (
            f"{path}: the file is not a store of this version of Retag; "
            f"it is {path}.aside now, and a new file is made"
        )
    ]


def test_a_file_that_another_process_set_aside_already_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.db"
    garbage(path)

    def slow(place: Path, patience: float) -> sqlite3.Connection:
        connection = connect(place, patience)
        if path.read_bytes()[:7] == b"nothing":  # the other is faster
            path.unlink()
            filled(path)
        return connection

    assert run(lambda store: store.choices("app"), opened(path, connect=slow)) == (
        choice("v1", age=9),
    )
    assert not path.with_name("store.db.aside").exists()
    assert caplog.records == []


def test_who_makes_the_file_at_the_same_moment_is_waited_for(tmp_path: Path) -> None:
    class Taken(sqlite3.Connection):
        """Says for a while that another changes the mode, which SQLite itself waits for not."""

        left = 2

        def execute(self, sql: str, /, *values: Any) -> sqlite3.Cursor:
            if "journal_mode" in sql and Taken.left:
                Taken.left -= 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(sql, *values)

    def connecting(path: Path, patience: float) -> sqlite3.Connection:
        taken = sqlite3.connect(
            path, patience, isolation_level=None, check_same_thread=False, factory=Taken
        )
        taken.text_factory = bytes
        return taken

    store = opened(tmp_path / "store.db", connect=connecting)

    assert run(keep_and_read, store) == (choice("v2"),)
    assert Taken.left == 0
