"""`retag cache`, the real command, on a file and on a Redis."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cmp.reference import Repository
from cmp.registry.observation import View, listing_key, tags_key
from cmp.rules.rule import Identity
from cmp.store import LastGood, open_store
from cmp.tags import Listing, Needs, Tag
from tests.cli.conftest import Laptop
from tests.servers.redis import PASSWORD, Redis

REPOSITORY = Repository("registry.example.com", "team/app")
RULE = Identity("ImageUpdater", "argocd", "rule", "a*", "app", "f")
DIGEST = "sha256:" + "0" * 64


def fill(text: str, *, named: str = "my-app") -> None:
    """Keep two choices of two Applications, and observations of one repository."""
    now = time.time()

    async def use() -> None:
        store = open_store(text, environment={})
        first = LastGood(RULE.rule, "f", str(REPOSITORY), "v1.2.0", None, now - 3 * 86_400 - 9)
        await store.keep_choices(named, [first])
        other = LastGood(RULE.rule, "f", str(REPOSITORY), "v1.1.0", DIGEST, now - 2 * 3600 - 9)
        await store.keep_choices("team_other", [other])
        await store.keep_listing("zot team/app", Listing(REPOSITORY, ("v1", "v2"), now - 130))
        await store.keep_tags("zot team/app", {"v1": Tag("v1")})
        await store.keep_tags("zot team/unlisted", {"v1": Tag("v1")})
        await store.aclose()

    asyncio.run(use())


def test_what_is_remembered_is_shown(laptop: Laptop) -> None:
    fill(str(laptop.folder / "store.db"))

    done = laptop.retag("cache", "show", "--store", "./store.db")

    assert (done.returncode, done.stderr) == (0, b"")
    *lines, total = done.stdout.decode().splitlines()
    assert [line.partition(", 1 described, ")[0] for line in lines] == [
        "my-app",
        f"  registry.example.com/team/app:v1.2.0  {RULE}, 3 d old",
        "team_other",
        f"  registry.example.com/team/app:v1.1.0@{DIGEST}  {RULE}, 2 h old",
        "zot team/app  2 tags, 2 min old",
        "zot team/unlisted  not listed",
    ]
    assert total.startswith("2 choices of 2 Applications, 2 observations, ")
    assert total.endswith(" KiB")


VIEW = View("registry.example.com", "https://registry.example.com", "team/app", "env:LOGIN")
NEEDS = Needs(created=True, digest=True, platforms=("linux/amd64",))


def fill_with_one_of_each(text: str) -> None:
    """Keep one choice, and what two logins saw of one repository."""

    async def use() -> None:
        store = open_store(text, environment={})
        choice = LastGood(RULE.rule, "f", str(REPOSITORY), "v1", None, time.time())
        await store.keep_choices("app", [choice])
        key, open_to_all = listing_key(VIEW), listing_key(replace(VIEW, login=""))
        await store.keep_listing(key, Listing(REPOSITORY, ("v1",), time.time() - 130))
        await store.keep_tags(tags_key(key, NEEDS), {"v1": Tag("v1")})
        await store.keep_listing(open_to_all, Listing(REPOSITORY, ("v1", "v2"), time.time() - 130))
        await store.aclose()

    asyncio.run(use())


def test_an_observation_is_shown_with_its_repository_its_login_and_what_was_asked(
    laptop: Laptop,
) -> None:
    fill_with_one_of_each(str(laptop.folder / "store.db"))

    done = laptop.retag("cache", "show", "--store", "./store.db")

    *_, unnamed, listed, described, total = done.stdout.decode().splitlines()
    app = "registry.example.com/team/app"
    assert unnamed.startswith(f"{app}, no login  2 tags, 2 min old, 0 described, ")
    assert listed.startswith(f"{app}, login env:LOGIN  1 tag, 2 min old, 0 described, ")
    assert described.startswith(
        f"{app}, login env:LOGIN: build times, digests, linux/amd64  1 described, "
    )
    assert total.startswith("1 choice of 1 Application, 3 observations, ")


def test_programs_are_told_repository_login_and_facts_of_an_observation(laptop: Laptop) -> None:
    fill_with_one_of_each(str(laptop.folder / "store.db"))

    done = laptop.retag("cache", "show", "--store", "./store.db", "-ojson")

    shown = json.loads(done.stdout)["observations"]
    assert {each["repository"] for each in shown} == {str(REPOSITORY)}
    assert [(each["login"], each["facts"]) for each in shown] == [
        (None, []),
        ("env:LOGIN", []),
        ("env:LOGIN", ["build times", "digests", "linux/amd64"]),
    ]


def test_a_rule_that_another_version_kept_is_shown_as_it_is(laptop: Laptop) -> None:
    async def use() -> None:
        store = open_store(str(laptop.folder / "store.db"), environment={})
        await store.keep_choices("a", [LastGood("odd", "f", str(REPOSITORY), "v1", None, 0)])
        await store.aclose()

    asyncio.run(use())

    done = laptop.retag("cache", "show", "--store", "./store.db")

    assert "v1  odd, " in done.stdout.decode()


def test_what_is_remembered_is_shown_to_programs(laptop: Laptop) -> None:
    fill(str(laptop.folder / "store.db"))

    done = laptop.retag("cache", "show", "--store=./store.db", "-o", "json")

    shown = json.loads(done.stdout)
    assert shown["applications"]["my-app"][0]["tag"] == "v1.2.0"
    assert shown["applications"]["my-app"][0]["rule"] == str(RULE)
    assert shown["applications"]["my-app"][0].keys() == {
        "rule",
        "fingerprint",
        "repository",
        "tag",
        "digest",
        "observedAt",
    }
    listed, unlisted = shown["observations"]
    assert (listed["key"], listed["tags"], listed["described"]) == ("zot team/app", 2, 1)
    assert listed["listedAt"].endswith("Z")
    assert unlisted["listedAt"] is None
    assert listed["bytes"] > 0
    assert shown["bytes"] > 0


def test_a_name_steers_no_terminal(laptop: Laptop) -> None:
    fill(str(laptop.folder / "store.db"), named="evil\x1b[2J\nname")

    done = laptop.retag("cache", "show", "--store=./store.db")

    assert b"\x1b" not in done.stdout
    assert b"evil [2J name\n" in done.stdout


def test_one_application_is_forgotten(laptop: Laptop) -> None:
    fill(str(laptop.folder / "store.db"))

    done = laptop.retag("cache", "clear", "--store=./store.db", "my-app")
    again = laptop.retag("cache", "clear", "--store=./store.db", "my-app")

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"forgot the choices of 1 Application\n"
    assert again.stderr == b"forgot the choices of 0 Applications\n"
    shown = json.loads(laptop.retag("cache", "show", "--store=./store.db", "-ojson").stdout)
    assert list(shown["applications"]) == ["team_other"]
    assert len(shown["observations"]) == 2


def test_everything_is_forgotten(laptop: Laptop) -> None:
    fill(str(laptop.folder / "store.db"))

    done = laptop.retag("cache", "clear", "--store=./store.db")

    assert done.stderr == b"forgot the choices of 2 Applications\n"
    shown = json.loads(laptop.retag("cache", "show", "--store=./store.db", "-ojson").stdout)
    assert (shown["applications"], shown["observations"]) == ({}, [])


def test_a_redis_is_shown_and_cleared(laptop: Laptop, tmp_path: Path) -> None:
    with Redis(tmp_path, password=PASSWORD) as redis:
        fill(redis.url)
        shown = json.loads(laptop.retag("cache", "show", "--store", redis.url, "-ojson").stdout)
        one = laptop.retag("cache", "clear", "--store", redis.url, "my-app")
        rest = laptop.retag("cache", "clear", "--store", redis.url)
        keys = redis.ask("DBSIZE")

    assert list(shown["applications"]) == ["my-app", "team_other"]
    assert [each["described"] for each in shown["observations"]] == [1, 1]
    assert one.stderr == rest.stderr == b"forgot the choices of 1 Application\n"
    assert keys == b":0\r\n"


@pytest.mark.parametrize(
    ("store", "code", "line"),
    [
        ("./none.db", 6, b"none.db: the SQLite store cannot be used: No such file or directory;"),
        ("./rules.yaml", 6, b"rules.yaml: the SQLite store cannot be used: file is not a data"),
        ("redis://:made-up@127.0.0.1:1", 6, b"Redis at 127.0.0.1:1: the Redis store cannot be"),
        ("memory", 2, b"--store: memory is that of one process, where nobody else can look;"),
        ("store", 2, b"--store: this is no store;"),
    ],
)
def test_a_store_that_cannot_be_looked_at_is_an_error_of_one_line(
    laptop: Laptop, store: str, code: int, line: bytes
) -> None:
    before = sorted(laptop.folder.iterdir())

    done = laptop.retag("cache", "show", "--store", store)

    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.startswith(b"error: " + line)
    assert done.stderr.count(b"\n") == 1
    assert b"made-up" not in done.stderr
    assert sorted(laptop.folder.iterdir()) == before


def test_what_a_wrong_clock_kept_has_no_time(laptop: Laptop) -> None:
    async def use() -> None:
        store = open_store(str(laptop.folder / "store.db"), wall=lambda: 2.0**60, environment={})
        await store.keep_choices(
            "app", [LastGood(RULE.rule, "f", str(REPOSITORY), "v1", None, 2.0**60)]
        )
        await store.aclose()

    asyncio.run(use())

    shown = json.loads(laptop.retag("cache", "show", "--store=./store.db", "-ojson").stdout)
    assert shown["applications"]["app"][0]["observedAt"] is None
    lines = laptop.retag("cache", "show", "--store=./store.db").stdout.decode().splitlines()
    assert lines[1].endswith(", nobody knows how old")
