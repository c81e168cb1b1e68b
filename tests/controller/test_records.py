"""Records: what is written is read again, what is none is not, and nobody writes over another."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.store import LastGood
from sidecar.cluster.record import MOST_CHOICES, MOST_HISTORY, Past, Record, Recorded, State
from sidecar.cluster.record_format import MOST_CHARACTERS, config_map, dump, name_of, parse
from sidecar.controller.records import Records, held, watched
from sidecar.kubernetes.client import Client
from sidecar.kubernetes.errors import AbsentError, ConflictError
from sidecar.kubernetes.kinds import CONFIG_MAPS
from sidecar.kubernetes.mirror import Mirror, is_older
from tests.controller.situations import target
from tests.controller.world import image
from tests.servers.kubernetes import ApiServer

GOOD = LastGood("rule", "f", "registry.example.com/team/app", "1", None, 5.0)
CHOICE = Recorded(choice=GOOD, state=State.DELIVERED, after=image("1"), good=GOOD)
PAST = Past(at=3, rule="r", alias="app", image="i", before="", after=image("1"), why="newest")
RECORD = Record(namespace="argocd", name="app", uid="7", choices=(CHOICE,), history=(PAST,))

_texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=40)
_times = st.floats(0, 2**39)
_goods = st.builds(
    LastGood,
    rule=_texts,
    fingerprint=_texts,
    repository=st.sampled_from(["docker.io/library/nginx", "registry.example.com/a/b"]),
    tag=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
    digest=st.none() | st.just("sha256:" + "a" * 64),
    observed_at=_times,
)
_choices = st.builds(
    Recorded,
    choice=_goods,
    state=st.sampled_from(State),
    after=st.just(image("1")),
    before=_texts,
    title=_texts,
    alias=_texts,
    why=_texts,
    good=st.none() | _goods,
    live=st.booleans(),
    attempts=st.integers(0, 99),
    asked_at=_times,
    stamp=_texts,
    reconciled=_texts,
    operation=_texts,
    reason=_texts,
)
_pasts = st.builds(
    Past,
    at=_times,
    rule=_texts,
    alias=_texts,
    image=_texts,
    before=_texts,
    after=st.just(image("1")),
    why=_texts,
)


@given(
    choices=st.lists(_choices, max_size=4, unique_by=lambda each: each.key),
    history=st.lists(_pasts, max_size=4),
)
def test_what_is_written_is_read_again(choices: list[Recorded], history: list[Past]) -> None:
    record = replace(RECORD, choices=tuple(choices), history=tuple(history))

    assert parse(dump(record)) == record


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(field=st.sampled_from(["version", "application", "uid", "choices", "history"]), value=_json)
def test_whatever_stands_in_a_field_is_read_or_left_out(field: str, value: Any) -> None:
    written = json.loads(dump(RECORD)["record"]) | {field: value}

    found = parse({"record": json.dumps(written)})

    assert found is None or parse(dump(found)) == found


@given(
    field=st.sampled_from([*json.loads(dump(RECORD)["record"])["choices"][0], "attempts", "live"]),
    value=_json,
)
def test_whatever_stands_in_a_choice_is_read_or_left_out(field: str, value: Any) -> None:
    written = json.loads(dump(RECORD)["record"])
    written["choices"][0][field] = value

    found = parse({"record": json.dumps(written)})

    assert found is not None
    assert parse(dump(found)) == found


_CHOICE = json.loads(dump(RECORD)["record"])["choices"][0]


@pytest.mark.parametrize(
    "field",
    [
        {"rule": None},
        {"rule": "x" * 2000},
        {"repository": "nginx"},
        {"repository": "registry.example.com/app:1"},
        {"repository": "?"},
        {"tag": "a b"},
        {"digest": "sha256:a"},
        {"digest": 1},
        {"observedAt": -1},
        {"observedAt": True},
        {"state": "unheard of"},
        {"after": ""},
        {"attempts": 1.5},
        {"attempts": -1},
        {"live": 1},
        {"good": []},
        {"good": {}},
    ],
    ids=str,
)
def test_a_choice_that_is_none_is_left_out(field: dict[str, Any]) -> None:
    written = json.loads(dump(RECORD)["record"])
    written["choices"] = [_CHOICE | field, _CHOICE, "none"]

    found = parse({"record": json.dumps(written)})

    assert found == RECORD


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"record": 1},
        {"record": "{"},
        {"record": "[" * 100_000},
        {"record": "[]"},
        {"record": '{"version":2,"application":"a/b","uid":""}'},
        {"record": '{"version":1,"application":"b","uid":""}'},
        {"record": '{"version":1,"application":"a/b","uid":NaN}'},
        {"record": '{"version":1,"application":"a/b","uid":""}' + " " * MOST_CHARACTERS},
    ],
    ids=[
        "no data",
        "no record",
        "no text",
        "no JSON",
        "nested",
        "no object",
        "another version",
        "no namespace",
        "NaN",
        "too long",
    ],
)
def test_what_is_no_record_reads_as_none(data: Any) -> None:
    assert parse(data) is None


def test_of_two_choices_of_one_rule_the_first_counts() -> None:
    other = replace(CHOICE, choice=replace(GOOD, tag="2"))
    record = replace(RECORD, choices=(CHOICE, other))

    assert parse(dump(record)) == RECORD


def test_history_is_bounded_and_the_newest_stay() -> None:
    record = RECORD
    for number in range(50):
        record = record.with_history(replace(PAST, at=number))

    assert [each.at for each in record.history] == [float(n) for n in range(49, 29, -1)]
    assert len(record.history) == MOST_HISTORY


def test_a_record_that_is_too_long_is_written_without_its_history() -> None:
    choices = tuple(
        replace(CHOICE, choice=replace(GOOD, rule=f"{number}" + "\u2603" * 800))
        for number in range(MOST_CHOICES)
    )
    record = replace(RECORD, choices=choices, history=(PAST,) * MOST_HISTORY)

    written = json.loads(dump(record)["record"])

    assert written["history"] == []
    assert len(written["choices"]) == MOST_CHOICES


def test_long_reasons_are_cut_and_stay_on_one_line() -> None:
    record = replace(RECORD, choices=(replace(CHOICE, reason="a\nb" + "x" * 5000),))

    found = parse(dump(record))

    assert found is not None
    assert found.choices[0].reason == "a b" + "x" * 497


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("argocd", "app"), ("argocd", "a.b"), ("n" * 63, "a" * 253), ("argocd", "App")],
)
def test_a_record_has_a_name_that_kubernetes_takes(
    api_server: ApiServer, namespace: str, name: str
) -> None:
    place = api_server.namespace("record-names")
    record = replace(RECORD, namespace=namespace, name=name)

    api_server.apply(config_map(record, place))

    path = f"/api/v1/namespaces/{place}/configmaps/{name_of(namespace, name)}"
    read = held(api_server.request("GET", path))
    assert read.record == record


# A name may hold dots, a namespace not.
NAMESPACES = st.text("a-", min_size=1, max_size=3)
NAMES = st.text("a-.", min_size=1, max_size=5) | st.just("a" * 260)


def test_names_that_are_cut_stay_different() -> None:
    names = {name_of("argocd", "a" * 300 + str(number)) for number in range(20)}

    assert len(names) == 20
    assert all(len(name) <= 253 for name in names)


@given(NAMESPACES, NAMES, NAMESPACES, NAMES)
def test_each_application_has_a_name_of_its_own_that_the_policy_allows(
    namespace: str, name: str, other: str, more: str
) -> None:
    one, two = (namespace, name), (other, more)

    assert name_of(*one).startswith("retag.")
    assert len(name_of(*one)) <= 253
    assert (name_of(*one) == name_of(*two)) == (one == two)


def test_no_name_that_is_cut_is_that_of_another_application() -> None:
    cut = name_of("argocd", "a." * 120 + "b")

    assert cut.startswith("retag.argocd-a-a")
    assert cut.count(".") == 1


def test_a_record_under_a_name_that_is_not_its_own_is_none() -> None:
    manifest = config_map(RECORD, "argocd")
    manifest["metadata"] |= {"name": "retag.argocd.other", "resourceVersion": "5"}

    assert held(manifest).record is None
    assert held(manifest).version == "5"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("9", "10", True),
        ("10", "9", False),
        ("9", "9", False),
        ("", "9", False),
        ("x", "9", False),
    ],
)
def test_versions_grow(one: str, other: str, *, expected: bool) -> None:
    assert is_older(one, other) is expected


class Place:
    """A namespace for records, with two controllers, of which *seeing* see what happens."""

    def __init__(self, server: ApiServer, name: str, *, seeing: int = 2) -> None:
        self.seeing = seeing
        self.namespace = server.namespace(name)
        self.clients = [Client.of_kubeconfig(server.kubeconfig) for _ in range(2)]
        self.mirrors = [Mirror(client, watched(self.namespace)) for client in self.clients]
        pairs = zip(self.clients, self.mirrors, strict=True)
        self.records = [Records(client, self.namespace, mirror) for client, mirror in pairs]

    async def play(self, what: Any) -> None:
        """Do *what* while the mirrors see what happens."""
        tasks = [asyncio.create_task(each.run()) for each in self.mirrors[: self.seeing]]
        try:
            async with asyncio.timeout(20):
                for each in self.mirrors[: self.seeing]:
                    await each.synced()
                await what(self)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for client in self.clients:
                await client.aclose()


async def _until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - a real API server does something for it
        await asyncio.sleep(0.005)


TARGET = target()


def test_of_two_who_write_one_fails_and_reads_anew(api_server: ApiServer) -> None:
    async def play(place: Place) -> None:
        one, other = place.records
        await one.write(RECORD)
        with pytest.raises(ConflictError):
            await other.write(replace(RECORD, history=()))
        await other.read(TARGET.key)
        assert other.of(TARGET) == RECORD
        await other.write(replace(RECORD, history=()))
        with pytest.raises(ConflictError):
            await one.write(RECORD)

    asyncio.run(Place(api_server, "records-two", seeing=0).play(play))


def test_a_record_of_another_application_of_that_name_is_not_believed(
    api_server: ApiServer,
) -> None:
    async def play(place: Place) -> None:
        records = place.records[0]
        await records.write(RECORD)
        assert records.of(TARGET) == RECORD
        anew = target(metadata={"uid": "8"})
        assert records.of(anew) == Record(namespace="argocd", name="app", uid="8")
        await records.write(records.of(anew))
        assert records.of(TARGET).choices == ()

    asyncio.run(Place(api_server, "records-uid").play(play))


def test_a_record_that_was_deleted_is_gone_at_once_and_can_be_written_anew(
    api_server: ApiServer,
) -> None:
    async def play(place: Place) -> None:
        one, other = place.records
        await one.delete(TARGET.key)
        await one.write(RECORD)
        await _until(lambda: other.keys() == {("argocd", "app")})
        await one.delete(TARGET.key)
        assert one.of(TARGET).choices == ()
        await one.write(RECORD)
        assert one.of(TARGET) == RECORD
        await one.delete(TARGET.key)
        await _until(lambda: not other.keys())
        assert other.of(TARGET).choices == ()
        await other.read(TARGET.key)
        await other.write(RECORD)
        await _until(lambda: one.of(TARGET) == RECORD)

    asyncio.run(Place(api_server, "records-deleted").play(play))


def test_a_record_that_somebody_deleted_fails_and_is_read_anew(api_server: ApiServer) -> None:
    async def play(place: Place) -> None:
        one, other = place.records
        await one.write(RECORD)
        await other.read(TARGET.key)
        await one.delete(TARGET.key)
        with pytest.raises((AbsentError, ConflictError)):
            await other.write(RECORD)
        await other.read(TARGET.key)
        assert other.of(TARGET).choices == ()
        await other.write(RECORD)
        assert other.of(TARGET) == RECORD

    asyncio.run(Place(api_server, "records-absent", seeing=0).play(play))


def test_what_is_written_here_counts_until_the_mirror_has_it(api_server: ApiServer) -> None:
    async def play(place: Place) -> None:
        records, mirror = place.records[0], place.mirrors[0]
        for number in range(5):
            record = replace(RECORD, history=(replace(PAST, at=number),))
            await records.write(record)
            assert records.of(TARGET) == record
        key = (place.namespace, name_of("argocd", "app"))
        await _until(lambda: key in mirror.objects and mirror.objects[key].record == record)
        assert records.of(TARGET) == record

    asyncio.run(Place(api_server, "records-mirror").play(play))


def test_a_config_map_that_is_no_record_is_written_over(api_server: ApiServer) -> None:
    async def play(place: Place) -> None:
        records = place.records[0]
        broken = config_map(RECORD, place.namespace) | {"data": {"record": "?"}}
        await place.clients[1].create(CONFIG_MAPS, place.namespace, broken)
        await _until(lambda: place.mirrors[0].objects)
        assert records.of(TARGET).choices == ()
        assert records.keys() == frozenset()
        await records.write(RECORD)
        assert records.of(TARGET) == RECORD

    asyncio.run(Place(api_server, "records-broken").play(play))
