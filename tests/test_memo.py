"""What was found in manifests, and made of them, is remembered by their digest and no further."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import ManifestError
from cmp.manifests import ImageField, Site, find_images, rewrite
from cmp.memo import Memo
from cmp.reference import Repository
from cmp.threads import MANY_IMAGES
from tests.metering import Metered

APP = Repository("registry.example.com", "app")
DB = Repository("registry.example.com", "db")


def pod(*images: str, filling: int = 0) -> bytes:
    """A Pod with a container for each of *images*, and a comment of *filling* bytes."""
    containers = "".join(f"\n  - {{name: c, image: '{image}'}}" for image in images)
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:"
    return f"#{'x' * filling}\n{head}{containers}\n".encode()


def counts(meter: Metered) -> Counter[str]:
    """How often each memo said what."""
    return Counter(
        {
            f"{labels['memo']} {labels['result']}": int(n)
            for labels, n in meter.of("retag_memo_total")
        }
    )


def worked(memo: Memo, stream: bytes, tag: str, *fields: ImageField) -> tuple[bool, bytes]:
    """Whether *stream* is empty, and what it is with *tag* for each image of `APP`."""

    async def run() -> tuple[bool, bytes]:
        manifests = await memo.manifests(stream)
        sites = await memo.sites(manifests, {APP}, fields)
        edits = dict.fromkeys(sites, f"{APP}:{tag}")
        return await memo.is_empty(manifests), await memo.rewritten(manifests, edits)

    return asyncio.run(run())


@pytest.mark.parametrize("filling", [0, 40_000, 1_100_000], ids=["small", "long", "very long"])
def test_the_same_manifests_are_read_and_written_once(filling: int) -> None:
    meter = Metered()
    memo = Memo(meter=meter)
    stream = pod(f"{APP}:1", filling=filling)

    outputs = [worked(memo, stream, "2") for _ in range(3)]

    assert outputs == [(False, pod(f"{APP}:2", filling=filling))] * 3
    assert outputs[0][1] is outputs[1][1]
    assert counts(meter) == {
        **{f"{kind} miss": 1 for kind in ("empty", "sites", "outputs")},
        **{f"{kind} hit": 2 for kind in ("empty", "sites", "outputs")},
    }


def test_another_choice_is_another_output_of_sites_that_are_known() -> None:
    meter = Metered()
    memo = Memo(meter=meter)

    assert worked(memo, pod(f"{APP}:1"), "2")[1] == pod(f"{APP}:2")
    assert worked(memo, pod(f"{APP}:1"), "3")[1] == pod(f"{APP}:3")
    assert counts(meter)["sites hit"] == 1
    assert counts(meter)["outputs miss"] == 2


def test_other_repositories_and_fields_find_other_sites() -> None:
    memo = Memo()
    stream = b"kind: Job2\nspec: {runner: 'registry.example.com/app:1', containers: []}\n"
    field = ImageField("spec/runner")

    async def run() -> list[int]:
        manifests = await memo.manifests(stream)
        return [
            len(await memo.sites(manifests, repositories, fields))
            for repositories in ({APP}, {DB})
            for fields in ([], [field])
        ]

    assert asyncio.run(run()) == [0, 1, 0, 0]


def test_without_a_change_the_very_same_bytes_come_out() -> None:
    meter = Metered()
    stream = pod(f"{DB}:1")

    assert worked(Memo(meter=meter), stream, "2")[1] is stream
    assert "outputs miss" not in counts(meter)


def test_faults_of_manifests_are_told_each_time() -> None:
    memo = Memo()
    for _ in range(2):
        with pytest.raises(ManifestError):
            worked(memo, f"{{image: {APP}:1, containers: [".encode(), "2")


def test_what_is_larger_than_all_room_is_not_remembered() -> None:
    meter = Metered()
    memo = Memo(sites=1000, outputs=1000, meter=meter)
    stream = pod(*[f"{APP}:1"] * 2, filling=1000)

    for _ in range(2):
        assert worked(memo, stream, "2")[1] == pod(*[f"{APP}:2"] * 2, filling=1000)

    assert counts(meter)["sites miss"] == counts(meter)["outputs miss"] == 2


def test_room_is_bounded_in_bytes_and_what_is_used_is_kept() -> None:
    meter = Metered()
    memo = Memo(outputs=30_000, meter=meter)
    first, second, third = (pod(f"{APP}:1", filling=10_000 + n) for n in range(3))

    for stream in (first, second, first, third, first, second):
        worked(memo, stream, "2")

    assert counts(meter)["outputs hit"] == 2
    assert counts(meter)["outputs miss"] == 4


def test_long_names_take_their_room() -> None:
    meter = Metered()
    memo = Memo(sites=100_000, meter=meter)
    name = b"x" * 200_000
    stream = pod(f"{APP}:1").replace(b"{name: p}", b"{name: " + name + b"}")

    for _ in range(2):
        worked(memo, stream, "2")

    assert counts(meter)["sites miss"] == 2


images = st.sampled_from([f"{APP}:1", f"{APP}:2", f"{DB}:1", "registry.example.com/other"])
requests = st.lists(
    st.tuples(st.lists(images, max_size=3), st.sampled_from(["1", "2", "3"])), max_size=12
)


@given(requests, st.integers(600, 5000))
def test_whatever_is_remembered_the_answers_are_those_of_reading_anew(
    asked: list[tuple[list[str], str]], room: int
) -> None:
    memo = Memo(sites=room, outputs=room)
    for names, tag in asked:
        stream = pod(*names)
        sites: list[Site] = find_images(stream, {APP})
        expected = rewrite(stream, dict.fromkeys(sites, f"{APP}:{tag}"))

        assert worked(memo, stream, tag) == (False, expected)


def test_many_images_are_all_written_and_remembered() -> None:
    meter = Metered()
    memo = Memo(meter=meter)
    count = MANY_IMAGES + 1

    for _ in range(2):
        assert worked(memo, pod(*[f"{APP}:1"] * count), "2")[1] == pod(*[f"{APP}:2"] * count)

    assert counts(meter)["outputs hit"] == 1
