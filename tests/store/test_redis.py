"""Redis in trouble: killed, another password or certificate, poisoned, speaking nonsense."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.store import records
from cmp.store.open import PASSWORD_FILE, open_persistent
from cmp.store.persistent import Persistent, StoreError
from cmp.tags import Tag
from tests.effort import IN_FIXTURE, examples
from tests.memory import NOW
from tests.servers.certificates import Authority
from tests.servers.redis import PASSWORD, Redis
from tests.store.conftest import persistent
from tests.store.values import choice, listing, parts

Answer = TypeVar("Answer")


def run(text: str, use: Callable[[Persistent], Awaitable[Answer]]) -> Answer:
    async def used() -> Answer:
        store = persistent(text)
        try:
            return await use(store)
        finally:
            await store.aclose()

    return asyncio.run(used())


async def keep_and_read(store: Persistent) -> object:
    await store.keep_choices("app", [choice()])
    await store.keep_listing("key", listing("v1"))
    await store.keep_tags("key", {"v1": Tag("v1")})
    seen = await store.listing("key")
    return await store.choices("app"), parts(seen), await store.tags("key", ["v1"])


KEPT = ((choice(),), parts(listing("v1")), {"v1": Tag("v1")})


def fault_of(text: str, use: Callable[[Persistent], Awaitable[object]] = keep_and_read) -> str:
    with pytest.raises(StoreError, match="RT641") as caught:
        run(text, use)
    assert caught.value.__cause__ is None
    assert PASSWORD not in str(caught.value)
    return caught.value.what.removeprefix("the Redis store cannot be used: ")


def test_over_a_port_with_a_password(tmp_path: Path) -> None:
    with Redis(tmp_path, port=True, password=PASSWORD) as redis:
        assert run(redis.url, keep_and_read) == KEPT


def test_over_tls_with_a_password(tmp_path: Path) -> None:
    with Redis(tmp_path, password=PASSWORD, authority=Authority(tmp_path)) as redis:
        assert run(redis.url, keep_and_read) == KEPT


def test_with_a_user_and_another_database(tmp_path: Path) -> None:
    user = f"user retag on >{PASSWORD} ~retag:1:* +@all"
    with Redis(tmp_path, port=True, settings=(user,)) as redis:
        url = f"redis://retag:{PASSWORD}@127.0.0.1:{redis.port}/3"

        assert run(url, keep_and_read) == KEPT
        assert b"keys=3" in redis.ask("INFO", "keyspace")
        assert b"db3" in redis.ask("INFO", "keyspace")


def test_the_password_of_a_file_is_read_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("another")

    async def use() -> object:
        store = open_persistent(
            redis.url.replace(f":{PASSWORD}@", ""),
            wall=lambda: NOW,
            environment={PASSWORD_FILE: str(file)},
        )
        assert store is not None
        try:
            with pytest.raises(StoreError, match="refuses the password"):
                await keep_and_read(store)
            await asyncio.to_thread(file.write_text, f"{PASSWORD}\n")
            return await keep_and_read(store)
        finally:
            await store.aclose()

    with Redis(tmp_path, password=PASSWORD) as redis:
        assert asyncio.run(use()) == KEPT


def test_a_password_file_that_is_not_there_is_a_fault_of_the_store(redis: Redis) -> None:
    async def use() -> None:
        store = open_persistent(
            redis.url, wall=lambda: NOW, environment={PASSWORD_FILE: "/nowhere/password"}
        )
        assert store is not None
        try:
            with pytest.raises(StoreError, match="the file with its password cannot"):
                await store.choices("app")
        finally:
            await store.aclose()

    asyncio.run(use())


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_login_is_said_without_it(tmp_path: Path, login: str) -> None:
    with Redis(tmp_path, port=True, password=PASSWORD) as redis:
        assert fault_of(f"redis://{login}127.0.0.1:{redis.port}") == "it refuses the password"


def test_an_authority_that_is_not_believed_is_said(tmp_path: Path) -> None:
    other = Authority(tmp_path, "another")
    with Redis(tmp_path, authority=Authority(tmp_path)) as redis:
        place = f"rediss://127.0.0.1:{redis.port}"

        assert fault_of(f"{place}?ssl_ca_certs={other.file}") == "its certificate is not trusted"
        assert fault_of(place) == "its certificate is not trusted"


@pytest.mark.parametrize("tls", [False, True])
def test_whether_tls_is_spoken_has_to_be_known(tmp_path: Path, *, tls: bool) -> None:
    authority = Authority(tmp_path)
    with Redis(tmp_path, port=True, authority=None if tls else authority) as redis:
        scheme = "rediss" if tls else "redis"
        fault = fault_of(f"{scheme}://127.0.0.1:{redis.port}")
        assert fault in {"no connection", "no answer in time"}


def test_a_server_that_is_killed_and_started_again_is_used_again(tmp_path: Path) -> None:
    async def use(store: Persistent) -> object:
        await keep_and_read(store)
        redis.kill()
        for ask in (store.choices("app"), keep_and_read(store)):
            with pytest.raises(StoreError, match="no connection"):
                await ask
        redis.start()
        return await store.choices("app"), await keep_and_read(store)

    with Redis(tmp_path) as redis:
        assert run(redis.url, use) == ((), KEPT)


def test_a_replica_is_read(redis: Redis) -> None:
    redis.ask("FLUSHALL")

    async def use(store: Persistent) -> object:
        await keep_and_read(store)
        redis.ask("CONFIG", "SET", "replica-serve-stale-data", "yes")
        redis.ask("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(StoreError, match="replica, where nothing can be written"):
                await store.keep_choices("app", [choice("v2")])
            seen = await store.listing("key")
            return await store.choices("app"), parts(seen), await store.tags("key", ["v1"])
        finally:
            redis.ask("REPLICAOF", "NO", "ONE")

    assert run(redis.url, use) == KEPT


def test_a_full_server_is_read(redis: Redis) -> None:
    redis.ask("FLUSHALL")

    async def use(store: Persistent) -> object:
        await keep_and_read(store)
        redis.ask("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(StoreError, match="its memory is full"):
                await store.keep_tags("key", {"v2": Tag("v2")})
            return await store.choices("app")
        finally:
            redis.ask("CONFIG", "SET", "maxmemory", "0")

    assert run(redis.url, use) == (choice(),)


def test_all_that_is_kept_ends_some_day(redis: Redis) -> None:
    redis.ask("FLUSHALL")
    run(redis.url, keep_and_read)

    lives = {name: redis.ask("TTL", f"retag:1:{name}") for name in _KEYS}

    days = {name: round(int(life[1:]) / 86_400) for name, life in lives.items()}
    assert days == {"choices:app": 90, "listing:key": 14, "tags:key": 14}


def test_choices_that_are_read_live_on(redis: Redis) -> None:
    redis.ask("FLUSHALL")
    run(redis.url, keep_and_read)
    redis.ask("EXPIRE", "retag:1:choices:app", "100")

    run(redis.url, lambda store: store.choices("app"))

    assert int(redis.ask("TTL", "retag:1:choices:app")[1:]) > 100


_KEYS = ("choices:app", "listing:key", "tags:key")
_WRONG = {
    "a list": ("RPUSH", b"v1", b"v1"),
    "a hash": ("HSET", b"v1", b"v1"),
    "a text": ("SET", b"v1"),
}


@pytest.mark.parametrize("words", _WRONG.values(), ids=_WRONG)
def test_a_value_of_another_kind_is_not_known_and_is_replaced(
    redis: Redis, words: tuple[str, ...]
) -> None:
    redis.ask("FLUSHALL")
    for key in _KEYS:
        redis.ask(words[0], f"retag:1:{key}", *words[1:])

    async def use(store: Persistent) -> object:
        assert await store.choices("app") == ()
        assert await store.listing("key") is None
        assert await store.tags("key", ["v1"]) == {}
        await store.contents()
        return await keep_and_read(store)

    assert run(redis.url, use) == KEPT


def poison(redis: Redis, value: bytes) -> None:
    redis.ask("FLUSHALL")
    redis.ask("SET", "retag:1:choices:app", value)
    redis.ask("SET", "retag:1:listing:key", value)
    redis.ask("HSET", "retag:1:tags:key", "v1", value)


@settings(max_examples=examples(50), suppress_health_check=IN_FIXTURE)
@given(st.binary() | st.binary().map(lambda body: b"1:00000000:" + body))
def test_whatever_is_written_there_is_not_believed(redis: Redis, value: bytes) -> None:
    poison(redis, value)

    async def use(store: Persistent) -> object:
        assert await store.choices("app") == ()
        assert await store.listing("key") is None
        assert await store.tags("key", ["v1"]) == {}
        return await keep_and_read(store)

    assert run(redis.url, use) == KEPT


def test_what_is_too_large_is_not_fetched(redis: Redis) -> None:
    poison(redis, b"")
    huge = b"x" * (records.LARGEST_TAG + 1)
    redis.ask("HSET", "retag:1:tags:key", "v1", huge)
    redis.ask("SETRANGE", "retag:1:choices:app", str(400 * 1024 * 1024), "x")
    redis.ask("CONFIG", "RESETSTAT")

    async def use(store: Persistent) -> object:
        return await store.choices("app"), await store.tags("key", ["v1"])

    assert run(redis.url, use) == ((), {})
    sent = redis.ask("INFO", "stats").split(b"total_net_output_bytes:")[1].split(b"\r")[0]
    assert int(sent) < 8 * 1024 * 1024
    redis.ask("FLUSHALL")


def test_names_of_long_ago_are_forgotten_where_there_are_too_many(redis: Redis) -> None:
    redis.ask("FLUSHALL")

    async def use(store: Persistent) -> object:
        for start in range(0, 100_001, 10_000):
            names = map(str, range(start, start + 10_000))
            await store.keep_tags("key", {name: Tag(name) for name in names})
        return await store.tags("key", ["0", "99999", "100000"])

    assert run(redis.url, use) == {"100000": Tag("100000")}


def test_many_who_ask_at_once_share_few_connections(redis: Redis) -> None:
    redis.ask("FLUSHALL")
    redis.ask("CONFIG", "RESETSTAT")

    async def use(store: Persistent) -> object:
        await store.keep_choices("app", [choice()])
        asked = await asyncio.gather(*(store.choices("app") for _ in range(500)))
        return set(map(tuple, asked))

    assert run(redis.url, use) == {(choice(),)}
    made = redis.ask("INFO", "stats").split(b"total_connections_received:")[1].split(b"\r")[0]
    assert int(made) < 30


def test_who_is_always_slower_gives_up(redis: Redis) -> None:
    redis.ask("FLUSHALL")
    others = iter(range(100))

    class Slow(list[object]):
        """Choices that another replica changes whenever they are looked at."""

        def __reversed__(self) -> Iterator[object]:
            redis.ask("SET", "retag:1:choices:app", str(next(others)))
            return iter([choice()])

    def slow(store: Persistent) -> Awaitable[None]:
        return store.keep_choices("app", Slow())  # type: ignore[arg-type]  # as it is used

    assert fault_of(redis.url, slow) == "others write the same all the time"


@contextmanager
def nonsense(answer: bytes) -> Iterator[str]:
    """A server that says *answer* to whatever it is told; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        while connection.recv(65536):
                            connection.sendall(answer)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@settings(max_examples=examples(25))
@given(
    st.sampled_from(
        [
            b"",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"-LOADING Redis is loading the dataset in memory\r\n",
            b"-NOAUTH Authentication required.\r\n",
            b"-NOPERM this user has no permissions\r\n",
            b"-MASTERDOWN Link with MASTER is down\r\n",
            b"-MOVED 1 127.0.0.1:1\r\n",
            b"-ERR\r\n",
            b"+OK\r\n",
            b":1\r\n",
            b":x\r\n",
            b"$-1\r\n",
            b"$3\r\nabc\r\n",
            b"$999999999999\r\nabc",
            b"*1\r\n" * 5000,
            b"*-1\r\n",
            b"%1\r\n+a\r\n+b\r\n",
            b"_\r\n",
            b"#t\r\n",
            b",nan\r\n",
            b"(99999\r\n",
            b"~1\r\n*0\r\n",
            b">2\r\n+invalidate\r\n*0\r\n",
        ]
    )
    | st.binary(max_size=30).map(lambda answer: answer + b"\r\n")
)
def test_a_server_of_nonsense_is_no_store(answer: bytes) -> None:
    async def use(store: Persistent) -> None:
        for ask in (
            store.choices("app"),
            store.listing("key"),
            store.tags("key", ["v1", "v2"]),
            store.keep_choices("app", [choice()]),
            store.keep_listing("key", listing("v1")),
            store.keep_tags("key", {"v1": Tag("v1")}),
        ):
            try:
                known = await asyncio.wait_for(ask, 0.1)
            except (StoreError, TimeoutError):
                continue
            assert not known

    with nonsense(answer) as url:
        run(url, use)
