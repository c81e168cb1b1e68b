"""Last good choices that the controller recorded, behind those of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cmp.store import LastGood
from cmp.tags import Listing, Tag
from sidecar.cluster.record import Record, Recorded, State
from sidecar.cluster.record_format import config_map
from sidecar.cluster.records import RecordedChoices, keep_record
from tests.memory import NOW, MemoryStore

GOOD = LastGood("rule", "print", "registry.example.com/a", "v1", None, NOW)
OTHER = replace(GOOD, rule="another", tag="v7")


def record(*choices: LastGood, namespace: str = "argocd", name: str = "web") -> dict[str, Any]:
    """The ConfigMap of an Application."""
    recorded = [
        Recorded(choice=each, good=each, state=State.DELIVERED, after=f"{each.repository}:v1")
        for each in choices
    ]
    kept = Record(namespace=namespace, name=name, uid="1", choices=tuple(recorded))
    return config_map(kept, "argocd")


def choices(
    *manifests: dict[str, Any], stored: Sequence[LastGood] = (), application: str = "web"
) -> Sequence[LastGood]:
    """What is remembered of *application*."""
    kept = {
        ("argocd", each["metadata"]["name"]): value
        for each in manifests
        if (value := keep_record(each)) is not None
    }
    store = RecordedChoices(
        MemoryStore(stored), kept, namespace="argocd", control="argocd", wall=lambda: NOW
    )
    return asyncio.run(store.choices(application))


def test_what_the_store_lacks_is_taken_from_the_controller() -> None:
    assert choices(record(GOOD)) == (GOOD,)


def test_the_store_comes_first_and_is_not_contradicted() -> None:
    later = replace(GOOD, tag="v2")

    assert choices(record(GOOD, OTHER), stored=[later]) == (later, OTHER)


def test_an_application_outside_of_argo_cds_namespace_has_its_own_record() -> None:
    manifests = [record(GOOD), record(OTHER, namespace="team")]

    assert choices(*manifests, application="team_web") == (OTHER,)


def test_a_choice_of_the_future_is_as_old_as_can_be() -> None:
    assert choices(record(replace(GOOD, observed_at=NOW * 2)))[0].observed_at == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param({"data": {"record": "{"}}, id="no JSON"),
        pytest.param({"data": None}, id="no data"),
        pytest.param({"metadata": None}, id="no name"),
        pytest.param({"metadata": {"name": "retag.argocd.other"}}, id="another's name"),
        pytest.param(record(), id="no choices"),
    ],
)
def test_a_config_map_that_is_no_record_is_not_kept(spoiled: Mapping[str, Any]) -> None:
    assert keep_record({**record(GOOD), **spoiled}) is None


class Noting(MemoryStore):
    """A store that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def listing(self, key: str, /) -> Listing | None:
        self.asked.append(f"listing {key}")
        return await super().listing(key)

    async def keep_listing(self, key: str, listing: Listing, /) -> None:
        self.asked.append(f"keep_listing {key}")
        await super().keep_listing(key, listing)

    async def tags(self, key: str, names: Sequence[str], /) -> Mapping[str, Tag]:
        self.asked.append(f"tags {key}")
        return await super().tags(key, names)

    async def keep_tags(self, key: str, tags: Mapping[str, Tag], /) -> None:
        self.asked.append(f"keep_tags {key}")
        await super().keep_tags(key, tags)

    async def seen(self, kind: str, /) -> Mapping[str, bytes] | None:
        self.asked.append(f"seen {kind}")
        return await super().seen(kind)

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], /, *, whole: bool
    ) -> bool:
        self.asked.append(f"keep_seen {kind}")
        return await super().keep_seen(kind, changed, whole=whole)

    async def aclose(self) -> None:
        self.asked.append("aclose")
        await super().aclose()


def test_all_else_is_the_stores() -> None:
    inner = Noting()
    store = RecordedChoices(inner, {}, namespace="argocd", control="argocd", wall=lambda: NOW)

    async def use() -> None:
        await store.keep_choices("web", [GOOD])
        await store.listing("k")
        await store.keep_listing("k", None)  # type: ignore[arg-type]  # it is handed on unseen
        await store.tags("k", [])
        await store.keep_tags("k", {})
        await store.seen("apps")
        assert await store.keep_seen("apps", {}, whole=True)
        await store.aclose()

    asyncio.run(use())

    assert inner.kept == [GOOD]
    assert inner.asked == [
        "listing k",
        "keep_listing k",
        "tags k",
        "keep_tags k",
        "seen apps",
        "keep_seen apps",
        "aclose",
    ]
