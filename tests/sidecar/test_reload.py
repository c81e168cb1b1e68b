"""Another configuration takes the place of the one before as a whole, or not at all."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cmp.rules import RuleSet, read_rules
from cmp.rules.read import rules_in
from cmp.rules.units import Resource
from sidecar.configuration import Paths
from sidecar.reload import Current
from sidecar.sources import Files
from tests.servers import images
from tests.servers.certificates import Authority
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.model import Model
from tests.servers.zot import ZotServer
from tests.sidecar.mounts import Mount, registries, rules
from tests.sidecar.place import IMAGE, Place, answer

RELOADS = "retag_configuration_reloads_total"
SUCCESSFUL = "retag_configuration_last_reload_successful"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A sound configuration."""
    return Place(tmp_path)


async def now(current: Current) -> str:
    """What a Pod gets."""
    async with current.use() as configuration:
        return await answer(configuration)


def reloads(place: Place) -> tuple[float, float]:
    """How many versions were loaded, and how many were broken."""
    return (
        place.sample(RELOADS, result="loaded") or 0,
        place.sample(RELOADS, result="broken") or 0,
    )


def test_changed_rules_are_used_from_the_next_look_on(place: Place) -> None:
    async def run() -> list[str]:
        current = place.current()
        told = [await now(current)]
        place.rules.swap({"rules.yaml": rules("~1.4")})
        told.append(await now(current))
        await current.refresh()
        told.append(await now(current))
        await current.aclose()
        return told

    assert asyncio.run(run()) == [f"{IMAGE}:v1.10.0", f"{IMAGE}:v1.10.0", f"{IMAGE}:v1.4.2"]
    assert reloads(place) == (1, 0)
    assert place.sample(SUCCESSFUL) == 1
    assert place.sample("retag_configuration_loaded_timestamp_seconds") == 5
    assert place.sample("retag_configuration_findings", severity="error") == 0


def test_files_that_are_the_same_are_not_read_again(place: Place) -> None:
    read = []

    def counted(paths: Iterable[Path]) -> RuleSet:
        read.append(paths)
        return read_rules(paths)

    place.read = counted

    async def run() -> None:
        current = place.current()
        for _ in range(5):
            await current.refresh()
        assert len(read) == 1
        await current.refresh(anyway=True)
        assert len(read) == 2
        await current.aclose()

    asyncio.run(run())


def break_rules(place: Place) -> None:
    place.rules.swap({"rules.yaml": "a: [\n"})


def remove_rules(place: Place) -> None:
    (place.folder / "rules").rename(place.folder / "elsewhere")


def break_registries(place: Place) -> None:
    place.registries("registries: [\n")


BREAKS = [break_rules, remove_rules, break_registries]


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda each: each.__name__)
def test_a_broken_version_keeps_the_one_before_and_says_so_once(
    place: Place, break_it: Callable[[Place], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> str:
        current = place.current()
        break_it(place)
        for _ in range(5):
            await current.refresh()
        told = await now(current)
        await current.aclose()
        return told

    with caplog.at_level(logging.WARNING):
        told = asyncio.run(run())

    assert told == f"{IMAGE}:v1.10.0"
    assert reloads(place) == (0, 1)
    assert place.sample(SUCCESSFUL) == 0
    [record] = caplog.records
    assert "the configuration before it stays in use" in record.getMessage()
    assert "[RT" in record.getMessage()


def test_broken_mended_broken_is_told_twice(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        current = place.current()
        for text in ("a: [\n", rules("~1.4"), "a: [\n"):
            place.rules.swap({"rules.yaml": text})
            await current.refresh()
        assert await now(current) == f"{IMAGE}:v1.4.2"
        await current.aclose()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())

    assert len(caplog.records) == 2
    assert reloads(place) == (1, 2)


def test_another_fault_is_told_besides_the_first(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        current = place.current()
        break_rules(place)
        await current.refresh()
        break_registries(place)
        await current.refresh()
        await current.aclose()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())

    first, second = (record.getMessage() for record in caplog.records)
    assert "rules.yaml" in first
    assert "registries.conf" in second


def test_rules_that_were_deleted_rule_nothing(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> str:
        current = place.current()
        place.rules.swap({})
        await current.refresh()
        told = await now(current)
        await current.aclose()
        return told

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(run()) == f"{IMAGE}:v1.0.0"

    [record] = caplog.records
    assert "holds no ImageUpdater, so it rules nothing" in record.getMessage()


def test_a_registry_without_protection_is_told_at_the_start(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.registries(registries("https://registry.example.com", ", insecure: true"))

    with caplog.at_level(logging.WARNING):
        current = place.current()
        asyncio.run(current.aclose())

    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "insecure" in record.getMessage()


def test_a_broken_unit_is_loaded_with_the_rest_and_told(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> str:
        current = place.current()
        broken = rules(image="registry.example.com/other").replace("alias: api", "alias: 3")
        place.rules.swap({"rules.yaml": rules("~1.4"), "b.yaml": broken.replace("all", "b")})
        await current.refresh()
        told = await now(current)
        await current.aclose()
        return told

    with caplog.at_level(logging.WARNING):
        told = asyncio.run(run())

    assert told == f"{IMAGE}:v1.4.2"
    assert place.sample("retag_configuration_findings", severity="error") == 1
    [record] = caplog.records
    assert "a part of the configuration is disabled" in record.getMessage()


def test_a_broken_start_is_used_and_mended(place: Place) -> None:
    break_registries(place)

    async def run() -> list[str]:
        current = place.current()
        told = [await now(current)]
        assert place.sample(SUCCESSFUL) == 0
        place.rules.swap({"rules.yaml": rules("~1.4")})  # the one that is broken changes too
        await current.refresh()
        told.append(await now(current))
        place.registries(registries(place.url))
        await current.refresh()
        told.append(await now(current))
        await current.aclose()
        return told

    first, second, third = asyncio.run(run())
    assert "registries.conf" in first
    assert "registries.conf" in second
    assert third == f"{IMAGE}:v1.4.2"
    assert place.sample(SUCCESSFUL) == 1


def test_what_is_broken_is_read_again_after_a_minute(place: Place) -> None:
    """A file that registries.conf names may have come, which is not watched while it is broken."""
    certificate = place.folder / "authority.pem"
    place.registries(registries(place.url, f", ca_file: {certificate}"))

    async def run() -> None:
        current = place.current()
        async with current.use() as configuration:
            assert configuration.broken
        place.now += 60
        await current.refresh()
        assert reloads(place) == (0, 0)  # the same as before
        Authority(place.folder)  # writes it
        place.now += 59
        await current.refresh()
        assert reloads(place) == (0, 0)
        place.now += 1
        await current.refresh()
        assert reloads(place) == (1, 0)
        assert await now(current) == f"{IMAGE}:v1.10.0"
        await current.aclose()

    asyncio.run(run())


def test_who_uses_a_version_keeps_it_open_until_the_end(place: Place) -> None:
    async def run() -> None:
        current = place.current()
        async with current.use() as first:
            place.registries(registries(place.url, ", limit: 50"))
            await current.refresh()
            async with current.use() as second:
                assert second.sources is not first.sources
                assert await answer(first) == f"{IMAGE}:v1.10.0"
            flight = asyncio.create_task(answer(first))
        assert await flight == f"{IMAGE}:v1.10.0"
        await current.aclose()

    asyncio.run(run())


def test_two_looks_at_once_read_once(place: Place) -> None:
    async def run() -> None:
        current = place.current()
        place.rules.swap({"rules.yaml": rules("~1.4")})
        await asyncio.gather(current.refresh(), current.refresh(), current.refresh())
        await current.aclose()

    asyncio.run(run())

    assert reloads(place) == (1, 0)


def test_a_change_while_it_is_read_is_seen_at_the_next_look(place: Place) -> None:
    swaps = [rules("~1.1"), rules("~1.2"), rules("~1.4")]

    def read(paths: Iterable[Path]) -> RuleSet:
        ruleset = read_rules(paths)
        if swaps:
            place.rules.swap({"rules.yaml": swaps.pop(0)})
        return ruleset

    async def run() -> None:
        current = place.current()
        place.rules.swap({"rules.yaml": rules("~1.0")})
        place.read = read
        await current.refresh()
        assert await now(current) == f"{IMAGE}:v1.10.0"  # it never came to rest
        await current.refresh()
        assert await now(current) == f"{IMAGE}:v1.4.2"
        await current.aclose()

    asyncio.run(run())

    assert reloads(place) == (1, 1)


async def watched(place: Place, looks: int, at: Callable[[int], None]) -> list[str]:
    """What a Pod gets before each of so many looks at the files; *at* changes them then."""
    told: list[str] = []
    current, done = place.current(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == 3.0
        told.append(await now(current))
        at(len(told))
        if len(told) == looks:
            done.set()
            await asyncio.Event().wait()

    watching = asyncio.create_task(current.watch(3.0, sleep))
    await done.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await current.aclose()
    return told


def test_the_files_are_watched(place: Place) -> None:
    """What changed is read when it is the same at two looks."""
    texts = {2: rules("~1.1"), 3: rules("~1.4")}

    def at(look: int) -> None:
        if look in texts:
            place.rules.swap({"rules.yaml": texts[look]})

    told = asyncio.run(watched(place, 6, at))

    assert told == [*[f"{IMAGE}:v1.10.0"] * 4, *[f"{IMAGE}:v1.4.2"] * 2]
    assert reloads(place) == (1, 0)


def test_a_rule_that_moves_to_another_file_is_never_missed(place: Place) -> None:
    """kubelet swaps the mount before it makes the links of new keys."""
    folder = place.folder / "plain"
    folder.mkdir()
    (folder / "one.yaml").write_text(rules())
    place.paths = Paths((folder,), place.paths.files)
    moves = {2: ("one.yaml", "moving"), 3: ("moving", "two.yaml")}

    def at(look: int) -> None:
        if look in moves:
            before, after = moves[look]
            (folder / before).rename(folder / after)

    assert asyncio.run(watched(place, 6, at)) == [f"{IMAGE}:v1.10.0"] * 6
    assert reloads(place) == (1, 0)


def test_what_was_found_out_about_a_registry_is_told_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model()
    model.push("profanity-api", "v1.0.0", images.image("2026-01-01T10:00:00Z"))
    place.rules.swap({"rules.yaml": rules("v") + "          updateStrategy: newest-build\n"})

    with ZotServer(model, search=False) as zot, caplog.at_level(logging.WARNING, "retag"):
        place.registries(registries(zot.url, ", kind: zot"))
        caplog.clear()
        asyncio.run(watched(place, 5, lambda _look: None))

    told = [record.getMessage() for record in caplog.records]
    assert [each for each in told if "build times are read tag by tag" in each] == told[1:]
    assert len(told) == 2  # plain http is the other


def test_where_something_always_writes_it_is_read_nevertheless(place: Place) -> None:
    (place.folder / "certificates").mkdir()

    def at(look: int) -> None:
        (place.folder / "certificates" / f"{look}.example.com").write_text("")
        if look == 1:
            place.rules.swap({"rules.yaml": rules("~1.4")})

    told = asyncio.run(watched(place, 14, at))

    assert told.index(f"{IMAGE}:v1.4.2") == 12


def test_a_look_that_fails_is_not_the_last(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    looks = []

    async def run() -> None:
        def load(_previous: object) -> object:
            looks.append(1)
            raise RuntimeError("can't start new thread")

        current = Current(place.load(), load)  # type: ignore[arg-type]  # it gives nothing
        done = asyncio.Event()

        place.rules.swap({"rules.yaml": rules("~1.4")})

        async def sleep(_seconds: float) -> None:
            if len(looks) == 2:
                done.set()
                await asyncio.Event().wait()

        watching = asyncio.create_task(current.watch(1.0, sleep))
        await done.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await current.aclose()

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())

    assert [record.getMessage() for record in caplog.records] == [
        "the configuration could not be looked at"
    ] * 2


def by_login(request: Request) -> Response:
    """A registry in which each user has tags of their own."""
    login = base64.b64decode(request.header("authorization").partition(" ")[2]).decode()
    user = login.partition(":")[0]
    if request.path != "/v2/profanity-api/tags/list":
        return Response(404, {"content-type": "application/json"}, b"{}")
    body = {"name": "profanity-api", "tags": ["1.0.0", {"reader": "1.1.0"}.get(user, "1.2.0")]}
    return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())


def conf(url: str, variable: str) -> str:
    """A registry that is asked with the login of *variable*."""
    return registries(url, f", kind: oci, credentials: 'env:{variable}'")


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up logins of two users, as the operator gives them."""
    monkeypatch.setenv("READER", "reader:made-up")
    monkeypatch.setenv("OTHER", "other:made-up")


@pytest.mark.usefixtures("logins")
def test_another_login_never_gets_what_the_one_before_saw(place: Place) -> None:
    async def run(url: str) -> list[str]:
        place.registries(conf(url, "READER"))
        current = place.current()
        told = [await now(current)]
        async with current.use() as old:
            place.registries(conf(url, "OTHER"))
            await current.refresh()
            told += [await now(current), await answer(old)]
        told.append(await now(current))
        await current.aclose()
        return told

    with LoopbackServer(by_login) as server:
        told = asyncio.run(run(server.url))

    assert told == [f"{IMAGE}:{tag}" for tag in ("1.1.0", "1.2.0", "1.1.0", "1.2.0")]


@pytest.mark.usefixtures("logins")
def test_changed_rules_ask_no_registry_again(place: Place) -> None:
    async def run(url: str) -> list[str]:
        place.registries(conf(url, "READER"))
        current = place.current()
        told = [await now(current)]
        place.rules.swap({"rules.yaml": rules("1.0.x")})
        await current.refresh()
        told.append(await now(current))
        await current.aclose()
        return told

    with LoopbackServer(by_login) as server:
        told = asyncio.run(run(server.url))
        listings = [each for each in server.targets() if each.endswith("tags/list")]

    assert told == [f"{IMAGE}:1.1.0", f"{IMAGE}:1.0.0"]
    assert len(listings) == 1


def test_a_secret_that_changed_is_used_and_the_old_view_forgotten(place: Place) -> None:
    secret = Mount(place.folder / "secrets" / "argocd" / "login", {"pair": "reader:made-up"})

    async def run(url: str) -> list[str]:
        more = ", kind: oci, credentials: 'secret:argocd/login#pair'"
        place.registries(registries(url, more))
        current = place.current()
        told = [await now(current)]
        secret.swap({"pair": "other:made-up"})
        await current.refresh()
        told.append(await now(current))
        await current.aclose()
        return told

    with LoopbackServer(by_login) as server:
        assert asyncio.run(run(server.url)) == [f"{IMAGE}:1.1.0", f"{IMAGE}:1.2.0"]


@pytest.mark.usefixtures("logins")
def test_many_swaps_leave_nothing_open(place: Place) -> None:
    """Each version asks the registry, over a connection of its own."""

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    async def run(url: str) -> tuple[int, int]:
        place.registries(conf(url, "READER"))
        current = place.current()
        await now(current)
        before = open_files()
        for number in range(200):
            place.registries(conf(url, ("OTHER", "READER")[number % 2]))
            await current.refresh()
            if number % 10 == 0:
                await now(current)
        await now(current)
        await asyncio.sleep(0)
        after = open_files()
        await current.aclose()
        return before, after

    with LoopbackServer(by_login) as server:
        before, after = asyncio.run(run(server.url))

    assert reloads(place) == (200, 0)
    assert after <= before + 5


def test_rules_and_registries_of_one_mount_change_together(place: Place) -> None:
    folder = place.folder / "both"
    one = {"rules.yaml": rules("~1.0"), "registries.conf": registries(place.url)}
    mount = Mount(folder, one)
    place.paths = Paths((folder,), Files(folder / "registries.conf"))

    async def run() -> None:
        current = place.current()
        mount.swap(one | {"rules.yaml": "a: [", "registries.conf": registries("file:/nowhere")})
        await current.refresh()
        assert await now(current) == f"{IMAGE}:v1.0.0"
        await current.aclose()

    asyncio.run(run())


def resources(constraint: str, name: str = "cluster") -> tuple[Resource, ...]:
    """An ImageUpdater of the cluster."""
    text = rules(constraint).replace("name: all", f"name: {name}")
    return rules_in(text, f"ImageUpdater argocd/{name}").resources


def test_rules_of_the_cluster_count_at_once_and_beside_those_of_files(place: Place) -> None:
    place.rules.swap({"rules.yaml": ""})

    async def run() -> list[str]:
        current = place.current()
        told = [await now(current)]
        await current.take(resources("1.4.x"))
        told.append(await now(current))
        place.rules.swap({"rules.yaml": rules("~1.2", image="registry.example.com/other")})
        await current.refresh()
        told.append(await now(current))
        async with current.use() as configuration:
            assert len(configuration.operator.rules.resources) == 2
        await current.take(())
        told.append(await now(current))
        await current.aclose()
        return told

    image = f"{IMAGE}:v1"
    assert asyncio.run(run()) == [f"{image}.0.0", f"{image}.4.2", f"{image}.4.2", f"{image}.0.0"]


def test_who_takes_rules_of_the_cluster_keeps_what_asks_registries(place: Place) -> None:
    async def run() -> bool:
        current = place.current()
        async with current.use() as before:
            await current.take(resources("1.4.x"))
            async with current.use() as after:
                same = before.sources is after.sources and before.lookups is after.lookups
        await current.aclose()
        return same

    assert asyncio.run(run())


def test_a_resource_of_the_cluster_that_files_define_otherwise_is_told(place: Place) -> None:
    async def run() -> list[str]:
        current = place.current()
        await current.take(resources("1.4.x", name="all"))
        async with current.use() as configuration:
            codes = [each.code for each in configuration.findings]
        await current.aclose()
        return codes

    assert "RT318" in asyncio.run(run())


def test_rules_of_the_cluster_do_not_hide_that_files_are_broken(place: Place) -> None:
    async def run() -> None:
        current = place.current()
        place.registries("{")
        await current.refresh()
        await current.take(resources("1.4.x"))
        assert await now(current) == f"{IMAGE}:v1.4.2"
        await current.aclose()

    place.rules.swap({"rules.yaml": ""})
    asyncio.run(run())

    assert place.sample(SUCCESSFUL) == 0
