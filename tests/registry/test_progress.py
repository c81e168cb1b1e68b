"""How far a look-up is: how many of how many tags are read, whoever reads them."""

from __future__ import annotations

import asyncio

from cmp.errors import UnreachableError
from cmp.registry.documents import Descriptor
from cmp.registry.metadata import Describer
from cmp.registry.progress import Progress, current, reporting
from cmp.tags import Fault, Needs
from tests.registry.memory import MemoryContent
from tests.registry.origin import settle
from tests.registry.test_metadata import REPOSITORY, Shelf


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert str(Progress()) == ""


def test_a_tag_counts_when_both_its_steps_are_done_and_followed_questions_count_too() -> None:
    whole, part = Progress(), Progress()
    whole.follow(part)
    whole.expect(1)
    whole.advance()
    part.expect(1999)
    part.advance(2000)

    assert str(whole) == "1,000 of 2,000 tags"


def test_no_more_tags_are_read_than_there_are() -> None:
    progress = Progress()
    progress.expect(1)
    progress.advance(6)

    assert str(progress) == "1 of 1 tags"


def test_what_is_told_outside_a_look_up_is_told_to_nobody() -> None:
    progress = Progress()
    with reporting(progress):
        assert current() is progress
    current().expect(5)

    assert str(progress) == ""


class Held(MemoryContent):
    """Content whose blobs are given while *gate* is open."""

    gate: asyncio.Event

    async def blob(self, digest: str) -> bytes:
        """The bytes, in time."""
        await self.gate.wait()
        return await super().blob(digest)


def test_a_describer_tells_how_many_tags_it_has_read() -> None:
    shelf = Shelf()
    images = [shelf.image(f"2024-01-0{day}T00:00:00Z") for day in (1, 2)]
    tags = dict(zip("abcde", [*images, images[0], images[0]], strict=False))
    content = Held(tags, shelf.bodies)
    told: list[str] = []

    async def run() -> None:
        content.gate = asyncio.Event()
        progress = Progress()
        with reporting(progress):
            looking = asyncio.ensure_future(
                Describer().describe(REPOSITORY, content, [*tags, "gone"], Needs(created=True))
            )
        await settle()
        await settle()
        told.append(str(progress))
        content.gate.set()
        await looking
        told.append(str(progress))

    asyncio.run(run())

    assert told == ["3 of 5 tags", "5 of 5 tags"]


def test_what_was_read_before_a_look_up_ended_is_not_read_again() -> None:
    shelf = Shelf()
    tags: dict[str, Descriptor] = {
        f"v{day}": shelf.image(f"2024-01-{day:02}T00:00:00Z") for day in range(1, 21)
    }
    trouble = UnreachableError("RT540", "no answer")
    faults = {tags[f"v{day}"].digest: trouble for day in range(11, 21)}
    content = MemoryContent(tags, shelf.bodies, faults=faults)
    describer = Describer()

    async def look() -> int:
        found = await describer.describe(REPOSITORY, content, list(tags), Needs(created=True))
        return sum(tag.fault is Fault.UNREADABLE for tag in found.values())

    assert asyncio.run(look()) == 10
    assert content.asked["blob"] == 10
    content.faults = {}
    content.asked.clear()
    assert asyncio.run(look()) == 0
    assert content.asked["blob"] == content.asked["manifest"] == 10
