"""A Zot storage root or an OCI image layout, read as it lies on disk."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

from cmp.errors import BadReplyError, NotFoundError, UnreachableError
from cmp.reference import Repository
from cmp.registry import layout
from cmp.registry.instant import parse_instant
from cmp.registry.layout import LayoutSource
from cmp.registry.metadata import LARGEST_DOCUMENT
from cmp.tags import Fault, Listing, Needs, Tag
from examples import zot_storage
from examples.zot_storage import Image, Tagged, both

HOST = "registry.example.com"
APP = Repository(HOST, "app")
BUILT = Needs(created=True)
JANUARY, FEBRUARY = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"
EXAMPLE: Mapping[str, Tagged] = {"v1": Image(JANUARY), "v2": both(FEBRUARY)}


async def no_pause(_seconds: float) -> None:
    """Waits for nothing."""


def source(root: Path, *, serves: str = "") -> LayoutSource:
    return LayoutSource(root, clock=lambda: 1000.0, pause=no_pause, serves=serves)


def list_tags(root: Path, repository: Repository = APP, *, serves: str = "") -> Listing:
    return asyncio.run(source(root, serves=serves).list_tags(repository))


def describe(root: Path, names: Sequence[str], needs: Needs = BUILT) -> Mapping[str, Tag]:
    return asyncio.run(source(root).describe(APP, names, needs))


def blob(root: Path, digest: str | None) -> Path:
    assert digest is not None
    return root / "app" / "blobs" / digest.replace(":", "/")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A storage root with the repository `app`."""
    zot_storage.write_repository(tmp_path, "app", EXAMPLE)
    return tmp_path


def test_a_listing_has_all_tags_in_the_order_of_the_pushes(root: Path) -> None:
    tags: dict[str, Tagged] = dict.fromkeys(["v2", "v10", "latest", "v1"], Image(JANUARY))
    zot_storage.write_repository(root, "app", tags)

    listing = list_tags(root)

    assert listing.names == ("v2", "v10", "latest", "v1")
    assert (listing.repository, listing.observed_at) == (APP, 1000.0)


def test_tags_are_described_by_their_manifests(root: Path) -> None:
    tags = describe(root, ["v1", "v2"], Needs(created=True, platforms=("linux/arm64",)))

    assert tags["v1"].fault is Fault.MALFORMED
    assert tags["v1"].detail == "no image for linux/arm64"
    assert tags["v2"].created == parse_instant(FEBRUARY)
    assert blob(root, tags["v2"].digest).is_file()


def test_a_tag_that_is_not_listed_is_gone(root: Path) -> None:
    assert describe(root, ["v3"])["v3"].fault is Fault.GONE


def test_manifests_without_a_tag_are_not_listed(root: Path) -> None:
    folder = root / "app"
    untagged = zot_storage.write_image(folder, Image(FEBRUARY))
    empty_name = zot_storage.tag_descriptor(folder, "", Image(FEBRUARY))
    zot_storage.write_index(folder, [untagged, empty_name])

    assert list_tags(root).names == ()


def test_of_two_descriptors_for_a_tag_the_first_counts(root: Path) -> None:
    folder = root / "app"
    descriptors = [zot_storage.tag_descriptor(folder, "v1", Image(t)) for t in (FEBRUARY, JANUARY)]
    zot_storage.write_index(folder, descriptors)

    assert list_tags(root).names == ("v1",)
    assert describe(root, ["v1"])["v1"].created == parse_instant(FEBRUARY)


def test_tags_outside_the_grammar_are_listed_as_they_are(root: Path) -> None:
    names = [
        "1.0.0+build2",
        "-x",
        "a:b",
        "a@b",
        "x" * 300,
        "a%0Ab",
        "ü",
        "a\nb",
        "../../etc/passwd",
    ]
    zot_storage.write_repository(root, "app", dict.fromkeys(names, Image(JANUARY)))

    assert list_tags(root).names == tuple(names)


def test_repositories_nest(root: Path) -> None:
    zot_storage.write_repository(root, "app/web", {"w1": Image(JANUARY)})
    zot_storage.write_repository(root, "team/sub/app", {"t1": Image(JANUARY)})

    assert list_tags(root).names == ("v1", "v2")
    assert list_tags(root, Repository(HOST, "app/web")).names == ("w1",)
    assert list_tags(root, Repository(HOST, "team/sub/app")).names == ("t1",)


def test_a_repository_of_20_000_tags_is_listed_whole(root: Path) -> None:
    folder = root / "app"
    one = zot_storage.tag_descriptor(folder, "v1", Image(JANUARY))
    annotations = [{zot_storage.REF_NAME: f"v1.{number}"} for number in range(20_000)]
    zot_storage.write_index(folder, [one | {"annotations": each} for each in annotations])

    listing = list_tags(root)

    assert len(listing.names) == 20_000
    assert listing.names[-1] == "v1.19999"


# Which repository is meant


@pytest.mark.parametrize("path", ["ap", "team/app", "apps"])
def test_a_missing_repository_is_not_found(root: Path, path: str) -> None:
    with pytest.raises(NotFoundError, match=f"there is no repository {HOST}/{path}"):
        list_tags(root, Repository(HOST, path))


def test_a_missing_repository_is_told_with_the_nearest_names(root: Path) -> None:
    zot_storage.write_repository(root, "team/profanity-api", {"v1": Image(JANUARY)})

    with pytest.raises(NotFoundError) as caught:
        list_tags(root, Repository(HOST, "team/profanity-apo"))

    assert caught.value.remedy == "did you mean team/profanity-api?"


def test_names_are_looked_for_only_so_far(root: Path) -> None:
    for number in range(layout.MOST_FOLDERS + 10):
        (root / f"a{number}").mkdir()

    with pytest.raises(NotFoundError) as caught:
        list_tags(root, Repository(HOST, "apps"))

    assert caught.value.remedy == ""


@pytest.mark.parametrize("path", ["", "..", "../app", "App", "app/", "a//b", "app\0", "a" * 256])
def test_what_is_no_repository_name_is_refused(root: Path, path: str) -> None:
    with pytest.raises(BadReplyError, match="not a repository's name"):
        list_tags(root, Repository(HOST, path))


# One image layout, as skopeo, crane or buildkit write it


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """An image layout directory whose tag is named in each of the ways that tools have."""
    folder = tmp_path / "layout"
    names = [
        "v1",
        f"{HOST}/team/app:v2",
        f"{HOST}/team/app@sha256:{'a' * 64}",
        f"{HOST}/team/other:v3",
        "docker.io/library/nginx:v4",
        "not/A/reference",
    ]
    zot_storage.write_repository(folder.parent, "layout", dict.fromkeys(names, Image(JANUARY)))
    return folder


def test_a_single_layout_stands_for_the_repository_it_is_said_to_be(single: Path) -> None:
    listing = list_tags(single, Repository(HOST, "team/app"), serves="team/app")

    assert listing.names == ("v1", "v2", "not/A/reference")


@pytest.mark.parametrize("serves", ["", "team", "team/other"])
def test_a_single_layout_stands_for_no_other_repository(single: Path, serves: str) -> None:
    with pytest.raises(NotFoundError, match="one image layout"):
        list_tags(single, Repository(HOST, "team/app"), serves=serves)


# Faults of what a tag names


def test_a_corrupt_blob_is_malformed_and_its_neighbours_are_not(root: Path) -> None:
    digests = describe(root, ["v1", "v2"])
    blob(root, digests["v1"].digest).write_bytes(b"{}")

    tags = describe(root, ["v1", "v2"])

    assert tags["v1"].fault is Fault.MALFORMED
    assert "not what its digest" in tags["v1"].detail
    assert tags["v2"].fault is None


def test_a_missing_blob_is_gone(root: Path) -> None:
    blob(root, describe(root, ["v1"])["v1"].digest).unlink()

    assert describe(root, ["v1"])["v1"].fault is Fault.GONE


def test_a_blob_larger_than_any_manifest_is_malformed(root: Path) -> None:
    with blob(root, describe(root, ["v1"])["v1"].digest).open("r+b") as file:
        file.truncate(LARGEST_DOCUMENT + 1)

    assert describe(root, ["v1"])["v1"].fault is Fault.MALFORMED


def test_a_blob_that_is_a_link_is_malformed(root: Path) -> None:
    path = blob(root, describe(root, ["v1"])["v1"].digest)
    path.rename(root / "elsewhere")
    path.symlink_to(root / "elsewhere")

    assert describe(root, ["v1"])["v1"].fault is Fault.MALFORMED


def test_a_digest_that_is_a_path_is_malformed(root: Path) -> None:
    (root / "secret").write_text("secret")
    evil = {"mediaType": zot_storage.MANIFEST, "digest": "sha256:../../../secret", "size": 6}
    zot_storage.write_index(root / "app", [evil | {"annotations": {zot_storage.REF_NAME: "v1"}}])

    tag = describe(root, ["v1"])["v1"]

    assert tag.fault is Fault.MALFORMED
    assert "is not a digest" in tag.detail


# Faults of the index


def test_an_index_behind_a_linked_repository_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "linked").symlink_to(tmp_path / "app")

    with pytest.raises(BadReplyError, match="not a regular file"):
        list_tags(root, Repository(HOST, "linked"))


def test_a_pipe_in_the_place_of_the_index_does_not_hang(root: Path) -> None:
    (root / "app" / "index.json").unlink()
    os.mkfifo(root / "app" / "index.json")

    with pytest.raises(BadReplyError, match="not a regular file"):
        list_tags(root)


def test_an_index_larger_than_any_is_refused(root: Path) -> None:
    with (root / "app" / "index.json").open("r+b") as file:
        file.truncate(layout.LARGEST_INDEX + 1)

    with pytest.raises(BadReplyError, match="larger than"):
        list_tags(root)


def test_an_index_without_manifests_is_a_repository_without_tags(root: Path) -> None:
    zot_storage.write_index(root / "app", [])

    assert list_tags(root).names == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"manifests":[',
        b"null",
        b'{"manifests":{}}',
        b'{"config":{}}',
        b"\xff",
        b"{}",
        b'{"errors":[]}',
        b'{"manifests":null}',
        b'{"manifests":[null]}',
        b'{"manifests":[],"layers":[]}',
    ],
)
def test_an_index_that_stays_unreadable_is_unreachable_after_some_tries(
    root: Path, body: bytes
) -> None:
    (root / "app" / "index.json").write_bytes(body)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    long_after = LayoutSource(root, clock=lambda: 1e12, pause=pause)
    with pytest.raises(UnreachableError, match="being rewritten"):
        asyncio.run(long_after.list_tags(APP))

    assert pauses == sorted(pauses)
    assert 1 < len(pauses) < 10
    assert 0.1 < sum(pauses) < 1


def test_an_index_that_is_written_in_place_is_read_once_it_is_whole(root: Path) -> None:
    index = root / "app" / "index.json"
    states = iter([b"", index.read_bytes()[:50], index.read_bytes()])

    async def pause(_seconds: float) -> None:
        index.write_bytes(next(states))

    long_after = LayoutSource(root, clock=lambda: 1e12, pause=pause)

    assert asyncio.run(long_after.list_tags(APP)).names == ("v1", "v2")


def test_only_a_fresh_index_is_waited_for_before_the_second_look(root: Path) -> None:
    written = (root / "app" / "index.json").stat().st_mtime
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    for age in (0.0, 1.0, 3.0, -5.0):
        layout_source = LayoutSource(
            root, clock=itertools.repeat(written + age).__next__, pause=pause
        )
        asyncio.run(layout_source.list_tags(APP))

    assert pauses == [0, 0.01, 0, 0.01, 0, 0, 0.01]


def test_a_listing_is_whole_or_an_error_while_the_index_is_rewritten(root: Path) -> None:
    index = root / "app" / "index.json"
    line = json.loads(index.read_bytes())["manifests"][0]
    # Of one length, and with lines that fit together, so that halves of two are JSON, too.
    names = [tuple(f"{letter}{number:05}" for number in range(3000)) for letter in "ab"]
    versions = [
        json.dumps(
            {"manifests": [line | {"annotations": {zot_storage.REF_NAME: n}} for n in all_]}
        )
        for all_ in names
    ]
    index.write_text(versions[0])

    with Writer(index, [version.encode() for version in versions]) as writer:
        steps = LayoutSource(root, clock=lambda: 0, pause=writer.next_steps)
        seen = {names_or_none(steps) for _ in range(20)}

    assert seen & set(names)
    assert seen <= {*names, None}


class Writer(threading.Thread):
    """Writes *index* in place, piece by piece, each of *versions* twice, until it is left.

    It waits for who reads, so that it never comes round to the same mixture between two looks.
    """

    def __init__(self, index: Path, versions: Sequence[bytes]) -> None:
        super().__init__()
        self.index = index
        self.versions = versions
        self.steps = 0
        self.allowed = 0
        self.stopped = False
        self.stepped = threading.Condition()

    def run(self) -> None:
        for version in itertools.cycle(each for each in self.versions for _ in range(2)):
            with self.index.open("r+b", buffering=0) as file:
                for start in range(0, len(version), 100_000):
                    file.write(version[start : start + 100_000])
                    with self.stepped:
                        self.steps += 1
                        self.stepped.notify_all()
                        self.stepped.wait_for(lambda: self.stopped or self.steps < self.allowed)
            if self.stopped:
                return

    async def next_steps(self, _seconds: float) -> None:
        """Waits until a whole step was made."""
        with self.stepped:
            begun = self.steps
            self.allowed = begun + 4
            self.stepped.notify_all()
            self.stepped.wait_for(lambda: self.steps > begun + 1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.stepped:
            self.stopped = True
            self.stepped.notify_all()
        self.join()


def names_or_none(layout_source: LayoutSource) -> tuple[str, ...] | None:
    """The names of a listing; None where it is unreachable."""
    try:
        return asyncio.run(layout_source.list_tags(APP)).names
    except UnreachableError:
        return None
