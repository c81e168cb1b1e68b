"""What a tag's manifest tells, what is asked for it, and what is remembered.

Which tag follows from it is tested with the Image Updater's own answers (tests/vectors).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cmp.errors import DeniedError, RegistryError, UnreachableError
from cmp.reference import Repository
from cmp.registry.buildtime import MOST_CHILDREN, BuildTimes, ConfigTimes, ZotTimes
from cmp.registry.documents import OCI_INDEX, OCI_MANIFEST, Descriptor
from cmp.registry.instant import NO_DATE, parse_instant
from cmp.registry.metadata import AT_ONCE, Describer
from cmp.tags import Fault, Needs, Tag
from tests.registry.memory import MemoryContent, digest_of
from tests.vectors import DATA, cases
from tests.vectors import metadata as vectors

REPOSITORY = Repository("registry.example.com", "app")
BUILT = Needs(created=True)
DIGEST = Needs(digest=True)


@dataclass
class Shelf:
    """Collects bodies; each method gives the descriptor of what it adds."""

    bodies: list[bytes] = field(default_factory=list)

    def add(self, media_type: str, document: Any) -> Descriptor:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.bodies.append(body)
        return Descriptor(media_type, digest_of(body))

    def image(self, created: str | None, platform: str = "linux/amd64") -> Descriptor:
        os, architecture = platform.split("/")
        config = {"os": os, "architecture": architecture, "created": created}
        return self.manifest(self.add("", config).digest)

    def manifest(self, config: str) -> Descriptor:
        return self.add(OCI_MANIFEST, {"config": {"digest": config}, "layers": []})

    def index(self, *children: tuple[Descriptor, str]) -> Descriptor:
        entries = []
        for manifest, platform in children:
            os, architecture = platform.split("/")
            entries.append(
                {
                    "mediaType": manifest.media_type,
                    "digest": manifest.digest,
                    "platform": {"os": os, "architecture": architecture},
                }
            )
        return self.add(OCI_INDEX, {"manifests": entries})


def describe(
    content: MemoryContent,
    needs: Needs,
    names: Sequence[str] = ("v1",),
    describer: Describer | None = None,
) -> Mapping[str, Tag]:
    describer = describer or Describer()
    return asyncio.run(describer.describe(REPOSITORY, content, names, needs))


def test_names_alone_ask_nothing() -> None:
    content = MemoryContent({}, [])

    assert {"v1": Tag("v1")} == describe(content, Needs(platforms=("linux/amd64",)))
    assert not content.asked


def test_an_image_has_the_digest_of_its_manifest_and_the_date_of_its_config() -> None:
    shelf = Shelf()
    image = shelf.image("2024-01-01T00:00:00Z")

    tags = describe(MemoryContent({"v1": image}, shelf.bodies), Needs(created=True, digest=True))

    assert tags == {"v1": Tag("v1", image.digest, parse_instant("2024-01-01T00:00:00Z"))}


def test_a_digest_that_several_tags_name_is_looked_at_once() -> None:
    shelf = Shelf()
    image = shelf.image("2024-01-01T00:00:00Z")
    names = [f"v{number}" for number in range(50)]
    content = MemoryContent(dict.fromkeys(names, image), shelf.bodies)

    tags = describe(content, BUILT, names)

    assert names == [tag.name for tag in tags.values()]
    assert {image.digest} == {tag.digest for tag in tags.values()}
    assert content.asked == {"resolve": 50, "manifest": 1, "blob": 1}


def test_what_is_known_by_digest_is_not_asked_again() -> None:
    shelf = Shelf()
    index = shelf.index((shelf.image("2024-01-01T00:00:00Z"), "linux/amd64"))
    content = MemoryContent({"v1": index}, shelf.bodies)
    describer = Describer()
    first = describe(content, BUILT, describer=describer)
    content.asked.clear()

    assert first == describe(content, BUILT, describer=describer)
    assert content.asked == {"resolve": 1}


def test_a_platform_or_a_strategy_never_leaks_into_another() -> None:
    shelf = Shelf()
    index = shelf.index(
        (shelf.image("2024-01-01T00:00:00Z"), "linux/amd64"),
        (shelf.image("2024-02-01T00:00:00Z", "linux/arm64"), "linux/arm64"),
    )
    content = MemoryContent({"v1": index}, shelf.bodies)
    describer = Describer()
    needs = [
        DIGEST,
        BUILT,
        Needs(created=True, platforms=("linux/amd64",)),
        Needs(created=True, platforms=("linux/arm64",)),
        Needs(digest=True, platforms=("windows/amd64",)),
    ]

    together = [describe(content, each, describer=describer)["v1"] for each in needs]

    assert together == [describe(content, each)["v1"] for each in needs]
    assert [tag.created for tag in together] == [
        None,
        parse_instant("2024-02-01T00:00:00Z"),
        parse_instant("2024-01-01T00:00:00Z"),
        parse_instant("2024-02-01T00:00:00Z"),
        None,
    ]
    assert together[-1].fault is Fault.MALFORMED


def test_the_same_bytes_under_another_media_type_are_another_document() -> None:
    shelf = Shelf()
    image = shelf.image("2024-01-01T00:00:00Z")
    other = Descriptor("application/json", image.digest)
    content = MemoryContent({"v1": image, "v2": other}, shelf.bodies)

    tags = describe(content, BUILT, ("v1", "v2"))

    assert tags["v1"].fault is None
    assert tags["v2"].fault is Fault.MALFORMED


def test_memory_is_bounded_and_too_large_an_index_is_not_kept() -> None:
    shelf = Shelf()
    child = shelf.image("2024-01-01T00:00:00Z")
    index = shelf.index(*[(child, "linux/amd64")] * 20)
    content = MemoryContent({"v1": index}, shelf.bodies)
    describer = Describer(remembered=2)

    first = describe(content, BUILT, describer=describer)

    assert first["v1"].fault is None
    assert first == describe(content, BUILT, describer=describer)
    assert content.asked == {"resolve": 2, "manifest": 3, "blob": 1}


FAULTS = [
    (UnreachableError("RT507", "the connection broke"), Fault.UNREADABLE),
    (DeniedError("RT503", "no right to read it"), Fault.UNREADABLE),
    (RegistryError("RT500", "something else"), Fault.UNREADABLE),
]


@pytest.mark.parametrize("level", ["tag", "manifest", "config"])
@pytest.mark.parametrize(("error", "fault"), FAULTS)
def test_a_passing_fault_makes_the_tag_unreadable(
    level: str, error: RegistryError, fault: Fault
) -> None:
    shelf = Shelf()
    image = shelf.image("2024-01-01T00:00:00Z")
    good = shelf.image("2024-02-01T00:00:00Z")
    names = {"tag": "v1", "manifest": image.digest, "config": digest_of(shelf.bodies[0])}
    content = MemoryContent({"v1": image, "v2": good}, shelf.bodies, faults={names[level]: error})

    tags = describe(content, BUILT, ("v1", "v2"))

    assert fault is tags["v1"].fault
    assert error.brief == tags["v1"].detail
    assert tags["v2"].fault is None


def test_a_tag_that_is_not_there_is_gone() -> None:
    assert describe(MemoryContent({}, []), BUILT)["v1"].fault is Fault.GONE


@pytest.mark.parametrize("missing", [0, 1], ids=["config", "manifest"])
def test_a_tag_whose_content_is_not_there_is_gone(missing: int) -> None:
    shelf = Shelf()
    content = MemoryContent({"v1": shelf.image("2024-01-01T00:00:00Z")}, shelf.bodies)
    del content.bodies[digest_of(shelf.bodies[missing])]

    assert describe(content, BUILT)["v1"].fault is Fault.GONE


def test_content_that_is_not_what_its_digest_says_is_malformed() -> None:
    shelf = Shelf()
    image = shelf.image("2024-01-01T00:00:00Z")
    content = MemoryContent({"v1": image}, shelf.bodies)
    content.bodies[image.digest] += b" "

    tag = describe(content, DIGEST)["v1"]

    assert tag.fault is Fault.MALFORMED
    assert tag.digest is None


def test_a_config_that_is_not_what_its_digest_says_is_malformed() -> None:
    shelf = Shelf()
    content = MemoryContent({"v1": shelf.image("2024-01-01T00:00:00Z")}, shelf.bodies)
    content.bodies[digest_of(shelf.bodies[0])] += b" "

    tag = describe(content, BUILT)["v1"]

    assert tag.fault is Fault.MALFORMED
    assert "not what its digest" in tag.detail


def test_the_digest_of_an_image_is_told_even_where_its_date_is_missing() -> None:
    shelf = Shelf()
    image = shelf.image(None)

    tag = describe(MemoryContent({"v1": image}, shelf.bodies), DIGEST)["v1"]

    assert tag.fault is Fault.MALFORMED
    assert image.digest == tag.digest


def test_a_config_whose_digest_leads_elsewhere_is_not_asked_for() -> None:
    shelf = Shelf()
    content = MemoryContent({"v1": shelf.manifest("sha256:../../secret")}, shelf.bodies)

    assert describe(content, BUILT)["v1"].fault is Fault.MALFORMED
    assert content.asked["blob"] == 0


@pytest.mark.parametrize("times", [ConfigTimes(), ZotTimes()], ids=["opened", "digest alone"])
def test_a_tag_whose_digest_leads_elsewhere_is_not_asked_for(times: BuildTimes) -> None:
    content = MemoryContent({"v1": Descriptor(OCI_MANIFEST, "sha256:../../secret")}, [])
    tag = describe(content, DIGEST, describer=Describer(times=times))["v1"]

    assert (tag.fault, tag.digest) == (Fault.MALFORMED, None)
    assert content.asked["manifest"] == 0


class CountingContent(MemoryContent):
    """Content that is not there at once, and counts the most that were asked for together."""

    waiting = 0
    most = 0

    async def resolve(self, tag: str) -> Descriptor:
        """The manifest that *tag* names, a moment later."""
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0)
        self.waiting -= 1
        return await super().resolve(tag)


def test_only_some_questions_are_under_way_at_once() -> None:
    content = CountingContent({}, [])
    describe(content, DIGEST, [f"v{number}" for number in range(50)])

    assert content.most == AT_ONCE


def test_an_index_counts_as_built_at_the_epoch_if_its_image_was() -> None:
    shelf = Shelf()
    index = shelf.index((shelf.image("1970-01-01T00:00:00Z"), "linux/amd64"))

    assert describe(MemoryContent({"v1": index}, shelf.bodies), BUILT)["v1"].created == 0


def test_a_child_that_contradicts_the_index_counts_as_without_a_date() -> None:
    shelf = Shelf()
    index = shelf.index((shelf.image("2024-01-01T00:00:00Z", "linux/arm64"), "linux/amd64"))
    needs = Needs(created=True, platforms=("linux/amd64",))

    assert describe(MemoryContent({"v1": index}, shelf.bodies), needs)["v1"].created == NO_DATE


def test_an_index_within_an_index_is_opened_and_each_child_once() -> None:
    shelf = Shelf()
    image = shelf.image("2024-01-01T00:00:00Z")
    inner = shelf.index((image, "linux/amd64"), (image, "linux/amd64"))
    outer = shelf.index((inner, "linux/amd64"), (image, "linux/amd64"), (inner, "linux/amd64"))
    content = MemoryContent({"v1": outer}, shelf.bodies)

    tag = describe(content, BUILT)["v1"]

    assert tag.created == parse_instant("2024-01-01T00:00:00Z")
    assert content.asked == {"resolve": 1, "manifest": 3, "blob": 1}


def test_a_child_that_many_indexes_name_counts_once() -> None:
    shelf = Shelf()
    images = [shelf.image(f"2024-01-01T00:{n // 60:02}:{n % 60:02}Z") for n in range(100)]
    children = [(image, "linux/amd64") for image in images]
    indexes = [shelf.index(*children, (image, "linux/amd64")) for image in images[:10]]
    content = MemoryContent(
        {"v1": shelf.index(*[(i, "linux/amd64") for i in indexes])}, shelf.bodies
    )

    assert describe(content, BUILT)["v1"].created == parse_instant("2024-01-01T00:01:39Z")


def test_indexes_are_opened_only_so_far() -> None:
    shelf = Shelf()
    nested = shelf.image("2024-01-01T00:00:00Z")
    for _ in range(MOST_CHILDREN + 1):
        nested = shelf.index((nested, "linux/amd64"))
    content = MemoryContent({"v1": nested}, shelf.bodies)

    tag = describe(content, BUILT)["v1"]

    assert tag.fault is Fault.MALFORMED
    assert "more than" in tag.detail
    assert content.asked["manifest"] <= MOST_CHILDREN + 1


def test_a_wide_index_is_refused_before_its_children_are_opened() -> None:
    shelf = Shelf()
    children = [Descriptor(OCI_MANIFEST, f"sha256:{n:064x}") for n in range(MOST_CHILDREN + 1)]
    wide = shelf.index(*[(child, "linux/amd64") for child in children])
    content = MemoryContent({"v1": wide}, shelf.bodies)

    assert describe(content, BUILT)["v1"].fault is Fault.MALFORMED
    assert content.asked == {"resolve": 1, "manifest": 1}


@pytest.mark.parametrize("case", list(cases(DATA / "metadata.jsonl")), ids=lambda case: case["id"])
def test_no_more_is_asked_than_the_image_updater_asks(case: dict[str, Any]) -> None:
    content = vectors.content(case)

    vectors.describe(case, content)

    peers = case["expect"]["requests"]
    assert content.asked["manifest"] <= peers.get("GET manifests", 0)
    assert content.asked["blob"] <= peers.get("GET blobs", 0)
