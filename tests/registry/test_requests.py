"""How many requests reach a Zot, counted there: its passwords are dear, and so are its locks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from cmp.errors import RegistryError
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.registry.cache import CachedTags
from cmp.registry.http.connections import Surroundings
from cmp.tags import Fault, Listing, Needs
from tests.servers import images
from tests.servers.model import Model
from tests.servers.zot import ZotServer

APP = Repository("registry.example.com", "team/app")
CREATED = Needs(created=True)
LISTING = "/v2/team/app/tags/list"
COUNT = 30
Got = TypeVar("Got")


@pytest.fixture
def model() -> Model:
    """A Zot with COUNT tags."""
    made = Model()
    made.push_all(
        "team/app",
        ((f"v{day}", images.image(f"2026-01-{day:02}T00:00:00Z")) for day in range(1, COUNT + 1)),
    )
    return made


@pytest.fixture
def zot(model: Model) -> Iterator[ZotServer]:
    """A server of it."""
    with ZotServer(model) as server:
        yield server


def ask(
    folder: Path, zot: ZotServer, use: Callable[[CachedTags], Awaitable[Got]], *, kind: str = "zot"
) -> Got:
    """What *use* gets of *zot*, through a cache whose time stands."""
    conf = folder / "registries.conf"
    conf.write_text(
        "registries:\n- {name: example, prefix: registry.example.com, "
        f"api_url: '{zot.url}', kind: '{kind}'}}\n"
    )
    registries, _ = Registries.load(conf, surroundings=Surroundings(environment={}))

    async def run() -> Got:
        async with registries:
            return await use(CachedTags(RoutedSource(registries), clock=lambda: 0.0))

    return asyncio.run(run())


async def newest(tags: CachedTags) -> str:
    """The tag that was built last."""
    listing = await tags.list_tags(APP)
    described = await tags.describe(APP, listing.names, CREATED)
    return max(described.values(), key=lambda tag: tag.created or 0).name


@pytest.mark.parametrize(("kind", "most"), [("zot", 2), ("", 3)], ids=["known", "found out"])
def test_build_times_of_a_zot_take_two_requests_and_one_to_know_it(
    tmp_path: Path, zot: ZotServer, kind: str, most: int
) -> None:
    found = ask(tmp_path, zot, newest, kind=kind)

    assert found == f"v{COUNT}"
    assert len(zot.requests) == most
    assert zot.targets().count(LISTING) == 1


def test_without_search_documents_are_read_and_nothing_counts_as_a_pull(
    tmp_path: Path, model: Model
) -> None:
    with ZotServer(model, search=False) as zot:
        found = ask(tmp_path, zot, newest, kind="")
        kinds = Counter((each.method, each.target.split("/")[4]) for each in zot.requests)

    assert found == f"v{COUNT}"
    assert kinds[("HEAD", "manifests")] == COUNT
    assert kinds[("GET", "blobs")] == 2 * COUNT
    assert kinds[("GET", "manifests")] == 0
    statistics = model.repositories["team/app"].known.statistics
    assert {each.pulls for each in statistics.values()} == {0}


def test_fifty_who_ask_at_once_make_exactly_one_listing(tmp_path: Path, zot: ZotServer) -> None:
    async def use(tags: CachedTags) -> list[Listing]:
        with zot.held():
            asking = [asyncio.create_task(tags.list_tags(APP)) for _ in range(50)]
            await asyncio.to_thread(zot.wait_for, 1)
        return await asyncio.gather(*asking)

    listings = ask(tmp_path, zot, use)

    assert zot.targets() == [LISTING]
    assert all(listing is listings[0] for listing in listings)


def test_fifty_who_rank_by_build_time_at_once_make_two_requests(
    tmp_path: Path, zot: ZotServer
) -> None:
    async def use(tags: CachedTags) -> list[str]:
        return await asyncio.gather(*(newest(tags) for _ in range(50)))

    assert set(ask(tmp_path, zot, use)) == {f"v{COUNT}"}
    assert len(zot.requests) == 2


def test_when_it_fails_fifty_get_the_one_answer_and_nobody_asks_again(
    tmp_path: Path, zot: ZotServer
) -> None:
    missing = Repository("registry.example.com", "team/missing")

    async def use(tags: CachedTags) -> list[object]:
        both: list[object] = []
        for _ in range(2):
            asking = (tags.list_tags(missing) for _ in range(50))
            both += await asyncio.gather(*asking, return_exceptions=True)
        return both

    errors = ask(tmp_path, zot, use)

    assert len(zot.requests) == 1
    assert isinstance(errors[0], RegistryError)
    assert all(error is errors[0] for error in errors)


def test_the_next_look_asks_for_new_tags_alone(
    tmp_path: Path, model: Model, zot: ZotServer
) -> None:
    def digests(tags: CachedTags, names: list[str]) -> Awaitable[object]:
        return tags.describe(APP, names, Needs(digest=True))

    async def use(tags: CachedTags) -> None:
        await digests(tags, ["v1", "v2"])
        model.push("team/app", "v99", images.image("2026-03-01T00:00:00Z"))
        await digests(tags, ["v1", "v2", "v99"])

    ask(tmp_path, zot, use)

    heads = [target.rpartition("/")[2] for target in zot.targets("HEAD")]
    assert sorted(heads) == ["v1", "v2", "v99"]


def test_a_tag_that_is_deleted_meanwhile_is_gone(
    tmp_path: Path, model: Model, zot: ZotServer
) -> None:
    async def use(tags: CachedTags) -> Fault | None:
        listing = await tags.list_tags(APP)
        model.delete("team/app", "v3")
        return (await tags.describe(APP, listing.names, CREATED))["v3"].fault

    assert ask(tmp_path, zot, use) is Fault.GONE
