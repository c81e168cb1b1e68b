"""The stores, each in every way it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from cmp.meter import Unmetered
from cmp.store import Store
from cmp.store.degrading import Degrading
from cmp.store.memory import MemoryStore
from cmp.store.open import open_persistent
from cmp.store.persistent import Persistent
from tests.memory import NOW
from tests.servers.redis import Redis

PATIENT = 60.0  # seconds: no test passes by giving up


@dataclass
class Kind:
    """One way to store: *open* gives a new handle, *lasts* says whether handles share."""

    open: Callable[[], Store]
    empty: Callable[[], object]
    lasts: bool = True


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A server that all tests share; each empties it before."""
    with Redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


def persistent(text: str) -> Persistent:
    """The store *text* at `NOW`."""
    store = open_persistent(text, wall=lambda: NOW, environment={})
    assert store is not None
    return store


def degrading(text: str) -> Store:
    """The store *text* with memory beside it."""
    return Degrading(
        persistent(text),
        meter=Unmetered(),
        clock=lambda: 0.0,
        wall=lambda: NOW,
        patience=PATIENT,
    )


LASTING = ("sqlite", "redis", "degrading sqlite", "degrading redis")


@pytest.fixture(params=("memory", *LASTING))
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each of the ways, empty."""
    if request.param == "memory":
        return Kind(lambda: MemoryStore(wall=lambda: NOW), lambda: None, lasts=False)
    return _lasting(request, tmp_path)


@pytest.fixture(params=LASTING)
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each of the ways whose handles share what is kept, empty."""
    return _lasting(request, tmp_path)


def _lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    name = request.param
    if name.endswith("sqlite"):
        file = tmp_path / "store.db"
        text = str(file)
        empty: Callable[[], object] = partial(file.unlink, missing_ok=True)
    else:
        server: Redis = request.getfixturevalue("redis")
        text, empty = server.url, partial(server.ask, "FLUSHALL")
    empty()
    opened = degrading if name.startswith("degrading") else persistent
    return Kind(lambda: opened(text), empty)
