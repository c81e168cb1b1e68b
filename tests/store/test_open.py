"""What operators write as `--store`, and what is said where it is none."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cmp.errors import UsageError
from cmp.meter import Unmetered
from cmp.store import LastGood, Store, open_store
from cmp.store.degrading import Degrading
from cmp.store.memory import MemoryStore
from cmp.store.open import open_persistent
from cmp.store.redis_url import parse_server
from tests.memory import NOW
from tests.store.values import choice


async def close(store: Store) -> None:
    await store.aclose()


@pytest.mark.parametrize("text", ["", "memory"])
def test_memory_is_the_default(text: str) -> None:
    store = open_store(text, environment={})

    assert isinstance(store, MemoryStore)
    asyncio.run(close(store))


@pytest.mark.parametrize("prefix", ["", "sqlite:"])
def test_a_path_is_a_file_that_is_made_at_the_first_use(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "store.db"

    store = open_store(f"{prefix}{path}", meter=Unmetered(), wall=lambda: NOW, environment={})
    assert isinstance(store, Degrading)
    assert list(tmp_path.iterdir()) == []

    async def use() -> Sequence[LastGood]:
        await store.keep_choices("app", [choice()])
        try:
            return await store.choices("app")
        finally:
            await store.aclose()

    assert tuple(asyncio.run(use())) == (choice(),)
    assert path.exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("redis://cache.example.com", "Redis at cache.example.com:6379"),
        ("rediss://user:made-up@cache.example.com:7000/2", "Redis at cache.example.com:7000"),
        ("unix://:made-up@/run/redis.sock?db=3", "Redis at /run/redis.sock"),
        ("redis://[::1]:7000", "Redis at ::1:7000"),
    ],
)
def test_a_place_has_no_secret_in_it(text: str, place: str) -> None:
    store = open_persistent(text, environment={})
    assert store is not None

    assert (store.kind, store.place) == ("redis", place)
    assert "made-up" not in repr(parse_server(text, None))
    asyncio.run(close(store))


def test_all_of_a_url_is_read() -> None:
    server = parse_server("rediss://us%40er:p%2Fw@h:7000/2?ssl_ca_certs=/ca.pem", Path("/pw"))

    assert (server.host, server.port, server.path, server.database) == ("h", 7000, "", 2)
    assert (server.username, server.password) == ("us@er", "p/w")
    assert (server.tls, server.authorities, server.password_file) == (True, "/ca.pem", Path("/pw"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("store", "this is no store", id="a word"),
        pytest.param("redis", "this is no store", id="no address"),
        pytest.param("sqlite:", "this is no store", id="no path"),
        pytest.param("/a\0b", "this is no store", id="a path that no file has"),
        pytest.param("http://u:made-up@h", "this is no store", id="another scheme"),
        pytest.param("redis://:made-up@", "the URL names no server", id="no host"),
        pytest.param("unix://:made-up@", "the URL names no server", id="no socket"),
        pytest.param("redis://:made-up@h:port", "this is no URL", id="no port"),
        pytest.param("redis://:made-up@[::1", "this is no URL", id="half an address"),
        pytest.param("redis://:made-up@h/x", "the database is a number", id="no database"),
        pytest.param("redis://:made-up@h/1000000", "the database is a number", id="none so high"),
        pytest.param("redis://h?ssl_cert_reqs=none", "ssl_ca_certs after ?", id="no checks"),
        pytest.param("redis://h?password", "the URL's query is none", id="no value"),
        pytest.param("redis://h#made-up", "ssl_ca_certs after ?", id="a fragment"),
    ],
)
def test_what_is_no_store_is_said_without_it(text: str, what: str) -> None:
    with pytest.raises(UsageError, match="RT256") as caught:
        open_store(text, environment={})

    assert what in str(caught.value)
    assert "sqlite:PATH" in str(caught.value)
    assert "made-up" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("argocd-redis", True),
        ("argocd-redis-ha-haproxy.argocd.svc", True),
        ("argo-cd-redis", True),
        ("redis.argocd.svc.cluster.local", True),
        ("retag-redis", False),
    ],
)
def test_argo_cds_own_redis_is_warned_about(
    caplog: pytest.LogCaptureFixture, host: str, *, warned: bool
) -> None:
    caplog.set_level(logging.WARNING, "retag.store")

    store = open_persistent(f"redis://:made-up@{host}", environment={})

    assert store is not None
    asyncio.run(close(store))
    assert ("whoever can write there can write manifests" in caplog.text) is warned
    assert "made-up" not in caplog.text


def test_what_a_store_needs_is_imported_with_it() -> None:
    script = (
        "import sys, cmp.store; cmp.store.open_store('', environment={});"
        "print(sorted({'sqlite3', 'redis', 'asyncio'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env={})

    assert done.stdout == b"[]\n"
